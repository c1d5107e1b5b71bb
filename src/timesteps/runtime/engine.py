"""The streaming engines: one time step of a model after the other, by the compiled core or in numpy.

An engine holds a model's weights; `open` gives it streams, each with a state of its own. Both compute in float32 and
have the same states, so that a state may go on in the other engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime import native
from timesteps.runtime.layout import directions, member_network, member_prefix
from timesteps.runtime.native_scan import direction_addresses, equation
from timesteps.runtime.spec import ModelSpec, NetworkSpec
from timesteps.runtime.stepping import NumpyEngine, Single, State

__all__ = ["Engine", "NativeEngine", "Streams", "engine_of", "why_not_native"]

_INPUTS = {"ids": 0, "one_hot": 1, "numeric": 2}  # InputKind in native/stream/network.h
# Pool; without pooling the answer as of now is the one at the last step
_POOLS = {"last": 0, "mean": 1, "max": 2, "mean+max": 3, "attention": 4, "none": 0}
_LINE = 64  # bytes of a cache line


class Streams(Protocol):
    """Some streams of one model."""

    def step(self, x: Any) -> Single | None:
        """The logits after a step; None for an input that is not exactly what the engine takes without a check."""

    def run(self, x: NDArray[Any], lengths: NDArray[np.int64]) -> Single:
        """Logits (B, T, outputs) of checked steps: x (B, T, I) float64, or ids (B, T) int32."""

    def logits(self) -> Single:
        """The logits as of now."""

    def reset(self, stream: int) -> None:
        """One stream to its beginning."""

    @property
    def state(self) -> State:
        """The fields of the state, (B, n) each, and `steps` (B,): where they lie, not copies."""


class Engine(Protocol):
    """A model that can be stepped."""

    def open(self, count: int, batched: bool) -> Streams:
        """Streams at their beginning; `batched` says whether `step` takes and gives a dimension of streams."""


def engine_of(spec: ModelSpec, tensors: Mapping[str, NDArray[Any]]) -> Engine:
    """The engine for a model: the core's, or numpy where there is no core."""
    return NumpyEngine(spec, tensors) if why_not_native() else NativeEngine(spec, tensors)


def why_not_native() -> str | None:
    """Why the core does not step models; None if it does."""
    return native.explain() if native.core is None else None


class NativeEngine:
    """By the compiled core (native/stream)."""

    def __init__(self, spec: ModelSpec, tensors: Mapping[str, NDArray[Any]]) -> None:
        core = native.core
        assert core is not None
        self.outputs = spec.network.outputs
        self._core = core
        kept: list[NDArray[Any]] = []  # until the core has packed them

        def address(name: str, dtype: type = np.float32) -> int:
            kept.append(np.ascontiguousarray(tensors[name], np.int8 if tensors[name].dtype == np.int8 else dtype))
            return int(kept[-1].ctypes.data)

        members = [
            _numbers(member_network(spec, member), member_prefix(spec, member), tensors, address)
            for member in range(spec.members)
        ]
        scaler = [0, 0]
        if spec.numeric is not None:
            scaler = [address(f"scaler.{name}", np.float64) for name in ("mean", "scale")]
        self._model = core.StreamModel(members, *scaler)
        self.state_bytes: int = self._model.state_bytes
        self.fields: list[tuple[str, int, int, bool]] = self._model.fields

    def open(self, count: int, batched: bool) -> _NativeStreams:
        """Memory for so many streams."""
        return _NativeStreams(self, self._model, count, batched, self._core)


def _numbers(network: NetworkSpec, prefix: str, tensors: Mapping[str, NDArray[Any]], address: Any) -> tuple[Any, ...]:
    """A network as native/stream/bind.h takes it."""

    def at(name: str) -> int:
        found: int = address(prefix + name) if prefix + name in tensors else 0
        return found

    def direction(end: str) -> tuple[int, ...]:
        return direction_addresses(lambda part: at(f"rnn.{part}{end}"), int8)

    layers, int8 = [], network.weights == "int8"
    for number, layer in enumerate(network.layers):
        kind, option = equation(layer)
        ways = [direction(f"_l{number}{suffix}") for suffix in directions(layer)]
        zoneout = (layer.zoneout, layer.zoneout_cell)
        layers.append((kind, option, layer.input_size, layer.hidden_size, *zoneout, ways))
    table = at("embedding.weight")
    tables = (0, table, at("embedding.scale")) if int8 else (table, 0, 0)
    return (
        _INPUTS[network.input], network.input_size, network.embedding_size, *tables, layers,
        _POOLS[network.pool], at("attention.weight"), network.outputs, at("head.weight"), at("head.bias"),
    )  # fmt: skip


class _NativeStreams:
    def __init__(self, engine: NativeEngine, model: Any, count: int, batched: bool, core: Any) -> None:
        size = engine.state_bytes
        whole = np.zeros(count * size + _LINE, np.uint8)
        begin = -whole.ctypes.data % _LINE
        self._memory = whole[begin : begin + count * size]
        self._out = np.zeros((count, engine.outputs) if batched else engine.outputs, np.float32)
        self._streams = core.Streams(model, self._memory.ctypes.data, count, batched, self._out, self._out.ctypes.data)
        self._count, self._outputs = count, engine.outputs
        self.step = self._streams.step  # nothing stands between the caller and the core
        self.reset = self._streams.reset
        self.logits = self._streams.logits
        fields: list[tuple[str, int, int, type]] = [("steps", 0, 1, np.int64)]
        fields += [(name, at, n, np.float64 if double else np.float32) for name, at, n, double in engine.fields]
        self.state: State = {
            name: np.ndarray((count, n), dtype, self._memory, at, (size, np.dtype(dtype).itemsize))
            for name, at, n, dtype in fields
        }
        self.state["steps"] = self.state["steps"][:, 0]
        for stream in range(count):
            self.reset(stream)

    def run(self, x: NDArray[Any], lengths: NDArray[np.int64]) -> Single:
        """By the core, one step after the other."""
        logits = np.empty((*x.shape[:2], self._outputs), np.float32)
        numbers, ids = (x.ctypes.data, 0) if x.ndim == 3 else (0, x.ctypes.data)
        done = self._streams.run(numbers, ids, lengths.ctypes.data, x.shape[1], logits.ctypes.data)
        assert done  # the caller has checked the steps
        return logits
