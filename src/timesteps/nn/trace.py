"""What a recurrent layer did: every gate and state of a call, from the kernels or from the plain loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from timesteps.nn.cells import CELLS, Cell
from timesteps.nn.native_kernels import Equation, Inputs, rows_of, shape_of
from timesteps.nn.padding import Steps, Visits
from timesteps.runtime import kinds, native
from timesteps.runtime.native_scan import SLOTS
from timesteps.runtime.trace import GATES, LayerTrace, activate

__all__ = ["Recorder", "StackTrace", "recorded"]

_NAMES = {cell: name for name, cell in CELLS.items()}


@dataclass(frozen=True)
class StackTrace:
    """A call of a layer, or of a stack of them: arrays laid out like its outputs, zero on padding.

    Args:
        layers: each layer and direction, from the input to the output.
        inputs: what the first one read.
        output: what the call returned.
    """

    layers: tuple[LayerTrace, ...]
    inputs: NDArray[Any]
    output: Any

    def __getitem__(self, name: str) -> LayerTrace:
        """A layer and direction by its name, "l0", "l0_reverse", …"""
        return {layer.name: layer for layer in self.layers}[name]

    def arranged(self, move: Callable[[NDArray[Any]], NDArray[Any]]) -> StackTrace:
        """The same with `move` of every array."""
        layers = tuple(
            LayerTrace(
                layer.layer, layer.reverse, layer.cell,
                {name: move(values) for name, values in layer.gates.items()},
                {name: move(values) for name, values in layer.states.items()},
            )
            for layer in self.layers
        )  # fmt: skip
        return StackTrace(layers, move(self.inputs), self.output)


class Notes:
    """Of one scan, what the plain loop saw."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._steps: list[dict[str, Tensor]] = []

    def step(self, gx: Tensor, before: tuple[Tensor, ...], made: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> None:
        """One visit: the state before, the one that the equation made, and the one that zoneout left of it."""
        gates = {} if not self._cell.has_recurrent_product else self._cell.gates_at(gx, before, made)
        self._steps.append(gates | dict(zip(self._cell.states, after, strict=True)))

    def finish(self, scan: ScanRecord, visits: Visits, gx: Tensor) -> None:
        """After the last one; gx (B, visits, ...) is the input side of the gates."""
        found = {name: torch.stack([step[name] for step in self._steps], 1) for name in self._steps[0]}
        if not self._cell.has_recurrent_product:
            found = self._cell.gates_at(gx, (), ()) | found
        for name, values in found.items():
            scan.put(name, visits.restore(values), name in self._cell.states)


@dataclass
class ScanRecord:
    """One layer and direction."""

    layer: int
    reverse: bool
    cell: Cell
    gates: dict[str, NDArray[Any]] = field(default_factory=dict)
    states: dict[str, NDArray[Any]] = field(default_factory=dict)

    def put(self, name: str, values: Tensor, state: bool) -> None:
        """An array (B, T, size)."""
        if values.dtype in (torch.bfloat16, torch.float16):
            values = values.float()
        (self.states if state else self.gates)[name] = values.detach().cpu().numpy()

    def trace(self) -> LayerTrace:
        """What was found."""
        name = _NAMES.get(type(self.cell), type(self.cell).__name__)
        return LayerTrace(self.layer, self.reverse, name, self.gates, self.states)


class Recorder:
    """What a stack does while it has one."""

    def __init__(self) -> None:
        self.scans: list[ScanRecord] = []
        self.inputs: NDArray[Any] | None = None

    def scan(self, layer: int, reverse: bool, cell: Cell, x: Tensor) -> ScanRecord:
        """Before a scan of x."""
        if self.inputs is None:
            self.inputs = (x.float() if x.dtype in (torch.bfloat16, torch.float16) else x).detach().cpu().numpy()
        self.scans.append(ScanRecord(layer, reverse, cell))
        return self.scans[-1]

    def trace(self, output: Any) -> StackTrace:
        """What was found."""
        assert self.inputs is not None
        return StackTrace(tuple(scan.trace() for scan in self.scans), self.inputs, output)


def recorded(
    scan: ScanRecord, equation: Equation, inputs: Inputs, reverse: bool, y: Tensor, saved: Tensor, steps: Steps
) -> None:
    """Gates and states as the kernels kept them."""
    core = native.core
    assert core is not None
    rows, count = inputs.x.shape[:2]
    new = torch.empty if steps.mask is None else torch.zeros
    names = SLOTS.get(_kind(equation), ())
    size = int(inputs.hidden_size)
    gates = {name: new(rows, count, size, dtype=y.dtype) for name in names}
    h = new(rows, count, int(inputs.output_size), dtype=y.dtype)
    c = new(rows, count, size, dtype=y.dtype) if equation.has_cells else None
    places = torch.arange(rows) * count
    core.recurrent_kept(
        shape_of(equation, inputs, reverse, 0), inputs[1:], saved, rows_of(y), places, (h, c, *gates.values())
    )
    ordered = GATES[_NAMES[type(scan.cell)]] if gates else ()
    for name in ordered:
        scan.put(name, gates[name], False)
    scan.put(scan.cell.states[0], h, True)
    if c is not None:
        scan.put("c", c, True)
    activate(scan.trace())
    if steps.mask is not None:
        for values in scan.gates.values():
            values[~steps.mask.cpu().numpy()] = 0  # a sigmoid of padding is none


def _kind(equation: Equation) -> int:
    """The cell, whatever stands behind it."""
    return kinds.LSTM if equation.kind == kinds.LSTM_PROJECTED else equation.kind
