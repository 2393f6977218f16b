"""From probabilities to the candidates that are kept."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rheostat.errors import DataError, ScoreError
from rheostat.select.policy import Choice
from rheostat.select.scoring import Scored


def drawn(choice: Choice, index: Tensor, scored: Scored | None, generator: torch.Generator) -> Tensor:
    """Positions `[K]` of the kept candidates: in order, or with `choice.draws` as they were drawn, repeats included.

    How many are kept and whether anything is wrong come to the host in one transfer, the only one of a round.

    Raises:
        DataError: A label lies outside the classes.
        ScoreError: A score, a probability or a weight is no number that it may be; the message names the example. Or
            there is nothing to draw from.
    """
    probability = choice.probability
    most = torch.inf if choice.draws is not None else 1.0
    threshold = 0.0 if choice.draws is not None else torch.rand(len(index), generator=generator, device=index.device)
    keep = probability > threshold  # or, with draws, which of them can be drawn
    flaws = [(probability != probability.clamp(0, most)) | (probability * 0 != 0)]  # true of NaN as well
    if choice.weight is not None:
        flaws.append((choice.weight < 0) | (choice.weight * 0 != 0))
    if scored is not None:
        flaws += [scored.bad_target, scored.bad_score]
    number, *flawed = to_host(torch.stack([keep, *flaws]).sum(dim=1))
    if any(flawed):
        _raise_for_first(choice, index, scored, torch.stack(flaws).any(dim=0))
    if choice.draws is not None:
        if not choice.draws:
            return index[:0]
        if not number:
            raise ScoreError(
                f"the policy draws {choice.draws} of {len(index)} candidates and gave all of them the probability 0: "
                "at least one must be above it; give them all the same where none is better than another"
            )
        return torch.multinomial(probability, choice.draws, replacement=True, generator=generator)
    # a stable sort puts the kept first and, unlike boolean indexing, needs no synchronisation of its own
    return torch.sort(keep, descending=True, stable=True).indices[:number]


def to_host(values: Tensor) -> list[int]:
    """Bring a few integers to the host: the one synchronisation that a round may make."""
    return values.tolist()


def _raise_for_first(choice: Choice, index: Tensor, scored: Scored | None, wrong: Tensor) -> None:
    """Raise for the first wrong candidate of the round, naming its index."""
    if scored is not None and bool((unfit := scored.bad_target | scored.bad_score).any()):
        wrong = unfit  # where the policy reckons with a mean, one bad score spoils the probabilities of all
    at = int(wrong.int().argmax())
    example = int(index[at])
    if scored is not None and scored.bad_target[at]:
        classes = scored.logits.shape[1]
        raise DataError(
            f"the label of example {example} is {int(scored.targets[at])} and the model has {classes} outputs: "
            f"labels must lie in [0, {classes - 1}]; correct the label or build the model with more outputs"
        )
    if scored is not None and scored.bad_score[at]:
        raise ScoreError(
            f"the score of example {example} is {float(scored.score[at])}: training has diverged or its input holds "
            "NaN; lower the learning rate or look at this example"
        )
    probability = float(choice.probability[at])
    allowed = "lie in [0, 1]" if choice.draws is None else "be finite and not below 0"
    if not (0 <= probability <= 1 or (choice.draws is not None and 1 < probability < math.inf)):
        raise ScoreError(f"the policy gave example {example} the probability {probability}: it must {allowed}")
    assert choice.weight is not None
    raise ScoreError(
        f"the policy gave example {example} the weight {float(choice.weight[at])}: it must be finite and not below 0"
    )
