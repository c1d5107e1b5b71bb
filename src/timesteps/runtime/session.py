"""`Session`: a trained model that answers. `timesteps.load` makes one from a run folder or a model file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from timesteps.errors import ModelError, UsageError
from timesteps.runtime import modelfile, native
from timesteps.runtime.engine import why_not_native
from timesteps.runtime.layout import member_network, member_prefix, reads_texts
from timesteps.runtime.metrics import Evaluation, evaluate, label_targets, probabilities
from timesteps.runtime.network import Network
from timesteps.runtime.reading import reader
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import Golden, ModelSpec
from timesteps.runtime.stream import Stream
from timesteps.runtime.streamable import why_not_streamed

__all__ = ["Session", "agrees", "golden_row", "load", "with_golden"]

_ROWS = 4096  # read and judged at once
_CHARACTERS = 2**22
_TOLERANCE = 1e-3  # of golden logits: rounding on another processor stays below it by far, another text does not


def load(run: str | os.PathLike[str], *, verify: bool = False) -> Session:
    """The model of a run folder or model file, ready to answer, without PyTorch.

    Args:
        run: the folder that training wrote, or the `model.safetensors` in it.
        verify: replay the inputs that were stored with their logits, and refuse a model that answers differently.

    Raises:
        ModelError: no model there, or one that is damaged, too new, or fails `verify`.
    """
    path = modelfile.find(run)
    spec, tensors = modelfile.load(path)
    try:
        session = Session(spec, tensors)
        if verify:
            session.verify()
    except ModelError as error:
        raise ModelError(error.what, path=path, mend=error.mend) from error
    return session


class Session:
    """A trained model: inputs in, labels or probabilities out.

    `predict`, `predict_proba`, `logits` and `evaluate` read whole sequences and keep no state. `step`, `run`, `reset`
    and `state` are those of one stream (`Stream`), which goes on from call to call; `stream` begins another.

    Inputs are a list of texts; rows of token ids; or numeric rows (T, I), of different lengths, as what the model was
    trained on. Several members answer by their mean logit.

    Args:
        spec: what the model is.
        tensors: all its tensors, as `modelfile.load` gives them.
        dtype: of the computation. By default float64 for numeric input, where it is cheap and a row's answer then
            does not depend on the rows beside it beyond 1e-12, and float32 for texts, ids and int8 weights, which
            know no other (`UsageError`).

    >>> from timesteps.runtime.layout import model_tensors
    >>> from timesteps.runtime.spec import LayerSpec, NetworkSpec, NumericSpec
    >>> layer = LayerSpec(cell="gru", input_size=1, hidden_size=4)
    >>> network = NetworkSpec(input="numeric", input_size=1, layers=(layer,), outputs=1)
    >>> spec = ModelSpec(task="classify", classes=("down", "up"), numeric=NumericSpec(features=1), network=network)
    >>> tensors = {name: np.ones(shape) for name, (_, shape) in model_tensors(spec).items()}
    >>> Session(spec, tensors).predict([[0.5, 1.0, 2.0], [3.0]])
    ['up', 'up']
    """

    def __init__(self, spec: ModelSpec, tensors: Mapping[str, NDArray[Any]], dtype: DTypeLike | None = None) -> None:
        self.spec = spec
        self.tensors = dict(tensors)
        if dtype is None:
            dtype = np.float32 if spec.numeric is None or spec.network.weights == "int8" else np.float64
        self.dtype = np.dtype(dtype)
        self._read = reader(spec, tensors)
        self._members = []
        for member in range(spec.members):
            prefix = member_prefix(spec, member)
            own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            self._members.append(Network(member_network(spec, member), own, self.dtype))

    def __reduce__(self) -> tuple[type[Session], tuple[Any, ...]]:
        """A copy, in this process or another, is made anew from the same parts."""
        return Session, (self.spec, self.tensors, self.dtype)

    @cached_property
    def _stream(self) -> Stream:
        return Stream(self.spec, self.tensors)

    def stream(self) -> Stream:
        """Another stream of this model, at its beginning; the weights are shared. `ModelError` as `Stream`."""
        return self._stream.fresh()

    def step(self, x: Any) -> NDArray[np.float32]:
        """One time step: the logits as of now. See `Stream.step`."""
        return self._stream.step(x)

    def run(self, x: Any, lengths: ArrayLike | None = None) -> NDArray[np.float32]:
        """Several time steps: the logits after each. See `Stream.run`."""
        return self._stream.run(x, lengths)

    def reset(self, streams: int | Sequence[int] | None = None) -> None:
        """Back to the beginning. See `Stream.reset`."""
        self._stream.reset(streams)

    @property
    def state(self) -> dict[str, NDArray[Any]]:
        """The stream's state as a plain value, to keep and to set. See `Stream.state`."""
        return self._stream.state

    @state.setter
    def state(self, state: Mapping[str, ArrayLike]) -> None:
        self._stream.state = state

    def explain(self) -> str:
        """Which implementation runs the recurrent layers, and why not a faster one; for streams, another line.

        >>> from timesteps.runtime.layout import model_tensors
        >>> from timesteps.runtime.spec import LayerSpec, NetworkSpec, NumericSpec
        >>> layer = LayerSpec(cell="mingru", input_size=1, hidden_size=4)
        >>> network = NetworkSpec(input="numeric", input_size=1, layers=(layer,), outputs=1)
        >>> spec = ModelSpec(task="classify", classes=(0, 1), numeric=NumericSpec(features=1), network=network)
        >>> tensors = {name: np.ones(shape) for name, (_, shape) in model_tensors(spec).items()}
        >>> print(Session(spec, tensors).explain())  # doctest: +ELLIPSIS
        whole sequences: numpy; not native: ...
        one step at a time: numpy; not native: ...
        """
        whole = native.explained(self.why_not_native())
        reason = why_not_streamed(self.spec)
        stream = native.explained(why_not_native()) if reason is None else f"not at all: {reason}"
        return f"whole sequences: {whole}\none step at a time: {stream}"

    def why_not_native(self) -> str | None:
        """Why the recurrent layers of whole sequences run in numpy; None if the compiled kernels run them."""
        return self._members[0].why_not_native()

    def steps(self, inputs: Sequence[Any]) -> Sequences:
        """The inputs as the networks read them, texts cut into steps and numbers scaled. Errors as `logits`."""
        return self._read(inputs, 0)

    @property
    def classes(self) -> tuple[str | int | float | bool, ...]:
        """The labels, in the order of the columns of `predict_proba`."""
        return self.spec.classes

    def logits(self, inputs: Iterable[Any]) -> NDArray[np.float64]:
        """Logits (R, outputs) float64: one column in favour of `classes[1]` with one output, else one a class.

        Raises:
            DataError: a row that is not what this model reads; the message names it.
        """
        found = [np.zeros((0, self.spec.network.outputs))]
        first = 0
        for rows in _blocks(_rows(inputs)):
            steps = self._read(rows, first)
            members = [member.logits(steps).astype(np.float64) for member in self._members]
            found.append(np.mean(members, axis=0))
            first += len(rows)
        return np.concatenate(found)

    def predict_proba(self, inputs: Iterable[Any]) -> NDArray[np.float64]:
        """Probabilities (R, K) of the classes, in the order of `classes`; each row sums to 1. Errors as `logits`."""
        return probabilities(self.logits(inputs))

    def predict(self, inputs: Iterable[Any]) -> list[str | int | float | bool]:
        """The most probable label of each row; the first of equally probable ones. Errors as `logits`."""
        return [self.classes[best] for best in self.predict_proba(inputs).argmax(axis=1).tolist()]

    def evaluate(
        self, inputs: Iterable[Any], labels: Sequence[Any], sample_weight: ArrayLike | None = None
    ) -> Evaluation:
        """How good the answers are where the labels are known.

        Raises:
            DataError: labels that the model was not trained on, with their counts; no rows; or errors as `logits`.
        """
        rows = _rows(inputs)
        if len(rows) != len(labels):
            raise UsageError(f"{len(rows)} rows and {len(labels)} labels", mend="give one label a row")
        targets = label_targets(labels, self.classes)
        return evaluate(targets, self.predict_proba(rows), self.classes, sample_weight)

    def verify(self) -> float:
        """Replay the golden vectors; the largest difference from the stored logits, 0 if there are none.

        Raises:
            ModelError: a logit differs by more than rounding can explain.
        """
        largest = 0.0
        for number, golden in enumerate(self.spec.golden):
            given, stored = self.logits([golden_row(self.spec, golden)])[0], np.array(golden.logits)
            difference = np.abs(given - stored)
            if not agrees(given, stored):
                raise ModelError(
                    f"golden vector {number} gives {given.tolist()}, stored is {stored.tolist()}",
                    mend="copy the file again, or report it with the versions of timesteps and numpy",
                )
            largest = max(largest, float(difference.max()))
        return largest


def with_golden(spec: ModelSpec, tensors: Mapping[str, NDArray[Any]], inputs: Sequence[Any]) -> ModelSpec:
    """The specification with golden vectors: the given inputs and the logits that the model gives for them now.

    `Session.verify` and `load(run, verify=True)` replay them.
    """
    session = Session(spec, tensors)
    numeric = spec.numeric
    golden = []
    for row, logits in zip(inputs, session.logits(inputs), strict=True):
        stored: str | tuple[tuple[float, ...], ...]
        if reads_texts(spec):
            stored = str(row)
        else:
            steps = np.asarray(row, np.float64).reshape(-1, 1 if numeric is None else numeric.features)
            stored = tuple(tuple(step) for step in steps.tolist())
        golden.append(Golden(input=stored, logits=tuple(logits.tolist())))
    return msgspec.structs.replace(spec, golden=tuple(golden))


def agrees(given: NDArray[Any], stored: NDArray[Any]) -> bool:
    """Whether logits differ from the stored ones by no more than rounding can explain; NaN does not agree."""
    return bool((np.abs(given - stored) <= _TOLERANCE * np.maximum(1.0, np.abs(stored))).all())


def golden_row(spec: ModelSpec, golden: Golden) -> Any:
    """A golden vector's input as `Session` takes it."""
    if isinstance(golden.input, str):
        return golden.input
    width = 1 if spec.numeric is None else spec.numeric.features
    steps = np.array(golden.input, np.float64).reshape(-1, width)
    return steps if spec.numeric is not None else steps[:, 0].astype(np.int64)


def _rows(inputs: Iterable[Any]) -> list[Any]:
    if isinstance(inputs, str):
        raise UsageError("the input is one text", mend="give a list of texts")
    # A data frame iterates over its columns, its array over its rows.
    return list(np.asarray(inputs)) if hasattr(inputs, "__array__") else list(inputs)


def _blocks(rows: list[Any]) -> Iterator[list[Any]]:
    """Rows in blocks of bounded size; only a text that is longer than a block alone takes more."""
    block: list[Any] = []
    characters = 0
    for row in rows:
        size = len(row) if isinstance(row, str) else 0
        if block and (len(block) == _ROWS or characters + size > _CHARACTERS):
            yield block
            block, characters = [], 0
        block.append(row)
        characters += size
    if block:
        yield block
