"""Which rows are seen together, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["evaluation_batches", "padding_waste", "training_batches"]

Rows = NDArray[np.int64]

_JITTER = 0.1  # lengths are compared up to this share, so that a rare length meets other neighbours every epoch


def training_batches(
    lengths: NDArray[np.int64], batch_size: int, *, seed: int, epoch: int, bucket: bool = True
) -> list[Rows]:
    """The rows of every batch of an epoch: each row once, a pure function of the arguments.

    With `bucket`, rows are sorted by their length times a random factor in [1, 1.1), equal lengths in random order, cut
    into batches, and the batches shuffled; without, the rows are shuffled. Sizes differ by at most one row.

    Args:
        lengths: (R,) steps of each row.
        batch_size: rows of a batch, at most.
        seed, epoch: whole numbers of at least 0.
        bucket: batches of similar length.

    Returns:
        ceil(R / batch_size) arrays of row numbers.

    >>> batches = training_batches(np.array([2, 90, 3, 88]), 2, seed=0, epoch=0)
    >>> sorted(sorted(rows.tolist()) for rows in batches)
    [[0, 2], [1, 3]]
    """
    random = np.random.default_rng((seed, epoch))
    rows = len(lengths)
    if not bucket:
        return _cut(random.permutation(rows), batch_size)
    # The second term shuffles rows of no steps.
    spread = lengths * (1 + _JITTER * random.random(rows)) + random.random(rows)
    batches = _cut(np.argsort(spread, kind="stable"), batch_size)
    return [batches[index] for index in random.permutation(len(batches))]


def evaluation_batches(lengths: NDArray[np.int64], batch_size: int) -> list[Rows]:
    """All rows, longest first: little padding, and memory that is enough for the first batch is enough for all.

    >>> [rows.tolist() for rows in evaluation_batches(np.array([2, 90, 3]), 2)]
    [[1, 2], [0]]
    """
    return _cut(np.argsort(-lengths, kind="stable"), batch_size)


def _cut(rows: Rows, batch_size: int) -> list[Rows]:
    return np.array_split(rows, -(-len(rows) // batch_size)) if len(rows) else []


def padding_waste(lengths: NDArray[np.int64], batches: Sequence[Rows]) -> float:
    """Share of the time steps of padded batches that hold no input.

    >>> padding_waste(np.array([1, 4, 3]), [np.array([0, 1]), np.array([2])])
    0.2727272727272727
    """
    padded = sum(len(rows) * int(lengths[rows].max()) for rows in batches)
    return 1.0 - sum(int(lengths[rows].sum()) for rows in batches) / padded if padded else 0.0
