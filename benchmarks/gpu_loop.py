"""What the studies on a GPU share: data on the device, networks compiled once, one timed loop, waits that are counted.

The loop is one of our own, so that nothing but the public interface of `rheostat.select` stands between it and the
device: images rest there as bytes, are augmented and normalised a batch at a time, and the host waits for the device at
the end of an epoch and wherever selection itself does.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo import config as compiling
from torch._dynamo.utils import counters

from reproductions.images import images_of
from rheostat.select import Policy, Scoring, SelectiveLoader
from rheostat.training import ImageData
from rheostat.training.data import ResidentImages

Batch = tuple[Tensor, Tensor]

compiling.recompile_limit = 64  # several networks share the code that is compiled, each in few shapes


@dataclass
class Place:
    """Where everything happens.

    Attributes:
        device: The GPU, or for a try the processor.
        quick: Whether it is a try: made-up images, tiny networks, no code generated.
        data: Images as bytes, on the device.
        networks: Compiled ones, by name.
    """

    device: torch.device
    quick: bool
    data: ImageData
    networks: dict[str, Compiled] = field(default_factory=dict)

    @classmethod
    def found(cls, *, quick: bool) -> Place:
        """The first GPU with CIFAR-10 on it.

        Raises:
            RuntimeError: There is no GPU, and it is no try.
        """
        if not quick and not torch.cuda.is_available():
            raise RuntimeError("there is no CUDA device: run this where one is, or give --quick to see that it runs")
        device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
        torch.backends.cudnn.benchmark = True
        return cls(device, quick, _on(device, _made_up() if quick else images_of("cifar10", "uoft-cs/cifar10")))

    @property
    def train(self) -> ResidentImages:
        """The training images."""
        assert isinstance(self.data.train, ResidentImages)
        return self.data.train

    @property
    def test(self) -> ResidentImages:
        """The test images."""
        assert isinstance(self.data.test, ResidentImages)
        return self.data.test

    @property
    def name(self) -> str:
        """Of the device."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "no GPU"

    def wait(self) -> None:
        """For all that the device has been given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def autocast(self) -> torch.autocast:
        """Forward passes in bf16."""
        return torch.autocast(self.device.type, torch.bfloat16)

    def normalised(self, images: Tensor, dtype: torch.dtype) -> Tensor:
        """Bytes `[B, C, H, W]` as numbers of mean 0 and deviation 1 per channel."""
        mean, std = (torch.tensor(v, device=images.device)[:, None, None] for v in (self.data.mean, self.data.std))
        return ((images.float() / 255 - mean) / std).to(dtype)

    def compiled(self, name: str, build: Callable[[], nn.Module]) -> Compiled:
        """The network of a name, built and compiled when it is first asked for."""
        if name not in self.networks:
            self.networks[name] = Compiled(build, self)
        return self.networks[name]

    def seconds(self, work: Callable[[], Any]) -> float:
        """Wall-clock seconds of some work, on the device as well."""
        self.wait()
        start = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - start


class Compiled:
    """A network that is compiled once and trained many times over: every run finds its graphs made.

    Args:
        build: Makes it with fresh weights, from torch's global random state.
        place: Where.
    """

    def __init__(self, build: Callable[[], nn.Module], place: Place) -> None:
        self._build, self._place = build, place
        self.module = build().to(place.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._graphs: Any = torch.compile(self.module, dynamic=False, backend="eager" if place.quick else "inductor")
        self._warm: set[tuple[Any, ...]] = set()

    def fresh(self, seed: int) -> InChannelsLast:
        """The network with weights of this seed, in training mode; the one given before is gone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module.load_state_dict(self._build().state_dict())
        self.module.zero_grad()
        return InChannelsLast(self._graphs).train()

    def warm_up(self, images: Tensor, *, training: bool, grad: bool, autocast: bool) -> float:
        """Compile for batches like this one, if that has not been done; seconds that it took.

        Weights stay as they are; buffers do not, so this comes before `fresh`.
        """
        learning = tuple(p.requires_grad for p in self.module.parameters())
        key = (*images.shape, images.dtype, training, grad, autocast, learning)
        if key in self._warm:
            return 0.0
        self._warm.add(key)
        model = InChannelsLast(self._graphs).train(training)

        def work() -> None:
            for _ in range(2):  # the first pass compiles, the second lets cuDNN settle
                with torch.set_grad_enabled(grad), self._place.autocast() if autocast else nullcontext():
                    logits = model(images)
                if grad:
                    logits.float().square().sum().backward()
                    model.zero_grad()

        return self._place.seconds(work)


class InChannelsLast(nn.Module):
    """Gives a network its images in the one memory layout that it was compiled for, whatever a queue has made of them.

    It stands outside of the compiled part, so that the hook of a loader sees the batch that was handed out.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Images `[B, C, H, W]` -> logits `[B, classes]`."""
        return self.network(images.contiguous(memory_format=torch.channels_last))


class Offered:
    """A loader that counts the candidates it has offered: how far a run has come.

    Args:
        loader: Has `indexed()`.
        examples: Number of examples in its data set.
    """

    def __init__(self, loader: Any, examples: int) -> None:
        self._loader = loader
        self.examples = examples
        self.count = 0
        self.latest = 0

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        return (batch for _, batch in self.indexed())

    def indexed(self) -> Iterator[tuple[Tensor, Batch]]:
        """Yield `(index, batch)` of an epoch."""
        for index, batch in self._loader.indexed():
            self.latest = len(index)
            self.count += self.latest
            yield index, batch


@dataclass(frozen=True)
class Arm:
    """A way to choose.

    Attributes:
        what: In words.
        policy: Makes one; None = the plain loop, without a loader of ours.
        scoring: Options of `Scoring`.
        govern: Of the loader.
    """

    what: str
    policy: Callable[[], Policy] | None = None
    scoring: dict[str, Any] = field(default_factory=dict)
    govern: bool = False

    def loader(
        self, offered: Offered, model: nn.Module, size: int, seed: int, scoring: dict[str, Any]
    ) -> Iterable[Batch]:
        """Training batches of a size; `scoring` are the options of `Scoring` that all arms share."""
        if self.policy is None:
            return offered
        options = Scoring(**{**scoring, **self.scoring})
        return SelectiveLoader(offered, model, self.policy(), size, scoring=options, seed=seed, govern=self.govern)


def timed_epochs(batches: Iterable[Batch], epochs: int, step: Callable[[Tensor, Tensor], None], place: Place) -> Timed:
    """Train; the device is waited for at the end of each epoch."""
    timed, graphs = Timed(batches), compiled_graphs()
    for _ in range(epochs):

        def work() -> None:
            for images, labels in batches:
                step(images, labels)
                timed.steps += 1
                timed.backwards += len(labels)

        timed.seconds.append(place.seconds(work))
    timed.recompilations = compiled_graphs() - graphs
    return timed


@dataclass
class Timed:
    """What some epochs took.

    Attributes:
        batches: What they were of.
        seconds: Of each epoch, without compilation and evaluation.
        steps, backwards: Training batches, and examples in them.
        recompilations: Graphs compiled although everything was warm.
    """

    batches: Iterable[Batch]
    seconds: list[float] = field(default_factory=list)
    steps: int = 0
    backwards: int = 0
    recompilations: int = 0

    def row(self) -> dict[str, Any]:
        """For a record."""
        own = {
            "seconds": sum(self.seconds),
            "epoch_seconds": self.seconds,
            "steps": self.steps,
            "backwards": self.backwards,
            "recompilations": self.recompilations,
        }
        if not isinstance(self.batches, SelectiveLoader):
            return {**own, "candidates": self.backwards, "forwards": 0}
        stats = self.batches.stats
        return {
            **own,
            "candidates": stats.candidates,
            "forwards": stats.scoring_forwards,
            "modes": dict(stats.modes),
            "costs": {name: None if cost != cost else cost for name, cost in stats.costs._asdict().items()},
        }


def compiled_graphs() -> int:
    """How many graphs have been compiled so far."""
    return counters["stats"]["unique_graphs"]


@contextmanager
def waits_counted(place: Place) -> Iterator[Callable[[], int | None]]:
    """Count how often the host waits for the device within the block; None where there is no device to wait for."""
    if place.device.type != "cuda":
        yield lambda: None
        return
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield lambda: sum("called a synchronizing" in str(warning.message) for warning in caught)
        finally:
            torch.cuda.set_sync_debug_mode(before)


def _made_up() -> ImageData:
    """A few images of each of ten classes that can be told apart."""
    rng = torch.Generator().manual_seed(0)
    kinds = torch.randint(0, 192, (10, 3, 8, 8), generator=rng).repeat_interleave(4, 2).repeat_interleave(4, 3)
    splits = []
    for number in (160, 40):
        labels = torch.arange(number) % 10
        noise = torch.randint(0, 64, (number, 3, 32, 32), generator=rng)
        splits.append(ResidentImages((kinds[labels] + noise).to(torch.uint8), labels))
    half = (0.5, 0.5, 0.5)
    return ImageData("made up", splits[0], splits[1], tuple(map(str, range(10))), 3, 32, half, half)


def _on(device: torch.device, data: ImageData) -> ImageData:
    def moved(split: Any) -> ResidentImages:
        assert isinstance(split, ResidentImages), "these data fit into memory"
        return ResidentImages(split.images.to(device), split.labels.to(device))

    return replace(data, train=moved(data.train), test=moved(data.test), files=None)
