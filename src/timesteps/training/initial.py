"""Where training starts from without torch: the weights that `timesteps.nn.build` draws, up to rounding.

torch's generator on a CPU is the Mersenne Twister that numpy has too (Matsumoto and Nishimura 1998), and what torch
makes of its numbers is said here: so a seed means the same network with torch and without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.layout import LINEAR, directions, network_tensors
from timesteps.runtime.spec import LayerSpec, NetworkSpec
from timesteps.runtime.time_scales import chrono_signs

__all__ = ["initial_weights"]

_EMBEDDING_RANGE = 0.05  # Keras' "uniform"
_BLOCK = 1 << 14  # numbers that stay in a core's cache while they become normal; a multiple of 16
_FORGETS = {"lstm": 1, "minlstm": 0}  # cells with a forget gate: which of their gates it is

Weights = dict[str, NDArray[np.float32]]


def initial_weights(spec: NetworkSpec, seed: int = 0, chrono: int | None = None) -> Weights:
    """The weights of an untrained network, by the scheme "keras" of `timesteps.nn.initialize`, perhaps with `chrono`.

    Raises:
        UsageError: `chrono` below 3, or with a cell that has no gate for it.

    >>> from timesteps.runtime.spec import LayerSpec
    >>> layer = LayerSpec(cell="lstm", input_size=3, hidden_size=2)
    >>> spec = NetworkSpec(input="numeric", input_size=3, layers=(layer,), outputs=1)
    >>> initial_weights(spec)["rnn.bias_ih_l0"].tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    draws = _Draws(seed)
    shapes = network_tensors(spec)
    weights: Weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    # A module is made with torch's own weights before it is initialized: those numbers are drawn and not used.
    if spec.input in ("ids", "bag"):
        vectors = draws.normal(shapes["embedding.weight"])
        if spec.input == "bag":
            vectors *= np.float32(0.5 / math.sqrt(spec.embedding_size))
            weights["embedding.weight"] = vectors
    cells = [(layer, f"l{number}{suffix}") for number, layer in enumerate(spec.layers) for suffix in directions(layer)]
    for names in (("weight_ih", "weight_hh", "bias_ih", "bias_hh"), ("weight_ch",)):
        for _, end in cells:
            for shape in (shapes.get(f"rnn.{name}_{end}") for name in names):
                if shape is not None:
                    draws.uniform(shape, 1.0)
    draws.uniform(shapes["head.weight"], 1.0)
    draws.uniform(shapes["head.bias"], 1.0)
    if spec.input == "ids":
        weights["embedding.weight"] = draws.uniform(shapes["embedding.weight"], _EMBEDDING_RANGE)
    for layer, end in cells:
        weights |= {f"rnn.{name}_{end}": weight for name, weight in _cell(layer, end, shapes, draws, chrono).items()}
    weights["head.weight"] = draws.glorot(shapes["head.weight"])
    return weights


def _cell(
    layer: LayerSpec, end: str, shapes: Mapping[str, tuple[int, ...]], draws: _Draws, chrono: int | None
) -> Weights:
    """What of a layer's weights does not begin at zero."""
    size = layer.hidden_size
    weights = {"weight_ih": draws.glorot(shapes[f"rnn.weight_ih_{end}"])}
    if layer.cell not in LINEAR:
        weights["weight_hh"] = draws.orthogonal(shapes[f"rnn.weight_hh_{end}"])
    if layer.peephole:
        weights["weight_ch"] = draws.uniform(shapes[f"rnn.weight_ch_{end}"], math.sqrt(3.0 / size))
    for gain in ("norm_ih", "norm_hh", "norm_c"):
        if f"rnn.{gain}_{end}" in shapes:
            weights[gain] = np.ones(shapes[f"rnn.{gain}_{end}"], np.float32)
    if layer.cell in _FORGETS:
        gate = _FORGETS[layer.cell]
        weights["bias_ih"] = np.zeros(shapes[f"rnn.bias_ih_{end}"], np.float32)
        weights["bias_ih"][gate * size : (gate + 1) * size] = 1.0
    if chrono is not None:
        bias = weights.setdefault("bias_ih", np.zeros(shapes[f"rnn.bias_ih_{end}"], np.float32))
        scales = np.log(draws.between(size, 1.0, chrono - 1.0))
        for gate, sign in chrono_signs(layer.cell, chrono).items():
            bias[gate * size : (gate + 1) * size] = sign * scales
    return weights


def _blocks(size: int) -> Iterator[slice]:
    """So many numbers at a time that what is made of them on the way stays in the cache; sixteens stay whole."""
    for first in range(0, size, _BLOCK):
        yield slice(first, min(first + _BLOCK, size))


class _Draws:
    """The random numbers that torch draws from a seed, in its order."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.RandomState(seed & 0xFFFFFFFF)

    def uniform(self, shape: tuple[int, ...], bound: float) -> NDArray[np.float32]:
        """U(-bound, bound)."""
        return self.between(math.prod(shape), -bound, bound).reshape(shape)

    def between(self, size: int, low: float, high: float) -> NDArray[np.float32]:
        """U(low, high), (size,)."""
        first, width = np.float32(low), np.float32(high) - np.float32(low)
        numbers = np.empty(size, np.float32)
        for block in _blocks(size):
            numbers[block] = self._shares(block.stop - block.start) * width + first
        return numbers

    def glorot(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Glorot and Bengio's uniform numbers, for a matrix (out, in)."""
        return self.uniform(shape, math.sqrt(3.0) * math.sqrt(2.0 / sum(shape)))

    def normal(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """N(0, 1), by Box and Muller's transform."""
        size = math.prod(shape)
        if size < 16:
            return self._few_normal(size).astype(np.float32).reshape(shape)
        numbers = np.empty(size, np.float32)
        for block in _blocks(size):
            shares = self._shares(block.stop - block.start)
            whole = len(shares) // 16 * 16
            numbers[block.start : block.start + whole] = _sixteens(shares[:whole])
        if size % 16:  # the last sixteen are drawn anew
            numbers[-16:] = _sixteens(self._shares(16))
        return numbers.reshape(shape)

    def orthogonal(self, shape: tuple[int, int] | tuple[int, ...]) -> NDArray[np.float32]:
        """Orthonormal columns or, where there are fewer of them, rows (Saxe et al. 2013, arXiv:1312.6120)."""
        numbers = self.normal(shape)
        wide = shape[0] < shape[1]
        q, r = np.linalg.qr(numbers.T if wide else numbers)
        q = q * np.sign(np.diag(r))
        return np.ascontiguousarray(q.T if wide else q, np.float32)

    def _words(self, count: int) -> NDArray[np.uint32]:
        return self._generator.randint(0, 1 << 32, size=count, dtype=np.uint32)

    def _shares(self, count: int) -> NDArray[np.float32]:
        """Of 24 bits, in [0, 1)."""
        shares: NDArray[Any] = (self._words(count) & 0xFFFFFF).astype(np.float32) * np.float32(2.0**-24)
        return shares

    def _few_normal(self, count: int) -> NDArray[np.float64]:
        """Fewer than sixteen are drawn in pairs, from numbers of 53 bits."""
        words = self._words(4 * -(-count // 2)).astype(np.uint64).reshape(-1, 2)
        shares = ((words[:, 0] << np.uint64(32) | words[:, 1]) & np.uint64((1 << 53) - 1)) * 2.0**-53
        u1, u2 = shares[0::2], shares[1::2]
        radius, angle = np.sqrt(-2 * np.log1p(-u2)), 2 * math.pi * u1
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:count]


def _sixteens(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normal numbers: in each sixteen the first eight give radii and the others angles."""
    blocks = shares.reshape(-1, 2, 8)
    radius = np.sqrt(-2 * np.log(1 - blocks[:, 0]))
    angle = np.float32(2 * math.pi) * blocks[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
