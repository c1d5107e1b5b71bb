"""The compiled recurrent kernels (native/recurrent) as functions of tensors, and with gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from timesteps.runtime import native


class Equation(NamedTuple):
    """A cell as the kernels know it."""

    kind: int  # CellKind in native/recurrent/problem.h
    option: int
    zoneout: float = 0.0  # of h, with Inputs.keys at random
    zoneout_cell: float = 0.0  # of c
    stream: int = 0  # of random numbers, for h
    stream_cell: int = 0

    @property
    def has_cells(self) -> bool:
        """Whether there is a second state, c."""
        return self.kind in (LSTM, LSTM_PROJECTED)


class Inputs(NamedTuple):
    """The tensors of a call: states (B, H) or None for zeros, weights as torch has them, and the visits.

    x is (B, T, I); without weight_ih it is (B, T, G*H), what `Cell.project` makes, and no bias is added but bias_hh.
    weight_hh of a cell without a recurrent product is (0, H).
    """

    x: Tensor
    h0: Tensor | None
    c0: Tensor | None
    fresh_h: Tensor | None
    fresh_c: Tensor | None
    weight_ih: Tensor | None
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None
    weight_hr: Tensor | None
    norm_ih: Tensor | None  # gains of layer norm; of x, not where weight_ih is missing
    norm_hh: Tensor | None
    norm_c: Tensor | None
    norm_c_bias: Tensor | None
    weight_ch: Tensor | None  # of peephole connections
    mask: Tensor | None  # (B, size of h) factors of the recurrent state
    counts: Tensor | None  # (B,) visits of each row
    order: Tensor | None  # (B, T) the time of each visit, real steps first
    starts: Tensor | None  # (B, visits) booleans: a fresh start before a visit
    keys: Tensor | None  # (B,) of zoneout's random numbers; None is the mean of them

    @property
    def output_size(self) -> int:
        """Numbers of h."""
        return self.weight_hh.shape[1]

    @property
    def hidden_size(self) -> int:
        """Hidden units, which are more with a projection."""
        return self.output_size if self.weight_hr is None else self.weight_hr.shape[1]


Replay = Callable[[Inputs], tuple[Tensor, Tensor, Tensor | None]]
"""The same call by the plain loop: outputs, final h, final c."""

DIFFERENTIABLE = 15
"""So many of Inputs, the first, have gradients."""

LSTM, LSTM_PROJECTED = 1, 4
"""The kinds with two states."""


@functools.lru_cache(256)
def saved_size(kind: int, hidden_size: int, normed: bool, in_double: bool) -> tuple[int, int]:
    """Numbers that forward keeps for backward: for each step of a row, and once."""
    core = native.core
    assert core is not None
    each, once = core.recurrent_saved(kind, hidden_size, in_double, normed)
    return each, once


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _arguments(equation: Equation, inputs: Inputs, saved: Tensor | None, reverse: bool) -> tuple[Any, Any]:
    core = native.core
    assert core is not None
    x = inputs.x
    shape = core.RecurrentShape(
        *equation[:2], *x.shape, inputs.hidden_size, inputs.output_size, reverse,
        x.dtype == torch.float64, torch.get_num_threads(), *equation[2:],
    )  # fmt: skip
    starts_row = 0 if inputs.starts is None else inputs.starts.shape[1]
    addresses = [_address(tensor) for tensor in inputs]
    return shape, core.RecurrentInputs(addresses[0], *x.stride()[:2], *addresses[1:], starts_row, _address(saved))


def forward(
    equation: Equation, inputs: Inputs, reverse: bool, keep: bool, steps_first: bool = False
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Outputs (B, T, H), final states (B, H), and what `backward` needs; `steps_first` is a layout of the outputs."""
    core = native.core
    assert core is not None
    x, hidden, size = inputs.x, inputs.hidden_size, inputs.output_size
    rows, steps = x.shape[:2]
    saved = None
    if keep:
        each, once = saved_size(equation.kind, hidden, inputs.norm_hh is not None, x.dtype == torch.float64)
        saved = x.new_empty(rows * steps * each + once)
    y = x.new_empty_strided((rows, steps, size), _strides(rows, steps, size, steps_first))
    hn = x.new_empty(rows, size)
    cn = x.new_empty(rows, hidden) if equation.has_cells else None
    shape, places = _arguments(equation, inputs, saved, reverse)
    core.recurrent_forward(shape, places, y.data_ptr(), *y.stride()[:2], hn.data_ptr(), _address(cn))
    return y, hn, cn, saved


def backward(
    equation: Equation,
    inputs: Inputs,
    reverse: bool,
    y: Tensor,
    saved: Tensor,
    grads: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> list[Tensor | None]:
    """Gradients of the first of `inputs`, where wanted, from those of outputs and final states (None: zero)."""
    core = native.core
    assert core is not None
    dy, dhn, dcn = (None if grad is None else rows_side_by_side(grad) for grad in grads)
    dy_strides = (0, 0) if dy is None else dy.stride()[:2]
    dhn, dcn = (None if grad is None else grad.contiguous() for grad in (dhn, dcn))
    results: list[Tensor | None] = [
        None if tensor is None or not want else torch.empty_like(tensor, memory_format=torch.contiguous_format)
        for tensor, want in zip(inputs[:DIFFERENTIABLE], wanted, strict=True)
    ]
    for fresh in results[3:5]:
        if fresh is not None:
            fresh.zero_()
    if results[0] is not None and time_first(inputs.x):
        rows, steps, size = inputs.x.shape
        results[0] = inputs.x.new_empty_strided((rows, steps, size), _strides(rows, steps, size, True))
    dx, *others = results
    dx_strides = (0, 0) if dx is None else dx.stride()[:2]
    shape, places = _arguments(equation, inputs, saved, reverse)
    core.recurrent_backward(
        shape, places, y.data_ptr(), *y.stride()[:2], _address(dy), *dy_strides, _address(dhn), _address(dcn),
        _address(dx), *dx_strides, *map(_address, others),
    )  # fmt: skip
    return results


def _strides(rows: int, steps: int, size: int, steps_first: bool) -> tuple[int, int, int]:
    return (size, rows * size, 1) if steps_first else (steps * size, size, 1)


def rows_side_by_side(x: Tensor) -> Tensor:
    """x, or a copy, whose rows are each in one piece."""
    return x if x.stride(-1) == 1 else x.contiguous()


def time_first(x: Tensor) -> bool:
    """Whether x (B, T, I) lies in memory as (T, B, I)."""
    return x.stride(1) > x.stride(0) > 0


class Scan(torch.autograd.Function):
    """The kernels for autograd. Gradients of gradients come from the plain loop."""

    @staticmethod
    def forward(
        ctx: Any, equation: Equation, reverse: bool, replay: Replay, *tensors: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Outputs and final states; the tensors are those of Inputs."""
        inputs = Inputs(*tensors)  # type: ignore[arg-type]
        y, hn, cn, saved = forward(equation, inputs, reverse, True, time_first(inputs.x))
        ctx.save_for_backward(*tensors, y, saved)
        ctx.equation, ctx.reverse, ctx.replay = equation, reverse, replay
        ctx.set_materialize_grads(False)
        return y, hn, cn

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        """Gradients of the first of them."""
        *tensors, y, saved = ctx.saved_tensors
        inputs, wanted = Inputs(*tensors), ctx.needs_input_grad[3 : 3 + DIFFERENTIABLE]
        if torch.is_grad_enabled():  # create_graph
            results = _replayed(ctx.replay, inputs, grads, wanted)
        else:
            results = backward(ctx.equation, inputs, ctx.reverse, y, saved, grads, wanted)
        return (None, None, None, *results, None, None, None, None, None)


def _replayed(
    replay: Replay, inputs: Inputs, grads: Sequence[Tensor | None], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """Gradients that have gradients."""
    with torch.enable_grad():
        outputs, given = [], []
        for out, grad in zip(replay(inputs), grads, strict=True):
            if out is not None and grad is not None:
                outputs.append(out)
                given.append(grad)
        leaves = [tensor for tensor, want in zip(inputs, wanted, strict=False) if tensor is not None and want]
        found = iter(torch.autograd.grad(outputs, leaves, given, create_graph=True, allow_unused=True))
    return [next(found) if want else None for want in wanted]
