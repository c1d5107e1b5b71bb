"""A recurrent language model that is being trained, and what the loop asks of an engine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.language.recurrent import IMPOSSIBLE
from timesteps.runtime.language.recurrent_spec import LanguageSpec, language_tensors
from timesteps.training.engines.engine import Array, EngineName
from timesteps.training.language.streams import Text, Window

__all__ = ["LanguageEngine", "LanguageNetwork", "LanguageStep", "untrained"]


@dataclass(frozen=True)
class LanguageNetwork:
    """Weights by name, float32 (or all float64), which training changes in place."""

    spec: LanguageSpec
    weights: Mapping[str, NDArray[Any]]

    @property
    def vocabulary_size(self) -> int:
        """V."""
        return len(self.weights["embedding.weight"])


def untrained(spec: LanguageSpec, tokens: int, begin: int = -1, seed: int = 0, scale: float = 0.1) -> LanguageNetwork:
    """Initial weights: embedding and softmax uniform up to `scale`, layers up to 1/√H, biases of the softmax 0.

    `begin` is the token that is never predicted.
    """
    random = np.random.default_rng([seed, 0x1417])
    weights = {}
    for name, shape in language_tensors(spec, tokens).items():
        if name == "head.bias":
            weights[name] = np.zeros(shape, np.float32)
            continue
        bound = scale
        if name.startswith("rnn."):
            bound = 1 / math.sqrt(spec.layers[int(name.rpartition("l")[2])].hidden_size)
        weights[name] = random.uniform(-bound, bound, shape).astype(np.float32)
    if begin >= 0:
        weights["head.bias"][begin] = IMPOSSIBLE
    return LanguageNetwork(spec, weights)


class LanguageStep(NamedTuple):
    """What a step tells: mean -log P of its tokens, what AR and TAR add, and the norm of the gradients before they
    were clipped (NaN where nobody has summed them)."""

    loss: float
    penalty: float
    norm: float = math.nan


class LanguageEngine(Protocol):
    """Takes the steps of a run. The states of the streams are the engine's, and part of its own state."""

    name: EngineName

    def session(self) -> AbstractContextManager[None]:
        """A block in which steps are taken."""

    def begin_epoch(self) -> None:
        """The streams begin: nothing has been read."""

    def step(self, window: Window, number: int, rate: float) -> LanguageStep:
        """Learn from a window; `number` seeds what is random in it. `BadStepError` if a number is not finite."""

    def evaluate(self, text: Text, bptt: int) -> float:
        """Mean -log P of a text's tokens, read in streams from an empty state; those of training are not touched."""

    def averaged(self) -> AbstractContextManager[None]:
        """A block with the averaged weights, where they are kept."""

    def keep_average(self) -> None:
        """The averaged weights are the weights, where they are kept."""

    def weights(self) -> dict[str, NDArray[Any]]:
        """The weights by name, up to date; not copies."""

    def state(self) -> dict[str, Array]:
        """All that `load_state` needs to go on with the same bits after an epoch; not copies."""

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from a state."""
