"""`WindowExamples`: windows that are cut when they are trained on; memory holds the series and not the windows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.forecast.forecaster import scaled_rows
from timesteps.runtime.forecast.panel import Panel
from timesteps.runtime.forecast.stepped import learned_of
from timesteps.runtime.forecast.windows import Rows, feature_names
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import ForecastSpec, LossName
from timesteps.training.batches import WINDOW, rows_of
from timesteps.training.examples import Examples, StoredExamples

__all__ = ["WindowExamples", "in_memory"]

_ROWS = 4096  # cut at once

Array = NDArray[np.float64]


class WindowExamples:
    """Rows of a panel, as a network of windows learns from them.

    Args:
        spec: how windows are cut.
        loss: what is learned.
        panel: the series.
        rows: which windows.
        mean, scale: (F,) the scaler of the features.
        unit: (W,) the scale of the targets.
    """

    step_bytes: int

    def __init__(
        self, spec: ForecastSpec, loss: LossName, panel: Panel, rows: Rows, mean: Array, scale: Array, unit: Array
    ) -> None:
        self._spec, self._loss, self._panel, self._rows = spec, loss, panel, rows
        self._scaler, self._unit = (mean, scale), unit
        self._length = spec.context // spec.segment + (spec.horizon if spec.model == "autoregressive" else 0)
        self.step_bytes = 4 * len(feature_names(spec))

    def __len__(self) -> int:
        return len(self._rows.origins)

    @property
    def steps(self) -> int:
        """Of all rows together."""
        return len(self) * self._length

    def read(self, blocks: Iterable[int]) -> Examples:
        """The rows of some blocks."""
        return self.take(rows_of(np.fromiter(blocks, np.int64), len(self)))

    def take(self, numbers: NDArray[np.int64]) -> Examples:
        """These rows, in memory."""
        spec, width = self._spec, self._rows.columns.shape[1]
        values = np.empty((len(numbers), self._length, len(feature_names(spec))), np.float32)
        targets = np.empty((len(numbers), spec.horizon, width), np.float32)
        for first in range(0, len(numbers), _ROWS):
            part = slice(first, first + _ROWS)
            features, found = learned_of(spec, self._loss, self._panel, self._rows.take(numbers[part]))
            # Scaled here, not all at once: in double precision they would take four times the memory.
            values[part] = scaled_rows(features, *self._scaler).values.reshape(features.shape)
            targets[part] = found / self._unit
        rows = Sequences(
            values.reshape(-1, values.shape[2]), np.arange(len(numbers) + 1, dtype=np.int64) * self._length
        )
        if spec.model == "direct":
            return Examples(rows, targets.reshape(len(numbers), -1), kind="numbers", missing="mask")
        steps = np.full((len(numbers), self._length, width), np.nan, np.float32)
        steps[:, spec.context :] = targets
        return Examples(rows, steps.reshape(-1, width), kind="numbers", per_step=True, missing="mask")

    def digest(self) -> str:
        """A digest of the series and of the windows that are cut from them."""
        state = hashlib.blake2b(msgspec.json.encode((self._spec, self._loss)), digest_size=16)
        panel = self._panel
        parts = (panel.targets, panel.features, panel.calendar, panel.future, panel.static)
        for array in (*parts, *self._scaler, self._unit, *self._rows):
            state.update(f"{array.dtype.str}{array.shape};".encode())
            state.update(np.ascontiguousarray(array).data)
        return state.hexdigest()


def in_memory(examples: WindowExamples) -> Examples | StoredExamples:
    """The rows as they are faster to train on: all cut at once where they are no more than a window of an epoch."""
    small = examples.steps * examples.step_bytes <= WINDOW
    return examples.take(np.arange(len(examples))) if small else examples
