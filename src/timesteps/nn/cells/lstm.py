"""`LSTMCell`: long short-term memory."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from timesteps.nn.cells.cell import Cell, State, normed


class LSTMCell(Cell):
    """Long short-term memory: a cell state c that gates write, keep and read.

        i, f, o = σ(W x + b + U h)    g = tanh(W x + b + U h)    (each gate its own rows of W, b, U)
        c' = f ∘ c + i ∘ g
        h' = o ∘ tanh(c')             or W_hr (o ∘ tanh(c')) with `proj_size`

    Hochreiter and Schmidhuber (1997), Neural Computation 9(8); the forget gate is Gers, Schmidhuber and Cummins
    (2000), Neural Computation 12(10); the projection is Sak, Senior and Beaufays (2014), arXiv:1402.1128. Deviation:
    two biases, as in torch.

    `proj_size` P > 0 makes h (B, P) while c stays (B, H), and adds `weight_hr` (P, H).

    `peephole` lets gates see c: i and f gain p_i ∘ c and p_f ∘ c, o gains p_o ∘ c', before the sigmoid and after any
    layer norm. It adds `weight_ch` (3*H,), in the order i, f, o. Gers and Schmidhuber (2000), Recurrent nets that time
    and count, IJCNN.

    `layer_norm` is that of `Cell`, all gates together, and h' = o ∘ tanh(LN(c'; γ_c) + β_c), with `norm_c` and
    `norm_c_bias` (H,); the state keeps c' as it is.

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
    weight_ch: Tensor  # with `peephole`
    norm_c: Tensor  # with `layer_norm`
    norm_c_bias: Tensor  # with `layer_norm`

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        proj_size: int = 0,
        layer_norm: bool = False,
        peephole: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            bias,
            proj_size=proj_size,
            layer_norm=layer_norm,
            peephole=peephole,
            device=device,
            dtype=dtype,
        )

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter names and shapes, torch's own first and in torch's order."""
        shapes, size = super().parameter_shapes(), self.hidden_size
        if self.peephole:
            shapes["weight_ch"] = (3 * size,)
        if self.layer_norm:
            shapes |= {"norm_c": (size,), "norm_c_bias": (size,)}
        return shapes

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h and c."""
        return (self.output_size, self.hidden_size)

    def step(self, gx: Tensor, state: State, recurrent_mask: Tensor | None = None) -> tuple[Tensor, State]:
        """gx (B, 4H), (h, c) -> h', (h', c')."""
        h, c = state
        i, f, g, o = (gx + self.recur(h if recurrent_mask is None else h * recurrent_mask)).chunk(4, -1)
        if self.peephole:
            p_i, p_f, p_o = self.weight_ch.chunk(3)
            i, f = i + p_i * c, f + p_f * c
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        if self.peephole:
            o = o + p_o * c
        h = torch.sigmoid(o) * torch.tanh(normed(c, self.norm_c, self.norm_c_bias) if self.layer_norm else c)
        if self.proj_size:
            h = F.linear(h, self.weight_hr)
        return h, (h, c)

    def gates_at(self, gx: Tensor, before: tuple[Tensor, ...], made: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """i, f, g and o."""
        i, f, g, o = (gx + self.recur(before[0])).chunk(4, -1)
        if self.peephole:
            p_i, p_f, p_o = self.weight_ch.chunk(3)
            i, f, o = i + p_i * before[1], f + p_f * before[1], o + p_o * made[1]
        return {"i": torch.sigmoid(i), "f": torch.sigmoid(f), "g": torch.tanh(g), "o": torch.sigmoid(o)}
