"""Which rows are seen together, and in which order.

The rows of an epoch come in windows that memory has room for: few rows are one window. More are cut into blocks of
neighbours, the blocks are shuffled and dealt out to windows, and each window has its batches of near-equal length. How
many windows there are depends on the rows alone, not on the memory of the machine nor on where the rows lie.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "Order", "evaluation_batches", "padding_waste", "rows_of", "training_batches"]

BLOCK = 64
"""Rows that lie together on the disk and go into a window together."""

WINDOW = 1 << 26
"""Bytes of a window, about."""

Rows = NDArray[np.int64]

_JITTER = 0.1  # lengths are compared up to this share, so that a rare length meets other neighbours every epoch


def training_batches(
    lengths: NDArray[np.int64],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    bucket: bool = True,
    window: int | None = None,
    batches: int | None = None,
) -> list[Rows]:
    """The rows of every batch of an epoch: each row once, a pure function of the arguments.

    With `bucket`, rows are sorted by their length times a random factor in [1, 1.1), equal lengths in random order, cut
    into batches, and the batches shuffled; without, the rows are shuffled. Sizes differ by at most one row.

    Args:
        lengths: (R,) steps of each row.
        batch_size: rows of a batch, at most.
        seed, epoch: whole numbers of at least 0.
        bucket: batches of similar length.
        window: the number of the window that the rows are; None: they are all rows.
        batches: how many; None is as many as are needed.

    Returns:
        `batches` or ceil(R / batch_size) arrays of row numbers.

    >>> batches = training_batches(np.array([2, 90, 3, 88]), 2, seed=0, epoch=0)
    >>> sorted(sorted(rows.tolist()) for rows in batches)
    [[0, 2], [1, 3]]
    """
    random = np.random.default_rng((seed, epoch) if window is None else (seed, epoch, 1, window))
    rows = len(lengths)
    many = -(-rows // batch_size) if batches is None else batches
    if not bucket:
        return _cut(random.permutation(rows), many)
    # The second term shuffles rows of no steps.
    spread = lengths * (1 + _JITTER * random.random(rows)) + random.random(rows)
    found = _cut(np.argsort(spread, kind="stable"), many)
    return [found[index] for index in random.permutation(len(found))]


def evaluation_batches(lengths: NDArray[np.int64], batch_size: int) -> list[Rows]:
    """All rows, longest first: little padding, and memory that is enough for the first batch is enough for all.

    >>> [rows.tolist() for rows in evaluation_batches(np.array([2, 90, 3]), 2)]
    [[1, 2], [0]]
    """
    return _cut(np.argsort(-lengths, kind="stable"), -(-len(lengths) // batch_size))


def _cut(rows: Rows, batches: int) -> list[Rows]:
    return np.array_split(rows, batches) if len(rows) else []


def padding_waste(lengths: NDArray[np.int64], batches: Sequence[Rows]) -> float:
    """Share of the time steps of padded batches that hold no input.

    >>> padding_waste(np.array([1, 4, 3]), [np.array([0, 1]), np.array([2])])
    0.2727272727272727
    """
    padded = sum(len(rows) * int(lengths[rows].max()) for rows in batches)
    return 1.0 - sum(int(lengths[rows].sum()) for rows in batches) / padded if padded else 0.0


class Order:
    """How epochs go through the windows of so many rows.

    Args:
        rows: how many there are.
        size: of all of them together, in bytes.
        batch_size, seed, bucket: as for `training_batches`.

    >>> order = Order(rows=300, size=3 * WINDOW, batch_size=50, seed=0)
    >>> order.windows, order.steps, [blocks.tolist() for blocks in order.blocks(0)]
    (3, 8, [[2, 4], [0, 3], [1]])
    """

    def __init__(self, rows: int, size: int, batch_size: int, seed: int, bucket: bool = True) -> None:
        self._rows, self._batch_size, self._seed, self._bucket = rows, batch_size, seed, bucket
        self._count = -(-rows // BLOCK)
        self.windows = max(1, min(-(-size // WINDOW), self._count))
        sizes = [len(part) * BLOCK for part in np.array_split(np.arange(self._count), self.windows)]
        self._batches = [-(-each // batch_size) for each in (sizes if self.windows > 1 else [rows])]

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return sum(self._batches)

    def blocks(self, epoch: int) -> list[Rows]:
        """The blocks of each window, ascending."""
        if self.windows == 1:
            return [np.arange(self._count)]
        random = np.random.default_rng((self._seed, epoch, 0))
        return [np.sort(part) for part in np.array_split(random.permutation(self._count), self.windows)]

    def batches(self, lengths: NDArray[np.int64], epoch: int, window: int) -> list[Rows]:
        """The batches of a window, whose rows have these lengths; rows count from 0 in the window."""
        return training_batches(
            lengths,
            self._batch_size,
            seed=self._seed,
            epoch=epoch,
            bucket=self._bucket,
            window=None if self.windows == 1 else window,
            batches=self._batches[window],
        )


def rows_of(blocks: Rows, rows: int) -> Rows:
    """The rows of blocks, of so many rows in all."""
    found = (blocks[:, None] * BLOCK + np.arange(BLOCK)).reshape(-1)
    return found[found < rows]
