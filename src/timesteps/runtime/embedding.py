"""What the first layer of a network reads: ids, bags of features or numbers, as the input's share of its gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.runtime.cells import Array, Cell
from timesteps.runtime.scan import Gates, Index
from timesteps.runtime.sequences import Bags, Sequences
from timesteps.runtime.spec import NetworkSpec

__all__ = ["Inputs", "bag_sums"]

_GATHER = 2**17  # numbers copied out of a table at once, to be summed


def bag_sums(table: Any, bags: Bags, dtype: np.dtype[Any]) -> Array:
    """Sums of the table's rows over each bag: table (V, D), U bags -> (U, D). An empty bag gives zeros.

    >>> bag_sums(np.eye(3), Bags(np.array([0, 2, 2], np.int32), np.array([0, 0, 3])), np.dtype(np.float32))
    array([[0., 0., 0.],
           [1., 0., 2.]], dtype=float32)
    """
    sums = np.zeros((len(bags), table.shape[1]), dtype)
    # Cut by features and not by bags, so that one huge bag takes no more memory than many small ones.
    size = max(1, _GATHER // table.shape[1])
    offsets = bags.offsets
    for begin in range(int(offsets[0]), int(offsets[-1]), size):
        end = min(begin + size, int(offsets[-1]))
        first, last = np.searchsorted(offsets, begin, "right") - 1, np.searchsorted(offsets, end, "left")
        starts, ends = np.maximum(offsets[first:last], begin), np.minimum(offsets[first + 1 : last + 1], end)
        filled = np.flatnonzero(ends > starts)  # reduceat has no empty segments
        rows = table[bags.ids[begin:end]]
        sums[first + filled] += np.add.reduceat(rows, starts[filled] - begin, axis=0, dtype=dtype)
    return sums


class Inputs:
    """The steps of some sequences, ready for a network's first layer.

    Args:
        spec: the network's.
        tables: `embedding.weight` (V, D) and, with a wide term, `embedding.wide` (V, outputs).
        sequences: of the kind that `spec.input` names.
        dtype: of all computation.

    Raises:
        DataError: an id outside the network's input, or steps of another kind or width.
    """

    def __init__(
        self, spec: NetworkSpec, tables: Mapping[str, Any], sequences: Sequences, dtype: np.dtype[Any]
    ) -> None:
        self._spec, self._tables, self._dtype = spec, tables, dtype
        self._values, self._offsets = sequences.values, sequences.offsets
        self._phrases = sequences.phrases
        # What is quantised next must not depend on the order of a sum, which is that of the bags around it.
        self._exact = dtype if spec.weights == "float" else np.dtype(np.float64)
        width = (spec.input_size,) if spec.input == "numeric" else ()
        if self._values.shape[1:] != width:
            raise DataError(f"steps of shape {self._values.shape[1:]}, input {spec.input} has steps of shape {width}")
        if (sequences.bags is None) == (spec.input == "bag"):
            raise DataError(f"input {spec.input} and sequences {'without' if spec.input == 'bag' else 'with'} bags")
        if sequences.bags is not None:
            self._read_bags(sequences.bags)
        elif spec.input != "numeric":
            _check_ids(self._values, spec.input_size)
        if spec.input == "ids":
            self._vectors = tables["embedding.weight"]
        self._channels = sequences.channels if spec.channels else None
        shape = None if self._channels is None else self._channels.shape
        if spec.channels and shape != (len(self._values), spec.channels):
            raise DataError(f"channels of shape {shape}, this network reads {spec.channels}")

    def _read_bags(self, bags: Bags) -> None:
        """Sum each bag that occurs once, however often it does."""
        _check_ids(self._values, len(bags))
        used, self._values = _distinct(self._values, len(bags))
        self._bags = bags.take(used)
        for part in (self._bags, self._phrases):
            if part is not None:
                _check_ids(part.ids, self._spec.input_size)
        self._counts = np.diff(self._bags.offsets)
        self._vectors = bag_sums(self._tables["embedding.weight"], self._bags, self._exact).astype(self._dtype)
        if self._phrases is None:
            self._vectors /= _roots(self._counts, self._dtype)

    def vectors(self, steps: NDArray[np.int64]) -> Array:
        """What the first layer reads at the given steps, (N, I), unless that is one-hot."""
        values = self._values[steps]
        if self._spec.input == "numeric":
            return values.astype(self._dtype)
        if self._phrases is not None:
            x = self._with_phrases(values, self._phrases.take(steps))
        else:
            x = self._vectors[values].astype(self._dtype, copy=False)
        if self._channels is None:
            return x
        return np.concatenate([x, self._channels[steps].astype(self._dtype)], axis=1)

    def ids(self, steps: NDArray[np.int64]) -> NDArray[np.int32]:
        """The ids at the given steps, (N, 1)."""
        return self._values[steps][:, None].astype(np.int32, copy=False)

    def products(self, ways: Sequence[Mapping[str, Array]], steps: NDArray[np.int64]) -> Array:
        """W_ih x of one-hot inputs, for each direction beside the others: (N, ways * G * H)."""
        distinct, place = _distinct(self._values[steps], self._spec.input_size)
        table: Array = np.concatenate([weights["weight_ih"][:, distinct].T for weights in ways], axis=1)
        return table[place]

    def gates(self, cells: list[Cell], steps: NDArray[np.int64]) -> list[Gates]:
        """For each cell, the input's share of its gates at the given steps."""
        whole = self._channels is not None and self._spec.weights == "int8"  # a vector is quantised as one
        if self._spec.input == "numeric" or self._phrases is not None or whole:
            x = self.vectors(steps)
            return [projection(cell, x) for cell in cells]
        # A text repeats itself: multiply each distinct vector once and look the product up.
        distinct, place = _distinct(
            self._values[steps], self._spec.input_size if self._spec.input != "bag" else len(self._bags)
        )
        if self._spec.input == "one_hot":
            return [_table(cell.lookup(distinct), place) for cell in cells]
        vectors = self._vectors[distinct].astype(self._dtype, copy=False)
        gates = [_table(cell.project(self._widened(vectors)), place) for cell in cells]
        if self._channels is None:
            return gates
        channels = self._channels[steps].astype(self._dtype)
        size = self._spec.embedding_size
        return [_added(table, channels, cell.weight_ih[size:]) for table, cell in zip(gates, cells, strict=True)]

    def _with_phrases(self, values: NDArray[np.int32], phrases: Bags) -> Array:
        """Vectors of steps that have phrases beside their units."""
        x = bag_sums(self._tables["embedding.weight"], phrases, self._exact).astype(self._dtype)
        x += self._vectors[values]
        x /= _roots(self._counts[values] + np.diff(phrases.offsets), self._dtype)
        return x

    def _widened(self, vectors: Array) -> Array:
        """With zeros where the channels will be."""
        return np.pad(vectors, ((0, 0), (0, self._spec.channels))) if self._spec.channels else vectors

    def wide(self) -> Array:
        """The wide term (R, outputs): the sum of the features' weights over all steps of a row, by the root of their
        number.
        """
        table = self._tables["embedding.wide"]
        double = np.dtype(np.float64)  # a long row sums ten thousand weights
        sums = bag_sums(bag_sums(table, self._bags, double), Bags(self._values, self._offsets), double)
        ends = np.concatenate([[0], np.cumsum(self._counts[self._values])])
        features = np.diff(ends[self._offsets])
        if self._phrases is not None:
            sums += bag_sums(table, Bags(self._phrases.ids, self._phrases.offsets[self._offsets]), double)
            features = features + np.diff(self._phrases.offsets[self._offsets])
        sums /= _roots(features, double)
        return sums.astype(self._dtype)

    def wide_steps(self) -> NDArray[np.float64]:
        """What each step adds to the wide term of its row, (N, outputs)."""
        table = self._tables["embedding.wide"]
        double = np.dtype(np.float64)
        sums = bag_sums(table, self._bags, double)[self._values]
        counts = self._counts[self._values]
        if self._phrases is not None:
            sums = sums + bag_sums(table, self._phrases, double)
            counts = counts + np.diff(self._phrases.offsets)
        ends = np.concatenate([[0], np.cumsum(counts)])
        features = np.diff(ends[self._offsets])
        parts: NDArray[np.float64] = sums / np.repeat(_roots(features, double), np.diff(self._offsets), axis=0)
        return parts


def projection(cell: Cell, x: Array) -> Gates:
    """Gates computed when they are asked for."""

    def gates(index: Index) -> Array:
        return cell.project(x[index])

    return gates


def _added(gates: Gates, x: Array, weight: Array) -> Gates:
    """The gates and the share of more inputs."""

    def added(index: Index) -> Array:
        found = gates(index)
        found += x[index] @ weight
        return found

    return added


def _table(projected: Array, place: NDArray[np.int32]) -> Gates:
    """Gates looked up."""

    def gates(index: Index) -> Array:
        looked_up: Array = projected[place[index]]
        return looked_up

    return gates


def _roots(counts: NDArray[np.int64], dtype: np.dtype[Any]) -> Array:
    """√count as a column; 1 for an empty bag, whose sum is zero anyway."""
    roots: Array = np.sqrt(np.maximum(counts, 1)).astype(dtype)[:, None]
    return roots


def _distinct(values: NDArray[Any], size: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The distinct values, all in [0, size), and where each value is among them. Faster than sorting."""
    seen = np.zeros(size, bool)
    seen[values] = True
    distinct = np.flatnonzero(seen)
    place = np.empty(size, np.int32)
    place[distinct] = np.arange(len(distinct), dtype=np.int32)
    return distinct, place[values]


def _check_ids(ids: NDArray[Any], size: int) -> None:
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < size:
        raise DataError(f"ids from {ids.min()} to {ids.max()}, this model has 0 to {size - 1}")
