"""What the native engine keeps beside the weights: gradients, moments and averages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.training.settings import Settings

__all__ = ["Moments"]

#: Names of torch for the two moments of each optimizer, (first, second); None: it has none.
_NAMES = {
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
    "rmsprop": ("momentum_buffer", "square_avg"),
    "sgd": ("momentum_buffer", None),
}
_COUNTING = ("adam", "adamw", "rmsprop")  # those that keep the number of their steps


class Moments:
    """The arrays of a run, by the names of the weights.

    Args:
        weights: what is trained.
        settings: optimizer, momentum, averages.
        tables: whether `embedding.…` are tables, whose rows lazy Adam trains one by one.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]], settings: Settings, *, tables: bool) -> None:
        self.weights = weights
        self._settings = settings
        self.tables = {name for name in weights if tables and name.startswith("embedding.")}
        self.gradients = {name: np.zeros_like(w) for name, w in weights.items() if name not in self.tables}
        self.first: dict[str, NDArray[Any]] = {}
        self.second: dict[str, NDArray[Any]] = {}
        for name, weight in weights.items():
            first, second = self.names(name)
            if first == "exp_avg" or settings.momentum:
                self.first[name] = np.zeros(weight.shape, weight.dtype)
            if second is not None:
                self.second[name] = np.zeros(weight.shape, weight.dtype)
        self.row_steps = {name: np.zeros(len(weights[name]), weights[name].dtype) for name in self.tables}
        self.averages = {name: weight.copy() for name, weight in weights.items()} if settings.ema else {}
        # What the logarithm of all decays was when a row was last brought up to date.
        self.marks = {name: np.zeros(len(weights[name])) for name in self.tables if settings.ema}

    def names(self, weight: str) -> tuple[str, str | None]:
        """What torch calls the two moments of a weight."""
        return _NAMES["adam" if weight in self.tables else self._settings.optimizer]

    def catch_up(self, log_decay: float) -> None:
        """Bring the averages of all rows of tables up to date; `log_decay` is the sum over all steps."""
        for name, marks in self.marks.items():
            table, average = self.weights[name], self.averages[name]
            average += (1 - np.exp(log_decay - marks).astype(table.dtype))[:, None] * (table - average)
            marks[:] = log_decay

    def state(self, steps: int) -> dict[str, NDArray[Any]]:
        """The moments under torch's names, after so many steps; before the first there are none."""
        if not steps:
            return {}
        state: dict[str, NDArray[Any]] = {}
        for name in self.weights:
            first, second = self.names(name)
            if name in self.first:
                state[f"{name}.{first}"] = self.first[name]
            if name in self.second:
                state[f"{name}.{second}"] = self.second[name]
            if name in self.tables:
                state[f"{name}.row_steps"] = self.row_steps[name]
            elif self._settings.optimizer in _COUNTING:
                state[f"{name}.step"] = np.array(steps, np.float32)
        return state

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> int:
        """Take over the moments of a whole run's state, in place. How many steps they come from."""
        counts = {int(part) for name, part in state.items() if name.endswith(".step")}
        for arrays, place in ((self.first, 0), (self.second, 1)):
            for name, array in arrays.items():
                key = f"optimizers.{name}.{self.names(name)[place]}"
                np.copyto(array, state.get(key, np.zeros_like(array)))
        for name, array in self.row_steps.items():
            np.copyto(array, state.get(f"optimizers.{name}.row_steps", np.zeros_like(array)))
        return max(counts, default=0)

    def load_averages(self, state: Mapping[str, NDArray[Any]], log_decay: float) -> None:
        """Take over the averages of a whole run's state, in place."""
        for name, average in self.averages.items():
            np.copyto(average, state[f"average.weights.{name}"])
        for marks in self.marks.values():
            marks[:] = log_decay
