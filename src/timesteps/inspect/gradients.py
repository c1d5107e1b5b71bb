"""How a network's answer changes with what its first layer reads: gradients by the compiled kernels, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime import native
from timesteps.runtime.cells import Array
from timesteps.runtime.native_scan import equation, kept_size
from timesteps.runtime.network import Network
from timesteps.runtime.spec import LayerSpec

__all__ = ["input_gradients", "why_no_gradients"]

_OPTIONAL = ("norm_ih", "norm_hh", "norm_c", "norm_c_bias", "weight_ch")


def why_no_gradients(network: Network) -> str | None:
    """Why there are no gradients of this network; None if there are."""
    if native.core is None:
        return native.explain()
    if network.spec.weights == "int8":
        return "weights in int8 have no gradients"
    return network.why_not_native(any_dtype=True)


def input_gradients(network: Network, x: Array, weights: Array, step: int | None = None) -> tuple[Array, Array]:
    """What the recurrent part answers to B rows of T steps each, and the gradients of that.

    The answer is Σ weights · logits, without what goes past the recurrent layers: the wide term, and the guide's linear
    model with its share.

    Args:
        network: one that `why_no_gradients` has nothing against.
        x: (T, B, I) what the first layer reads or, of one-hot vectors, W_ih x of its directions side by side.
        weights: (outputs,) of the logits.
        step: without pooling, the step whose logits are meant.

    Returns:
        The answers (B,), and their gradients with respect to x, (T, B, I).
    """
    looked_up = network.spec.input == "one_hot"
    passes = []
    y = np.ascontiguousarray(x, network.dtype)
    for number, (layer, ways) in enumerate(zip(network.spec.layers, network.weights, strict=True)):
        passes.append(_Pass(layer, ways, y, looked_up and number == 0))
        y = passes[-1].outputs
    head = (weights.astype(y.dtype) @ network.head.T).astype(y.dtype)  # (width,)
    pooled, dy = _pooled(network, y, head, step)
    answers = pooled @ head + float(weights @ network.bias)
    for each in reversed(passes):
        dy = each.backward(dy)
    return answers, dy


class _Pass:
    """One layer on B rows of one length: forward, and back."""

    def __init__(self, layer: LayerSpec, ways: list[dict[str, Array]], x: Array, projected: bool) -> None:
        core = native.core
        assert core is not None
        self._layer, self._ways, self._x, self._projected = layer, ways, x, projected
        steps, batch, _ = x.shape
        hidden = layer.hidden_size
        self.outputs: Array = np.empty((steps, batch, hidden * len(ways)), x.dtype)
        self._final = np.empty((2, batch, hidden), x.dtype)
        self._begin = [
            [np.tile(weights[name], (batch, 1)) if name in weights else None for name in ("h0", "c0")]
            for weights in ways
        ]
        self._saved = [np.empty(kept_size(layer, x.dtype, steps * batch), x.dtype) for _ in ways]
        for way in range(len(ways)):
            core.recurrent_forward(
                self._shape(way), self._rows(x, self._part(way)), self._inputs(way), _at(self._saved[way]),
                self._rows(self.outputs, way * hidden), (_at(self._final[0]), _at(self._final[1])),
            )  # fmt: skip

    def backward(self, dy: Array) -> Array:
        """Gradients of outputs (T, B, H * directions) -> those of x."""
        core = native.core
        assert core is not None
        dy, hidden = np.ascontiguousarray(dy), self._layer.hidden_size
        dx = [np.empty_like(self._x) for _ in self._ways[: 1 if self._projected else None]]
        for way in range(len(self._ways)):
            to = self._rows(dx[0], self._part(way)) if self._projected else self._rows(dx[way], 0)
            core.recurrent_backward(
                self._shape(way), self._rows(self._x, self._part(way)), self._inputs(way), _at(self._saved[way]),
                self._rows(self.outputs, way * hidden), self._rows(dy, way * hidden), (None, None), to, (),
            )  # fmt: skip
        whole: Array = dx[0] if len(dx) == 1 else dx[0] + dx[1]
        return whole

    def _part(self, way: int) -> int:
        """Of x, the first number that a direction reads."""
        return way * self._x.shape[2] // len(self._ways) if self._projected else 0

    def _shape(self, way: int) -> tuple[float, ...]:
        layer, (steps, batch, _) = self._layer, self._x.shape
        return (
            *equation(layer), batch, steps, layer.input_size, layer.hidden_size, layer.hidden_size, way == 1,
            self._x.dtype == np.float64, 1, 0, 0, layer.zoneout, layer.zoneout_cell, 0, 0,
        )  # fmt: skip

    def _inputs(self, way: int) -> tuple[int | None, ...]:
        weights: Mapping[str, Array] = self._ways[way]
        return (
            *map(_at, self._begin[way]), None, None, None if self._projected else _at(weights["weight_ih"]),
            _at(weights.get("weight_hh")), _at(weights["bias_ih"]), _at(weights.get("bias_hh")), None,
            *(_at(weights.get(name)) for name in _OPTIONAL),
        )  # fmt: skip

    def _rows(self, array: Array, first: int) -> tuple[int, int, int]:
        """From a number of each row on, with the strides by row and by step."""
        _, batch, width = array.shape
        return array.ctypes.data + first * array.dtype.itemsize, width, batch * width


def _at(array: NDArray[Any] | None) -> int | None:
    return None if array is None else int(array.ctypes.data)


def _pooled(network: Network, y: Array, head: Array, step: int | None) -> tuple[Array, Array]:
    """Outputs (T, B, F) -> pooled (B, width), and the gradients of pooled · head with respect to the outputs."""
    pool, features = network.spec.pool, y.shape[2]
    dy = np.zeros_like(y)
    if pool == "none":
        assert step is not None
        dy[step] = head
        return y[step], dy
    if pool == "last":
        forward = network.spec.layers[-1].hidden_size
        dy[-1, :, :forward], dy[0, :, forward:] = head[:forward], head[forward:]
        return np.concatenate([y[-1, :, :forward], y[0, :, forward:]], axis=1), dy
    if pool == "attention":
        assert network.attention is not None
        scores = y @ network.attention[0]
        scores = np.exp(scores - scores.max(axis=0))
        scores /= scores.sum(axis=0)
        pooled = np.einsum("tb,tbf->bf", scores, y)
        slope = scores * (y @ head - pooled @ head)
        return pooled, scores[:, :, None] * head + slope[:, :, None] * network.attention[0]
    parts = []
    if pool in ("mean", "mean+max"):
        parts.append(y.mean(axis=0))
        dy += head[:features] / len(y)
    if pool in ("max", "mean+max"):
        place = y.argmax(axis=0)[None]
        parts.append(np.take_along_axis(y, place, axis=0)[0])
        np.put_along_axis(dy, place, np.take_along_axis(dy, place, axis=0) + head[-features:], axis=0)
    return np.concatenate(parts, axis=1), dy
