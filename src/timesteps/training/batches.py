"""Which rows are seen together, in which order, and how they become a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from timesteps.nn.models import Batch
from timesteps.runtime.sequences import Bags, Sequences

__all__ = ["collate", "evaluation_batches", "padding_waste", "training_batches"]

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


def collate(sequences: Sequences, rows: NDArray[np.integer[Any]], device: torch.device | None = None) -> Batch:
    """The given rows as one batch, padded at the end.

    Token ids become int64 and numbers float32, padded with 0 to the longest row (to one step if all rows are empty).
    Bags are laid end to end for all steps of all rows in order; where a step has a phrase bag, its features follow
    those of the step's own. A guide's channels are padded like numbers.

    >>> batch = collate(Sequences.of([[4, 5, 6], [7], []]), np.array([1, 0, 2]))
    >>> batch.lengths.tolist(), batch.values.tolist()
    ([1, 3, 0], [[7, 0, 0], [4, 5, 6], [0, 0, 0]])
    """
    starts = sequences.offsets[:-1][rows]
    lengths = sequences.offsets[1:][rows] - starts
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    counter = np.arange(total)
    steps = counter + np.repeat(starts - (ends - lengths), lengths)
    width = max(1, int(lengths.max(initial=0)))
    place = counter + np.repeat(np.arange(len(rows)) * width - (ends - lengths), lengths)

    def padded(values: NDArray[Any]) -> torch.Tensor:
        block = np.zeros((len(rows) * width, *values.shape[1:]), np.int64 if values.dtype.kind in "iu" else np.float32)
        block[place] = values[steps]
        return _tensor(block.reshape(len(rows), width, *values.shape[1:]), device)

    channels = None if sequences.channels is None else padded(sequences.channels)
    linear = None if sequences.linear is None else _tensor(sequences.linear[rows], device)
    if sequences.bags is not None:
        bags = sequences.bags.take(sequences.values[steps])
        if sequences.phrases is not None:
            bags = _joined(bags, sequences.phrases.take(steps))
        ids, offsets = _tensor(bags.ids.astype(np.int64), device), _tensor(bags.offsets, device)
        return Batch(_tensor(lengths, device), None, ids, offsets, channels, linear)
    return Batch(_tensor(lengths, device), padded(sequences.values), channels=channels, linear=linear)


def _joined(first: Bags, second: Bags) -> Bags:
    """Bag u of the result holds bag u of `first`, then bag u of `second`."""
    offsets = first.offsets + second.offsets
    ids = np.empty(offsets[-1], np.int32)
    ids[np.arange(len(first.ids)) + np.repeat(second.offsets[:-1], np.diff(first.offsets))] = first.ids
    ids[np.arange(len(second.ids)) + np.repeat(first.offsets[1:], np.diff(second.offsets))] = second.ids
    return Bags(ids, offsets)


def _tensor(array: NDArray[Any], device: torch.device | None) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    return tensor if device is None else tensor.to(device, non_blocking=True)
