"""What each layer of a base costs on this node, measured the way it will be run.

A runner never runs a layer alone: it runs stretches from the input to a joint, and heads from a joint to the end, each
as one network that onnxruntime optimises as a whole. So these are what is measured: for every joint k the time P_k of
the layers before it and S_k of those after it. A cut costs a little, P_k + S_k > T, the time of the whole. The layers'
numbers are those with the least squared error in all P_k and S_k at once, T among them: each running sum is as near as
can be to the middle of P_k and what S_k leaves of the sum of all, and that sum is a little above T. Where noise would
give a layer less than no time, it is pooled with its neighbours.

The head of an app tells two classes where the base's own tells a thousand, and for one picture the time of that
product is the time to read its weights (0.3 of the 10 ms of EfficientNet-Lite0). So the last layer is measured with
two.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from rheostat.errors import SettingsError, StateError
from rheostat.records import environment, write_json
from rheostat.share.base import Base, Sha256
from rheostat.share.checking import SCHEMA, AtLeastZero, CountAboveZero, Entry, Name, read_document, whole
from rheostat.share.frames import prepared
from rheostat.share.runner.networks import merged, two_classes
from rheostat.share.runner.sessions import PROVIDERS, open_session, run

PROFILE_FILE = "profile.json"
_SIZES = ((640, 360), (1280, 720))  # of the pictures whose preparation is measured, width and height
Floats = npt.NDArray[np.float64]


class Profile(Entry):
    """What `profile.json` says. All times are of the processor, in milliseconds of one core, for one picture.

    Attributes:
        base: Hash of the base.
        processor, machine, onnxruntime, providers: What it was measured on and with.
        rounds: Every time is a median over so many.
        core_ms: Of each layer, at least 0, the last one with two classes; they sum to a little more than
            the time of the whole base.
        before, after: P_k and S_k as measured, for each joint k from 0 to the number of layers.
        spread: Of the whole base's time, the difference of its quartiles.
        prepare_ms, prepare_small_ms: Of resizing a picture of 1280 x 720 pixels, and of 640 x 360, and normalising it.
    """

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    base: Sha256
    processor: Name
    machine: Name
    onnxruntime: Name
    providers: tuple[Name, ...]
    rounds: CountAboveZero
    core_ms: tuple[AtLeastZero, ...] = Field(min_length=2)
    before: tuple[AtLeastZero, ...]
    after: tuple[AtLeastZero, ...]
    spread: AtLeastZero
    prepare_ms: AtLeastZero
    prepare_small_ms: AtLeastZero
    threads: Annotated[Literal[1], whole] = 1

    @property
    def whole_ms(self) -> float:
        """Of the whole base, uncut."""
        return self.before[-1]

    def picture_ms(self, width: int = 1280, height: int = 720) -> float:
        """Of preparing a picture of that size in pixels: on the line through the two that were measured."""
        (small, small_ms), (large, large_ms) = zip(_SIZES, (self.prepare_small_ms, self.prepare_ms), strict=True)
        per_pixel = max(0.0, large_ms - small_ms) / (_pixels(large) - _pixels(small))
        return max(0.0, large_ms + per_pixel * (width * height - _pixels(large)))

    def differs_from_here(self) -> str | None:
        """In which way the node it was measured on is another than this one; None if in none.

        Its numbers then say how the layers compare, and not what they cost.
        """
        there, here = (self.processor, self.machine, self.onnxruntime), _here()
        names = ("processor", "machine", "onnxruntime")
        told = [f"{name} {old} and not {new}" for name, old, new in zip(names, there, here, strict=True) if old != new]
        return f"the profile was measured with {', '.join(told)}: measure it anew" if told else None


def read_profile(base: Base) -> Profile:
    """Read the profile in the folder of a base.

    Raises:
        SettingsError: There is none, or it is wrong in itself.
        StateError: It is of another base.
    """
    profile = read_document(Profile, base.folder / PROFILE_FILE, "profile")
    _must_be_of(base, profile)
    return profile


def write_profile(base: Base, profile: Profile) -> Path:
    """Write the profile into the folder of its base, whole or not at all.

    Raises:
        StateError: It is of another base.
    """
    _must_be_of(base, profile)
    path = base.folder / PROFILE_FILE
    write_json(path, profile.model_dump(mode="json", by_alias=True))
    return path


def measure(
    base: Base,
    *,
    rounds: int = 5,
    providers: Sequence[str] = PROVIDERS,
    progress: Callable[[float], None] | None = None,
) -> Profile:
    """Measure a base on this node, on one core; other work on the node makes it less certain, and not much slower.

    Every round goes once through all joints, and at each the whole base runs in turns with its two sides. What counts
    is their share of it: what disturbs the node for a while disturbs all of them alike.

    Args:
        base: Whose layers to measure.
        rounds: At least 3.
        providers: As the runner will be given.
        progress: Told the share that is done, in [0, 1].

    Raises:
        SettingsError: `rounds` is below 3, or a provider is not in this onnxruntime.
        StateError: A layer is missing, or another.
        DataError: The layers cannot be run.
    """
    if rounds < 3:
        raise SettingsError(f"rounds is {rounds}: must be at least 3, or a median says little")
    contents = [base.content(layer) for layer in range(len(base.layers))]
    contents[-1] = two_classes(contents[-1])
    whole_base = _pass_through(merged(contents), _entry(base, 0), providers)
    times = np.zeros((rounds, len(contents) - 1, 3))
    for turn in range(rounds):
        for joint, sides in enumerate(_sides(base, contents, providers), 1):
            times[turn, joint - 1] = interleaved([*sides, whole_base])
            if progress is not None:
                progress((turn + joint / (len(contents) - 1)) / rounds)
    total = float(np.median(times[..., 2]))
    before, after = (np.median(times[..., side] / times[..., 2], axis=0) * total for side in range(2))
    before, after = np.array([0.0, *before, total]), np.array([total, *after, 0.0])
    processor, machine, version = _here()
    return Profile(
        schema=SCHEMA,
        base=base.document.hash,
        processor=processor,
        machine=machine,
        onnxruntime=version,
        providers=tuple(providers),
        rounds=rounds,
        core_ms=tuple(per_layer(before, after).tolist()),
        before=tuple(before.tolist()),
        after=tuple(after.tolist()),
        spread=float(np.subtract(*np.quantile(times[..., 2], [0.75, 0.25]))),
        prepare_ms=_prepare_ms(base, _SIZES[1]),
        prepare_small_ms=_prepare_ms(base, _SIZES[0]),
    )


def per_layer(before: Floats, after: Floats) -> Floats:
    """One number per layer [L], at least 0, from the times [L + 1] before and after each joint (see the module).

    `before[L]` and `after[0]` are the time of the whole.
    """
    cuts = (before + after)[1:-1] - before[-1]
    total = before[-1] + max(cuts.sum() / (len(cuts) + 4), 0.0)  # the whole is told twice, each time by one number
    middles = (before + total - after) / 2
    middles[0], middles[-1] = 0.0, total
    return np.diff(np.clip(_increasing(middles), 0.0, total))


def _increasing(values: Floats) -> Floats:
    """The non-decreasing sequence with the least squared distance to `values`: neighbours in disorder are pooled."""
    pools: list[tuple[float, int]] = []
    for value in values.tolist():
        mean, size = value, 1
        while pools and pools[-1][0] > mean:
            other, number = pools.pop()
            mean, size = (mean * size + other * number) / (size + number), size + number
        pools.append((mean, size))
    return np.repeat([mean for mean, _ in pools], [size for _, size in pools])


def interleaved(works: Sequence[Callable[[], object]], *, turns: int = 5) -> list[float]:
    """Median processor time of this thread for each of `works`, in milliseconds, over turns that go through all.

    One turn more, the first, does not count.
    """
    times = np.zeros((turns + 1, len(works)))
    for turn in times:
        for number, work in enumerate(works):
            began = time.thread_time()
            work()
            turn[number] = time.thread_time() - began
    return (np.median(times[1:], axis=0) * 1000).tolist()


def _sides(base: Base, contents: Sequence[bytes], providers: Sequence[str]) -> Iterator[list[Callable[[], object]]]:
    """For each joint but the first and the last, a picture through all before it, and through all after it."""
    for joint in range(1, len(contents)):
        sides = ((merged(contents[:joint]), 0), (merged(contents[joint:]), joint))
        yield [_pass_through(content, _entry(base, start), providers) for content, start in sides]


def _pass_through(content: bytes, shape: Sequence[int], providers: Sequence[str]) -> Callable[[], object]:
    session = open_session(content, providers)
    value = np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32)
    return lambda: run(session, value)


def _entry(base: Base, layer: int) -> tuple[int, ...]:
    """Shape of what a layer takes, without the batch."""
    wanted = base.document.preprocessing
    return base.layers[layer - 1].output if layer else (3, wanted.height, wanted.width)


def _pixels(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _prepare_ms(base: Base, size: tuple[int, int]) -> float:
    picture = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return interleaved([lambda: prepared(picture, base.document.preprocessing)], turns=15)[0]


def _must_be_of(base: Base, profile: Profile) -> None:
    ours, theirs = base.document.hash, profile.base
    if ours != theirs or len(profile.core_ms) != len(base.layers):
        raise StateError(
            f"the profile is of a base with the hash {theirs[:12]}, and base {base.document.name!r} has {ours[:12]}: "
            "measure it anew"
        )


def _here() -> tuple[str, str, str]:
    import onnxruntime

    return environment()["processor"], platform.machine(), onnxruntime.__version__
