"""`MinGRUCell`: the gated recurrent unit whose gate reads the input alone."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from timesteps.nn.cells.linear import LinearCell


class MinGRUCell(LinearCell):
    """minGRU: a gate z that reads the input alone, and a candidate that is linear in it.

        z = σ(W_z x + b_z)    h̃ = W_h x + b_h
        h' = (1 - z) ∘ h + z ∘ h̃

    A third of a GRU's parameters where H = I, and no product with the state. Rows of `weight_ih`: z, then h̃.

    Feng, Tung, Ahmed, Bengio and Hajimirsadeghi (2024), Were RNNs all we needed?, arXiv:2410.01201, section 3.1: the
    form with a linear candidate, not the one of its log-space implementation, whose candidate is kept positive.

    Example:
        >>> import torch
        >>> from timesteps.nn import MinGRUCell
        >>> MinGRUCell(5, 8)(torch.zeros(3, 5)).shape
        torch.Size([3, 8])
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "h")

    def coefficients(self, gx: Tensor) -> tuple[Tensor, Tensor]:
        """1 - z and z ∘ h̃."""
        z, candidate = gx.chunk(2, -1)
        z = torch.sigmoid(z)
        return 1 - z, z * candidate

    def gates_at(self, gx: Tensor, before: tuple[Tensor, ...], made: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """z and the candidate."""
        z, candidate = gx.chunk(2, -1)
        return {"z": torch.sigmoid(z), "candidate": candidate}
