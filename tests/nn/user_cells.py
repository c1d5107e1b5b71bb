"""Cells that a user writes."""

from __future__ import annotations

import torch
from torch import Tensor

from timesteps.nn import LinearCell


class PooledCell(LinearCell):
    """A user's cell: f-pooling behind an output gate, so that its output is more than its state."""

    gates = ("f", "z", "o")

    def coefficients(self, gx: Tensor) -> tuple[Tensor, Tensor]:
        f, z, _ = gx.chunk(3, -1)
        return torch.sigmoid(f), torch.sigmoid(-f) * z

    def output(self, gx: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(gx.chunk(3, -1)[2]) * h
