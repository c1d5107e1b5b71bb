"""The compiled recurrent kernels as an operator: for torch.compile, torch.export and their like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from timesteps.nn.native_kernels import (
    DIFFERENTIABLE,
    Equation,
    Inputs,
    backward,
    forward,
    rows_side_by_side,
    saved_by,
)

_NUMBERS = len(Equation._fields) + 1
"""Arguments of the operators that say what is computed: the fields of an Equation, and the direction."""


@torch.library.custom_op("timesteps::recurrent", mutates_args=())
def recurrent(
    kind: int,
    option: int,
    zoneout: float,
    zoneout_cell: float,
    stream: int,
    stream_cell: int,
    reverse: bool,
    keep: bool,
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    fresh_h: Tensor | None,
    fresh_c: Tensor | None,
    weight_ih: Tensor | None,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    weight_hr: Tensor | None,
    norm_ih: Tensor | None,
    norm_hh: Tensor | None,
    norm_c: Tensor | None,
    norm_c_bias: Tensor | None,
    weight_ch: Tensor | None,
    mask: Tensor | None,
    counts: Tensor | None,
    order: Tensor | None,
    starts: Tensor | None,
    keys: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Outputs, final states, and what backward needs; an operator returns tensors only, empty ones for none."""
    inputs = Inputs(
        rows_side_by_side(x),
        h0,
        c0,
        fresh_h,
        fresh_c,
        weight_ih,
        weight_hh,
        bias_ih,
        bias_hh,
        weight_hr,
        norm_ih,
        norm_hh,
        norm_c,
        norm_c_bias,
        weight_ch,
        mask,
        counts,
        order,
        starts,
        keys,
    )
    equation = Equation(kind, option, zoneout, zoneout_cell, stream, stream_cell)
    y, hn, cn, saved = forward(equation, inputs, reverse, keep)
    return y, hn, x.new_empty(0) if cn is None else cn, x.new_empty(0) if saved is None else saved


@recurrent.register_fake
def _(
    kind: int,
    option: int,
    zoneout: float,
    zoneout_cell: float,
    stream: int,
    stream_cell: int,
    reverse: bool,
    keep: bool,
    *tensors: Tensor | None,
) -> tuple[Tensor, ...]:
    inputs = Inputs(*tensors)  # type: ignore[arg-type]
    x, hidden, size = inputs.x, inputs.hidden_size, inputs.output_size
    equation = Equation(kind, option, zoneout, zoneout_cell, stream, stream_cell)
    each, once = saved_by(equation, inputs) if keep else (0, 0)
    y, hn = x.new_empty(x.shape[0], x.shape[1], size), x.new_empty(x.shape[0], size)
    cn = x.new_empty(x.shape[0], hidden) if equation.has_cells else x.new_empty(0)
    return y, hn, cn, x.new_empty(x.shape[0] * x.shape[1] * each + once)


@torch.library.custom_op("timesteps::recurrent_backward", mutates_args=())
def recurrent_backward(
    kind: int,
    option: int,
    zoneout: float,
    zoneout_cell: float,
    stream: int,
    stream_cell: int,
    reverse: bool,
    wanted: Sequence[bool],
    dy: Tensor,
    dhn: Tensor,
    dcn: Tensor,
    y: Tensor,
    saved: Tensor,
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    fresh_h: Tensor | None,
    fresh_c: Tensor | None,
    weight_ih: Tensor | None,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    weight_hr: Tensor | None,
    norm_ih: Tensor | None,
    norm_hh: Tensor | None,
    norm_c: Tensor | None,
    norm_c_bias: Tensor | None,
    weight_ch: Tensor | None,
    mask: Tensor | None,
    counts: Tensor | None,
    order: Tensor | None,
    starts: Tensor | None,
    keys: Tensor | None,
) -> list[Tensor]:
    """Gradients of x … weight_ch, those that are wanted."""
    inputs = Inputs(
        rows_side_by_side(x),
        h0,
        c0,
        fresh_h,
        fresh_c,
        weight_ih,
        weight_hh,
        bias_ih,
        bias_hh,
        weight_hr,
        norm_ih,
        norm_hh,
        norm_c,
        norm_c_bias,
        weight_ch,
        mask,
        counts,
        order,
        starts,
        keys,
    )
    equation = Equation(kind, option, zoneout, zoneout_cell, stream, stream_cell)
    grads = (dy, dhn, dcn if equation.has_cells else None)
    results = backward(equation, inputs, reverse, y.contiguous(), saved, grads, wanted)
    return [grad.contiguous() for grad in results if grad is not None]


@recurrent_backward.register_fake
def _(
    kind: int,
    option: int,
    zoneout: float,
    zoneout_cell: float,
    stream: int,
    stream_cell: int,
    reverse: bool,
    wanted: Sequence[bool],
    dy: Tensor,
    dhn: Tensor,
    dcn: Tensor,
    y: Tensor,
    saved: Tensor,
    *tensors: Tensor | None,
) -> list[Tensor]:
    return [
        torch.empty_like(tensor, memory_format=torch.contiguous_format)
        for tensor, want in zip(tensors[:DIFFERENTIABLE], wanted, strict=True)
        if tensor is not None and want
    ]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.numbers, tensors = inputs[:_NUMBERS], inputs[_NUMBERS + 1 :]
    ctx.save_for_backward(*tensors, output[0], output[3])


def _gradients(ctx: Any, dy: Tensor, dhn: Tensor, dcn: Tensor, _: Tensor) -> tuple[Any, ...]:
    *tensors, y, saved = ctx.saved_tensors
    wanted = list(ctx.needs_input_grad[_NUMBERS + 1 :][:DIFFERENTIABLE])
    found = iter(recurrent_backward(*ctx.numbers, wanted, dy, dhn, dcn, y, saved, *tensors))
    others = len(Inputs._fields) - DIFFERENTIABLE
    return (*(None,) * (_NUMBERS + 1), *(next(found) if want else None for want in wanted), *(None,) * others)


recurrent.register_autograd(_gradients, setup_context=_setup)
