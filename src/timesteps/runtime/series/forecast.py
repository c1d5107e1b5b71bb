"""`Forecast`: what a model says of the steps to come, and `ForecastModel`: whatever says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.series.series import Series

__all__ = ["Forecast", "ForecastModel"]


@dataclass(frozen=True)
class Forecast:
    """Of the H steps after the last known one of a series, in the units of its D targets.

    Args:
        name: of the series.
        times: (H,) as those of the series, continued.
        mean: (H, D) the forecast itself.
        levels: percentages, rising, such as (80, 95); () without intervals.
        lower: (L, H, D) ends of the central intervals of these levels; `upper`: the same.
    """

    name: str | None
    times: NDArray[Any]
    mean: NDArray[np.float64]
    levels: tuple[float, ...]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


class ForecastModel(Protocol):
    """A model, or a baseline, that continues series."""

    @property
    def name(self) -> str:
        """As tables and reports call it."""
        ...

    def forecast(self, series: Sequence[Series], horizon: int, levels: Sequence[float] = ()) -> list[Forecast]:
        """A forecast of each series from its last known step, by nothing after that step but `future`."""
        ...
