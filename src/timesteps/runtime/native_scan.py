"""A recurrent layer over padded rows by the compiled kernels (native/recurrent), for networks that only answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime import kinds, native
from timesteps.runtime.cells import Array
from timesteps.runtime.layout import LINEAR
from timesteps.runtime.spec import LayerSpec
from timesteps.runtime.trace import LayerTrace

__all__ = [
    "SLOTS",
    "Kept",
    "direction_addresses",
    "equation",
    "kept_size",
    "native_scan",
    "run_steps",
    "step_layers",
    "why_not_native",
]

SLOTS = {  # gates as native/recurrent/cells lay them out
    kinds.LSTM: ("i", "f", "g", "o"),
    kinds.GRU_AFTER: ("n", "r", "z"),
    kinds.GRU_BEFORE: ("n", "r", "z"),
    kinds.MIN_GRU: ("z", "candidate"),
    kinds.MIN_LSTM: ("f", "i", "candidate"),
}
_NONLINEARITIES = {"tanh": 0, "relu": 1, "linear": 2}  # options of native/recurrent/cells/elman.h
_OPTIONAL = ("norm_ih", "norm_hh", "norm_c", "norm_c_bias", "weight_ch")


def equation(layer: LayerSpec) -> tuple[int, int]:
    """A layer's cell as the kernels know it: its kind and option."""
    if layer.cell == "rnn":
        return kinds.ELMAN, _NONLINEARITIES[layer.nonlinearity]
    gru = kinds.GRU_AFTER if layer.reset_after else kinds.GRU_BEFORE
    return {"lstm": kinds.LSTM, "gru": gru, "mingru": kinds.MIN_GRU, "minlstm": kinds.MIN_LSTM}[layer.cell], 0


def why_not_native(layer: LayerSpec, looked_up: bool) -> str | None:
    """What the kernels lack for a layer, which then runs in numpy; None if they run it.

    `looked_up` says that it reads one-hot vectors, whose products are looked up instead of computed.
    """
    if layer.cell in LINEAR and layer.zoneout:
        return f"a {layer.cell} with zoneout has no kernel"
    if looked_up and layer.layer_norm:
        return "the kernels do not normalise products that are looked up"
    return None


def native_scan(
    layer: LayerSpec,
    ways: Sequence[Mapping[str, Array]],
    x: Array,
    lengths: NDArray[np.int64],
    projected: bool = False,
    kept: Kept | None = None,
) -> Array:
    """Outputs (T, B, H), or (T, B, 2 H) of both directions; zeros behind a row's end.

    Args:
        layer: what it is.
        ways: the weights of each direction, in torch's layout and x's dtype.
        x: (T, B, I), of which what lies behind a row's end is not read.
        lengths: (B,)
        projected: x is W_ih x, (T, B, G * H) for one direction or (T, B, 2 G * H) for both; never with layer norm.
        kept: gets gates and states.
    """
    core = native.core
    assert core is not None
    steps, batch, width = x.shape
    hidden = layer.hidden_size
    kind, option = equation(layer)
    y = np.empty((steps, batch, hidden * len(ways)), x.dtype)
    item = x.dtype.itemsize
    final = np.empty((2, batch, hidden), x.dtype)
    lengths = np.ascontiguousarray(lengths, np.int64)
    for way, weights in enumerate(ways):
        part = width // len(ways) if projected else 0
        begin = [np.tile(weights[name], (batch, 1)) if name in weights else None for name in ("h0", "c0")]

        def at(array: NDArray[Any] | None) -> int | None:
            return None if array is None else int(array.ctypes.data)

        if kept is not None and layer.cell in LINEAR:
            option = 1  # they keep the gates activated
        shape = (
            kind, option, batch, steps, layer.input_size, hidden, hidden, way == 1, x.dtype == np.float64, 1, 0, 0,
            layer.zoneout, layer.zoneout_cell, 0, 0,
        )  # fmt: skip
        inputs = (
            at(begin[0]), at(begin[1]), None, None,
            None if projected else at(weights["weight_ih"]), at(weights.get("weight_hh")), at(weights["bias_ih"]),
            at(weights.get("bias_hh")), None, *(at(weights.get(name)) for name in _OPTIONAL), None, at(lengths),
        )  # fmt: skip
        saved = None if kept is None else kept.memory(kept_size(layer, x.dtype, int(lengths.sum())), x.dtype)
        outputs = (y.ctypes.data + way * hidden * item, y.shape[2], batch * y.shape[2])
        core.recurrent_forward(
            shape, (x.ctypes.data + way * part * item, width, batch * width), inputs, at(saved), outputs,
            (at(final[0]), at(final[1])),
        )  # fmt: skip
        if kept is not None:
            trace = kept.traces[way]
            slots = (at(trace.gates[name]) for name in SLOTS.get(kind, ()))
            results = (at(trace.states["h"]), at(trace.states.get("c")), *slots)
            core.recurrent_kept(shape, inputs, at(saved), outputs, at(kept.places), results)
    return y


class Kept(NamedTuple):
    """Where gates and states go: for each direction, arrays of all rows, and the place of each row's first step."""

    traces: Sequence[LayerTrace]
    places: NDArray[np.int64]  # (B,)
    memory: Callable[[int, np.dtype[Any]], Array]  # for what forward keeps: so many numbers, which may be used again


def kept_size(layer: LayerSpec, dtype: np.dtype[Any], steps: int) -> int:
    """How many numbers forward keeps of so many steps, for `recurrent_kept` and backward."""
    core = native.core
    assert core is not None
    regularised = bool(layer.layer_norm or layer.peephole or layer.zoneout or layer.zoneout_cell)
    each, once = core.recurrent_saved(
        equation(layer)[0], layer.hidden_size, dtype == np.float64, regularised, layer.layer_norm
    )
    return int(steps * each + once)


def direction_addresses(at: Callable[[str], int], int8: bool) -> tuple[int, ...]:
    """The weights of a layer and direction as native/stream/bind.h takes them; `at` says where each lies, or 0."""
    weights = (at("weight_ih"), at("weight_hh"))
    floats, whole = ((0, 0), weights) if int8 else (weights, (0, 0))
    others = ("scale_ih", "scale_hh", *_OPTIONAL)
    return (at("h0"), at("c0"), *floats, at("bias_ih"), at("bias_hh"), *whole, *map(at, others))


def step_layers(layer: LayerSpec, ways: Sequence[Mapping[str, Array]], looked_up: bool) -> list[Any]:
    """The directions of a layer of int8 weights, packed for the kernels of single steps."""
    core = native.core
    assert core is not None
    kind, option = equation(layer)
    found = []
    for weights in ways:

        def at(name: str, weights: Mapping[str, Array] = weights) -> int:
            return int(weights[name].ctypes.data) if name in weights else 0

        addresses = direction_addresses(at, int8=True)
        found.append(core.StepLayer(kind, option, layer.input_size, layer.hidden_size, looked_up, addresses))
    return found


def run_steps(
    layer: LayerSpec, ways: Sequence[Any], x: NDArray[Any], lengths: NDArray[np.int64], looked_up: bool = False
) -> Array:
    """What `native_scan` gives, by `step_layers`, step by step: x (T, B, I) float32, or ids (T, B, 1) int32."""
    steps, batch, _ = x.shape
    y = np.zeros((steps, batch, layer.hidden_size * len(ways)), np.float32)
    x, lengths = np.ascontiguousarray(x), np.ascontiguousarray(lengths, np.int64)
    places = (0, x.ctypes.data) if looked_up else (x.ctypes.data, 0)
    for way, packed in enumerate(ways):
        begin = y.ctypes.data + way * layer.hidden_size * y.itemsize
        packed.run(*places, lengths.ctypes.data, steps, batch, begin, y.shape[2], way == 1)
    return y
