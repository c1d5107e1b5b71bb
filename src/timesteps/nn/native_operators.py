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
    saved_size,
)


@torch.library.custom_op("timesteps::recurrent", mutates_args=())
def recurrent(
    kind: int,
    option: int,
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
    mask: Tensor | None,
    counts: Tensor | None,
    order: Tensor | None,
    starts: Tensor | None,
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
        mask,
        counts,
        order,
        starts,
    )
    y, hn, cn, saved = forward(Equation(kind, option), inputs, reverse, keep)
    return y, hn, x.new_empty(0) if cn is None else cn, x.new_empty(0) if saved is None else saved


@recurrent.register_fake
def _(kind: int, option: int, reverse: bool, keep: bool, *tensors: Tensor | None) -> tuple[Tensor, ...]:
    inputs = Inputs(*tensors)  # type: ignore[arg-type]
    x, hidden, size = inputs.x, inputs.hidden_size, inputs.output_size
    each, once = saved_size(kind, int(hidden), x.dtype == torch.float64) if keep else (0, 0)
    y, hn = x.new_empty(x.shape[0], x.shape[1], size), x.new_empty(x.shape[0], size)
    cn = x.new_empty(x.shape[0], hidden) if Equation(kind, option).has_cells else x.new_empty(0)
    return y, hn, cn, x.new_empty(x.shape[0] * x.shape[1] * each + once)


@torch.library.custom_op("timesteps::recurrent_backward", mutates_args=())
def recurrent_backward(
    kind: int,
    option: int,
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
    mask: Tensor | None,
    counts: Tensor | None,
    order: Tensor | None,
    starts: Tensor | None,
) -> list[Tensor]:
    """Gradients of x … weight_hr, those that are wanted."""
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
        mask,
        counts,
        order,
        starts,
    )
    grads = (dy, dhn, dcn if Equation(kind, option).has_cells else None)
    results = backward(Equation(kind, option), inputs, reverse, y.contiguous(), saved, grads, wanted)
    return [grad.contiguous() for grad in results if grad is not None]


@recurrent_backward.register_fake
def _(
    kind: int,
    option: int,
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
    ctx.numbers, tensors = inputs[:3], inputs[4:]
    ctx.save_for_backward(*tensors, output[0], output[3])


def _gradients(ctx: Any, dy: Tensor, dhn: Tensor, dcn: Tensor, _: Tensor) -> tuple[Any, ...]:
    *tensors, y, saved = ctx.saved_tensors
    wanted = list(ctx.needs_input_grad[4 : 4 + DIFFERENTIABLE])
    found = iter(recurrent_backward(*ctx.numbers, wanted, dy, dhn, dcn, y, saved, *tensors))
    return (*(None,) * 4, *(next(found) if want else None for want in wanted), *(None,) * 4)


recurrent.register_autograd(_gradients, setup_context=_setup)
