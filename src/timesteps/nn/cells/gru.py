"""`GRUCell`: the gated recurrent unit, in both its forms."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from timesteps.nn.cells.cell import Cell, State, normed


class GRUCell(Cell):
    """Gated recurrent unit: one state, a reset gate r and an update gate z.

        r, z = σ(W x + b + U h + d)                            (each gate its own rows of W, b, U, d)
        n = tanh(W x + b + r ∘ (U h + d))    reset after the product:  reset_after=True, torch, cuDNN, Keras' default
        n = tanh(W x + b + U (r ∘ h) + d)    reset before the product: reset_after=False, the paper
        h' = (1 - z) ∘ n + z ∘ h

    Cho et al. (2014), arXiv:1406.1078. Deviation: rows in torch's order r, z, n (Keras has z, r, n), and two biases
    also in the form with the reset before, where their sum would do. `layer_norm` is that of `Cell`, with r and z
    normalised together and n alone; d stands after the norm, inside the product with r where that comes after:

        n = tanh(LN(W x) + b + r ∘ (LN(U h) + d))    or    n = tanh(LN(W x) + b + LN(U (r ∘ h)) + d)

    Example:
        >>> import torch
        >>> from timesteps.nn import GRUCell
        >>> GRUCell(5, 8, reset_after=False)(torch.zeros(3, 5)).shape
        torch.Size([3, 8])
    """

    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    states: ClassVar[tuple[str, ...]] = ("h",)
    norm_blocks: ClassVar[tuple[int, ...]] = (2, 1)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        reset_after: bool = True,
        *,
        layer_norm: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, layer_norm=layer_norm, device=device, dtype=dtype)
        self.reset_after = reset_after

    def input_bias(self) -> Tensor | None:
        """`bias_ih` alone: with the reset after the product, r multiplies n's part of `bias_hh`."""
        return self.bias_ih if self.bias else None

    def step(self, gx: Tensor, state: State, recurrent_mask: Tensor | None = None) -> tuple[Tensor, State]:
        """gx (B, 3H), h (B, H) -> h' (B, H), h'."""
        assert isinstance(state, Tensor)
        _, z, n = self._gated(gx, state if recurrent_mask is None else state * recurrent_mask)
        new = n + z * (state - n)
        return new, new

    def gates_at(self, gx: Tensor, before: tuple[Tensor, ...], made: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """r, z and n."""
        return dict(zip(self.gates, self._gated(gx, before[0]), strict=True))

    def _gated(self, gx: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        gates, bias = 2 * self.hidden_size, self.bias_hh if self.bias else None
        if self.reset_after:
            gh = self.recur(h, bias)
            r, z = torch.sigmoid(gx[:, :gates] + gh[:, :gates]).chunk(2, -1)
            return r, z, torch.tanh(gx[:, gates:] + r * gh[:, gates:])
        r, z = torch.sigmoid(gx[:, :gates] + self._product(h, slice(gates), bias)).chunk(2, -1)
        return r, z, torch.tanh(gx[:, gates:] + self._product(r * h, slice(gates, None), bias))

    def _product(self, h: Tensor, rows: slice, bias: Tensor | None) -> Tensor:
        """`recur` for some of the gates."""
        weight, bias = self.weight_hh[rows], None if bias is None else bias[rows]
        if not self.layer_norm:
            return F.linear(h, weight, bias)
        gh = normed(F.linear(h, weight), self.norm_hh[rows])
        return gh if bias is None else gh + bias

    def extra_repr(self) -> str:
        """Sizes and form, for print(cell)."""
        return f"{super().extra_repr()}, reset_after={self.reset_after}"
