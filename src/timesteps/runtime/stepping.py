"""The streaming engine in numpy: what native/stream does where there is no compiled core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.cells import Array, Cell
from timesteps.runtime.int8 import QuantizedTable, make_cell
from timesteps.runtime.layout import int8_scales, member_network, member_prefix, network_tensors
from timesteps.runtime.spec import ModelSpec, NetworkSpec

__all__ = ["NumpyEngine", "Single", "State"]

State = dict[str, NDArray[Any]]
Single = NDArray[np.float32]

_RUNNING = ("pool.sum", "pool.max", "pool.score", "pool.weight")


class NumpyEngine:
    """In numpy, a stream at a time, so that its bits do not depend on the streams beside it."""

    def __init__(self, spec: ModelSpec, tensors: Mapping[str, NDArray[Any]]) -> None:
        self.spec = spec
        self.members = [_Member(member_network(spec, k), member_prefix(spec, k), tensors) for k in range(spec.members)]
        self.mean, self.scale = (tensors.get(f"scaler.{name}") for name in ("mean", "scale"))

    def open(self, count: int, batched: bool) -> _NumpyStreams:
        """States for so many streams."""
        return _NumpyStreams(self, count, batched)


class _Member:
    """One network, which changes the state that it is given."""

    def __init__(self, network: NetworkSpec, prefix: str, tensors: Mapping[str, NDArray[Any]]) -> None:
        self.network, self.prefix = network, prefix
        scales = int8_scales(network)
        weights: dict[str, Any] = {
            name: tensors[prefix + name] if name in scales else tensors[prefix + name].astype(np.float32)
            for name in [*network_tensors(network), *scales.values()]
        }
        self._embedding = weights.get("embedding.weight")
        if self._embedding is not None and scales:
            self._embedding = QuantizedTable(self._embedding, weights["embedding.scale"])
        self._attention = weights.get("attention.weight")
        self._head, self._bias = weights["head.weight"], weights["head.bias"]
        self.cells: list[Cell] = []
        for number, layer in enumerate(network.layers):
            end = f"_l{number}"
            own = {name[4 : -len(end)]: weight for name, weight in weights.items() if name.endswith(end)}
            self.cells.append(make_cell(layer, own))

    def beginning(self) -> State:
        """The fields of one stream before its first step."""
        state: State = {}
        for number, cell in enumerate(self.cells):
            for name, part in zip("hc", cell.initial(1), strict=False):
                state[f"{name}_l{number}"] = part[0]
        pool, width = self.network.pool, self.network.layers[-1].hidden_size
        if pool in ("mean", "mean+max", "attention"):
            state["pool.sum"] = np.zeros(width)
        if pool in ("max", "mean+max"):
            state["pool.max"] = np.full(width, -np.inf, np.float32)
        if pool == "attention":
            state["pool.score"], state["pool.weight"] = np.full(1, -np.inf), np.zeros(1)
        return {self.prefix + name: value for name, value in state.items()}

    def step(self, x: Any, state: State, stream: int) -> None:
        """x (I,) scaled, or an id."""
        y: Array | None = None
        for number, cell in enumerate(self.cells):
            if y is not None:
                gates = cell.project(y)
            elif self.network.input == "one_hot":
                gates = cell.lookup(np.array([x]))
            else:
                row = x if self._embedding is None else self._embedding[x]
                gates = cell.project(np.asarray(row, np.float32)[None])
            names = [self.prefix + f"{name}_l{number}" for name in "hc"]
            parts = tuple(state[name][stream][None] for name in names if name in state)
            parts = cell.advance(cell.settle(gates), parts)
            for name, part in zip(names, parts, strict=False):
                state[name][stream] = part[0]
            y = parts[0]
        assert y is not None
        self._pool(y[0], {name: state[self.prefix + name][stream] for name in _RUNNING if self.prefix + name in state})

    def _pool(self, y: Array, running: State) -> None:
        if self._attention is not None:
            score, weight = running["pool.score"], running["pool.weight"]
            now = float(self._attention[0] @ y)
            largest = max(float(score[0]), now)
            before, share = np.exp(score[0] - largest), np.exp(now - largest)
            running["pool.sum"] *= before
            running["pool.sum"] += share * y
            score[0], weight[0] = largest, weight[0] * before + share
            return
        if "pool.sum" in running:
            running["pool.sum"] += y
        if "pool.max" in running:
            np.maximum(running["pool.max"], y, out=running["pool.max"])

    def logits(self, state: State, stream: int) -> Array:
        """As of now; those of an empty sequence before the first step."""
        parts = {name: state[self.prefix + name][stream] for name in _RUNNING if self.prefix + name in state}
        pooled: list[Array] = []
        if state["steps"][stream] == 0:
            empty: Array = self._bias
            return empty
        if self.network.pool in ("last", "none"):
            pooled.append(state[f"{self.prefix}h_l{len(self.cells) - 1}"][stream])
        if "pool.sum" in parts:
            pooled.append(parts["pool.sum"] / parts.get("pool.weight", state["steps"][stream]))
        if "pool.max" in parts:
            pooled.append(parts["pool.max"])
        logits: Array = self._head @ np.concatenate(pooled).astype(np.float32) + self._bias
        return logits


class _NumpyStreams:
    def __init__(self, engine: NumpyEngine, count: int, batched: bool) -> None:
        self._engine, self._batched = engine, batched
        beginning = {name: value for member in engine.members for name, value in member.beginning().items()}
        self._beginning: State = {"steps": np.zeros((), np.int64), **beginning}
        self.state: State = {name: np.repeat(value[None], count, axis=0) for name, value in self._beginning.items()}

    def reset(self, stream: int) -> None:
        """One stream to its beginning."""
        for name, value in self._beginning.items():
            self.state[name][stream] = value

    def step(self, x: Any) -> Single | None:
        """Everything is checked first."""
        return None

    def run(self, x: NDArray[Any], lengths: NDArray[np.int64]) -> Single:
        """Stream by stream, step by step."""
        logits = np.empty((*x.shape[:2], self._engine.spec.network.outputs), np.float32)
        if self._engine.mean is not None:
            x = ((x - self._engine.mean) / self._engine.scale).astype(np.float32)
        for stream, length in enumerate(lengths.tolist()):
            for time in range(x.shape[1]):
                if time < length:
                    for member in self._engine.members:
                        member.step(x[stream, time], self.state, stream)
                    self.state["steps"][stream] += 1
                logits[stream, time] = self._logits(stream)
        return logits

    def logits(self) -> Single:
        """As of now."""
        found = np.stack([self._logits(stream) for stream in range(len(self.state["steps"]))])
        return found if self._batched else found[0]

    def _logits(self, stream: int) -> Single:
        each = [member.logits(self.state, stream).astype(np.float64) for member in self._engine.members]
        mean: Single = np.mean(each, axis=0).astype(np.float32)
        return mean
