"""`scan` by the compiled kernels: for which calls, and how."""

from __future__ import annotations

import warnings
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from timesteps.nn.cells import Cell, ElmanCell, GRUCell, LinearCell, LSTMCell, MinGRUCell, MinLSTMCell
from timesteps.nn.native_kernels import (
    DIFFERENTIABLE,
    Equation,
    Inputs,
    Replay,
    Scan,
    forward,
    rows_of,
    rows_side_by_side,
    shape_of,
    time_first,
)
from timesteps.nn.native_operators import recurrent
from timesteps.nn.padding import Steps
from timesteps.nn.trace import ScanRecord, recorded
from timesteps.nn.zoneout import Zoneout
from timesteps.runtime import kinds, native

_NONLINEARITIES = {"tanh": 0, "relu": 1, "linear": 2}
_OPTIONAL = ("weight_hr", "norm_ih", "norm_hh", "norm_c", "norm_c_bias", "weight_ch")  # in the order of Inputs
PLAIN = (Tensor, nn.Parameter)
_warned = False


def equation_of(cell: Cell) -> Equation | None:
    """The cell as the kernels know it; None if they have none for it."""
    if type(cell) is LSTMCell:
        return Equation(kinds.LSTM_PROJECTED if cell.proj_size else kinds.LSTM, 0)
    if type(cell) is GRUCell:
        return Equation(kinds.GRU_AFTER if cell.reset_after else kinds.GRU_BEFORE, 0)
    if type(cell) is ElmanCell:
        return Equation(kinds.ELMAN, _NONLINEARITIES[cell.nonlinearity])
    if type(cell) is MinGRUCell:
        return Equation(kinds.MIN_GRU, 0)
    if type(cell) is MinLSTMCell:
        return Equation(kinds.MIN_LSTM, 0)
    if is_linear(cell):
        return Equation(kinds.LINEAR, 0)
    return None


def is_linear(cell: Cell) -> TypeGuard[LinearCell]:
    """Whether the cell's coefficients and output are all that there is to it."""
    return isinstance(cell, LinearCell) and type(cell).step is LinearCell.step


def reads_coefficients(cell: Cell) -> TypeGuard[LinearCell]:
    """Whether the kernel for the cell is the one that reads a and b."""
    equation = equation_of(cell)
    return equation is not None and equation.kind == kinds.LINEAR


def recomputes(cell: Cell, zoneout: bool) -> bool:
    """Whether backward can make the gates of this cell again from a few states."""
    return cell.has_recurrent_product and not (cell.layer_norm or cell.peephole or zoneout)


def is_traced() -> bool:
    """Whether something other than the CPU will see the operators of this call."""
    return torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0


def why_not_native(cell: Cell, x: Tensor, *states: Tensor, zoneout: bool = False) -> str | None:
    """Why the compiled kernels cannot run this cell on such an input; None if they can."""
    if native.core is None:
        _warn_once()
        return native.explain()
    if equation_of(cell) is None:
        return f"there is no kernel for {type(cell).__name__}"
    if zoneout and not cell.has_recurrent_product:
        return "its kernels of linear recurrences have no zoneout"
    traced = is_traced()
    weight = cell.weight_ih
    if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.float64):
        return f"its kernels are for float32 and float64 on the CPU, the weights are {weight.dtype} on {weight.device}"
    for tensor in (x, *states, *cell._parameters.values()):
        if tensor is None or not tensor.is_floating_point():  # a missing bias; one-hot vectors as whole numbers
            continue
        if tensor.dtype != weight.dtype or tensor.device != weight.device:
            return f"the weights are {weight.dtype} on {weight.device}, a tensor is {tensor.dtype} on {tensor.device}"
        if not traced and type(tensor) not in PLAIN:
            return f"a tensor is a {type(tensor).__name__}"
    if torch.is_autocast_enabled("cpu"):
        return "autocast chooses the precision of torch's own operators"
    return transformed()


def transformed() -> str | None:
    """Why no kernel can run under the transformation that is going on; None if there is none."""
    if torch.compiler.is_compiling():
        return None
    if torch._C._functorch.maybe_current_level() is not None:
        return "torch.func transforms the plain loop"
    if forward_ad._current_level >= 0:
        return "kernels have no forward-mode derivatives"
    if torch._C._get_tracing_state() is not None:
        return "torch.jit.trace sees only torch's own operators"
    return None


def _warn_once() -> None:
    """Where a compiler was missing, not where the core was left aside on purpose."""
    global _warned
    if not _warned and not native.left_aside:
        _warned = True
        warnings.warn(f"recurrent layers run without compiled kernels, much slower ({native.explain()})", stacklevel=2)


def run_native(
    cell: Cell,
    x: Tensor,
    state: tuple[Tensor, ...] | None,
    fresh: tuple[Tensor, ...] | None,
    steps: Steps,
    reverse: bool,
    starts: Tensor | None,
    mask: Tensor | None,
    zoneout: Zoneout,
    replay: Replay,
    projected: bool = False,
    recompute: int = 0,
    record: ScanRecord | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """x (B, T, I) in time's order -> outputs in time's order, zero on padding, and final states.

    With `projected`, x is (B, T, G*H) of `Cell.project`, or a and b of a linear cell, (B, T, 2H). `starts` (B, visits)
    and `mask` (B, H) are as the loop takes them; None for states is zeros. `recompute` counts in eager mode:
    torch.compile decides for itself what to keep.
    """
    equation = equation_of(cell)
    assert equation is not None
    equation = equation._replace(
        zoneout=zoneout.h, zoneout_cell=zoneout.c, stream=zoneout.h_stream, stream_cell=zoneout.c_stream
    )

    bias_ih, bias_hh, weight_hh = None, None, cell.weight_ih.new_empty(0, cell.hidden_size)  # no recurrent gates
    if cell.has_recurrent_product:
        weight_hh = cell.weight_hh.contiguous()
    if cell.bias:
        bias_ih = cell.bias_ih.contiguous()
        bias_hh = cell.bias_hh.contiguous() if cell.has_recurrent_product else None
    if projected:
        bias_ih = None
        bias_hh = bias_hh if isinstance(cell, GRUCell) else None  # the others' is in x already
    h0, c0 = _pair(state)
    fresh_h, fresh_c = _pair(fresh if starts is not None else None)
    weight_hr, norm_ih, norm_hh, norm_c, norm_c_bias, weight_ch = (
        _parameter(cell, name, projected) for name in _OPTIONAL
    )
    inputs = Inputs(
        rows_side_by_side(x), h0, c0, fresh_h, fresh_c,
        None if projected else cell.weight_ih.contiguous(), weight_hh, bias_ih, bias_hh,
        weight_hr, norm_ih, norm_hh, norm_c, norm_c_bias, weight_ch, mask,
        steps.counts,
        steps.order(reverse) if steps.ragged else None,
        None if starts is None else starts.contiguous(),
        zoneout.keys.contiguous() if zoneout and zoneout.keys is not None else None,
    )  # fmt: skip
    if record is None:
        y, hn, cn = _run(equation, inputs, reverse, replay, recompute if recomputes(cell, bool(zoneout)) else 0)
    else:
        y, hn, cn = _run_recorded(equation, inputs, reverse, steps, record)
    return y, (hn,) if cn is None else (hn, cn)


def _run_recorded(
    equation: Equation, inputs: Inputs, reverse: bool, steps: Steps, record: ScanRecord
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The call without gradients, and what it kept of gates and states."""
    core = native.core
    assert core is not None
    if equation.kind in (kinds.MIN_GRU, kinds.MIN_LSTM):
        equation = equation._replace(option=1)  # which keeps the gates activated
    y, hn, cn, saved = forward(equation, inputs, reverse, True, time_first(inputs.x), memory=record.memory.kept)

    def show(places: Tensor, results: tuple[Tensor | None, ...]) -> None:
        core.recurrent_kept(shape_of(equation, inputs, reverse, 0), inputs[1:], saved, rows_of(y), places, results)

    padded = None if steps.mask is None else ~steps.mask
    recorded(record, equation.kind, (inputs.output_size, inputs.hidden_size), y, padded, show)
    return y, hn, cn


def _parameter(cell: Cell, name: str, projected: bool) -> Tensor | None:
    parameter = None if projected and name == "norm_ih" else cell._parameters.get(name)
    return None if parameter is None else parameter.contiguous()


def _pair(parts: tuple[Tensor, ...] | None) -> tuple[Tensor | None, Tensor | None]:
    """h and c, each in one piece."""
    h, c = (*(parts or ()), None, None)[:2]
    return None if h is None else h.contiguous(), None if c is None else c.contiguous()


def _run(
    equation: Equation, inputs: Inputs, reverse: bool, replay: Replay, recompute: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The call, for PyTorch as it runs just now."""
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in inputs[:DIFFERENTIABLE])
    if is_traced():
        y, hn, cn, _ = recurrent(*equation, reverse, keep, *inputs)
        return y, hn, cn if equation.has_cells else None
    if keep:
        result: tuple[Tensor, Tensor, Tensor | None] = Scan.apply(  # type: ignore[no-untyped-call]
            equation, reverse, recompute, replay, *inputs
        )
        return result
    return forward(equation, inputs, reverse, False, time_first(inputs.x))[:3]
