"""What a recurrent layer did: every gate and state of a call, from the kernels or from the plain loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from timesteps.nn.cells import CELLS, Cell
from timesteps.nn.padding import Visits
from timesteps.runtime import kinds
from timesteps.runtime.native_scan import SLOTS
from timesteps.runtime.trace import GATES, LayerTrace

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


class Memory:
    """Where the kernels put things. A recorder and its scans share it: if the scans knew their recorder, the arrays of
    a trace would outlive it until the garbage collector comes round, and every trace would wait for fresh memory.
    """

    def __init__(self) -> None:
        self._kept: Tensor | None = None
        self._room, self._taken = torch.empty(0), 0

    def reserve(self, size: int, like: Tensor) -> None:
        """Room for the arrays of several scans, in one piece."""
        self._room, self._taken = like.new_empty(size), 0

    def take(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """An array to be filled."""
        size = math.prod(shape)
        if self._room.dtype != like.dtype or self._room.numel() - self._taken < size:
            return like.new_empty(shape)
        self._taken += size
        return self._room[self._taken - size : self._taken].view(shape)

    def kept(self, size: int, like: Tensor) -> Tensor:
        """For what forward keeps, the same for each scan where it is large enough."""
        if self._kept is None or self._kept.numel() < size or self._kept.dtype != like.dtype:
            self._kept = like.new_empty(size)
        return self._kept


@dataclass
class ScanRecord:
    """One layer and direction."""

    layer: int
    reverse: bool
    cell: Cell
    memory: Memory
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
        self.memory = Memory()

    def scan(self, layer: int, reverse: bool, cell: Cell, x: Tensor) -> ScanRecord:
        """Before a scan of x."""
        if self.inputs is None:
            self.inputs = (x.float() if x.dtype in (torch.bfloat16, torch.float16) else x).detach().cpu().numpy()
        self.scans.append(ScanRecord(layer, reverse, cell, self.memory))
        return self.scans[-1]

    def trace(self, output: Any) -> StackTrace:
        """What was found."""
        assert self.inputs is not None
        return StackTrace(tuple(scan.trace() for scan in self.scans), self.inputs, output)


def recorded(
    scan: ScanRecord,
    kind: int,
    sizes: tuple[int, int],
    rows: Tensor,
    padded: Tensor | None,
    show: Callable[[Tensor, tuple[Tensor | None, ...]], None],
) -> None:
    """Gates and states as the kernels kept them, for B rows of T steps.

    Args:
        scan: gets them.
        kind: of the cell, as the kernels know it.
        sizes: of h, and of everything else.
        rows: (B, T, …), of the type that is wanted.
        padded: (B, T) True on padding; None is nowhere.
        show: copies outputs, c and gates to arrays (B * T, size), whose rows begin where the first argument says.
    """
    count, steps = rows.shape[:2]
    output_size, size = sizes
    names, states = SLOTS.get(kinds.LSTM if kind == kinds.LSTM_PROJECTED else kind, ()), scan.cell.states
    inner = scan.memory.take((len(names) + len(states) - 1, count, steps, size), rows)
    h = scan.memory.take((count, steps, output_size), rows)
    if padded is not None:
        inner.zero_(), h.zero_()
    parts = dict(zip((*names, *states[1:]), inner, strict=True))
    show(torch.arange(count) * steps, (h, parts.get("c"), *(parts[name] for name in names)))
    for name in GATES.get(_NAMES.get(type(scan.cell), ""), ()):
        scan.put(name, parts[name], False)
    scan.put(states[0], h, True)
    for name in states[1:]:
        scan.put(name, parts[name], True)
