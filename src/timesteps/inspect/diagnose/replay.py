"""The states of a network's layers at every step of some rows, in double precision, to be looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.cells import CELLS, Array, State
from timesteps.runtime.embedding import Inputs, projection
from timesteps.runtime.layout import directions
from timesteps.runtime.scan import Gates, Steps
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import LayerSpec, NetworkSpec

__all__ = ["Replay", "replay", "replay_network"]

_TABLES = ("embedding.weight", "embedding.wide")


@dataclass(frozen=True)
class Replay:
    """One layer in one direction, and what it did; rows lie as `steps` says, in the order in which they are visited."""

    name: str  # "l0", "l0 reverse"
    layer: LayerSpec
    cell: Any  # of timesteps.runtime.cells, in float64
    steps: Steps
    gates: Array  # (N, G * H), the input's share
    before: State  # of each step: (N, H) for each part of the state
    x: Array | None  # (N, I) what it reads; None of one-hot vectors

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the parts of the state."""
        return ("h", "c")[: len(self.before)]

    def place(self, row: int, step: int) -> int:
        """Where a step of a row (in the order of `steps`) lies, from 0, as visited."""
        return int(self.steps.starts[step]) + row


def replay_network(spec: NetworkSpec, tensors: Mapping[str, NDArray[Any]], rows: Sequences) -> list[Replay]:
    """All layers and directions of a network on some rows with at least one step each.

    Args:
        spec: the network's; of float weights.
        tensors: its tensors, by the names of `network_tensors`.
        rows: what it reads, scaled and encoded.
    """
    wide = {name: tensors[name] for name in _TABLES if name in tensors}
    inputs = Inputs(spec, wide, rows, np.dtype(np.float64))
    order = np.argsort(-rows.lengths, kind="stable")
    steps = Steps(rows.lengths[order])
    places = rows.offsets[order][steps.row] + steps.time
    first = None if spec.input == "one_hot" else inputs.vectors(places)
    found: list[Replay] = []
    outputs: list[Array] = []
    for number, layer in enumerate(spec.layers):
        cells = [_cell(layer, tensors, f"l{number}{suffix}") for suffix in directions(layer)]
        if number == 0:
            gates, x = inputs.gates(cells, places), first
        else:
            x = np.concatenate(outputs, axis=1) if len(outputs) > 1 else outputs[0]
            gates = [projection(cell, x) for cell in cells]
        outputs = []
        for way, cell in enumerate(cells):
            name = f"l{number}" + (" reverse" if way else "")
            one, y = _replayed(name, layer, cell, steps, gates[way], x, reverse=way == 1)
            found.append(one)
            outputs.append(y)
    return found


def replay(layers: Sequence[LayerSpec], tensors: Mapping[str, NDArray[Any]], x: Array) -> list[Replay]:
    """Layers one above the other, forward, on one row of vectors (T, I); tensors as those of a network."""
    steps = Steps(np.array([len(x)]))
    found = []
    for number, layer in enumerate(layers):
        cell = _cell(layer, tensors, f"l{number}")
        one, x = _replayed(f"l{number}", layer, cell, steps, projection(cell, x), x, reverse=False)
        found.append(one)
    return found


def _cell(layer: LayerSpec, tensors: Mapping[str, NDArray[Any]], end: str) -> Any:
    own = {
        name[4 : -len(end) - 1]: np.ascontiguousarray(tensor, np.float64)
        for name, tensor in tensors.items()
        if name.startswith("rnn.") and name.endswith(f"_{end}")
    }
    return CELLS[layer.cell](layer, own)


def _replayed(
    name: str, layer: LayerSpec, cell: Any, steps: Steps, gates: Gates, x: Array | None, reverse: bool
) -> tuple[Replay, Array]:
    """A direction with the state before each step, and its outputs where the inputs lie."""
    size = int(steps.starts[-1])
    visited = steps.reverse if reverse else np.arange(size)
    gx = cell.settle(gates(visited))
    state = cell.initial(len(steps.lengths))
    before = tuple(np.empty((size, layer.hidden_size)) for _ in state)
    y = np.empty((size, layer.hidden_size))
    for begin, end in _spans(steps):
        state = tuple(part[: end - begin] for part in state)
        for kept, part in zip(before, state, strict=True):
            kept[begin:end] = part
        state = cell.advance(gx[begin:end].copy(), state)
        y[begin:end] = state[0]
    read = x if x is None or not reverse else x[visited]
    return Replay(name, layer, cell, steps, gx, before, read), y[steps.reverse] if reverse else y


def _spans(steps: Steps) -> Iterator[tuple[int, int]]:
    yield from pairwise(steps.starts.tolist())
