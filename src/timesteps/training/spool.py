"""`SpooledExamples`: examples on the disk, for training on more rows than memory holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.runtime.scratch import Column, Scratch
from timesteps.runtime.sequences import Bags, Sequences
from timesteps.training.batches import BLOCK
from timesteps.training.examples import Examples, TargetKind

__all__ = ["SpooledExamples"]


class SpooledExamples:
    """Rows in blocks of `BLOCK`, each with the bags of its own steps, in columns of a scratch folder.

    In memory are a few numbers a block. What is trained on is read a window at a time, in the order in which rows in
    memory are trained on, too (`timesteps.training.batches`), so that the weights are the same to the last bit.

    >>> with Scratch(memory=1 << 20) as scratch:
    ...     rows = SpooledExamples(scratch)
    ...     rows.append(Examples(Sequences.of([[4, 5, 6], [7]]), [1, 0]))
    ...     found = rows.read([0])
    ...     len(rows), rows.steps, found.sequences.values.tolist(), found.targets.tolist()
    (2, 4, [4, 5, 6, 7], [1, 0])
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._columns: dict[str, Column] = {}
        self._ends: list[tuple[int, ...]] = []  # of each block, in the columns
        self._hash = hashlib.blake2b(digest_size=16)
        self.steps = 0
        self.step_bytes = 0
        self._kind: tuple[TargetKind, bool] = "classes", False

    def __len__(self) -> int:
        return len(self._columns["lengths"]) if self._columns else 0

    @property
    def blocks(self) -> int:
        """How many there are; all but the last have `BLOCK` rows."""
        return len(self._ends)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each row (R,), read anew."""
        return self._columns["lengths"].read(0, len(self)).astype(np.int64)

    def append(self, examples: Examples) -> None:
        """Keep further rows, a multiple of `BLOCK` of them unless they are the last."""
        if len(self) % BLOCK:
            raise DataError("rows follow a block that is not full", mend=f"append multiples of {BLOCK} rows")
        self._hash.update(examples.digest().encode())
        self.steps += len(examples.sequences.values)
        self.step_bytes = examples.step_bytes
        self._kind = examples.kind, examples.per_step
        for first in range(0, len(examples), BLOCK):
            arrays = _arrays(examples, first, min(first + BLOCK, len(examples)))
            if not self._columns:
                self._columns = {
                    name: self._scratch.column(array.dtype, *array.shape[1:]) for name, array in arrays.items()
                }
            for name, column in self._columns.items():
                column.append(arrays[name])
            self._ends.append(tuple(map(len, self._columns.values())))

    def read(self, blocks: Iterable[int]) -> Examples:
        """The rows of some blocks, in this order, in memory."""
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in self._columns}
        moved = 0  # bags of the blocks before
        for first, last in _runs(blocks):
            begins = (0,) * len(self._columns) if first == 0 else self._ends[first - 1]
            ranges = zip(self._columns.items(), begins, self._ends[last - 1], strict=True)
            found = {name: column.read(begin, end) for (name, column), begin, end in ranges}
            if "bag_sizes" in found:
                found["values"] += self._shifts("values", "bag_sizes", first, last, moved)
                moved += len(found["bag_sizes"])
            for name, array in found.items():
                parts[name].append(array)
        joined: dict[str, NDArray[Any]] = {}
        for name in list(parts):
            joined[name] = np.concatenate(parts.pop(name))
        return _examples(joined, *self._kind)

    def take(self, rows: NDArray[np.integer[Any]]) -> Examples:
        """Some rows, ascending, in memory."""
        blocks = np.unique(rows // BLOCK)
        place = np.searchsorted(blocks, rows // BLOCK) * BLOCK + rows % BLOCK
        return self.read(blocks.tolist()).take(place)

    def digest(self) -> str:
        """Of everything in the rows."""
        return self._hash.hexdigest()

    def _shifts(self, of: str, by: str, first: int, last: int, moved: int) -> NDArray[np.int32]:
        """What to add to the numbers of bags, which count from 0 in each block: bags that come before the block's."""
        names = list(self._columns)
        ends = np.array([self._ends[block] if block >= 0 else (0,) * len(names) for block in range(first - 1, last)])
        steps, bags = ends[:, names.index(of)], ends[:, names.index(by)]
        return np.repeat(bags[:-1] - bags[0] + moved, np.diff(steps)).astype(np.int32)


def _runs(blocks: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Neighbours among block numbers, as (first, behind the last)."""
    runs: list[tuple[int, int]] = []
    for block in blocks:
        if runs and runs[-1][1] == block:
            runs[-1] = runs[-1][0], block + 1
        else:
            runs.append((block, block + 1))
    return runs


def _arrays(examples: Examples, first: int, last: int) -> dict[str, NDArray[Any]]:
    """What is written of a block; its bags are numbered anew."""
    rows = examples.sequences
    steps = slice(int(rows.offsets[first]), int(rows.offsets[last]))
    units = examples.units(np.arange(first, last))
    arrays: dict[str, NDArray[Any]] = {
        "lengths": rows.lengths[first:last].astype(np.int32),
        "targets": examples.targets[units],
        "weights": examples.weights[units],
        "values": rows.values[steps],
    }
    if rows.bags is not None:
        used, arrays["values"] = np.unique(rows.values[steps], return_inverse=True)
        arrays["values"] = arrays["values"].reshape(-1).astype(np.int32)
        bags = rows.bags.take(used)
        arrays |= {"bag_ids": bags.ids, "bag_sizes": np.diff(bags.offsets).astype(np.int32)}
    if rows.phrases is not None:
        begin, end = int(rows.phrases.offsets[steps.start]), int(rows.phrases.offsets[steps.stop])
        sizes = np.diff(rows.phrases.offsets[steps.start : steps.stop + 1])
        arrays |= {"phrase_ids": rows.phrases.ids[begin:end], "phrase_sizes": sizes.astype(np.int32)}
    if rows.channels is not None:
        arrays["channels"] = rows.channels[steps]
    if rows.linear is not None:
        arrays["linear"] = rows.linear[first:last]
    return arrays


def _examples(arrays: dict[str, NDArray[Any]], kind: TargetKind, per_step: bool) -> Examples:
    rows = Sequences(
        arrays["values"],
        _offsets(arrays["lengths"]),
        Bags(arrays["bag_ids"], _offsets(arrays["bag_sizes"])) if "bag_ids" in arrays else None,
        Bags(arrays["phrase_ids"], _offsets(arrays["phrase_sizes"])) if "phrase_ids" in arrays else None,
        arrays.get("channels"),
        arrays.get("linear"),
    )
    return Examples(rows, arrays["targets"], arrays["weights"], kind=kind, per_step=per_step, missing="mask")


def _offsets(sizes: NDArray[Any]) -> NDArray[np.int64]:
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets
