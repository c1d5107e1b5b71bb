"""The recurrent cells in numpy: one equation each, one time step at a time, for inference.

Weights come in torch's layout, (G * H, I) with the gates in torch's order, and are kept transposed. `project` is the
input's share of the gates for many steps at once; `step` is the rest, and with zoneout the only code that runs once a
time step.
`timesteps.nn.cells` has the same equations with gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.layout import LINEAR
from timesteps.runtime.spec import LayerSpec

_EPSILON = 1e-5  # added to the variance in layer norm

Array = NDArray[np.floating[Any]]
State = tuple[Array, ...]

__all__ = [
    "CELLS",
    "Cell",
    "ElmanCell",
    "GRUCell",
    "LSTMCell",
    "MinGRUCell",
    "MinLSTMCell",
    "State",
    "sigmoid",
]


class Cell(Protocol):
    """One equation. B rows, I inputs, H hidden units, G gates."""

    dtype: np.dtype[Any]
    hidden_size: int
    weight_ih: Array  # (I, G * H)

    def project(self, x: Array) -> Array:
        """The input's share of the gates, still linear in x: (N, I) -> (N, G * H)."""

    def lookup(self, ids: NDArray[np.integer[Any]]) -> Array:
        """`project` of one-hot vectors, given where their ones are: (N,) -> (N, G * H)."""

    def settle(self, gx: Array) -> Array:
        """What `step` takes, from sums of what `project` and `lookup` give, which may be overwritten."""

    def initial(self, batch: int) -> State:
        """The state before the first step; its first part is h (B, H)."""

    def step(self, gx: Array, state: State) -> State:
        """The state that the equation gives. `gx` (B, G * H) becomes the gates after activation, in torch's order, but
        stays as it is in linear cells; `state` is left alone."""

    def advance(self, gx: Array, state: State) -> State:
        """The state after one step: that of `step`, with zoneout."""


def sigmoid(x: Array, out: Array | None = None) -> Array:
    """1 / (1 + exp(-x)), by way of tanh, which neither overflows nor needs two branches."""
    out = np.multiply(x, 0.5, out=out)
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return out


def normed(x: Array, gain: Array) -> Array:
    """Layer norm of the rows of x (B, N), in place: gain ∘ (x - mean) / sqrt(variance + 1e-5)."""
    x -= x.mean(axis=1, keepdims=True)
    variance = np.einsum("bn,bn->b", x, x)[:, None] / x.shape[1]
    x /= np.sqrt(variance + _EPSILON)
    x *= gain
    return x


class _Base:
    """What the cells share: the weights of one layer and direction, the products with input and state, zoneout."""

    norm_blocks: tuple[int, ...] = ()  # numbers of gates that layer norm takes together; (): all

    def __init__(self, spec: LayerSpec, weights: Mapping[str, Array]) -> None:
        self.spec = spec
        self.hidden_size = spec.hidden_size
        self.dtype = weights["weight_ih"].dtype
        self.weight_ih = np.ascontiguousarray(weights["weight_ih"].T)  # (I, G * H)
        self.bias: Array = weights["bias_ih"]
        if spec.cell not in LINEAR:
            self.weight_hh = np.ascontiguousarray(weights["weight_hh"].T)  # (H, G * H)
            self.bias = self.bias + weights["bias_hh"]
        self.norm_ih, self.norm_hh = weights.get("norm_ih"), weights.get("norm_hh")
        zeros = np.zeros(spec.hidden_size, self.dtype)
        self.h0, self.c0 = weights.get("h0", zeros), weights.get("c0", zeros)

    def project(self, x: Array) -> Array:
        gx: Array = x @ self.weight_ih
        if self.norm_ih is None:
            gx += self.bias
        return gx

    def lookup(self, ids: NDArray[np.integer[Any]]) -> Array:
        gx: Array = self.weight_ih[ids]
        if self.norm_ih is None:
            gx += self.bias
        return gx

    def settle(self, gx: Array) -> Array:
        if self.norm_ih is not None:
            self._normalise(gx, self.norm_ih)
            gx += self.bias
        return gx

    def recur(self, h: Array) -> Array:
        """The state's share of the gates, without a bias: (B, H) -> (B, G * H)."""
        gh: Array = h @ self.weight_hh
        if self.norm_hh is not None:
            self._normalise(gh, self.norm_hh)
        return gh

    def _normalise(self, a: Array, gain: Array) -> None:
        begin = 0
        for gates in self.norm_blocks or (a.shape[1] // self.hidden_size,):
            end = begin + gates * self.hidden_size
            normed(a[:, begin:end], gain[begin:end])
            begin = end

    def initial(self, batch: int) -> State:
        return (np.tile(self.h0, (batch, 1)),)

    def step(self, gx: Array, state: State) -> State:
        raise NotImplementedError

    def advance(self, gx: Array, state: State) -> State:
        new = self.step(gx, state)
        for p, old, part in zip((self.spec.zoneout, self.spec.zoneout_cell), state, new, strict=False):
            if p:
                part *= 1 - p
                part += p * old
        return new


class ElmanCell(_Base):
    """h' = tanh(W_ih x + W_hh h + b), relu or the identity (Elman 1990); either product normalised with layer norm."""

    def step(self, gx: Array, state: State) -> State:
        """(B, H), (h,) -> (h',)."""
        gx += self.recur(state[0])
        if self.spec.nonlinearity == "relu":
            return (np.maximum(gx, 0.0),)
        return (gx if self.spec.nonlinearity == "linear" else np.tanh(gx),)


class LSTMCell(_Base):
    """c' = f c + i g, h' = o tanh(c'); i, f, o sigmoids and g a tanh of W_ih x + W_hh h + b (Gers et al. 2000).

    With peephole, p_i c and p_f c are added inside the sigmoids of i and f, p_o c' in that of o. With layer norm,
    h' = o tanh(LN(c')), and either product is normalised.
    """

    def __init__(self, spec: LayerSpec, weights: Mapping[str, Array]) -> None:
        super().__init__(spec, weights)
        self.norm_c = (weights["norm_c"], weights["norm_c_bias"]) if spec.layer_norm else None
        self.peepholes = np.split(weights["weight_ch"], 3) if spec.peephole else None

    def initial(self, batch: int) -> State:
        """h and c."""
        return np.tile(self.h0, (batch, 1)), np.tile(self.c0, (batch, 1))

    def step(self, gx: Array, state: State) -> State:
        """(B, 4 * H), (h, c) -> (h', c')."""
        h, c = state
        H = self.hidden_size
        gx += self.recur(h)
        input_forget, g, o = gx[:, : 2 * H], gx[:, 2 * H : 3 * H], gx[:, 3 * H :]
        if self.peepholes is not None:
            input_forget[:, :H] += self.peepholes[0] * c
            input_forget[:, H:] += self.peepholes[1] * c
        sigmoid(input_forget, out=input_forget)
        np.tanh(g, out=g)
        c = c * input_forget[:, H:]
        c += input_forget[:, :H] * g
        if self.peepholes is not None:
            o += self.peepholes[2] * c
        sigmoid(o, out=o)
        if self.norm_c is not None:
            h = normed(c.copy(), self.norm_c[0])
            h += self.norm_c[1]
            np.tanh(h, out=h)
        else:
            h = np.tanh(c)
        h *= o
        return h, c


class GRUCell(_Base):
    """h' = (1 - z) n + z h; r, z sigmoids of W_ih x + W_hh h + b (Cho et al. 2014, arXiv 1406.1078).

    n = tanh(W_in x + b_in + r (W_hn h + b_hn)) with the reset after the product (torch, cuDNN), or
    n = tanh(W_in x + b_in + W_hn (r h) + b_hn) with the reset before it (the paper). Layer norm takes the products with
    W of r and z together, those of n alone, before biases and reset gate touch them.
    """

    norm_blocks = (2, 1)

    def __init__(self, spec: LayerSpec, weights: Mapping[str, Array]) -> None:
        super().__init__(spec, weights)
        H = spec.hidden_size
        self.weight_rz, self.weight_n = (
            np.ascontiguousarray(part) for part in np.split(self.weight_hh, [2 * H], axis=1)
        )
        self.bias_n = weights["bias_hh"][2 * H :]
        if spec.reset_after:  # b_hn stands inside the product with r, so it is not part of the input's share
            self.bias = np.concatenate([self.bias[: 2 * H], weights["bias_ih"][2 * H :]])

    def step(self, gx: Array, state: State) -> State:
        """(B, 3 * H), (h,) -> (h',)."""
        (h,) = state
        H = self.hidden_size
        rz, n = gx[:, : 2 * H], gx[:, 2 * H :]
        if self.spec.reset_after:
            gh = self.recur(h)
            rz += gh[:, : 2 * H]
            sigmoid(rz, out=rz)
            product = gh[:, 2 * H :]
            product += self.bias_n
            product *= rz[:, :H]
        else:
            product = h @ self.weight_rz
            rz += product if self.norm_hh is None else normed(product, self.norm_hh[: 2 * H])
            sigmoid(rz, out=rz)
            product = (rz[:, :H] * h) @ self.weight_n
            if self.norm_hh is not None:
                normed(product, self.norm_hh[2 * H :])
        n += product
        np.tanh(n, out=n)
        new = h - n
        new *= rz[:, H:]
        new += n
        return (new,)


class MinGRUCell(_Base):
    """h' = (1 - z) h + z h̃; z a sigmoid, h̃ linear in W_ih x + b (Feng et al. 2024, arXiv 2410.01201)."""

    def step(self, gx: Array, state: State) -> State:
        """(B, 2 * H), (h,) -> (h',)."""
        H = self.hidden_size
        z = sigmoid(gx[:, :H])
        return ((1 - z) * state[0] + z * gx[:, H:],)


class MinLSTMCell(_Base):
    """h' = f / (f + i) h + i / (f + i) h̃; f, i sigmoids, h̃ linear in W_ih x + b (Feng et al. 2024, arXiv 2410.01201).

    The shares are sigmoids of ±(log f - log i): the same numbers, where f + i is zero in floats too.
    """

    def step(self, gx: Array, state: State) -> State:
        """(B, 3 * H), (h,) -> (h',)."""
        H = self.hidden_size
        more = np.logaddexp(0, -gx[:, H : 2 * H]) - np.logaddexp(0, -gx[:, :H])  # log f - log i
        return (sigmoid(more) * state[0] + sigmoid(-more) * gx[:, 2 * H :],)


CELLS: dict[str, Callable[[LayerSpec, Mapping[str, Array]], Cell]] = {
    "rnn": ElmanCell,
    "lstm": LSTMCell,
    "gru": GRUCell,
    "mingru": MinGRUCell,
    "minlstm": MinLSTMCell,
}
