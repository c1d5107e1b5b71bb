"""`WindowExamples`: windows that are cut when they are trained on; memory holds the series and not the windows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.forecast.forecaster import scaled_rows
from timesteps.runtime.forecast.panel import Panel
from timesteps.runtime.forecast.windows import Rows, cut, feature_names
from timesteps.runtime.spec import ForecastSpec
from timesteps.training.batches import WINDOW, rows_of
from timesteps.training.examples import Examples, StoredExamples

__all__ = ["WindowExamples", "in_memory"]

_ROWS = 4096  # cut at once

Array = NDArray[np.float64]


class WindowExamples:
    """Rows of a panel, as a network of windows learns from them.

    Args:
        spec: how windows are cut.
        panel: the series.
        rows: which windows.
        mean, scale: (F,) the scaler of the features.
        unit: (W,) the scale of the targets.
    """

    step_bytes: int

    def __init__(self, spec: ForecastSpec, panel: Panel, rows: Rows, mean: Array, scale: Array, unit: Array) -> None:
        self._spec, self._panel, self._rows, self._scaler, self._unit = spec, panel, rows, (mean, scale), unit
        self._length = spec.context // spec.segment
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
        spec, width = self._spec, len(feature_names(self._spec))
        values = np.empty((len(numbers), self._length, width), np.float32)
        targets = np.empty((len(numbers), spec.horizon * self._rows.columns.shape[1]), np.float32)
        for first in range(0, len(numbers), _ROWS):
            part = slice(first, first + _ROWS)
            windows = cut(spec, self._panel, self._rows.take(numbers[part]))
            values[part] = windows.features
            targets[part] = (windows.targets / self._unit).reshape(len(windows.targets), -1)
        return Examples(scaled_rows(values, *self._scaler), targets, kind="numbers", missing="mask")

    def digest(self) -> str:
        """A digest of the series and of the windows that are cut from them."""
        state = hashlib.blake2b(msgspec.json.encode(self._spec), digest_size=16)
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
