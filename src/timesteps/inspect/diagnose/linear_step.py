"""One step of each cell, linearised where it was taken: its gates, and what pulls gradients back through it.

The equations are those of `timesteps.runtime.cells`, whose weights and projections are used; here is their derivative
with respect to the state, in closed form. P steps are linearised at once, and R gradients pulled back through each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from timesteps.runtime.cells import Array, State, sigmoid

__all__ = ["Linearised", "linearise"]

_EPSILON = 1e-5  # added to the variance in layer norm

Pull = Callable[[State], State]


@dataclass(frozen=True)
class Linearised:
    """P steps: `gates`, what each gate was, (P, H); `pull`, gradients of the state after a step, (P, R, H) for each of
    its parts, to gradients of the state before it."""

    gates: dict[str, Array]
    pull: Pull


def linearise(cell: Any, gx: Array, state: State) -> Linearised:
    """The steps that `cell.advance(gx, state)` takes: gx (P, G * H) as `settle` gives it, state before it.

    `cell` is one of `timesteps.runtime.cells`. Zoneout is in its expectation, as when the model answers.
    """
    found = _OF_CELLS[cell.spec.cell](cell, gx, state)
    kept, kept_cell = cell.spec.zoneout, cell.spec.zoneout_cell
    if not (kept or kept_cell):
        return found
    rates = (kept, kept_cell)[: len(state)]

    def pull(gradients: State) -> State:
        inner = found.pull(tuple((1 - p) * part for p, part in zip(rates, gradients, strict=True)))
        return tuple(part + p * old for p, part, old in zip(rates, inner, gradients, strict=True))

    return Linearised(found.gates, pull)


class _Normed:
    """Layer norm of P rows, and its derivative; without gains, nothing."""

    def __init__(self, x: Array, gain: Array | None, blocks: tuple[int, ...] = (1,)) -> None:
        self._gain = gain
        self._parts: list[tuple[Array, Array]] = []
        self.value = x
        if gain is None:
            return
        unit = x.shape[1] // sum(blocks)
        normed: list[Array] = []
        ends = np.cumsum(blocks)[:-1] * unit
        for part in np.split(x, ends, axis=1):
            centred = part - part.mean(axis=1, keepdims=True)
            inverse = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + _EPSILON)
            self._parts.append((centred * inverse, inverse))
            normed.append(centred * inverse)
        self._ends = ends
        self.value = np.concatenate(normed, axis=1) * gain

    def pull(self, gradient: Array) -> Array:
        """(P, R, n) of the value to those of x."""
        if self._gain is None:
            return gradient
        scaled, found = gradient * self._gain, []
        for (normed, inverse), part in zip(self._parts, np.split(scaled, self._ends, axis=2), strict=True):
            along = (part * normed[:, None]).mean(axis=2, keepdims=True)
            found.append((part - part.mean(axis=2, keepdims=True) - normed[:, None] * along) * inverse[:, None])
        return np.concatenate(found, axis=2)


def _through(weight: Array, gradient: Array) -> Array:
    """(P, R, n) through a product with a matrix (H, n), as one product: (P, R, H)."""
    flat = gradient.reshape(-1, gradient.shape[2]) @ weight.T
    return flat.reshape(*gradient.shape[:2], len(weight))


def _elman(cell: Any, gx: Array, state: State) -> Linearised:
    product = _Normed(state[0] @ cell.weight_hh, cell.norm_hh)
    a = gx + product.value
    relu = cell.spec.nonlinearity == "relu"
    h = np.maximum(a, 0.0) if relu else np.tanh(a)
    slope = (a > 0).astype(a.dtype) if relu else 1 - h * h

    def pull(gradients: State) -> State:
        return (_through(cell.weight_hh, product.pull(gradients[0] * slope[:, None])),)

    return Linearised({"h": h}, pull)


def _lstm(cell: Any, gx: Array, state: State) -> Linearised:
    h, c = state
    product = _Normed(h @ cell.weight_hh, cell.norm_hh)
    a_i, a_f, a_g, a_o = np.split(gx + product.value, 4, axis=1)
    p_i, p_f, p_o = (0.0, 0.0, 0.0) if cell.peepholes is None else cell.peepholes
    i, f, g = sigmoid(a_i + p_i * c), sigmoid(a_f + p_f * c), np.tanh(a_g)
    new = f * c + i * g
    o = sigmoid(a_o + p_o * new)
    normed = _Normed(new, None if cell.norm_c is None else cell.norm_c[0])
    read = np.tanh(normed.value if cell.norm_c is None else normed.value + cell.norm_c[1])
    di, df, dg, do = (part[:, None] for part in (g * i * (1 - i), c * f * (1 - f), i * (1 - g * g), read * o * (1 - o)))
    through_read, forget = (o * (1 - read * read))[:, None], f[:, None]

    def pull(gradients: State) -> State:
        of_h, of_c = gradients
        gates = np.empty((*of_h.shape[:2], 4 * of_h.shape[2]))
        of_i, of_f, of_g, of_o = np.split(gates, 4, axis=2)
        np.multiply(of_h, do, out=of_o)
        of_c = of_c + normed.pull(of_h * through_read)
        if cell.peepholes is not None:
            of_c += of_o * p_o
        for place, slope in ((of_i, di), (of_f, df), (of_g, dg)):
            np.multiply(of_c, slope, out=place)
        before = of_c * forget
        if cell.peepholes is not None:
            before += of_i * p_i + of_f * p_f
        return _through(cell.weight_hh, product.pull(gates)), before

    return Linearised({"i": i, "f": f, "g": g, "o": o, "c": new, "h": o * read}, pull)


def _gru(cell: Any, gx: Array, state: State) -> Linearised:
    return (_gru_after if cell.spec.reset_after else _gru_before)(cell, gx, state[0])


def _gru_after(cell: Any, gx: Array, h: Array) -> Linearised:
    size = cell.hidden_size
    product = _Normed(h @ cell.weight_hh, cell.norm_hh, (2, 1))
    r, z = np.split(sigmoid(gx[:, : 2 * size] + product.value[:, : 2 * size]), 2, axis=1)
    inner = product.value[:, 2 * size :] + cell.bias_n
    n = np.tanh(gx[:, 2 * size :] + r * inner)
    dr, dz = (inner * r * (1 - r))[:, None], ((h - n) * z * (1 - z))[:, None]
    dn, reset, keep = ((1 - z) * (1 - n * n))[:, None], r[:, None], z[:, None]

    def pull(gradients: State) -> State:
        (of_h,) = gradients
        of_n = of_h * dn
        gates = np.concatenate([of_n * dr, of_h * dz, of_n * reset], axis=2)
        return (of_h * keep + _through(cell.weight_hh, product.pull(gates)),)

    return Linearised({"r": r, "z": z, "n": n, "h": (1 - z) * n + z * h}, pull)


def _gru_before(cell: Any, gx: Array, h: Array) -> Linearised:
    size = cell.hidden_size
    gains = (None, None) if cell.norm_hh is None else np.split(cell.norm_hh, [2 * size])
    product = _Normed(h @ cell.weight_rz, gains[0])
    r, z = np.split(sigmoid(gx[:, : 2 * size] + product.value), 2, axis=1)
    inner = _Normed((r * h) @ cell.weight_n, gains[1])
    n = np.tanh(gx[:, 2 * size :] + inner.value)
    dr, dz = (h * r * (1 - r))[:, None], ((h - n) * z * (1 - z))[:, None]
    dn, reset, keep = ((1 - z) * (1 - n * n))[:, None], r[:, None], z[:, None]

    def pull(gradients: State) -> State:
        (of_h,) = gradients
        of_product = _through(cell.weight_n, inner.pull(of_h * dn))
        gates = np.concatenate([of_product * dr, of_h * dz], axis=2)
        return (of_h * keep + of_product * reset + _through(cell.weight_rz, product.pull(gates)),)

    return Linearised({"r": r, "z": z, "n": n, "h": (1 - z) * n + z * h}, pull)


def _mingru(cell: Any, gx: Array, state: State) -> Linearised:
    z, candidate = np.split(gx, 2, axis=1)
    z = sigmoid(z)
    keep = (1 - z)[:, None]
    return Linearised({"z": z, "h": (1 - z) * state[0] + z * candidate}, lambda gradients: (gradients[0] * keep,))


def _minlstm(cell: Any, gx: Array, state: State) -> Linearised:
    f, i, candidate = np.split(gx, 3, axis=1)
    more = np.logaddexp(0, -i) - np.logaddexp(0, -f)
    kept = sigmoid(more)
    keep = kept[:, None]
    h = kept * state[0] + sigmoid(-more) * candidate
    return Linearised({"f": kept, "h": h}, lambda gradients: (gradients[0] * keep,))


_OF_CELLS: dict[str, Callable[[Any, Array, State], Linearised]] = {
    "rnn": _elman,
    "lstm": _lstm,
    "gru": _gru,
    "mingru": _mingru,
    "minlstm": _minlstm,
}
