"""Dropout of one scan: which inputs and states it drops."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from timesteps.nn.cells import Cell
from timesteps.nn.dropout import dropout_mask, mask_at

__all__ = ["NOTHING_DROPPED", "Dropped", "drop_input", "recurrent_mask_of"]


@dataclass(frozen=True)
class Dropped:
    """Dropout of one scan: probabilities, the rows' keys, and the streams of random numbers of the masks.

    Input dropout leaves the last `spared` inputs alone.
    """

    input: float = 0.0
    recurrent: float = 0.0
    keys: Tensor | None = None
    input_stream: int = 0
    recurrent_stream: int = 1
    spared: int = 0


NOTHING_DROPPED = Dropped()


def drop_input(cell: Cell, x: Tensor, dropped: Dropped) -> tuple[Tensor, Tensor | None]:
    """x (B, visits, ...) after input dropout; for one-hot input, x and the factor of each one."""
    keys, p, stream = dropped.keys, dropped.input, dropped.input_stream
    if not p or keys is None:
        return x, None
    if x.is_floating_point():
        mask = dropout_mask(keys, x.shape[2] - dropped.spared, p, stream, x.dtype)
        if dropped.spared:
            mask = torch.cat([mask, mask.new_ones(len(mask), dropped.spared)], 1)
        return x * mask.unsqueeze(1), None
    return x, mask_at(keys, x, p, stream, cell.weight_ih.dtype)


def recurrent_mask_of(cell: Cell, dtype: torch.dtype, dropped: Dropped) -> Tensor | None:
    """Factors (B, size of h) of the state on its way into the recurrent product; None where nothing is dropped."""
    if not dropped.recurrent or dropped.keys is None:
        return None
    return dropout_mask(dropped.keys, cell.output_size, dropped.recurrent, dropped.recurrent_stream, dtype)
