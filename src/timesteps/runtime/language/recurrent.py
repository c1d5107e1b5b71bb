"""`RecurrentModel`: a trained recurrent language model, without torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError
from timesteps.runtime import modelfile, native
from timesteps.runtime.cells import CELLS
from timesteps.runtime.language.recurrent_spec import LANGUAGE, LanguageSpec, vocabulary_of
from timesteps.runtime.language.vocabulary import OfUnits
from timesteps.runtime.native_scan import equation

__all__ = ["IMPOSSIBLE", "RecurrentModel", "State"]

Single = NDArray[np.float32]
State = tuple[Single, ...]
"""h of each layer, and behind it c of an LSTM's: (hidden_size,) each. The last layer's h is what the softmax reads."""

IMPOSSIBLE = -1e4
"""The softmax's bias of a token that is never predicted: its probability is 0, exactly, so nothing ever changes it."""

_BLOCK = 4096  # tokens read at a time
_FEW = 16  # rows whose scores are made by numpy's product rather than the core's


class RecurrentModel(OfUnits):
    """P(w_t | w_<t) by recurrent layers; the interface of `timesteps.runtime.language.model.LanguageModel`.

    A sentence begins where the one before it ended: `start` has read </s> and nothing else, because training texts run
    on from sentence to sentence. Where there are no sentences it has read nothing.

    Args:
        spec: what the file says.
        weights: by the names of `LanguageSpec`, float32.
    """

    def __init__(self, spec: LanguageSpec, weights: Mapping[str, NDArray[Any]]) -> None:
        self.spec = spec
        self._adopt_vocabulary(vocabulary_of(spec, weights))
        self.weights = {name: np.ascontiguousarray(weight) for name, weight in weights.items()}
        self._embedding = self.weights["embedding.weight"]
        self._head = self._embedding if spec.tied else self.weights["head.weight"]
        self._bias = self.weights["head.bias"]
        self._layers = [
            {name[4 : -len(end)]: weight for name, weight in self.weights.items() if name.endswith(end)}
            for end in (f"_l{number}" for number in range(len(spec.layers)))
        ]
        self._cells = [CELLS[layer.cell](layer, own) for layer, own in zip(spec.layers, self._layers, strict=True)]
        self._start: State | None = None

    def empty(self) -> State:
        """Nothing has been read."""
        state: list[Single] = []
        for layer in self.spec.layers:
            state += [np.zeros(layer.hidden_size, np.float32) for _ in range(1 + (layer.cell == "lstm"))]
        return tuple(state)

    def start(self) -> State:
        """Before the first token of a sentence."""
        if self._start is None:
            self._start = self.empty() if self.end < 0 else self.read(self.empty(), [self.end])[1]
        return self._start

    def log_prob(self, state: State, token: int) -> tuple[float, State]:
        """log P(token | state), and the state after it."""
        self._check([token])
        return float(self.distribution(state)[token]), self.read(state, [token])[1]

    def distribution(self, state: State) -> NDArray[np.float64]:
        """(V,) log P of every token after the state; -inf at `begin`."""
        found: NDArray[np.float64] = self.distributions(self.output(state)[None])[0]
        return found

    def distributions(self, outputs: Single) -> NDArray[np.float64]:
        """(N, V) log P after the last layer's outputs (N, H)."""
        scores: NDArray[np.float64] = (outputs @ self._head.T + self._bias).astype(np.float64)
        scores -= scores.max(axis=1, keepdims=True)
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
        scores[scores <= IMPOSSIBLE / 2] = -np.inf
        return scores

    def log_probs(self, state: State, tokens: Sequence[int]) -> tuple[NDArray[np.float64], State]:
        """(N,) log P of each of the tokens after those before it, and the state after the last."""
        numbers = self._check(tokens)
        found = np.empty(len(numbers))
        for first in range(0, len(numbers), _BLOCK):
            block = numbers[first : first + _BLOCK]
            before = self.output(state)
            outputs, state = self.read(state, block)
            found[first : first + _BLOCK] = self.judge(np.concatenate([before[None], outputs[:-1]]), block)
        return found, state

    def read(self, state: State, tokens: Sequence[int] | NDArray[np.int32]) -> tuple[Single, State]:
        """The last layer's outputs (N, H) after each token, and the state after the last."""
        x = self._embedding[np.asarray(tokens, np.int64)]
        if not len(x):
            return np.empty((0, self.spec.layers[-1].hidden_size), np.float32), state
        after: list[Single] = []
        parts = list(state)
        for number in range(len(self.spec.layers)):
            count = 2 if self.spec.layers[number].cell == "lstm" else 1
            begin, parts = parts[:count], parts[count:]
            x, end = self._layer(number, x, begin)
            after += end
        return x, tuple(after)

    def output(self, state: State) -> Single:
        """What the softmax reads of a state."""
        return state[-2] if self.spec.layers[-1].cell == "lstm" else state[-1]

    def judge(self, outputs: Single, tokens: NDArray[np.int32]) -> NDArray[np.float64]:
        """(N,) log P of each token after the outputs (N, H) before it."""
        core = native.core
        if core is None or len(tokens) < _FEW:
            return self.distributions(outputs)[np.arange(len(tokens)), tokens]
        outputs, targets = np.ascontiguousarray(outputs), np.ascontiguousarray(tokens, np.int32)
        found = np.empty(len(tokens), np.float32)
        core.softmax_log_probs(
            outputs.ctypes.data, self._head.ctypes.data, self._bias.ctypes.data, targets.ctypes.data, len(tokens),
            outputs.shape[1], len(self.words), found.ctypes.data, os.cpu_count() or 1,
        )  # fmt: skip
        wide = found.astype(np.float64)
        wide[wide <= IMPOSSIBLE / 2] = -np.inf
        return wide

    def _layer(self, number: int, x: Single, begin: list[Single]) -> tuple[Single, list[Single]]:
        layer, weights, core = self.spec.layers[number], self._layers[number], native.core
        if core is None:
            cell, state = self._cells[number], tuple(part[None].copy() for part in begin)
            gates, outputs = cell.project(x), np.empty((len(x), layer.hidden_size), np.float32)
            for step in range(len(x)):
                state = cell.step(gates[step : step + 1], state)
                outputs[step] = state[0]
            return outputs, [part[0] for part in state]
        steps, hidden = len(x), layer.hidden_size
        x = np.ascontiguousarray(x)
        begin = [np.ascontiguousarray(part) for part in begin]
        outputs, after = np.empty((steps, hidden), np.float32), [np.empty(hidden, np.float32) for _ in begin]
        kind, option = equation(layer)
        shape = (kind, option, 1, steps, layer.input_size, hidden, hidden, False, False, 1, 0, 0)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        inputs = (
            begin[0].ctypes.data, begin[1].ctypes.data if len(begin) > 1 else None, None, None,
            *(weights[name].ctypes.data for name in names),
        )  # fmt: skip
        finals = (after[0].ctypes.data, after[1].ctypes.data if len(after) > 1 else None)
        core.recurrent_forward(
            shape, (x.ctypes.data, steps * layer.input_size, layer.input_size), inputs, None,
            (outputs.ctypes.data, steps * hidden, hidden), finals,
        )  # fmt: skip
        return outputs, after

    def _check(self, tokens: Sequence[int]) -> NDArray[np.int32]:
        array = np.asarray(tokens, np.int64)
        if array.size and not 0 <= int(array.min()) <= int(array.max()) < len(self.words):
            wrong = array[(array < 0) | (array >= len(self.words))][0]
            raise UsageError(f"token {wrong} is outside 0 to {len(self.words) - 1}", mend="use this model's tokens")
        return array.astype(np.int32)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file. Errors as `timesteps.runtime.modelfile.save`."""
        modelfile.save(path, self.spec, self.weights, LANGUAGE)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RecurrentModel:
        """Open a run folder or model file. `ModelError` if it holds no sound recurrent language model."""
        file = modelfile.find(path)
        spec, tensors = modelfile.load(file, LANGUAGE)
        try:
            model = cls(spec, tensors)
        except ModelError as error:
            raise ModelError(error.what, path=file, mend=error.mend) from error
        model.run = Path(path)
        return model
