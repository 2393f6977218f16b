"""Holdout losses: what a model that never trained on an example loses on it, by data set index, and files of them."""

from __future__ import annotations

import csv
import io
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rheostat.errors import DataError, ScoreError
from rheostat.records import write_bytes
from rheostat.select.policy import Traits
from rheostat.select.scoring import Forward, Scorer, Scoring, device_of, logits_and_targets
from rheostat.signals import batches
from rheostat.signals.batches import Batch
from rheostat.signals.loaders import indexed
from rheostat.signals.randomness import torch_random_states_kept
from rheostat.signals.scores import cross_entropy


def holdout_losses(
    model: nn.Module, loader: Iterable[Batch], *, forward: Forward = logits_and_targets
) -> Float[Tensor, " n"]:
    """Cross-entropy of every example of a loader, by its data set index.

    Without data to spare, train one model on each half of the examples and take for each half the losses of the other's
    model (as in arXiv:2206.07137).

    Args:
        model: Trained on other examples than these; it is run in eval mode without gradient and left as it was. Batches
            are moved to the device of its first parameter.
        loader: One epoch of the examples, not augmented, in any order.
        forward: How to run the model on a batch.

    Returns:
        `[N]` float32 on the CPU, in nats, >= 0; N = 1 + the highest index. NaN = the loader did not give that example.

    Raises:
        DataError: The loader gives nothing, the batches have a form that `forward` does not understand, or a target is
            no class of the model.
        ScoreError: A loss is NaN or infinite; the message has the index.
    """
    scorer = Scorer(model, Scoring(score=cross_entropy, forward=forward).resolved(Traits()))
    device = device_of(model)
    found: list[tuple[Tensor, Tensor]] = []
    with torch_random_states_kept():  # a loader that shuffles draws from the global one
        for position, batch in indexed(loader):
            columns, structure = batches.flatten(batch)
            there = batches.unflatten(batches.to_device(columns, device), structure)
            index, scored = position.cpu(), scorer.score(there, batches.size_of(batch))
            if scored.bad_target.any():
                raise DataError(
                    f"example {_first(index, scored.bad_target)} has a target that is none of the model's "
                    f"{scored.logits.shape[1]} classes: check the labels, or the model's last layer"
                )
            if scored.bad_score.any():
                raise ScoreError(
                    f"the holdout loss of example {_first(index, scored.bad_score)} is not a finite number: did the "
                    "training of the model diverge?"
                )
            found.append((index, scored.score.cpu()))
    if not sum(len(index) for index, _ in found):
        raise DataError("the loader gives no example: there is nothing to compute holdout losses of")
    where, losses = (torch.cat(column) for column in zip(*found, strict=True))
    return torch.full((int(where.max()) + 1,), torch.nan).index_copy(0, where, losses)


def read_holdout(path: str | Path) -> Float[Tensor, " n"]:
    """Read holdout losses.

    Args:
        path: ``.npy`` or ``.pt``, one dimension, by index; or ``.csv``, with the columns `index` and `loss`, the column
            `loss`, or a single column without a heading.

    Returns:
        `[N]` float32; NaN = no loss is known for that example.

    Raises:
        DataError: The file is missing, of another kind, or does not hold losses so.
    """
    path = Path(path)
    if path.suffix not in _READERS:
        raise DataError(f"holdout losses in {path}: the name must end in {', '.join(_READERS)}")
    try:
        found = _READERS[path.suffix](path)
    except FileNotFoundError:
        raise DataError(f"holdout losses in {path}: there is no such file; `write_holdout` writes one") from None
    except DataError:
        raise
    except (OSError, ValueError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"holdout losses in {path} cannot be read ({reason}): write them again") from None
    return checked_losses(found, f"holdout losses in {path}")


def write_holdout(path: str | Path, losses: Float[Tensor, " n"]) -> None:
    """Write holdout losses `[N]` as `read_holdout` reads them, whole or not at all.

    Raises:
        DataError: They are no losses, or the name of the file does not end in ``.npy``, ``.pt`` or ``.csv``.
    """
    path, losses, content = Path(path), checked_losses(losses, "holdout losses").cpu(), io.BytesIO()
    if path.suffix == ".npy":
        np.save(content, losses.numpy())
    elif path.suffix == ".pt":
        torch.save(losses, content)
    elif path.suffix == ".csv":
        # every float32 can be told from the others by nine digits
        rows = "".join(f"{index},{loss:.9g}\n" for index, loss in enumerate(losses.tolist()) if loss == loss)
        content.write(f"index,loss\n{rows}".encode())
    else:
        raise DataError(f"holdout losses in {path}: the name must end in {', '.join(_READERS)}")
    write_bytes(path, content.getvalue())


def checked_losses(losses: Any, what: str) -> Float[Tensor, " n"]:
    """The losses as float32.

    Raises:
        DataError: They are not one number per example, one is infinite, or none is known.
    """
    if not isinstance(losses, Tensor) or losses.ndim != 1 or losses.is_complex():
        shape = list(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
        raise DataError(f"{what} are {shape} and must be one number per example, [N]: index them as the data set is")
    losses = losses.detach().float()
    if losses.isinf().any():
        raise DataError(f"{what}: that of example {_first(torch.arange(len(losses)), losses.isinf())} is infinite")
    if losses.isnan().all():
        raise DataError(f"{what}: none of {len(losses)} is a number; did the training of the holdout model diverge?")
    return losses


def _first(index: Tensor, wrong: Tensor) -> int:
    return int(index[wrong.cpu()][0])


def _read_csv(path: Path) -> Tensor:
    rows = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
    first = next(rows, [])
    head, table = [name.strip().lower() for name in first], []
    if len(head) == 1 and head != ["loss"]:  # a single column may go without a heading
        head, table = ["loss"], [(1, first)]
    if "loss" not in head:
        raise DataError(f"{path} has no column loss in its first line: it must have index and loss, or one column")
    table += [(rows.line_num, row) for row in rows if row]
    found: dict[int, float] = {}
    for number, row in table:
        try:
            index = int(row[head.index("index")]) if "index" in head else len(found)
            loss = float(row[head.index("loss")])
        except (ValueError, IndexError):
            raise DataError(f"{path}, line {number} is {','.join(row)!r}: it must have {' and '.join(head)}") from None
        if index < 0 or index in found:
            raise DataError(f"{path}, line {number} has index {index}: it must have each once, from 0 on")
        found[index] = loss
    losses = torch.full((max(found, default=-1) + 1,), torch.nan)
    return losses.index_copy(0, torch.tensor([*found], dtype=torch.long), torch.tensor([*found.values()]))


_READERS: dict[str, Callable[[Path], Any]] = {
    ".npy": lambda path: torch.from_numpy(np.load(path, allow_pickle=False)),
    ".pt": lambda path: torch.load(path, weights_only=True, map_location="cpu"),
    ".csv": _read_csv,
}
