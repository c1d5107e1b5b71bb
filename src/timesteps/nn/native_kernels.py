"""The compiled recurrent kernels (native/recurrent) as functions of tensors, and with gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from timesteps.runtime import kinds, native


class Equation(NamedTuple):
    """A cell as the kernels know it."""

    kind: int  # of timesteps.runtime.kinds
    option: int
    zoneout: float = 0.0  # of h, with Inputs.keys at random
    zoneout_cell: float = 0.0  # of c
    stream: int = 0  # of random numbers, for h
    stream_cell: int = 0

    @property
    def has_cells(self) -> bool:
        """Whether there is a second state, c."""
        return self.kind in (kinds.LSTM, kinds.LSTM_PROJECTED)


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


@functools.lru_cache(256)
def saved_size(
    kind: int, hidden_size: int, in_double: bool, regularised: bool = False, normed: bool = False
) -> tuple[int, int]:
    """Numbers that forward keeps for backward: for each step of a row, and once."""
    core = native.core
    assert core is not None
    each, once = core.recurrent_saved(kind, hidden_size, in_double, regularised, normed)
    return each, once


def saved_by(equation: Equation, inputs: Inputs) -> tuple[int, int]:
    """`saved_size` of one call."""
    in_double, normed = inputs.x.dtype == torch.float64, inputs.norm_hh is not None
    return saved_size(equation.kind, int(inputs.hidden_size), in_double, is_regularised(equation, inputs), normed)


def is_regularised(equation: Equation, inputs: Inputs) -> bool:
    """Whether the kernels with layer norm, zoneout and peephole connections run, which keep more for backward."""
    norms = (inputs.norm_ih, inputs.norm_hh, inputs.norm_c, inputs.norm_c_bias, inputs.weight_ch)
    return equation.zoneout > 0 or equation.zoneout_cell > 0 or any(tensor is not None for tensor in norms)


def marked_size(equation: Equation, rows: int, steps: int, hidden_size: int, recompute: int) -> int:
    """Numbers that forward keeps for a backward pass that recomputes: c at every so many visits, but at the first."""
    return ((steps - 1) // recompute) * rows * hidden_size if equation.has_cells else 0


def shape_of(equation: Equation, inputs: Inputs, reverse: bool, recompute: int) -> tuple[float, ...]:
    """The numbers of a call, as RecurrentShape in native/recurrent/bind.cpp orders them."""
    x, starts = inputs.x, inputs.starts
    return (
        *equation[:2], *x.shape, inputs.hidden_size, inputs.output_size, reverse, x.dtype == torch.float64,
        torch.get_num_threads(), 0 if starts is None else starts.shape[1], recompute, *equation[2:],
    )  # fmt: skip


def rows_of(tensor: Tensor | None) -> tuple[Tensor, int, int] | None:
    """A tensor (B, T, …) with its strides, as the kernels take it."""
    return None if tensor is None else (tensor, tensor.stride(0), tensor.stride(1))


def forward(
    equation: Equation,
    inputs: Inputs,
    reverse: bool,
    keep: bool,
    steps_first: bool = False,
    recompute: int = 0,
    memory: Callable[[int, Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Outputs (B, T, H), final states (B, H), and what `backward` needs; `steps_first` is a layout of the outputs.

    With `recompute`, that is the state at every so many steps only. `memory` gives the place for it.
    """
    core = native.core
    assert core is not None
    x, hidden, size = inputs.x, inputs.hidden_size, inputs.output_size
    rows, steps = x.shape[:2]
    saved = None
    if keep and recompute:
        saved = x.new_empty(marked_size(equation, rows, steps, hidden, recompute))
    elif keep:
        each, once = saved_by(equation, inputs)
        size_of_all = rows * steps * each + once
        saved = x.new_empty(size_of_all) if memory is None else memory(size_of_all, x)
    y = x.new_empty_strided((rows, steps, size), _strides(rows, steps, size, steps_first))
    hn = x.new_empty(rows, size)
    cn = x.new_empty(rows, hidden) if equation.has_cells else None
    shape = shape_of(equation, inputs, reverse, recompute)
    core.recurrent_forward(shape, rows_of(x), inputs[1:], saved, rows_of(y), (hn, cn))
    return y, hn, cn, saved


def backward(
    equation: Equation,
    inputs: Inputs,
    reverse: bool,
    y: Tensor,
    saved: Tensor,
    grads: Sequence[Tensor | None],
    wanted: Sequence[bool],
    recompute: int = 0,
) -> list[Tensor | None]:
    """Gradients of the first of `inputs`, where wanted, from those of outputs and final states (None: zero)."""
    core = native.core
    assert core is not None
    dy, dhn, dcn = (None if grad is None else rows_side_by_side(grad) for grad in grads)
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
    core.recurrent_backward(
        shape_of(equation, inputs, reverse, recompute), rows_of(inputs.x), inputs[1:], saved, rows_of(y), rows_of(dy),
        (dhn, dcn), rows_of(dx), tuple(others),
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
        ctx: Any, equation: Equation, reverse: bool, recompute: int, replay: Replay, *tensors: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Outputs and final states; the tensors are those of Inputs."""
        inputs = Inputs(*tensors)  # type: ignore[arg-type]
        y, hn, cn, saved = forward(equation, inputs, reverse, True, time_first(inputs.x), recompute)
        ctx.save_for_backward(*tensors, y, saved)
        ctx.equation, ctx.reverse, ctx.recompute, ctx.replay = equation, reverse, recompute, replay
        ctx.set_materialize_grads(False)
        return y, hn, cn

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        """Gradients of the first of them."""
        *tensors, y, saved = ctx.saved_tensors
        inputs, wanted = Inputs(*tensors), ctx.needs_input_grad[4 : 4 + DIFFERENTIABLE]
        if torch.is_grad_enabled():  # create_graph
            results = differentiated(lambda *given: ctx.replay(Inputs(*given)), inputs, grads, wanted)
        else:
            results = backward(ctx.equation, inputs, ctx.reverse, y, saved, grads, wanted, ctx.recompute)
        return (None, None, None, None, *results, None, None, None, None, None)


def differentiated(
    replay: Callable[..., Sequence[Tensor | None]],
    inputs: Sequence[Tensor | None],
    grads: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> list[Tensor | None]:
    """Gradients that have gradients, of the first of `inputs` where wanted, through what `replay` does with them.

    Each input gets an alias, lest one that was made from another count for that other too.
    """
    with torch.enable_grad():
        inputs = [t.view_as(t) if t is not None and t.is_floating_point() else t for t in inputs]
        outputs, given = [], []
        for out, grad in zip(replay(*inputs), grads, strict=True):
            if out is not None and grad is not None:
                outputs.append(out)
                given.append(grad)
        leaves = [tensor for tensor, want in zip(inputs, wanted, strict=False) if tensor is not None and want]
        found = iter(torch.autograd.grad(outputs, leaves, given, create_graph=True, allow_unused=True))
    return [next(found) if want else None for want in wanted]
