"""Networks made ready to run: one session each, for all cores at once and for all plans that need it.

A session with one thread computes on the thread that calls it, and may be called by several at once: so each core works
on its own frame, and the weights, packed as the processor likes them, are there once. A set of sessions for each core
takes the same processor time and a copy of the weights per core. All sessions take the memory of a run from one arena.
Eight networks of the size of EfficientNet-Lite0 on two cores: 234 MB; with sets per core and an arena each, 560 MB.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from rheostat.errors import DataError, MissingExtraError, unknown_name
from rheostat.share.base import Base
from rheostat.share.package.document import Package
from rheostat.share.runner.networks import INPUT, OUTPUT, merged
from rheostat.share.runner.plain import read_plain

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Floats = npt.NDArray[np.float32]
PROVIDERS = ("CPUExecutionProvider",)
_ERRORS_ONLY = 3


def open_session(content: bytes, providers: Sequence[str] = PROVIDERS) -> InferenceSession:
    """Open a network that computes on the thread that runs it, and starts none.

    Args:
        content: An ONNX file.
        providers: Names of onnxruntime's execution providers, the first that can take a node has it.

    Raises:
        SettingsError: A provider is not in this onnxruntime.
        DataError: It is not plain ONNX, or no network that onnxruntime can run.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime is missing: pip install 'rheostat[edge]'") from None
    for name in providers:
        if name not in (known := onnxruntime.get_available_providers()):
            raise unknown_name("execution provider of onnxruntime", name, known)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    for pool in ("intra_op", "inter_op"):
        options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
    read_plain(content)
    _share_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        return onnxruntime.InferenceSession(content, options, providers=list(providers))
    except _refusals() as error:
        raise DataError(f"onnxruntime refuses a network ({_first_line(error)}): export or make it anew") from None


def run(session: InferenceSession, value: Floats) -> Floats:
    """Send one tensor through a network.

    From network to network it goes as a numpy array: onnxruntime's own tensors take longer to hand over (0.05 ms
    against 0.01), and hold no memory of the arena.

    Raises:
        DataError: The network does not take such a tensor, or fails.
    """
    try:
        return np.asarray(session.run([OUTPUT], {INPUT: value})[0])
    except _refusals() as error:
        raise DataError(f"a network fails ({_first_line(error)}): export or make it anew") from None


class Sessions:
    """The networks that are open. One that is asked for again is the same; one that nobody holds any more is closed.

    Args:
        base: Whose layers the stretches are.
        providers: As for `open_session`.
    """

    def __init__(self, base: Base, *, providers: Sequence[str]) -> None:
        self._base, self._providers = base, tuple(providers)
        self._open: WeakValueDictionary[str, InferenceSession] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._open)

    def stretch(self, start: int, end: int) -> InferenceSession:
        """Layers `start` to `end` - 1 of the base.

        Raises:
            StateError: A layer's file is missing, or another.
            DataError: The layers cannot be run.
        """
        layers = range(start, end)
        key = hashlib.sha256("".join(self._base.layers[layer].sha256 for layer in layers).encode()).hexdigest()
        return self._of(key, lambda: merged([self._base.content(layer) for layer in layers]))

    def head(self, package: Package, frozen: int) -> InferenceSession:
        """The head of an app.

        Raises:
            StateError: The package has none at `frozen`, or its file is missing, or another.
            DataError: The head cannot be run, or does not give one number per class of the app.
        """
        session = self._of(package.variant(frozen).sha256, lambda: package.content(frozen))
        given, classes = session.get_outputs()[0].shape[-1], len(package.document.classes)
        if given != classes:
            raise DataError(
                f"package {package.name!r}: its head at {frozen} gives {given} numbers per picture: must be {classes}, "
                "one per class: make the package anew"
            )
        return session

    def _of(self, key: str, content: Callable[[], bytes]) -> InferenceSession:
        session = self._open.get(key)
        if session is None:
            session = self._open[key] = open_session(content(), self._providers)
        return session


@cache
def _share_memory() -> None:
    """Have all sessions of this process that ask for it take their memory from one arena."""
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_onnxruntime_has_it = -1
    arena = onnxruntime.OrtArenaCfg(0, as_onnxruntime_has_it, as_onnxruntime_has_it, as_onnxruntime_has_it)
    onnxruntime.create_and_register_allocator(memory, arena)


def _refusals() -> tuple[type[Exception], ...]:
    """What onnxruntime raises; it has no common ancestor for that."""
    raised = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
    return tuple(getattr(raised, name) for name in names)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
