"""A batch of any structure as a flat list of columns, and back.

A column holds one entry per example: a tensor `[B, ...]`, or a list of B things that are not tensors (file names,
captions). Tuples, named tuples, lists, dicts and other mappings may nest around them.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rheostat.errors import DataError

Batch = Any
"""What a loader yields: tensors `[B, ...]` in any nesting of tuples, lists and mappings."""

Column = Tensor | list[Any]


class Structure(NamedTuple):
    """How a batch is nested: its type, the keys of a mapping, the structure of each part; no parts for a column."""

    kind: type
    keys: tuple[Any, ...] | None = None
    parts: tuple[Structure, ...] | None = None


def flatten(batch: Batch) -> tuple[list[Column], Structure]:
    """Take a batch apart into its columns and its structure."""
    columns: list[Column] = []
    return columns, _take_apart(batch, columns)


def unflatten(columns: Sequence[Column], structure: Structure) -> Batch:
    """Put a batch together again, of the same types as it was."""
    return _put_together(iter(columns), structure)


def batch_size(columns: Sequence[Column]) -> int:
    """Return the number of examples B of a batch.

    Raises:
        DataError: There is no column, or the columns disagree.
    """
    sizes = sorted({len(column) for column in columns if not _is_scalar(column)})
    if any(_is_scalar(column) for column in columns):
        raise DataError("a batch holds a tensor without a first dimension: every tensor must be [B, ...]")
    if len(sizes) != 1:
        found = f"first dimensions {sizes}" if sizes else "no tensor at all"
        raise DataError(f"a batch has {found}: every tensor in it must be [B, ...] with the same B")
    return sizes[0]


def size_of(batch: Batch) -> int:
    """Number of examples of a batch, by its first tensor; nothing is checked.

    Raises:
        DataError: There is no tensor, or its first dimension is missing.
    """
    part = batch
    while not isinstance(part, Tensor):
        inner = part.values() if isinstance(part, Mapping) else part if isinstance(part, list | tuple) else ()
        part = next(iter(inner), None)
        if part is None or isinstance(part, str):
            return batch_size(flatten(batch)[0])
    return len(part) if part.ndim else batch_size([part])


def to_device(columns: Sequence[Column], device: torch.device) -> list[Column]:
    """Move the tensors among the columns; a tensor that is there already stays the same object."""
    return [c.to(device, non_blocking=True) if isinstance(c, Tensor) else c for c in columns]


def take(columns: Sequence[Column], positions: Tensor) -> list[Column]:
    """Pick the examples at `positions` `[K]` from every column, in that order."""
    host: list[int] | None = None
    taken: list[Column] = []
    for column in columns:
        if isinstance(column, Tensor):
            taken.append(column.index_select(0, positions))
        else:
            host = positions.tolist() if host is None else host
            taken.append([column[i] for i in host])
    return taken


def cut(columns: Sequence[Column], start: int, stop: int) -> list[Column]:
    """Slice every column."""
    return [column[start:stop] for column in columns]


def join(pieces: Sequence[Sequence[Column]]) -> list[Column]:
    """Concatenate pieces with the same columns along the example dimension.

    Raises:
        DataError: The examples of two pieces differ in shape.
    """
    if len(pieces) == 1:
        return list(pieces[0])
    return [_join_column(column) for column in zip(*pieces, strict=True)]


def _join_column(pieces: Sequence[Column]) -> Column:
    tensors = [piece for piece in pieces if isinstance(piece, Tensor)]
    if len(tensors) < len(pieces):
        return [entry for piece in pieces for entry in piece]
    shapes = sorted({tuple(tensor.shape[1:]) for tensor in tensors})
    if len(shapes) > 1:
        raise DataError(
            f"examples of shapes {list(shapes[0])} and {list(shapes[1])} cannot share a batch: "
            "resize or pad them to one shape in the data set or its collate function"
        )
    return torch.cat(tensors)


def _take_apart(part: Any, columns: list[Column]) -> Structure:
    kind = type(part)
    if isinstance(part, Tensor):
        columns.append(part)
        return Structure(Tensor)
    if isinstance(part, Mapping):
        return Structure(kind, tuple(part), tuple(_take_apart(value, columns) for value in part.values()))
    if isinstance(part, list | tuple):
        if part and not any(isinstance(entry, Tensor | Mapping | list | tuple) for entry in part):
            columns.append(list(part))
            return Structure(tuple if kind is tuple else list)
        return Structure(kind, None, tuple(_take_apart(entry, columns) for entry in part))
    raise DataError(
        f"a batch holds a {kind.__name__}, {part!r:.40}: every part must be a tensor [B, ...] or a list of B entries"
    )


def _put_together(columns: Any, structure: Structure) -> Any:
    if structure.parts is None:
        column = next(columns)
        return column if isinstance(column, structure.kind) else structure.kind(column)
    parts = [_put_together(columns, part) for part in structure.parts]
    if structure.keys is not None:
        entries = dict(zip(structure.keys, parts, strict=True))
        if not issubclass(structure.kind, MutableMapping):
            return structure.kind(entries)
        mapping = structure.kind()  # filled afterwards, because a defaultdict takes its entries so and in no other way
        mapping.update(entries)
        return mapping
    if hasattr(structure.kind, "_fields"):  # a named tuple takes its fields one by one
        return structure.kind(*parts)
    return structure.kind(parts)


def _is_scalar(column: Column) -> bool:
    return isinstance(column, Tensor) and column.ndim == 0
