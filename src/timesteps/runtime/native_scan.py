"""A recurrent layer over padded rows by the compiled kernels (native/recurrent), for networks that only answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime import kinds, native
from timesteps.runtime.cells import Array
from timesteps.runtime.layout import LINEAR
from timesteps.runtime.spec import LayerSpec

__all__ = ["equation", "native_scan", "why_not_native"]

_OPTIONAL = ("norm_ih", "norm_hh", "norm_c", "norm_c_bias", "weight_ch")


def equation(layer: LayerSpec) -> tuple[int, int]:
    """A layer's cell as the kernels know it: its kind and option."""
    if layer.cell == "rnn":
        return kinds.ELMAN, int(layer.nonlinearity == "relu")
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
    layer: LayerSpec, ways: Sequence[Mapping[str, Array]], x: Array, lengths: NDArray[np.int64], projected: bool = False
) -> Array:
    """Outputs (T, B, H), or (T, B, 2 H) of both directions; zeros behind a row's end.

    Args:
        layer: what it is.
        ways: the weights of each direction, in torch's layout and x's dtype.
        x: (T, B, I), of which what lies behind a row's end is not read.
        lengths: (B,)
        projected: x is W_ih x, (T, B, G * H) for one direction or (T, B, 2 G * H) for both; never with layer norm.
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

        shape = (
            kind, option, batch, steps, layer.input_size, hidden, hidden, way == 1, x.dtype == np.float64, 1, 0, 0,
            layer.zoneout, layer.zoneout_cell, 0, 0,
        )  # fmt: skip
        inputs = (
            at(begin[0]), at(begin[1]), None, None,
            None if projected else at(weights["weight_ih"]), at(weights.get("weight_hh")), at(weights["bias_ih"]),
            at(weights.get("bias_hh")), None, *(at(weights.get(name)) for name in _OPTIONAL), None, at(lengths),
        )  # fmt: skip
        core.recurrent_forward(
            shape, (x.ctypes.data + way * part * item, width, batch * width), inputs, None,
            (y.ctypes.data + way * hidden * item, y.shape[2], batch * y.shape[2]), (at(final[0]), at(final[1])),
        )  # fmt: skip
    return y
