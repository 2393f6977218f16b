"""The recipe of `benchmarks.airbench` with a selection through our public interface, and without.

Its authors reach 96.03 % in 34.7 s plainly, and 96.00 % in 27.3 s with a small proxy that chooses half of every batch,
on an A100. They record the proxy's choices in a run of its own, made beforehand over the same batches. Here the proxy
goes along: it scores a round, the harder half is trained on, and every fourth of these batches is the proxy's own
lesson. It is the same choice, but for the proxy's batch statistics in that lesson, which are those of the half it
learns from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.airbench import (
    Learner,
    Lookahead,
    Views,
    in_precision,
    logits_of_views,
    network,
    smoothed_loss,
    train_bias,
    whiten,
    whitening_filters,
)
from benchmarks.gpu_loop import Arm, Offered, Place, timed_epochs
from rheostat.select import MatchedRandom, Percentile, TopK

EVERY = 4  # batches of which the proxy learns from one


@dataclass(frozen=True)
class Sizes:
    """How large everything is.

    Attributes:
        batch: Examples of a plain training batch, and candidates of a round.
        widths: Of the blocks of the network; it has three convolutions in each.
        proxy: Of the proxy; it has two.
        plain, selective: Epochs. Widths and epochs of the plain run are inferred: the widths are those of the variant
            with the proxy, and 37 epochs with them are the 4.9 PFLOPs that are published beside the 34.7 s.
        bias: Epochs in which the bias of the whitening layer is trained.
    """

    batch: int
    widths: tuple[int, int, int]
    proxy: tuple[int, int, int]
    plain: int
    selective: int
    bias: int


FULL = Sizes(1024, (128, 384, 512), (32, 64, 64), 37, 45, 3)
QUICK = Sizes(32, (8, 8, 8), (4, 4, 4), 2, 2, 1)


def _half() -> Percentile:
    return Percentile(1.0, history=4096)


ARMS = {
    "plain": Arm("every example, batches of 1024"),
    "proxy": Arm("the harder half by the loss of a small network that is trained along", lambda: TopK(0.5)),
    "training pass": Arm("half by the loss of the last training pass", _half, {"source": "training"}),
    "governed": Arm("half by whatever source of the loss pays", _half, govern=True),
    "matched-random": Arm("as many as governed, but any", lambda: MatchedRandom(_half()), govern=True),
}


def row(cell: dict[str, Any], place: Place) -> dict[str, Any]:
    """One run of an arm."""
    arm, sizes = ARMS[cell["arm"]], QUICK if place.quick else FULL
    plain, by_proxy = arm.policy is None, cell["arm"] == "proxy"
    epochs, n = cell["epochs"], sizes.batch if plain else sizes.batch // 2
    # numbers of half the length as in the recipe, but for the normalisation; a processor takes them in full
    dtype = torch.float16 if place.device.type == "cuda" else torch.float32
    images, tested = (place.normalised(split.images, dtype) for split in (place.train, place.test))

    main = place.compiled("airbench", lambda: in_precision(network(sizes.widths, 3), dtype))
    small = place.compiled("airbench's proxy", lambda: in_precision(network(sizes.proxy, 2), dtype))
    at_once = tested[: max(1, len(tested) // 5)]
    compile_seconds = main.warm_up(at_once, training=False, grad=False, autocast=False)
    for on in (False, True):
        train_bias(main.module, on=on)
        compile_seconds += main.warm_up(images[:n], training=True, grad=True, autocast=False)
    if by_proxy:
        train_bias(small.module, on=False)
        compile_seconds += small.warm_up(images[: sizes.batch], training=True, grad=False, autocast=False)
        compile_seconds += small.warm_up(images[:n], training=True, grad=True, autocast=False)

    learner, proxy = Learner(main.fresh(cell["seed"]), main.module), None
    if by_proxy:
        proxy = Learner(small.fresh(cell["seed"] + 1000), small.module)

    whitening_filters(images[:5000])  # the first call of a solver sets it up
    whitening = sum(place.seconds(lambda net=net: whiten(net.module, images[:5000])) for net in (main, small))
    offered = Offered(Views(images, place.train.labels, sizes.batch, cell["seed"]), len(images))
    total = epochs * (len(images) - len(images) % sizes.batch)
    scoring = {"score": smoothed_loss, "batch_size": sizes.batch}
    if proxy is not None:
        scoring |= {"model": proxy.model, "mode": "train"}
    batches = arm.loader(offered, learner.model, n, cell["seed"], scoring)
    lookahead, lessons = Lookahead(main.module), 0

    def step(images: Tensor, labels: Tensor) -> None:
        nonlocal lessons
        progress = (offered.count - offered.latest) / total
        train_bias(main.module, on=progress * epochs < sizes.bias)
        learner.learn(images, labels, progress)
        lookahead.step(offered.count / total)
        if proxy is not None:
            if lessons % EVERY == 0:
                proxy.learn(images, labels, progress)
            lessons += 1

    timed = timed_epochs(batches, epochs, step, place)
    lookahead.finish()
    errors: list[float] = []
    evaluation = place.seconds(lambda: errors.extend(_errors(learner.model, tested, place.test.labels, len(at_once))))
    result = timed.row()
    return {
        "error": errors[1],
        "error_of_one_view": errors[0],
        **result,
        "seconds": result["seconds"] + whitening,
        "evaluation_seconds": evaluation,
        "compile_seconds": compile_seconds,
        "proxy_backwards": n * math.ceil(lessons / EVERY),
    }


def _errors(model: nn.Module, images: Tensor, labels: Tensor, size: int) -> tuple[float, float]:
    """Share of wrong predictions from one view of each image, and from six."""
    model.eval()
    with torch.no_grad():
        parts = images.split(size)
        one = torch.cat([model(part).float() for part in parts])
        six = torch.cat([logits_of_views(model, part) for part in parts])
    model.train()
    wrong = [(logits.argmax(1) != labels).float().mean() for logits in (one, six)]
    return float(wrong[0]), float(wrong[1])
