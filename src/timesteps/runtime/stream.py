"""`Stream`: a trained model that answers while its input goes on, one time step at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timesteps.errors import DataError, UsageError
from timesteps.runtime import native
from timesteps.runtime.engine import Engine, Streams, engine_of, why_not_native
from timesteps.runtime.layout import reads_texts
from timesteps.runtime.spec import ModelSpec
from timesteps.runtime.stepping import Single, State
from timesteps.runtime.steps import StepReader
from timesteps.runtime.streamable import check_streamable
from timesteps.runtime.text.vocabulary import START

__all__ = ["Stream"]


class Stream:
    """One sequence that goes on, or several beside each other, each with a state of its own.

    A step is the numbers (features,) of one time step; a token id; or, for a model of texts, a piece of text: its units
    are further steps, and it is cut into units by itself, so cut texts where words or lines end. Several streams take
    an array (B, features) or (B,), or a list of B pieces; how many there are, the first step says. The answer is the
    logits as of now, (outputs,) or (B, outputs) float32: what `Session.logits` gives for the steps so far, up to
    rounding. `max_length` does not count: a stream forgets only what its state forgets.

    However a sequence is cut into calls of `step` and `run`, and whatever streams run beside it, the bits are the same.

    Args:
        spec: what the model is.
        tensors: all its tensors.

    Raises:
        ModelError: a model that reads the future; the message names the layer.

    >>> from timesteps.runtime.layout import model_tensors
    >>> from timesteps.runtime.spec import LayerSpec, NetworkSpec, NumericSpec
    >>> layer = LayerSpec(cell="gru", input_size=2, hidden_size=4)
    >>> network = NetworkSpec(input="numeric", input_size=2, layers=(layer,), outputs=1)
    >>> spec = ModelSpec(task="classify", classes=("down", "up"), numeric=NumericSpec(features=2), network=network)
    >>> stream = Stream(spec, {name: np.ones(shape) for name, (_, shape) in model_tensors(spec).items()})
    >>> stream.step([0.5, 1.0]).round(2), stream.step([2.0, 0.0]).round(2)
    (array([1.63], dtype=float32), array([1.85], dtype=float32))
    >>> stream.reset()
    >>> stream.run([[0.5, 1.0], [2.0, 0.0]]).round(2)
    array([[1.63],
           [1.85]], dtype=float32)
    """

    def __init__(self, spec: ModelSpec, tensors: Mapping[str, NDArray[Any]]) -> None:
        check_streamable(spec)
        self.spec = spec
        self._engine: Engine = engine_of(spec, tensors)
        self._read = StepReader(spec, tensors)
        self._streams: Streams | None = None
        self._batched: bool | None = None  # None until a step says it
        self._try: Callable[[Any], Single | None] = _unknown

    def step(self, x: Any) -> Single:
        """One step of every stream: the logits as of now, (outputs,) or (B, outputs).

        Raises:
            DataError: not one step of this model, or NaN in it; the message says what was expected. No stream moves.
        """
        try:
            answer = self._try(x)
        except TypeError:  # the core takes any object but None
            answer = None
        if answer is not None:
            return answer
        rows, batched = self._read.step(x)
        logits = self._advance(rows, batched)
        if logits.shape[1] == 0:  # a text without a unit
            return self.logits()
        return logits[:, -1] if batched else logits[0, -1]

    def run(self, x: Any, lengths: ArrayLike | None = None) -> Single:
        """Several steps: x (T, features), (T,) or a text; or for B streams (B, T, …), or a list of B such rows.

        Returns the logits after each step, (T, outputs) or (B, T, outputs). A row that ends before the longest,
        because it is shorter or `lengths` (B,) says so, repeats its last answer; so `[..., -1, :]` is every row's last.

        Raises:
            DataError: as `step`; the message names row and step.
        """
        rows, batched = self._read.run(x, lengths)
        logits = self._advance(rows, batched)
        return logits if batched else logits[0]

    def logits(self) -> Single:
        """The logits as of now, without a step; before the first step those of an empty sequence."""
        return self._opened(1, False).logits() if self._streams is None else self._streams.logits()

    def reset(self, streams: int | Sequence[int] | None = None) -> None:
        """Back to the beginning: all streams, whose number the next step may change, or only the given ones."""
        if streams is None:
            self._streams, self._batched, self._try = None, None, _unknown
            return
        opened = self._streams
        count = 0 if opened is None else len(opened.state["steps"])
        for stream in [streams] if isinstance(streams, int) else streams:
            if not 0 <= stream < count:
                raise UsageError(f"there is no stream {stream}", mend=f"there are {count}, counted from 0")
            assert opened is not None
            self._begin(opened, stream)

    @property
    def state(self) -> State:
        """The state as a plain value: arrays by name, one row a stream, free of this object and of the process.

        `steps` (B,); `h_l0` (B, H) and, of an LSTM, `c_l0`, …; running values of the pool. It may be saved with
        `numpy.savez` and set elsewhere, in a stream of the same model. Empty before the first step.
        """
        return {} if self._streams is None else {name: part.copy() for name, part in self._streams.state.items()}

    @state.setter
    def state(self, state: Mapping[str, ArrayLike]) -> None:
        parts = {name: np.asarray(part) for name, part in state.items()}
        if not parts:
            return self.reset()
        count = parts["steps"].shape[0] if "steps" in parts and parts["steps"].ndim == 1 else 0
        streams = self._engine.open(max(count, 1), batched=count != 1)
        if wrong := parts.keys() ^ streams.state.keys():
            raise DataError(f"this is no state of this model: {min(wrong)} is only in one of them")
        for name, place in streams.state.items():
            if parts[name].shape != place.shape or parts[name].dtype != place.dtype:
                wanted = f"{place.dtype} {place.shape}"
                raise DataError(f"{name} of the state is {parts[name].dtype} {parts[name].shape}, not {wanted}")
            place[...] = parts[name]
        self._streams, self._batched = streams, None  # whether one stream is a batch of one, the next step says
        self._try = _unknown
        return None

    def explain(self) -> str:
        """Which engine takes the steps, and why not the faster one: "native" or "numpy; not native: …"."""
        return native.explained(why_not_native())

    def fresh(self) -> Stream:
        """Another stream of the same model at its beginning; the weights are shared."""
        other = Stream.__new__(Stream)
        other.__dict__.update(self.__dict__)
        other.reset()
        return other

    def copy(self) -> Stream:
        """Another stream in the same state; the weights are shared."""
        other = self.fresh()
        other.state = self.state
        return other

    def _opened(self, count: int, batched: bool) -> Streams:
        """The streams, opened or told whether there is a dimension of them by the first step."""
        if self._streams is not None and len(self._streams.state["steps"]) != count:
            raise DataError(
                f"a step of {count} streams, there are {len(self._streams.state['steps'])}",
                mend="give as many as before, or reset",
            )
        if self._streams is None or self._batched != batched:
            streams = self._engine.open(count, batched)
            if self._streams is None:
                for stream in range(count):
                    self._begin(streams, stream)
            else:
                for name, part in self._streams.state.items():
                    streams.state[name][...] = part
            self._streams, self._batched = streams, batched
            self._try = _unknown if reads_texts(self.spec) else streams.step  # a number is no text
        return self._streams

    def _begin(self, streams: Streams, stream: int) -> None:
        """One stream before its first step, or behind the start step that every sequence begins with."""
        streams.reset(stream)
        if self.spec.text is not None and self.spec.text.start:
            count = len(streams.state["steps"])
            lengths = np.zeros(count, np.int64)
            lengths[stream] = 1
            streams.run(np.full((count, 1), START, np.int32), lengths)

    def _advance(self, rows: list[NDArray[Any]], batched: bool) -> Single:
        """Checked steps, a row a stream: logits (B, T, outputs)."""
        streams = self._opened(len(rows), batched)
        lengths = np.array([len(row) for row in rows], np.int64)
        steps = np.zeros((len(rows), int(lengths.max()), *rows[0].shape[1:]), rows[0].dtype)
        for row, place in zip(rows, steps, strict=True):
            place[: len(row)] = row
        return streams.run(steps, lengths)


def _unknown(x: Any) -> Single | None:
    """What no engine has looked at yet."""
    return None
