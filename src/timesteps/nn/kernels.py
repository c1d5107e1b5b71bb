"""torch's own recurrent kernels, for the cells whose equation they compute."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from timesteps.nn.cells import Cell, ElmanCell, GRUCell, LSTMCell

_HOLD = 1e9
"""Before a sigmoid this is 1 (0 with a minus), whatever is added to it."""


def why_not_torch(cell: Cell) -> str | None:
    """Why torch has no kernel for this cell; None if it has one."""
    if cell.layer_norm or cell.peephole:
        return f"torch's kernels have no {'layer norm' if cell.layer_norm else 'peephole connections'}"
    if type(cell) is ElmanCell:
        return None if cell.nonlinearity in ("tanh", "relu") else f"torch has no rnn kernel for {cell.nonlinearity!r}"
    if type(cell) is GRUCell:
        return None if cell.reset_after else "torch's gru kernel resets after the product, this cell before it"
    if type(cell) is LSTMCell:
        return None
    return f"torch has no kernel for {type(cell).__name__}"


def run_torch(
    cell: Cell, x: Tensor, state: tuple[Tensor, ...], counts: Tensor | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All steps of x (B, T, I) in one call. Row b stops after counts[b] steps; its outputs from there on mean nothing.

    The kernels know no lengths and run on over the padding. A hidden state is read where the row stops. An LSTM's c is
    not among the outputs, so a padding step holds it: one more input, 1 on padding, shuts the input gate and opens the
    forget gate. Held values and their gradients are exact.
    """
    weights = [cell.weight_ih, cell.weight_hh]
    if cell.bias:
        weights += [cell.bias_ih, cell.bias_hh]
    if isinstance(cell, LSTMCell):
        if counts is not None:
            x, weights[0] = _holding(cell.weight_ih, x, counts)
        if cell.proj_size:
            weights.append(cell.weight_hr)
        y, h, c = _call(torch._VF.lstm, cell, x, [part.unsqueeze(0) for part in state], weights)
        finals: tuple[Tensor, ...] = (h[0], c[0])
    else:
        if isinstance(cell, GRUCell):
            kernel = torch._VF.gru
        else:
            assert isinstance(cell, ElmanCell)
            kernel = torch._VF.rnn_tanh if cell.nonlinearity == "tanh" else torch._VF.rnn_relu
        y, h = _call(kernel, cell, x, state[0].unsqueeze(0), weights)
        finals = (h[0],)
    if counts is not None:
        last = (counts - 1).clamp(min=0)
        h_last = y[torch.arange(len(y), device=y.device), last]
        empty = (counts == 0).unsqueeze(1)
        finals = tuple(torch.where(empty, old, new) for old, new in zip(state, (h_last, *finals[1:]), strict=True))
    return y, finals


def _call(
    kernel: Callable[..., tuple[Tensor, ...]],
    cell: Cell,
    x: Tensor,
    state: Tensor | list[Tensor],
    weights: list[Tensor],
) -> tuple[Tensor, ...]:
    # has_biases, num_layers, dropout, train, bidirectional, batch_first
    return kernel(x, state, weights, cell.bias, 1, 0.0, torch.is_grad_enabled(), False, True)


def _holding(weight_ih: Tensor, x: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """x and weight_ih with the input that holds c."""
    padding = torch.arange(x.shape[1], device=x.device) >= counts.unsqueeze(1)
    size = len(weight_ih) // 4
    hold = min(_HOLD, torch.finfo(x.dtype).max / 4)
    column = weight_ih.new_zeros(4, size, 1)
    column[0], column[1] = -hold, hold
    return torch.cat([x, padding.unsqueeze(2).to(x.dtype)], 2), torch.cat([weight_ih, column.view(-1, 1)], 1)
