"""How rows become a batch of torch's tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from timesteps.nn.models import Batch
from timesteps.runtime.sequences import Bags, Sequences

__all__ = ["collate"]


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
