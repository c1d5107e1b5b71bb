"""`Session`: a trained model that answers. `timesteps.load` makes one from a run folder or a model file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from timesteps.errors import ModelError, UsageError
from timesteps.runtime import modelfile, native
from timesteps.runtime.engine import why_not_native
from timesteps.runtime.golden import agrees, golden_row, stored_row
from timesteps.runtime.layout import member_network, member_prefix
from timesteps.runtime.metrics import Evaluation, evaluate, label_targets, probabilities
from timesteps.runtime.metrics_numbers import NumberEvaluation, evaluate_numbers
from timesteps.runtime.metrics_steps import TagEvaluation, evaluate_tags, step_targets
from timesteps.runtime.network import Network
from timesteps.runtime.numbers import Numbers
from timesteps.runtime.reading import reader
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import Golden, ModelSpec
from timesteps.runtime.stream import Stream
from timesteps.runtime.streamable import why_not_streamed
from timesteps.runtime.summary import Summary, summary
from timesteps.runtime.trace import Trace

__all__ = ["Session", "load", "open_network", "with_golden"]

_ROWS = 4096  # read and judged at once
_CHARACTERS = 2**22


def load(run: str | os.PathLike[str], *, verify: bool = False) -> Session:
    """The model of a run folder or model file, ready to answer, without PyTorch.

    Args:
        run: the folder that training wrote, or the `model.safetensors` in it.
        verify: replay the inputs that were stored with their logits, and refuse a model that answers differently.

    Raises:
        ModelError: no model there, or one that is damaged, too new, or fails `verify`.
    """
    path = modelfile.find(run)
    session = open_network(path)
    if session.spec.forecast is not None:
        raise ModelError("holds a forecaster", path=path, mend="open it with timesteps.load_forecaster")
    if verify:
        with _named(path):
            session.verify()
    return session


def open_network(run: str | os.PathLike[str]) -> Session:
    """The network of any model that has one, a forecaster's too, which reads windows that were cut out of series.

    Raises:
        ModelError: as `load`.
    """
    path = modelfile.find(run)
    spec, tensors = modelfile.load(path, modelfile.NETWORK)
    with _named(path):
        return Session(spec, tensors)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors inside name the file."""
    try:
        yield
    except ModelError as error:
        raise ModelError(error.what, path=path, mend=error.mend) from error


class Session:
    """A trained model: inputs in; labels, probabilities or numbers out.

    `predict`, `predict_proba`, `quantiles`, `distribution`, `logits` and `evaluate` read whole sequences and keep no
    state; `trace` gives all that passes inside. `step`, `run`, `reset` and `state` are those of one stream (`Stream`),
    which goes on from call to call; `stream` begins another.

    Inputs are a list of texts; lists of tokens; rows of token ids; or numeric rows (T, I), of different lengths, as
    what the model was trained on. Several members answer by their mean logit.

    A model answers once a row or, where the network does not pool, at every step. All the answers of a model of steps
    are laid end to end: those of R rows with N steps in all are (N, …) where others are (R, …). Only `predict` gives a
    list a row.

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
        self._numbers = None if spec.targets is None else Numbers(spec.targets, tensors)
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
        one step at a time: native
        """
        whole = native.explained(self.why_not_native())
        reason = why_not_streamed(self.spec)
        stream = native.explained(why_not_native()) if reason is None else f"not at all: {reason}"
        return f"whole sequences: {whole}\none step at a time: {stream}"

    def summary(self) -> Summary:
        """The layers with their shapes, parameters and costs, what streams, and what runs them; `print` it.

        >>> from timesteps.runtime.layout import model_tensors
        >>> from timesteps.runtime.spec import LayerSpec, NetworkSpec, NumericSpec
        >>> layer = LayerSpec(cell="gru", input_size=1, hidden_size=4)
        >>> network = NetworkSpec(input="numeric", input_size=1, layers=(layer,), outputs=1)
        >>> spec = ModelSpec(task="classify", classes=(0, 1), numeric=NumericSpec(features=1), network=network)
        >>> tensors = {name: np.ones(shape) for name, (_, shape) in model_tensors(spec).items()}
        >>> found = Session(spec, tensors).summary()
        >>> found.torch_parameters, found.flops(), found.state_bytes
        (89, 120, 16)
        """
        return summary(self)

    def why_not_native(self) -> str | None:
        """Why the recurrent layers of whole sequences run in numpy; None if the compiled kernels run them."""
        return self._members[0].why_not_native()

    def steps(self, inputs: Sequence[Any]) -> Sequences:
        """The inputs as the networks read them, texts cut into steps and numbers scaled. Errors as `logits`."""
        return self._read(inputs, 0)

    @property
    def members(self) -> list[Network]:
        """The networks that answer together."""
        return list(self._members)

    @property
    def classes(self) -> tuple[str | int | float | bool, ...]:
        """The labels, in the order of the columns of `predict_proba`."""
        return self.spec.classes

    def logits(self, inputs: Iterable[Any]) -> NDArray[np.float64]:
        """The network's outputs (R, outputs) float64, or (N, outputs): of classes, one column in favour of `classes[1]`
        with one output, else one a class; of numbers, their parameters, which `distribution` reads.

        Raises:
            DataError: a row that is not what this model reads; the message names it.
        """
        return self._answer(inputs)[0]

    def _answer(self, inputs: Iterable[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The outputs, and the number of steps of each row (R,)."""
        found, lengths = [np.zeros((0, self.spec.network.outputs))], [np.zeros(0, np.int64)]
        first = 0
        for rows in _blocks(_rows(inputs)):
            steps = self._read(rows, first)
            members = [member.logits(steps).astype(np.float64) for member in self._members]
            found.append(np.mean(members, axis=0))
            lengths.append(steps.lengths)
            first += len(rows)
        return np.concatenate(found), np.concatenate(lengths)

    def trace(self, inputs: Iterable[Any]) -> Trace:
        """Every gate and state on the way to the logits, by member, layer and direction; beside them what the first
        layers read, and what pooling took. It takes hardly more time than `logits`, and memory for all of it.

        Errors as `logits`.
        """
        steps = self._read(_rows(inputs), 0)
        return Trace(tuple(member.trace(steps) for member in self._members))

    def predict_proba(self, inputs: Iterable[Any]) -> NDArray[np.float64]:
        """Probabilities (R, K) or (N, K) of the classes, in the order of `classes`, which sum to 1. Errors as `logits`.

        Raises:
            UsageError: a model of numbers.
        """
        if self._numbers is not None:
            raise UsageError("this model predicts numbers, not classes", mend="use predict, quantiles or distribution")
        return probabilities(self.logits(inputs))

    def predict(self, inputs: Iterable[Any]) -> Any:
        """The answer to each row. Errors as `logits`.

        Of the task "classify", a list of the most probable labels, the first of equally probable ones; of "tag", a list
        of such lists, a label a step; of "regress", numbers (R, *shape): means, or medians of the losses mae and
        quantile; and of "regress" at every step, a list of (T, *shape).
        """
        outputs, lengths = self._answer(inputs)
        answers: Any
        if self._numbers is not None:
            answers = self._numbers.predictions(outputs)
        else:
            answers = [self.classes[best] for best in probabilities(outputs).argmax(axis=1).tolist()]
        if self.spec.network.pool != "none":
            return answers
        ends = np.cumsum(lengths).tolist()
        return [answers[end - length : end] for length, end in zip(lengths.tolist(), ends, strict=True)]

    def distribution(self, inputs: Iterable[Any]) -> dict[str, NDArray[np.float64]]:
        """What a model of numbers says of each, by name, (R, *shape) or (N, *shape), in the units of the targets.

        By its loss: `mean` (mse); `median` (mae); `mean` and `scale` (gaussian: the standard deviation); `mean`,
        `scale` and `df` (student_t); or the quantiles by their levels, such as "0.9". Errors as `quantiles`.
        """
        return self._of_numbers().parameters(self.logits(inputs))

    def quantiles(self, inputs: Iterable[Any], levels: Sequence[float] = (0.1, 0.5, 0.9)) -> NDArray[np.float64]:
        """Quantiles of each number, (R, *shape, Q) or (N, *shape, Q): it is below the last with that probability.

        Raises:
            UsageError: a model of classes, or of a loss that knows no spread (mse, mae); levels that the model does not
                know.
            DataError: as `logits`.
        """
        return self._of_numbers().quantiles(self.logits(inputs), tuple(levels))

    def _of_numbers(self) -> Numbers:
        if self._numbers is None:
            raise UsageError("this model tells classes apart", mend="use predict or predict_proba")
        return self._numbers

    def evaluate(
        self,
        inputs: Iterable[Any],
        labels: Sequence[Any] | NDArray[Any],
        sample_weight: ArrayLike | None = None,
    ) -> Evaluation | TagEvaluation | NumberEvaluation:
        """How good the answers are where the truth is known: labels, a list of labels a row, or numbers, NaN where one
        is missing.

        Raises:
            DataError: labels that the model was not trained on, with their counts; no rows; or errors as `logits`.
            UsageError: not one label a row; weights of the rows of a model of steps.
        """
        rows = _rows(inputs)
        per_step = self.spec.network.pool == "none"
        if len(rows) != len(labels):
            raise UsageError(f"{len(rows)} rows and {len(labels)} labels", mend="give one label a row")
        if per_step and sample_weight is not None:
            raise UsageError("weights of rows, where every step is judged", mend="leave sample_weight out")
        outputs, lengths = self._answer(rows)
        if self._numbers is not None:
            given = np.concatenate([np.asarray(row, np.float64) for row in labels]) if per_step else labels
            targets = self._numbers.read_targets(given, len(outputs))
            weights = None if sample_weight is None else np.asarray(sample_weight, np.float64)
            answers, losses = self._numbers.predictions(outputs), self._numbers.losses(outputs, targets)
            flat = len(outputs), -1
            return evaluate_numbers(targets.reshape(flat), answers.reshape(flat), losses, weights)
        if per_step:
            return evaluate_tags(
                step_targets(list(labels), lengths, self.classes), probabilities(outputs), lengths, self.classes
            )
        return evaluate(label_targets(list(labels), self.classes), probabilities(outputs), self.classes, sample_weight)

    def verify(self) -> float:
        """Replay the golden vectors; the largest difference from the stored logits, 0 if there are none.

        Raises:
            ModelError: a logit differs by more than rounding can explain.
        """
        largest = 0.0
        for number, golden in enumerate(self.spec.golden):
            given, stored = self.logits([golden_row(self.spec, golden)]).ravel(), np.array(golden.logits)
            difference = np.abs(given - stored) if given.shape == stored.shape else np.full(1, np.inf)
            if not agrees(given, stored):
                raise ModelError(
                    f"golden vector {number} gives {given.tolist()}, stored is {stored.tolist()}",
                    mend="copy the file again, or report it with the versions of timesteps and numpy",
                )
            largest = max(largest, float(difference.max(initial=0.0)))
        return largest


def with_golden(spec: ModelSpec, tensors: Mapping[str, NDArray[Any]], inputs: Sequence[Any]) -> ModelSpec:
    """The specification with golden vectors: the given inputs and the logits that the model gives for them now.

    `Session.verify` and `load(run, verify=True)` replay them.
    """
    session = Session(spec, tensors)
    golden = []
    for row in inputs:
        logits = session.logits([row]).ravel()
        golden.append(Golden(input=stored_row(spec, row), logits=tuple(logits.tolist())))
    return msgspec.structs.replace(spec, golden=tuple(golden))


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
        size = len(row) if isinstance(row, str) else 0  # rows that are no text have their steps
        if block and (len(block) == _ROWS or characters + size > _CHARACTERS):
            yield block
            block, characters = [], 0
        block.append(row)
        characters += size
    if block:
        yield block
