"""`LSTMCell`: long short-term memory."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from timesteps.nn.cells.cell import Cell, State


class LSTMCell(Cell):
    """Long short-term memory: a cell state c that gates write, keep and read.

        i, f, o = σ(W x + b + U h)    g = tanh(W x + b + U h)    (each gate its own rows of W, b, U)
        c' = f ∘ c + i ∘ g
        h' = o ∘ tanh(c')             or W_hr (o ∘ tanh(c')) with `proj_size`

    Hochreiter and Schmidhuber (1997), Neural Computation 9(8); the forget gate is Gers, Schmidhuber and Cummins
    (2000), Neural Computation 12(10); the projection is Sak, Senior and Beaufays (2014), arXiv:1402.1128. Deviation: no
    peephole connections, and two biases, as in torch.

    `proj_size` P > 0 makes h (B, P) while c stays (B, H), and adds `weight_hr` (P, H).

    Raises:
        UsageError: a size below 1, or proj_size not in 0 … hidden_size - 1.

    Example:
        >>> import torch
        >>> from timesteps.nn import LSTMCell
        >>> h, c = LSTMCell(5, 8, proj_size=3)(torch.zeros(2, 5))
        >>> h.shape, c.shape
        (torch.Size([2, 3]), torch.Size([2, 8]))
    """

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    states: ClassVar[tuple[str, ...]] = ("h", "c")
    weight_hr: Tensor  # with `proj_size`

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, proj_size=proj_size, device=device, dtype=dtype)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h and c."""
        return (self.output_size, self.hidden_size)

    def step(self, gx: Tensor, state: State, recurrent_mask: Tensor | None = None) -> tuple[Tensor, State]:
        """gx (B, 4H), (h, c) -> h', (h', c')."""
        h, c = state
        i, f, g, o = (gx + F.linear(h if recurrent_mask is None else h * recurrent_mask, self.weight_hh)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        if self.proj_size:
            h = F.linear(h, self.weight_hr)
        return h, (h, c)
