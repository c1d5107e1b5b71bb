"""A plain call of RNN, LSTM or GRU by the compiled kernels: all layers and directions, with as little Python as can be.

`scan` decides, arranges and explains, which takes longer than the arithmetic of a small layer. Most calls are plain:
tensors of one type on the CPU, every step real, nothing dropped. Those come here, one autograd node for the whole
stack; what is not plain goes the general way, with the same results.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from timesteps.nn.cells import Cell
from timesteps.nn.cells.cell import as_state, as_tuple
from timesteps.nn.native_kernels import Equation, differentiated, marked_size, rows_side_by_side, saved_size
from timesteps.nn.native_scan import PLAIN, equation_of, is_traced, transformed
from timesteps.nn.padding import Steps
from timesteps.nn.scan import scan_steps
from timesteps.nn.trace import Recorder, recorded
from timesteps.runtime import native

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
"""Of one layer and direction, as the kernels take them."""

Outputs = tuple[Tensor, Tensor, Tensor | None]
"""y, laid out like x; h_n and c_n, (layers * directions, B, size)."""


class Plan(NamedTuple):
    """What does not change from call to call."""

    cells: tuple[Cell, ...]  # one a layer, without weights
    equation: Equation
    directions: int
    hidden_size: int
    output_size: int
    names: tuple[str | None, ...]  # of the parameters, WEIGHTS of each layer and direction; None: there is none
    shapes: tuple[tuple[int, ...] | None, ...]

    @classmethod
    def of(cls, cells: Sequence[Cell], suffixes: Sequence[str]) -> Self | None:
        """For equal cells on top of each other; None where the kernels have none, or not all of it."""
        equation, known = equation_of(cells[0]), set(WEIGHTS)
        if (
            equation is None
            or not cells[0].has_recurrent_product
            or not all(known.issuperset(cell._parameters) for cell in cells)
        ):
            return None
        names: list[str | None] = []
        shapes: list[tuple[int, ...] | None] = []
        for k, cell in enumerate(cells):
            for suffix in suffixes:
                for name in WEIGHTS:
                    weight = cell._parameters.get(name)
                    names.append(None if weight is None else f"{name}_l{k}{suffix}")
                    shapes.append(None if weight is None else tuple(weight.shape))
        top = cells[-1]
        sizes = top.hidden_size, top.output_size
        return cls(tuple(cells), equation, len(suffixes), *sizes, tuple(names), tuple(shapes))


def run_plain(
    plan: Plan,
    parameters: Mapping[str, nn.Parameter | None],
    x: Any,
    hx: Any,
    *,
    steps_first: bool,
    recompute: int,
    recorder: Recorder | None = None,
) -> Outputs | None:
    """x (T, B, I), or (B, T, I) without `steps_first`; None if the call is not plain. A call with a recorder has no
    gradients.
    """
    if type(x) not in PLAIN or is_traced() or transformed() is not None or native.core is None:
        return None
    dtype, shape = x.dtype, x.shape
    if dtype is not torch.float32 and dtype is not torch.float64:
        return None
    if len(shape) != 3 or shape[2] != plan.cells[0].input_size or not (shape[0] and shape[1] and x.is_cpu):
        return None
    if torch.is_autocast_enabled("cpu") or x.layout is not torch.strided:
        return None
    keep = torch.is_grad_enabled()
    wanted = keep and x.requires_grad
    weights: list[Tensor | None] = []
    for name, size in zip(plan.names, plan.shapes, strict=True):
        if name is None:
            weights.append(None)
            continue
        weight = parameters.get(name)
        if (
            weight is None  # parametrized, for one
            or type(weight) not in PLAIN
            or weight.dtype is not dtype
            or weight.shape != size
            or not (weight.is_cpu and weight.is_contiguous())
        ):
            return None
        wanted = wanted or (keep and weight.requires_grad)
        weights.append(weight)
    h0 = c0 = None
    if hx is not None:
        states = _states(plan, x, hx, shape[1] if steps_first else shape[0])
        if states is None:
            return None
        h0, c0 = states
        wanted = wanted or (keep and any(state is not None and state.requires_grad for state in states))
    x = rows_side_by_side(x)
    if recorder is not None:
        y, hn, cn, _, _ = _forward(_Shape(plan, steps_first, 0, x), False, x, h0, c0, weights, recorder)
        return y, hn, cn
    if wanted:
        outputs: Outputs = ScanStack.apply(_Shape(plan, steps_first, recompute, x), x, h0, c0, *weights)  # type: ignore[no-untyped-call]
        return outputs
    y, hn, cn, _, _ = _forward(_Shape(plan, steps_first, recompute, x), False, x, h0, c0, weights)
    return y, hn, cn


def _states(plan: Plan, x: Tensor, hx: Any, rows: int) -> tuple[Tensor, Tensor | None] | None:
    """h_0 and c_0, in one piece each; None if the kernels do not take them as they are."""
    parts = as_tuple(hx)
    count = len(plan.cells) * plan.directions
    sizes = (plan.output_size, plan.hidden_size)[: 1 + plan.equation.has_cells]
    if len(parts) != len(sizes):
        return None
    for part, size in zip(parts, sizes, strict=True):
        if type(part) not in PLAIN or part.dtype is not x.dtype or not part.is_cpu or part.shape != (count, rows, size):
            return None
    return parts[0].contiguous(), parts[1].contiguous() if len(parts) == 2 else None


class _Shape:
    """Of one call: its numbers, and where the parts of its tensors begin."""

    def __init__(self, plan: Plan, steps_first: bool, recompute: int, x: Tensor) -> None:
        first, second = x.shape[:2]
        self.steps, self.rows = (first, second) if steps_first else (second, first)
        self.plan, self.steps_first, self.recompute = plan, steps_first, recompute
        self.in_double = x.dtype is torch.float64
        self.bytes = 8 if self.in_double else 4
        self.threads = torch.get_num_threads()

    @property
    def kept(self) -> int:
        """Numbers that forward keeps for backward of a layer and direction."""
        plan = self.plan
        if self.recompute:
            return marked_size(plan.equation, self.rows, self.steps, plan.hidden_size, self.recompute)
        each, once = saved_size(plan.equation.kind, plan.hidden_size, self.in_double)
        return self.rows * self.steps * each + once

    def numbers(self, layer: int, direction: int) -> tuple[int, ...]:
        """As RecurrentShape in native/recurrent/bind.h orders them."""
        plan = self.plan
        return (
            *plan.equation[:2], self.rows, self.steps, plan.cells[layer].input_size, plan.hidden_size, plan.output_size,
            direction, self.in_double, self.threads, 0, self.recompute,
        )  # fmt: skip

    def rows_of(self, tensor: Tensor, direction: int = 0) -> tuple[int, int, int]:
        """A tensor of steps, from the first output of a direction on, with its strides by row and by step."""
        first, second, _ = tensor.stride()
        address = tensor.data_ptr() + direction * self.plan.output_size * self.bytes
        return (address, second, first) if self.steps_first else (address, first, second)

    def rows_first(self, tensor: Tensor) -> Tensor:
        """A tensor of steps as (B, T, …)."""
        return tensor.transpose(0, 1) if self.steps_first else tensor

    def state(self, tensor: Tensor | None, n: int) -> int | None:
        """A state's part of the n-th layer and direction."""
        if tensor is None:
            return None
        return tensor.data_ptr() + n * self.rows * tensor.shape[2] * self.bytes


def _forward(
    shape: _Shape,
    keep: bool,
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    weights: Sequence[Tensor | None],
    recorder: Recorder | None = None,
) -> tuple[Tensor, Tensor, Tensor | None, list[Tensor], list[Tensor]]:
    """y, h_n, c_n; the outputs of the layers below the last, and what else `_backward` needs."""
    core, plan, directions = native.core, shape.plan, shape.plan.directions
    assert core is not None
    count, rows = len(plan.cells) * directions, shape.rows
    hn = x.new_empty(count, rows, plan.output_size)
    cn = x.new_empty(count, rows, plan.hidden_size) if plan.equation.has_cells else None
    below: list[Tensor] = []
    saved: list[Tensor] = []
    if recorder is not None:
        recorder.memory.reserve(
            count * rows * shape.steps * plan.hidden_size * len(plan.cells[0].gates + plan.cells[0].states), x
        )
    n, y = 0, x
    for layer in range(len(plan.cells)):
        x_rows = shape.rows_of(y)
        if layer:
            below.append(y)
        y = x.new_empty(x.shape[0], x.shape[1], directions * plan.output_size)
        for direction in range(directions):
            kept = None
            if keep:
                kept = x.new_empty(shape.kept)
                saved.append(kept)
            elif recorder is not None:
                kept = recorder.memory.kept(shape.kept, x)
            inputs = (shape.state(h0, n), shape.state(c0, n), None, None, *weights[5 * n : 5 * n + 5])
            numbers, y_rows = shape.numbers(layer, direction), shape.rows_of(y, direction)
            core.recurrent_forward(numbers, x_rows, inputs, kept, y_rows, (shape.state(hn, n), shape.state(cn, n)))
            if recorder is not None:
                read = below[-1] if layer else x
                scan = recorder.scan(layer, direction == 1, plan.cells[layer], shape.rows_first(read))
                show = functools.partial(core.recurrent_kept, numbers, inputs, kept, y_rows)
                recorded(
                    scan, plan.equation.kind, (plan.output_size, plan.hidden_size), shape.rows_first(y), None, show
                )
            n += 1
    return y, hn, cn, below, saved


class ScanStack(torch.autograd.Function):
    """The kernels of a stack for autograd. Gradients of gradients come from the plain loop."""

    @staticmethod
    def forward(
        ctx: Any, shape: _Shape, x: Tensor, h0: Tensor | None, c0: Tensor | None, *weights: Tensor | None
    ) -> Outputs:
        """As `run_plain`."""
        y, hn, cn, below, saved = _forward(shape, True, x, h0, c0, weights)
        ctx.save_for_backward(x, h0, c0, *weights, *below, y, *saved)
        ctx.shape = shape
        ctx.set_materialize_grads(False)
        return y, hn, cn

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        """Gradients of x, h_0, c_0 and the weights."""
        shape, inputs, wanted = ctx.shape, ctx.saved_tensors, ctx.needs_input_grad[1:]
        count = len(wanted)
        inputs, kept = inputs[:count], inputs[count:]
        if torch.is_grad_enabled():  # create_graph
            return None, *differentiated(functools.partial(_replay, shape), inputs, grads, wanted)
        return None, *_backward(shape, inputs, kept, grads, wanted)


def _backward(
    shape: _Shape, inputs: Sequence[Tensor | None], kept: Sequence[Tensor], grads: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> list[Tensor | None]:  # fmt: skip
    core, layers, directions = native.core, len(shape.plan.cells), shape.plan.directions
    assert core is not None
    x, h0, c0, *weights = inputs
    assert x is not None
    ys, saved = [x, *kept[:layers]], kept[layers:]
    results = [torch.empty_like(t) if t is not None and want else None for t, want in zip(inputs, wanted, strict=True)]
    states = wanted[0] or wanted[1] or wanted[2]  # every layer's are one tensor
    lowest = 0 if states else min(n for n, want in enumerate(wanted[3:]) if want) // (5 * directions)
    dy, dhn, dcn = grads
    dhn, dcn = None if dhn is None else dhn.contiguous(), None if dcn is None else dcn.contiguous()
    for layer in range(layers - 1, lowest - 1, -1):
        below, y = ys[layer], ys[layer + 1]
        dy = None if dy is None else rows_side_by_side(dy)
        parts: list[Tensor] = []
        for direction in range(directions):
            n = layer * directions + direction
            dx = None
            if layer > lowest or wanted[0]:
                dx = x.new_empty(below.shape)
                parts.append(dx)
            core.recurrent_backward(
                shape.numbers(layer, direction), shape.rows_of(below),
                (shape.state(h0, n), shape.state(c0, n), None, None, *weights[5 * n : 5 * n + 5]), saved[n],
                shape.rows_of(y, direction), None if dy is None else shape.rows_of(dy, direction),
                (shape.state(dhn, n), shape.state(dcn, n)), None if dx is None else shape.rows_of(dx),
                (shape.state(results[1], n), shape.state(results[2], n), None, None, *results[3 + 5 * n : 8 + 5 * n]),
            )  # fmt: skip
        dy = None if not parts else parts[0] if directions == 1 else parts[0].add_(parts[1])
    results[0] = dy if wanted[0] else None
    return results


def _replay(shape: _Shape, x: Tensor, h0: Tensor | None, c0: Tensor | None, *weights: Tensor | None) -> Outputs:
    """The same call by the plain loop."""
    plan = shape.plan
    x = x.transpose(0, 1) if shape.steps_first else x
    steps = Steps(shape.rows, shape.steps, None, None, False, shape.steps)
    finals: list[tuple[Tensor, ...]] = []
    for cell in plan.cells:
        outputs = []
        for direction in range(plan.directions):
            n = len(finals)
            lent = {name: w for name, w in zip(WEIGHTS, weights[5 * n : 5 * n + 5], strict=True) if w is not None}
            given = tuple(part[n] for part in (h0, c0) if part is not None)
            y, final = scan_steps(
                cell.bound_to(lent), x, steps, as_state(given) if given else None, reverse=bool(direction),
                implementation="loop",
            )  # fmt: skip
            outputs.append(y)
            finals.append(as_tuple(final))
        x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, 2)
    h, c = (*(torch.stack(part) for part in zip(*finals, strict=True)), None)[:2]
    assert h is not None
    return x.transpose(0, 1) if shape.steps_first else x, h, c
