"""`scan`: a cell over sequences. Time, padding, direction and the choice of implementation live here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from timesteps.errors import UsageError, option
from timesteps.nn.cells import Cell, State
from timesteps.nn.cells.cell import as_state, as_tuple
from timesteps.nn.cells.linear import LinearCell, linear_step, no_recurrent_product
from timesteps.nn.dropout import check_probability, draw_keys
from timesteps.nn.dropped import NOTHING_DROPPED, Dropped, drop_input, recurrent_mask_of
from timesteps.nn.kernels import run_torch, why_not_torch
from timesteps.nn.native_kernels import Inputs
from timesteps.nn.native_scan import is_linear, reads_coefficients, run_native, transformed, why_not_native
from timesteps.nn.padding import Steps, Visits, check_flags, read_steps
from timesteps.nn.trace import Notes, ScanRecord
from timesteps.nn.zoneout import NO_ZONEOUT, Zoneout, check_zoneout

IMPLEMENTATIONS = ("native", "torch", "loop")
"""In order of preference."""

Step = Callable[[Tensor, State, Tensor | None], tuple[Tensor, State]]
"""`Cell.step`."""


@dataclass(frozen=True)
class Explanation:
    """Which implementation runs, and why none of the faster ones."""

    implementation: str
    why_not: dict[str, str]
    name: str = ""
    note: str = ""

    def __str__(self) -> str:
        reasons = "".join(f"; not {faster}: {reason}" for faster, reason in self.why_not.items())
        note = f"; {self.note}" if self.note else ""
        return f"{self.name + ': ' if self.name else ''}{self.implementation}{reasons}{note}"


def scan(
    cell: Cell,
    x: Tensor,
    lengths: Tensor | None = None,
    state: State | None = None,
    *,
    mask: Tensor | None = None,
    reset: Tensor | None = None,
    reverse: bool = False,
    initial: State | None = None,
    input_dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    zoneout: float = 0.0,
    zoneout_cell: float = 0.0,
    training: bool = True,
    generator: torch.Generator | None = None,
    recompute: int | None = None,
    implementation: str | None = None,
) -> tuple[Tensor, State]:
    """Run a cell over the real steps of each row of a batch.

        state_0 = state;  y_t, state_t = cell.step(cell.project(x_t), state_{t-1}) for the real steps t, in order

    Padding steps are passed over: they change no state, their outputs and the gradients of their inputs are exactly
    zero, and what they hold (NaN, say) does not matter.

    Args:
        cell: the equation.
        x: (B, T, I) numbers, or (B, T) whole numbers 0 … I - 1 that stand for one-hot vectors.
        lengths: (B,) whole numbers 0 … T: the first lengths[b] steps of row b are real.
        state: where to go on from: (B, size) tensors as `cell.states` names them; None is `initial`.
        mask: (B, T) booleans, True = real, of any pattern. With `lengths`, both must hold.
        reset: (B, T) booleans, True where a new sequence begins within a row: the steps before and from there on do
            not see each other, in either direction. On padding, it counts from the next real step.
        reverse: visit each row's real steps from its last to its first.
        initial: the state of a fresh start, at a `reset` and where `state` is None; None is zeros.
        input_dropout: probability of dropping an input, one mask a row for all steps: Keras' `dropout`.
        recurrent_dropout: the same for the hidden state on its way into the recurrent product: Keras'
            `recurrent_dropout`, with one mask for all gates (Gal and Ghahramani 2016, arXiv:1512.05287).
        zoneout: probability that a unit of h (the output with it) keeps its value over a step, drawn anew for each unit
            of each row at each step; in evaluation, the expectation of that (Krueger et al. 2016, arXiv:1606.01305).
        zoneout_cell: the same for an LSTM's c. The step's own h comes from c before it.
        training: False is evaluation: no dropout, and the expectation of zoneout.
        generator: of the random numbers of dropout and zoneout; None is torch's default.
        recompute: for long sequences: keep the state of about every so many steps only, and compute the gates between
            two of them again in backward. It takes a third more time and a fraction of the memory, and changes no bit
            (Chen et al. 2016, arXiv:1604.06174). Without the compiled kernels everything is kept, and so it is for
            linear cells, layer norm, zoneout and peephole connections.
        implementation: "native", "torch" or "loop" instead of the fastest that is exact.

    Returns:
        y (B, T, H), zero on padding, and the state after each row's last visited step (the given state, if none).

    Raises:
        UsageError: shapes that do not fit, an unknown implementation, or one that cannot do what was asked.

    Example:
        >>> import torch
        >>> from timesteps.nn import LSTMCell, scan
        >>> y, (h, c) = scan(LSTMCell(5, 8), torch.zeros(2, 10, 5), lengths=torch.tensor([10, 3]))
        >>> y.shape, h.shape, bool((y[1, 3:] == 0).all()), bool((y[1, 2] == h[1]).all())
        (torch.Size([2, 10, 8]), torch.Size([2, 8]), True, True)
    """
    if x.dim() < 2:
        raise UsageError(f"input has {x.dim()} dimensions", mend=f"give (B, T, {cell.input_size})")
    steps = read_steps(x.shape[0], x.shape[1], lengths, mask, x.device)
    check_probability(input_dropout, "input_dropout")
    check_probability(recurrent_dropout, "recurrent_dropout")
    check_zoneout(cell, zoneout, zoneout_cell)
    keys = None
    if training and (input_dropout or recurrent_dropout or zoneout or zoneout_cell):
        keys = draw_keys(len(x), device=x.device, generator=generator)
    dropped = Dropped(input_dropout, recurrent_dropout, keys) if training else Dropped()
    if reset is not None:
        check_flags("reset", reset, steps.batch_size, steps.steps)
    return scan_steps(
        cell,
        x,
        steps,
        state,
        initial,
        reset,
        reverse,
        dropped,
        Zoneout(zoneout, zoneout_cell, keys),
        implementation,
        check_recompute(recompute),
    )


def scan_steps(
    cell: Cell,
    x: Tensor,
    steps: Steps,
    state: State | None = None,
    initial: State | None = None,
    reset: Tensor | None = None,
    reverse: bool = False,
    dropped: Dropped = NOTHING_DROPPED,
    zoneout: Zoneout = NO_ZONEOUT,
    implementation: str | None = None,
    recompute: int = 0,
    record: ScanRecord | None = None,
) -> tuple[Tensor, State]:
    """`scan` for callers that have read the padding and drawn the keys once for several scans, or that want to see
    gates and states in `record`, of a call without gradients.
    """
    _check_input(cell, x)
    check_recurrent_dropout(cell, dropped.recurrent)
    _check_weights(cell)
    fresh = None if initial is None else _checked(cell, initial, len(x), "initial")
    begin = fresh if state is None else _checked(cell, state, len(x), "state")
    given = (*(begin or ()), *(fresh or ()))
    explanation = choose(cell, x, reset is not None, dropped.recurrent, bool(zoneout), implementation, given)
    if explanation.implementation == "native" and x.shape[0] and x.shape[1]:
        return _native(cell, x, steps, begin, fresh, reset, reverse, dropped, zoneout, recompute, record)
    zero = cell.zero_state(len(x))
    begin, fresh = zero if begin is None else begin, zero if fresh is None else fresh
    visits = Visits.of(steps, reverse)
    starts, end = (None, None) if reset is None or steps.steps == 0 else visits.starts(reset)
    if x.shape[0] == 0 or x.shape[1] == 0:
        y, final = cell.weight_ih.new_zeros(len(x), steps.longest, cell.output_size), begin
    else:
        x, scale = drop_input(cell, visits.arrange(x), dropped)
        counts = None if visits.visited is None else steps.counts
        if explanation.implementation == "torch" and record is None:
            y, final = run_torch(cell, x, begin, counts)
        else:
            gx = cell.project(x) if scale is None else cell.project_one_hot(x, scale)
            step, side = _steps_of(cell, gx)
            mask = recurrent_mask_of(cell, gx.dtype, dropped)
            notes = None if record is None else Notes(cell)
            y, final = _loop(step, side, begin, fresh, counts, starts, mask, zoneout, notes)
            if record is not None and notes is not None:
                notes.finish(record, visits, gx)
            y = _output(cell, gx, y)
    if end is not None:
        final = _where(end, fresh, final)
    return visits.restore(y), as_state(final)


def _native(
    cell: Cell,
    x: Tensor,
    steps: Steps,
    begin: tuple[Tensor, ...] | None,
    fresh: tuple[Tensor, ...] | None,
    reset: Tensor | None,
    reverse: bool,
    dropped: Dropped,
    zoneout: Zoneout,
    recompute: int,
    record: ScanRecord | None = None,
) -> tuple[Tensor, State]:
    starts, end = (None, None) if reset is None else Visits.of(steps, reverse).starts(reset)
    mask = recurrent_mask_of(cell, cell.weight_ih.dtype, dropped)
    numeric, given = x.is_floating_point(), reads_coefficients(cell)

    def replay(inputs: Inputs) -> tuple[Tensor, Tensor, Tensor | None]:
        weights = {name: w for name in cell._parameters if (w := getattr(inputs, name, None)) is not None}
        bound, visits, zero = cell.bound_to(weights), Visits.of(steps, reverse), cell.zero_state(len(x))
        now, anew = (
            tuple(z if part is None else part for part, z in zip(parts, zero, strict=False))
            for parts in ((inputs.h0, inputs.c0), (inputs.fresh_h, inputs.fresh_c))
        )
        gx = visits.arrange(inputs.x)
        counts = None if visits.visited is None else steps.counts
        if given:
            y, final = _loop(linear_step, gx, now, anew, counts, starts, mask, zoneout)
        else:
            step, side = _steps_of(bound, bound.project(gx) if numeric else gx)
            y, final = _loop(step, side, now, anew, counts, starts, mask, zoneout)
        return visits.restore(y), final[0], final[1] if len(final) > 1 else None

    if (given or not numeric) and steps.mask is not None:  # padding may hold anything
        x = x.masked_fill(~steps.mask.unsqueeze(2) if numeric else ~steps.mask, 0)
    x, scale = drop_input(cell, x, dropped)
    side = x if numeric and not given else cell.project(x) if scale is None else cell.project_one_hot(x, scale)
    read = _steps_of(cell, side)[1] if given else side
    projected = given or not numeric
    y, final = run_native(
        cell, read, begin, fresh, steps, reverse, starts, mask, zoneout, replay, projected, recompute, record
    )
    if record is not None and given:
        for name, values in cell.gates_at(side, (), ()).items():
            record.put(name, values if steps.mask is None else values.masked_fill(~steps.mask.unsqueeze(2), 0), False)
    y = _output(cell, side, y, steps.mask)
    if end is not None:
        final = _where(end, cell.zero_state(len(x)) if fresh is None else fresh, final)
    return y, as_state(final)


def _steps_of(cell: Cell, gx: Tensor) -> tuple[Step, Tensor]:
    """What runs once a step, and what it reads: of a linear cell, a and b, which are made for all steps at once."""
    if not is_linear(cell):
        return cell.step, gx
    return linear_step, torch.cat(cell.coefficients(gx), -1)


def _output(cell: Cell, gx: Tensor, y: Tensor, mask: Tensor | None = None) -> Tensor:
    """The outputs of a linear cell from its states y, zero where `mask` is False."""
    if not is_linear(cell) or type(cell).output is LinearCell.output:
        return y
    y = cell.output(gx, y)
    return y if mask is None else y.masked_fill(~mask.unsqueeze(2), 0)


def _loop(
    step: Step,
    gx: Tensor,
    state: tuple[Tensor, ...],
    fresh: tuple[Tensor, ...],
    counts: Tensor | None,
    starts: Tensor | None,
    recurrent_mask: Tensor | None,
    zoneout: Zoneout,
    notes: Notes | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """gx (B, visits, ...): the plain loop that every other implementation must agree with."""
    shortest = gx.shape[1] if counts is None else 0 if torch.compiler.is_compiling() else int(counts.min())
    outputs = []
    for t, gx_t in enumerate(gx.unbind(1)):
        if starts is not None:
            state = _where(starts[:, t], fresh, state)
        y, after = step(gx_t, as_state(state), recurrent_mask)
        made = new = as_tuple(after)
        if zoneout:
            new = zoneout(t, state, made)
            y = new[0]
        if notes is not None:
            notes.step(gx_t, state, made, new)
        outputs.append(y)
        state = new if counts is None or t < shortest else _where(counts > t, new, state)
    return torch.stack(outputs, 1), state


def _where(rows: Tensor, these: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.where(rows.unsqueeze(1), a, b) for a, b in zip(these, others, strict=True))


def choose(
    cell: Cell,
    x: Tensor,
    reset: bool,
    recurrent_dropout: float,
    zoneout: bool = False,
    wanted: str | None = None,
    states: tuple[Tensor, ...] = (),
) -> Explanation:
    """The first implementation that is exactly equal to the loop here; of x, only its kind matters."""
    if wanted is not None and wanted not in IMPLEMENTATIONS:
        raise UsageError(f"implementation is {wanted!r}", mend=f"use one of {', '.join(IMPLEMENTATIONS)}")
    why_not: dict[str, str] = {}
    for name in IMPLEMENTATIONS:
        if name == "native":
            reason = why_not_native(cell, x, *states, zoneout=zoneout)
        elif name == "torch":
            reason = _why_not_torch(cell, x.is_floating_point(), reset, recurrent_dropout, zoneout)
        else:
            reason = None
        if wanted == name and reason is not None:
            raise UsageError(f"{name} cannot run this: {reason}", mend="leave implementation out")
        if reason is None and wanted in (None, name):
            return Explanation(name, why_not)
        why_not[name] = reason or f"{wanted} was asked for"
    raise AssertionError("the loop runs everything")


def _why_not_torch(cell: Cell, numeric: bool, reset: bool, recurrent_dropout: float, zoneout: bool) -> str | None:
    reason = why_not_torch(cell)
    if reason is None:
        if reset:
            return "its kernels cannot start afresh within a row"
        if recurrent_dropout:
            return "its kernels have no recurrent dropout"
        if zoneout:
            return "its kernels have no zoneout"
        if not numeric:
            return "its kernels would multiply one-hot vectors that the loop only looks up"
        return transformed()
    return reason


def check_recurrent_dropout(cell: Cell, p: float, name: str = "recurrent_dropout") -> None:
    """UsageError if dropout of the state, or of its weights, would find nothing to act on."""
    if p and not cell.has_recurrent_product:
        raise UsageError(
            f"{option(name)} is {p}, but {no_recurrent_product(cell)}",
            mend=f"use {option('input_dropout')} or {option('dropout')}",
        )


def check_recompute(recompute: int | None) -> int:
    """0 for None; UsageError unless it counts steps."""
    if recompute is None:
        return 0
    if not isinstance(recompute, int) or recompute < 1:
        raise UsageError(f"recompute is {recompute!r}", mend="give how many steps apart states are kept, or None")
    return recompute


def _check_input(cell: Cell, x: Tensor) -> None:
    """UsageError unless the cell can read x."""
    if not x.is_floating_point():
        if x.dim() != 2 or x.dtype == torch.bool:
            raise UsageError(
                f"input has shape {tuple(x.shape)} and type {x.dtype}",
                mend="give (B, T, I) floats, or (B, T) whole numbers for one-hot vectors",
            )
    elif x.dim() != 3 or x.shape[2] != cell.input_size:
        raise UsageError(f"input has shape {tuple(x.shape)}", mend=f"give (B, T, {cell.input_size})")
    elif x.dtype != cell.weight_ih.dtype and not torch.is_autocast_enabled(x.device.type):
        raise UsageError(
            f"input is {x.dtype}, the weights are {cell.weight_ih.dtype}", mend="convert one of them with .to(dtype)"
        )


def _check_weights(cell: Cell) -> None:
    """UsageError unless the matrices have the sizes that the kernels will read."""
    rows = len(cell.gates) * cell.hidden_size
    sizes = {"weight_ih": cell.input_size} | ({"weight_hh": cell.output_size} if cell.has_recurrent_product else {})
    for name, columns in sizes.items():
        if (shape := tuple(getattr(cell, name).shape)) != (rows, columns):
            raise UsageError(f"{name} has shape {shape}", mend=f"give {(rows, columns)}")


def _checked(cell: Cell, state: State, rows: int, name: str) -> tuple[Tensor, ...]:
    parts = as_tuple(state)
    wanted = [(rows, size) for size in cell.state_sizes]
    if [tuple(part.shape) for part in parts] != wanted:
        raise UsageError(
            f"{name} has shape {', '.join(str(tuple(part.shape)) for part in parts)}",
            mend=f"give {', '.join(f'{n} {shape}' for n, shape in zip(cell.states, wanted, strict=True))}",
        )
    return parts
