"""What gates and units do over some rows: how often a gate is stuck at an end of its range, which units never move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.inspect.diagnose.linear_step import linearise
from timesteps.inspect.diagnose.replay import Replay
from timesteps.runtime.cells import Array

__all__ = ["Activity", "GateActivity", "activity"]

LOW, HIGH = 0.05, 0.95
"""A sigmoid's value beyond these, or a tanh's beyond ±HIGH, hardly lets a gradient pass."""

_STILL = 1e-3  # a unit whose values all lie so close together says nothing
_BLOCK = 4096
_BOUNDED = {"g", "n"}  # candidates by tanh, between -1 and 1


@dataclass(frozen=True)
class GateActivity:
    """One gate over all steps and units: its mean, and the shares of values at the ends of its range."""

    gate: str
    mean: float
    low: float
    high: float

    @property
    def saturated(self) -> float:
        """Share of values at either end."""
        return self.low + self.high


@dataclass(frozen=True)
class Activity:
    """One layer in one direction."""

    layer: str
    cell: str
    units: int
    gates: tuple[GateActivity, ...]
    dead: tuple[int, ...]  # units whose outputs all lie within 0.001
    relu_dead: tuple[int, ...]  # those of them that a relu holds at zero
    largest: float  # of all states, in magnitude

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        gates = {
            gate.gate: {"mean": gate.mean, "low": gate.low, "high": gate.high, "saturated": gate.saturated}
            for gate in self.gates
        }
        return {
            "layer": self.layer,
            "cell": self.cell,
            "units": self.units,
            "gates": gates,
            "dead_units": list(self.dead),
            "relu_dead_units": list(self.relu_dead),
            "largest_state": self.largest,
        }


def activity(layer: Replay) -> Activity:
    """The activity of a layer at all steps that were replayed."""
    relu = layer.layer.cell == "rnn" and layer.layer.nonlinearity == "relu"
    bounded = _BOUNDED | ({"h"} if layer.layer.cell == "rnn" and not relu else set())
    sums: dict[str, NDArray[np.float64]] = {}
    size, steps = layer.layer.hidden_size, len(layer.gates)
    smallest, largest = np.full(size, np.inf), np.full(size, -np.inf)
    for begin in range(0, steps, _BLOCK):
        at = slice(begin, begin + _BLOCK)
        values = linearise(layer.cell, layer.gates[at], tuple(part[at] for part in layer.before)).gates
        smallest, largest = np.minimum(smallest, values["h"].min(axis=0)), np.maximum(largest, values["h"].max(axis=0))
        for gate, value in values.items():
            if gate not in ("h", "c") or gate in bounded:
                sums[gate] = sums.get(gate, np.zeros(3)) + _counts(value, gate in bounded)
    still = largest - smallest < _STILL
    bounds = np.array([largest, -smallest, *(np.abs(part).max(axis=0) for part in layer.before)])
    return Activity(
        layer.name,
        layer.layer.cell,
        size,
        tuple(GateActivity(gate, *(found / (steps * size)).tolist()) for gate, found in sums.items()),
        _numbers(still),
        _numbers(still & (largest == 0) if relu else np.zeros(size, bool)),
        float(bounds.max()),
    )


def _counts(values: Array, bounded: bool) -> NDArray[np.float64]:
    """Sum, and how many values lie at the low and at the high end."""
    low = values < (-HIGH if bounded else LOW)
    return np.array([values.sum(), np.count_nonzero(low), np.count_nonzero(values > HIGH)], np.float64)


def _numbers(flags: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(unit) for unit in np.flatnonzero(flags))
