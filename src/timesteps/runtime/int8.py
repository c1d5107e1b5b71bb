"""Weights in int8: how they are made, and the cells that compute with them, defined in numpy.

A weight matrix keeps one scale a row, w = s q with whole q from -127 to 127. A vector of inputs or states is quantised
anew at every step, by its own largest number, so a product is a sum of whole numbers, exact in any order, and two
factors. What surrounds the sums is plain arithmetic in single precision, written out here step by step:
native/stream/int8 does the same steps, and layers of int8 give the same bits in numpy and on every processor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.cells import CELLS, Array, Cell, State
from timesteps.runtime.spec import LayerSpec

__all__ = ["QuantizedTable", "make_cell", "quantize", "quantize_rows"]

LARGEST = 127

Whole = NDArray[np.int8]
_TINY = np.float32(2.0**-100)  # vectors below it count as zeros: no quotient of what follows can overflow then
_EXACT = 2**24 // LARGEST**2  # so many products a float32 sums without rounding


def quantize_rows(weight: NDArray[Any]) -> tuple[Whole, Array]:
    """Rows of a matrix (R, C) as whole numbers and their scales (R,): the largest number of a row becomes ±127.

    >>> q, scale = quantize_rows(np.array([[1.0, -0.25], [0.0, 0.0]]))
    >>> q.tolist(), (q * scale[:, None]).round(2).tolist()
    ([[127, -32], [0, 0]], [[1.0, -0.25], [0.0, 0.0]])
    """
    largest = np.abs(weight).max(axis=1).astype(np.float32)
    scale = (largest / np.float32(LARGEST)).astype(np.float32)
    scale[largest < _TINY] = 0
    steps = np.divide(weight, scale[:, None], out=np.zeros(weight.shape), where=scale[:, None] > 0)
    return np.clip(np.rint(steps), -LARGEST, LARGEST).astype(np.int8), scale


def quantize(x: Array) -> tuple[Array, Array]:
    """Vectors (N, C) as whole numbers (still floats, for the product) and their scales (N,).

    The scale is max |x| / 127; 0 of zeros, NaN where a number is not finite, which makes all gates NaN.
    """
    largest = np.abs(x).max(axis=1)
    finite = np.isfinite(largest)
    some = finite & (largest >= _TINY)
    with np.errstate(invalid="ignore"):
        inverse = np.divide(np.float32(LARGEST), largest, out=np.zeros_like(largest), where=some)
        whole = np.rint(x * inverse[:, None])
    whole[~some] = 0
    scale = np.divide(largest, np.float32(LARGEST), out=np.zeros_like(largest), where=some)
    scale[~finite] = np.nan
    return whole, scale


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), within some units in the last place, by the arithmetic of native/recurrent/vectors.h."""
    power, rest = _exponential(np.maximum(-x, np.float32(-87)))
    found: Array = 1 / (power * rest + (power + 1))
    found[x < -87] = 0
    return found


def tanh(x: Array) -> Array:
    """(e^2x - 1) / (e^2x + 1), likewise."""
    power, rest = _exponential(np.minimum(np.maximum(x + x, np.float32(-30)), np.float32(30)))
    less_one = power * rest + (power - 1)
    found: Array = less_one / (less_one + 2)
    return found


def _exponential(x: Array) -> tuple[Array, Array]:
    """2^n and e^r - 1, with x = n ln 2 + r."""
    shifted = x * np.float32(1.44269504) + np.float32(12583039)
    n = shifted - np.float32(12583039)
    power = (shifted.view(np.int32) << 23).view(np.float32)
    r = (x - n * np.float32(0.693359375)) + n * np.float32(2.12194440e-4)
    q = r * np.float32(0.0013950540451332927) + np.float32(0.008368917740881443)
    for coefficient in (0.04166620597243309, 0.166665181517601, 0.5):
        q = q * r + np.float32(coefficient)
    return power, q * (r * r) + r


class _Product:
    """x to s_x s_row Σ q_x q_row: (N, C) -> (N, R)."""

    def __init__(self, weight: Whole, scale: Array) -> None:
        dtype = np.float32 if weight.shape[1] <= _EXACT else np.float64
        self.weight: Array = np.ascontiguousarray(weight.T, dtype)  # (C, R), whole numbers that BLAS can multiply
        self.scale = scale

    def __call__(self, x: Array) -> Array:
        whole, scale = quantize(x)
        sums = (whole.astype(self.weight.dtype, copy=False) @ self.weight).astype(np.float32)
        found: Array = sums * (scale[:, None] * self.scale)
        return found


class _Base:
    """A layer and direction with weights in int8; what the cells of `timesteps.runtime.cells` are."""

    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self, spec: LayerSpec, weights: Mapping[str, NDArray[Any]]) -> None:
        self.spec = spec
        self.hidden_size = spec.hidden_size
        self._table, self._scale = weights["weight_ih"], weights["scale_ih"]
        self._input = _Product(self._table, self._scale)
        weight, scale = weights["weight_hh"], weights["scale_hh"]
        self._states = [_Product(weight[rows], scale[rows]) for rows in self._blocks()]
        self.weight_ih: Array = self._input.weight
        self.bias: Array = weights["bias_ih"] + weights["bias_hh"]
        self.bias_hh: Array = weights["bias_hh"]
        zeros = np.zeros(spec.hidden_size, np.float32)
        self.begin = tuple(weights.get(name, zeros) for name in ("h0", "c0"))

    def _blocks(self) -> tuple[slice, ...]:
        """Rows of weight_hh that are multiplied at a time."""
        return (slice(None),)

    def project(self, x: Array) -> Array:
        """The input's share of the gates, with biases: (N, I) -> (N, G * H)."""
        return self._input(x) + self.bias

    def lookup(self, ids: NDArray[np.integer[Any]]) -> Array:
        """The same of one-hot vectors, (N,) -> (N, G * H)."""
        found: Array = self._table.T[ids].astype(np.float32) * self._scale + self.bias
        return found

    def settle(self, gx: Array) -> Array:
        """The same numbers."""
        return gx

    def initial(self, batch: int) -> State:
        """The state before the first step."""
        return (np.tile(self.begin[0], (batch, 1)),)

    def step(self, gx: Array, state: State) -> State:
        """The state after a step."""
        raise NotImplementedError

    def advance(self, gx: Array, state: State) -> State:
        """The same: there is no zoneout."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.step(gx, state)


class Int8ElmanCell(_Base):
    """h' = tanh, relu or the identity of the gates."""

    def step(self, gx: Array, state: State) -> State:
        """(N, H), (h,) -> (h',)."""
        gates = gx + self._states[0](state[0])
        if self.spec.nonlinearity == "relu":
            return (np.where(gates < 0, np.float32(0), gates),)
        return (gates if self.spec.nonlinearity == "linear" else tanh(gates),)


_LSTM = (sigmoid, sigmoid, tanh, sigmoid)  # of i, f, g, o


class Int8LSTMCell(_Base):
    """c' = f c + i g, h' = o tanh(c')."""

    def initial(self, batch: int) -> State:
        """h and c."""
        return tuple(np.tile(part, (batch, 1)) for part in self.begin)

    def step(self, gx: Array, state: State) -> State:
        """(N, 4 * H), (h, c) -> (h', c')."""
        h, c = state
        i, f, g, o = (
            part(gate) for part, gate in zip(_LSTM, np.split(gx + self._states[0](h), 4, axis=1), strict=True)
        )
        gx[:] = np.concatenate([i, f, g, o], axis=1)
        c = f * c + i * g
        return o * tanh(c), c


class Int8GRUCell(_Base):
    """h' = n + z (h - n), with the reset gate before or after the product of the candidate n."""

    def __init__(self, spec: LayerSpec, weights: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(spec, weights)
        H = spec.hidden_size
        if spec.reset_after:  # b_hn stands inside the product with r
            self.bias = np.concatenate([self.bias[: 2 * H], weights["bias_ih"][2 * H :]])

    def _blocks(self) -> tuple[slice, ...]:
        H = self.hidden_size
        return (slice(None),) if self.spec.reset_after else (slice(2 * H), slice(2 * H, None))

    def step(self, gx: Array, state: State) -> State:
        """(N, 3 * H), (h,) -> (h',)."""
        (h,) = state
        H = self.hidden_size
        if self.spec.reset_after:
            product = self._states[0](h)
            r, z = np.split(sigmoid(gx[:, : 2 * H] + product[:, : 2 * H]), 2, axis=1)
            n = tanh(gx[:, 2 * H :] + r * (self.bias_hh[2 * H :] + product[:, 2 * H :]))
        else:
            r, z = np.split(sigmoid(gx[:, : 2 * H] + self._states[0](h)), 2, axis=1)
            n = tanh(gx[:, 2 * H :] + self._states[1](r * h))
        gx[:] = np.concatenate([r, z, n], axis=1)
        return (n + z * (h - n),)


INT8_CELLS: dict[str, Callable[[LayerSpec, Mapping[str, NDArray[Any]]], Cell]] = {
    "rnn": Int8ElmanCell,
    "lstm": Int8LSTMCell,
    "gru": Int8GRUCell,
}


def make_cell(layer: LayerSpec, weights: Mapping[str, NDArray[Any]]) -> Cell:
    """The cell of a layer and direction: of floats, or of int8 if its weights are."""
    return (INT8_CELLS if weights["weight_ih"].dtype == np.int8 else CELLS)[layer.cell](layer, weights)


class QuantizedTable:
    """A table of int8 rows, read where it lies: indexing it gives rows in single precision.

    >>> QuantizedTable(*quantize_rows(np.array([[0.5, 0.1], [2.0, -2.0]])))[[1, 1]]
    array([[ 2., -2.],
           [ 2., -2.]], dtype=float32)
    """

    def __init__(self, rows: Whole, scale: Array) -> None:
        self._rows, self._scale = rows, scale
        self.shape = rows.shape

    def __getitem__(self, ids: Any) -> Array:
        found: Array = self._rows[ids].astype(np.float32) * self._scale[ids][..., None]
        return found
