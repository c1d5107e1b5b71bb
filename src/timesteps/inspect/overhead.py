"""What a call of a layer costs beside its kernels: choosing them, PyTorch's bookkeeping, new tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from timesteps import nn as ours
from timesteps.inspect.speed import GATES, data, on_threads, pair, worker
from timesteps.inspect.timing import ROUNDS, Spread, clock_for, interleave
from timesteps.nn.native_kernels import Inputs, forward, rows_of, shape_of
from timesteps.nn.native_scan import equation_of
from timesteps.runtime import native

HIDDEN, STEPS = 8, 100
"""A size at which the kernels take little; one row."""


@dataclass(frozen=True)
class Overhead:
    """Seconds of a call, and what is left of it without its kernels, round by round."""

    call: float
    beyond: Spread


def kernels(layer: ours.RNN | ours.LSTM | ours.GRU, x: Tensor, dy: Tensor | None) -> Callable[[], object]:
    """The calls of the core that a call of a layer makes, with memory that is there; x (T, B, I)."""
    core, cell = native.core, layer.cell()
    equation = equation_of(cell)
    assert core is not None and equation is not None
    x = x.transpose(0, 1)
    given: dict[str, Any] = dict.fromkeys(Inputs._fields)
    given |= {name: weight.detach() for name, weight in cell.named_parameters()}
    inputs = Inputs(**given | {"x": x})
    y, hn, cn, saved = forward(equation, inputs, False, dy is not None, True)
    shape, x_rows, tensors, y_rows = shape_of(equation, inputs, False, 0), rows_of(x), inputs[1:], rows_of(y)
    if dy is None:
        return lambda: core.recurrent_forward(shape, x_rows, tensors, None, y_rows, (hn, cn))
    dy_rows, dx_rows = rows_of(dy.transpose(0, 1)), rows_of(x.clone())
    grads = tuple(None if weight is None else weight.clone() for weight in (None, None, None, None, *inputs[5:10]))

    def train() -> None:
        core.recurrent_forward(shape, x_rows, tensors, saved, y_rows, (hn, cn))
        core.recurrent_backward(shape, x_rows, tensors, saved, y_rows, dy_rows, (None, None), dx_rows, grads)

    return train


def measure_overhead(cell: str, work: str, rounds: int = ROUNDS) -> Overhead:
    """Of RNN, LSTM or GRU, "forward" or "training" (see `timesteps.inspect.speed`), T = 100, B = 1, I = H = 8."""
    assert cell in GATES
    with on_threads(1):
        layer = pair(cell, HIDDEN, HIDDEN)["timesteps"]
        assert isinstance(layer, ours.RNN | ours.LSTM | ours.GRU)
        x, dy = data(STEPS, 1, HIDDEN, work)
        calls = {"call": worker(layer, x, dy), "kernels": kernels(layer, x, dy)}
        seconds = interleave(calls, rounds=rounds, clock=clock_for(1))
    beyond = [whole - part for whole, part in zip(seconds["call"], seconds["kernels"], strict=True)]
    return Overhead(Spread.of(seconds["call"]).median, Spread.of(beyond))
