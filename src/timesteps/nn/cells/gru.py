"""`GRUCell`: the gated recurrent unit, in both its forms."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from timesteps.nn.cells.cell import Cell, State


class GRUCell(Cell):
    """Gated recurrent unit: one state, a reset gate r and an update gate z.

        r, z = σ(W x + b + U h + d)                            (each gate its own rows of W, b, U, d)
        n = tanh(W x + b + r ∘ (U h + d))    reset after the product:  reset_after=True, torch, cuDNN, Keras' default
        n = tanh(W x + b + U (r ∘ h) + d)    reset before the product: reset_after=False, the paper
        h' = (1 - z) ∘ n + z ∘ h

    Cho et al. (2014), arXiv:1406.1078. Deviation: rows in torch's order r, z, n (Keras has z, r, n), and two biases
    also in the form with the reset before, where their sum would do.

    Example:
        >>> import torch
        >>> from timesteps.nn import GRUCell
        >>> GRUCell(5, 8, reset_after=False)(torch.zeros(3, 5)).shape
        torch.Size([3, 8])
    """

    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    states: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        reset_after: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device=device, dtype=dtype)
        self.reset_after = reset_after

    def input_bias(self) -> Tensor | None:
        """`bias_ih` alone: with the reset after the product, r multiplies n's part of `bias_hh`."""
        return self.bias_ih if self.bias else None

    def step(self, gx: Tensor, state: State, recurrent_mask: Tensor | None = None) -> tuple[Tensor, State]:
        """gx (B, 3H), h (B, H) -> h' (B, H), h'."""
        assert isinstance(state, Tensor)
        h = state if recurrent_mask is None else state * recurrent_mask
        gates = 2 * self.hidden_size
        weight, bias = self.weight_hh, self.bias_hh if self.bias else None
        if self.reset_after:
            gh = F.linear(h, weight, bias)
            r, z = torch.sigmoid(gx[:, :gates] + gh[:, :gates]).chunk(2, -1)
            n = torch.tanh(gx[:, gates:] + r * gh[:, gates:])
        else:
            b_gates, b_n = (None, None) if bias is None else (bias[:gates], bias[gates:])
            r, z = torch.sigmoid(gx[:, :gates] + F.linear(h, weight[:gates], b_gates)).chunk(2, -1)
            n = torch.tanh(gx[:, gates:] + F.linear(r * h, weight[gates:], b_n))
        new = n + z * (state - n)
        return new, new

    def extra_repr(self) -> str:
        """Sizes and form, for print(cell)."""
        return f"{super().extra_repr()}, reset_after={self.reset_after}"
