"""A trained network without torch: what `timesteps.nn.models` builds from the same specification, for inference.

Its recurrent layers run by the compiled kernels or, in float64 and where there is no kernel, in numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from threadpoolctl import ThreadpoolController

from timesteps.errors import DataError, UsageError
from timesteps.runtime import native
from timesteps.runtime.cells import Array, Cell
from timesteps.runtime.embedding import Inputs, projection
from timesteps.runtime.int8 import QuantizedTable, make_cell
from timesteps.runtime.layout import directions, int8_scales, network_tensors
from timesteps.runtime.native_scan import Kept, native_scan, run_steps, step_layers, why_not_native
from timesteps.runtime.pooling import at_steps, pool
from timesteps.runtime.scan import Gates, Steps, scan
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import NetworkSpec, PoolName
from timesteps.runtime.trace import LayerTrace, NetworkTrace, activate, empty_layers

__all__ = ["Network", "why_in_numpy"]

_CHUNK = 2**24  # numbers that the input and the outputs of a layer may take for one chunk of rows
_ROWS = 512  # of a chunk: more do not make the products faster, and fall out of the cache
# The products of a step are too small to share: beside a busy core, threads that wait for each other take ten times as
# long as one thread alone, and on idle cores they gain little.
_BLAS = ThreadpoolController()
_TABLES = ("embedding.weight", "embedding.wide")


class Network:
    """input → (embedding) → recurrent layers → pooling → dense [+ wide term], forward only.

    Args:
        spec: what to build.
        tensors: its tensors, as `network_tensors(spec)` says; others are ignored. Tables are read where they lie.
        dtype: float32 or float64, of all computation and of the logits; float32 if its weights are in int8.

    >>> from timesteps.runtime.spec import LayerSpec
    >>> layer = LayerSpec(cell="rnn", input_size=1, hidden_size=1)
    >>> spec = NetworkSpec(input="numeric", input_size=1, layers=(layer,), outputs=1)
    >>> ones = {name: np.ones(shape) for name, shape in network_tensors(spec).items()}
    >>> Network(spec, ones, np.float64).logits(Sequences.of([[[-3.0], [0.5]], np.zeros((0, 1))], np.float64)).round(4)
    array([[1.94],
           [1.  ]])
    """

    def __init__(self, spec: NetworkSpec, tensors: Mapping[str, NDArray[Any]], dtype: DTypeLike = np.float32) -> None:
        self.spec = spec
        self.dtype = np.dtype(dtype)
        scales = int8_scales(spec)
        if scales and self.dtype != np.float32:
            raise UsageError(f"dtype is {self.dtype}", mend="a network of int8 weights computes in float32")
        names = network_tensors(spec)
        self._tables: dict[str, Any] = {name: tensors[name] for name in names if name in _TABLES}
        for name in self._tables.keys() & scales.keys():
            self._tables[name] = QuantizedTable(tensors[name], tensors[scales[name]])
        weights = {
            name: tensors[name] if name in scales else tensors[name].astype(self.dtype)
            for name in [*names, *scales.values()]
            if name not in _TABLES
        }
        self._weights: list[list[dict[str, Array]]] = []
        for number, layer in enumerate(spec.layers):
            ends = [f"_l{number}{suffix}" for suffix in directions(layer)]
            self._weights.append([_ending(weights, end) for end in ends])
        self._cells: list[list[Cell]] | None = None
        self._steppers: list[list[Any]] | None = None
        if self.why_not_native() is not None:
            self._cells = self._in_numpy()
        elif scales:
            self._steppers = [
                step_layers(layer, ways, looked_up=spec.input == "one_hot" and number == 0)
                for number, (layer, ways) in enumerate(zip(spec.layers, self._weights, strict=True))
            ]
        self._attention = weights.get("attention.weight")
        self._head, self._bias = weights["head.weight"].T, weights["head.bias"]

    @property
    def weights(self) -> list[list[dict[str, Array]]]:
        """Of each layer and direction, by their names in the cell: `weight_ih`, …; not copies."""
        return self._weights

    @property
    def head(self) -> Array:
        """The dense layer's weights (features, outputs)."""
        return self._head

    @property
    def bias(self) -> Array:
        """The dense layer's biases (outputs,)."""
        return self._bias

    @property
    def attention(self) -> Array | None:
        """What attention weighs steps by, (1, features)."""
        return self._attention

    def why_not_native(self, any_dtype: bool = False) -> str | None:
        """Why its recurrent layers run in numpy; None if the compiled kernels run them, or could in any precision."""
        return why_in_numpy(self.spec, np.dtype(np.float32) if any_dtype else self.dtype)

    def logits(self, sequences: Sequences) -> Array:
        """Logits (R, outputs); without pooling (N, outputs), of all steps of all rows, end to end.

        The pooled vector of a row without steps is zero.

        Raises:
            DataError: an id outside the network's input, or steps of another kind or width than it reads.
        """
        with _BLAS.limit(limits=1, user_api="blas"):
            return self._logits(sequences)

    def reads(self, sequences: Sequences) -> Inputs:
        """What the first layer reads of these rows. Errors as `logits`."""
        return Inputs(self.spec, self._tables, sequences, self.dtype)

    def trace(self, sequences: Sequences) -> NetworkTrace:
        """Every gate and state on the way to the logits. Errors as `logits`."""
        steps, spec = int(sequences.lengths.sum()), self.spec
        first = int(sequences.offsets[0])
        keep = _Keep(empty_layers(spec, steps, self.dtype), None, first)
        if spec.input in ("ids", "bag"):
            keep.inputs = np.empty((steps, spec.layers[0].input_size), self.dtype)
        with _BLAS.limit(limits=1, user_api="blas"):
            logits = self._logits(sequences, keep)
        layers = tuple(part for parts in keep.layers for part in parts)
        if self._cells is not None:
            for part in layers:
                activate(part)
        inputs = keep.inputs
        if spec.input == "numeric":
            inputs = sequences.values[first : first + steps].astype(self.dtype)
        attention = None if self._attention is None else self._attention[0]
        return NetworkTrace(layers, sequences.lengths, inputs, logits, spec.pool, attention)

    def _logits(self, sequences: Sequences, keep: _Keep | None = None) -> Array:
        inputs = self.reads(sequences)
        lengths = sequences.lengths
        if self.spec.pool == "none":
            logits: Array = np.empty((int(lengths.sum()), self.spec.outputs), self.dtype)
            first = int(sequences.offsets[0])
            for rows in self._chunks(lengths):
                steps = Steps(lengths[rows])
                places = sequences.offsets[rows][steps.row] + steps.time
                outputs = at_steps(self._outputs(inputs, steps, places, keep))
                logits[places - first] = outputs @ self._head + self._bias
            return logits
        pooled = self._pooled(self.spec.pool, inputs, sequences, keep)
        logits = pooled @ self._head
        logits += self._bias
        if self.spec.wide:
            logits += inputs.wide()
        if self.spec.share:
            if sequences.linear is None:
                raise DataError("sequences without the guide's logits")
            logits *= 1 - self.spec.share
            logits += self.spec.share * sequences.linear.astype(self.dtype)
        return logits

    def pooled(self, sequences: Sequences) -> Array:
        """The vectors that the dense layer reads, (R, width), zero for a row without steps; of a network that answers
        at every step, their means over the steps. Errors as `logits`.
        """
        name: PoolName = "mean" if self.spec.pool == "none" else self.spec.pool
        with _BLAS.limit(limits=1, user_api="blas"):
            return self._pooled(name, self.reads(sequences), sequences)

    def _pooled(self, name: PoolName, inputs: Inputs, sequences: Sequences, keep: _Keep | None = None) -> Array:
        pooled = np.zeros((len(sequences), self.spec.width), self.dtype)
        for rows in self._chunks(sequences.lengths):
            steps = Steps(sequences.lengths[rows])
            outputs = self._outputs(inputs, steps, sequences.offsets[rows][steps.row] + steps.time, keep)
            pooled[rows] = pool(name, steps, outputs, self._attention)
        return pooled

    def _chunks(self, lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """The rows that have steps, longest first, in chunks of bounded size."""
        widths = [layer.hidden_size * len(directions(layer)) for layer in self.spec.layers]
        limit = _CHUNK // (self.spec.layers[0].input_size + 2 * max(widths))
        order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
        start = 0
        while start < len(order):
            count = min(_ROWS, max(1, limit // int(lengths[order[start]])))
            yield order[start : start + count]
            start += count

    def _outputs(
        self, inputs: Inputs, steps: Steps, places: NDArray[np.int64], keep: _Keep | None = None
    ) -> list[Array]:
        """Outputs of the last layer at these steps, one (N, H) a direction."""
        if self._cells is not None:
            return self._by_cells(self._cells, inputs, steps, places, keep)
        if keep is not None and self._steppers is not None:  # which keep nothing; numpy gives the same bits
            return self._by_cells(self._in_numpy(), inputs, steps, places, keep)
        return self._by_kernels(inputs, steps, places, keep)

    def _by_kernels(self, inputs: Inputs, steps: Steps, places: NDArray[np.int64], keep: _Keep | None) -> list[Array]:
        """Outputs of the last layer, by the compiled kernels, which take padded rows."""
        looked_up = self.spec.input == "one_hot"
        if self._steppers is not None:
            read: NDArray[Any] = inputs.ids(places) if looked_up else inputs.vectors(places)
            x = steps.padded(read)
            for number, (layer, packed) in enumerate(zip(self.spec.layers, self._steppers, strict=True)):
                x = run_steps(layer, packed, x, steps.lengths, looked_up and number == 0)
            return np.split(steps.packed(x), len(self._steppers[-1]), axis=1)
        x = inputs.products(self._weights[0], places) if looked_up else inputs.vectors(places)
        if keep is not None and keep.inputs is not None:
            keep.inputs[places - keep.first] = x
        x = steps.padded(x)
        for number, (layer, ways) in enumerate(zip(self.spec.layers, self._weights, strict=True)):
            kept = None
            if keep is not None:
                kept = Kept(keep.layers[number], places[: len(steps.lengths)] - keep.first, keep.memory)
            x = native_scan(layer, ways, x, steps.lengths, looked_up and number == 0, kept)
        return np.split(steps.packed(x), len(self._weights[-1]), axis=1)

    def _by_cells(
        self, layers: list[list[Cell]], inputs: Inputs, steps: Steps, places: NDArray[np.int64], keep: _Keep | None
    ) -> list[Array]:
        """The same in numpy."""
        if keep is not None and keep.inputs is not None:
            keep.inputs[places - keep.first] = inputs.vectors(places)
        gates = inputs.gates(layers[0], places)
        outputs: list[Array] = []
        for number, cells in enumerate(layers):
            if number:
                x = np.concatenate(outputs, axis=1) if len(outputs) > 1 else outputs[0]
                gates = [projection(cell, x) for cell in cells]
            if keep is None:
                outputs = [scan(cell, steps, gates[k], reverse=k == 1) for k, cell in enumerate(cells)]
            else:
                kept = zip(cells, gates, keep.layers[number], strict=True)
                outputs = [_kept_scan(*each, steps, places - keep.first) for each in kept]
        return outputs

    def _in_numpy(self) -> list[list[Cell]]:
        """The cells of all layers and directions, whatever else there is to run them."""
        pairs = zip(self.spec.layers, self._weights, strict=True)
        return [[make_cell(layer, way) for way in ways] for layer, ways in pairs]


@dataclass
class _Keep:
    """Where a trace goes."""

    layers: list[list[LayerTrace]]
    inputs: Array | None
    first: int  # of the sequences' values, the place of the first
    used: Array | None = None

    def memory(self, size: int, dtype: np.dtype[Any]) -> Array:
        """Of at least so many numbers, the same at each call where it is large enough."""
        if self.used is None or self.used.size < size:
            self.used = np.empty(size, dtype)
        return self.used


def _kept_scan(cell: Cell, gates: Gates, trace: LayerTrace, steps: Steps, places: NDArray[np.int64]) -> Array:
    """`scan`, with gates and states put where they belong."""
    size = cell.hidden_size
    width = size * max(1, len(trace.gates))
    kept = np.empty((len(places), width), cell.dtype), np.empty((len(places), size), cell.dtype)
    outputs = scan(cell, steps, gates, trace.reverse, kept)
    visited = places[steps.reverse] if trace.reverse else places
    for number, gate in enumerate(trace.gates.values()):
        gate[visited] = kept[0][:, number * size : (number + 1) * size]
    trace.states["h"][places] = outputs
    if "c" in trace.states:
        trace.states["c"][visited] = kept[1]
    return outputs


def why_in_numpy(spec: NetworkSpec, dtype: np.dtype[Any]) -> str | None:
    """Why the recurrent layers of a network run in numpy; None if the compiled kernels run them."""
    if native.core is None:
        return native.explain()
    if dtype != np.float32:  # there the kernels are exact and plain, and slower than numpy
        return "numpy is faster in double precision"
    for number, layer in enumerate(spec.layers):
        reason = why_not_native(layer, number == 0 and spec.input == "one_hot")
        if reason is not None:
            return f"layer rnn.l{number}: {reason}"
    return None


def _ending(weights: Mapping[str, Array], end: str) -> dict[str, Array]:
    """The weights of one layer and direction, by their names in the cell: `rnn.weight_ih_l0` is `weight_ih`."""
    return {name[4 : -len(end)]: np.ascontiguousarray(weight) for name, weight in weights.items() if name.endswith(end)}
