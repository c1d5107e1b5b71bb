"""`MinLSTMCell`: long short-term memory whose gates read the input alone."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from timesteps.nn.cells.linear import LinearCell


class MinLSTMCell(LinearCell):
    """minLSTM: forget and input gates that read the input alone and share the state between them; one state.

        f = σ(W_f x + b_f)    i = σ(W_i x + b_i)    h̃ = W_h x + b_h
        h' = f / (f + i) ∘ h + i / (f + i) ∘ h̃

    Rows of `weight_ih`: f, i, then h̃.

    Feng, Tung, Ahmed, Bengio and Hajimirsadeghi (2024), Were RNNs all we needed?, arXiv:2410.01201, section 3.2: the
    form with a linear candidate. Deviation: the shares are σ(±(log f - log i)), the same numbers, which are also there
    when both gates are too small for a float.

    Example:
        >>> import torch
        >>> from timesteps.nn import MinLSTMCell
        >>> MinLSTMCell(5, 8)(torch.zeros(3, 5)).shape
        torch.Size([3, 8])
    """

    gates: ClassVar[tuple[str, ...]] = ("f", "i", "h")

    def coefficients(self, gx: Tensor) -> tuple[Tensor, Tensor]:
        """The share of f, and that of i times h̃."""
        f, i, candidate = gx.chunk(3, -1)
        more = F.logsigmoid(f) - F.logsigmoid(i)
        return torch.sigmoid(more), torch.sigmoid(-more) * candidate

    def gates_at(self, gx: Tensor, before: tuple[Tensor, ...], made: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """f, i and the candidate."""
        f, i, candidate = gx.chunk(3, -1)
        return {"f": torch.sigmoid(f), "i": torch.sigmoid(i), "candidate": candidate}
