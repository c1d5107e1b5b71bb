"""Forecasts as a table: one row a step, series and target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from timesteps.errors import UsageError
from timesteps.runtime.series.forecast import Forecast
from timesteps.runtime.series.series import Columns

__all__ = ["TableKind", "forecast_table", "kind_of_table"]

TableKind = Literal["dict", "pandas", "polars", "pyarrow"]


def forecast_table(forecasts: Sequence[Forecast], columns: Columns, kind: TableKind = "dict") -> Any:
    """The columns time, series, target, mean, and lower and upper of every level.

    The column of times is called as in the data, or `step`; that of the series as its column there, or `series`, and
    left out where there is one series without a name; levels are percentages, as in `lower_80`.

    Args:
        forecasts: of the same levels.
        columns: of the data.
        kind: a dict of arrays, or a frame of pandas, polars or pyarrow.

    >>> times, zero = np.arange(2), np.zeros((1, 2, 1))
    >>> one = Forecast(None, times, zero[0] + 5, (80.0,), zero + 4, zero + 6)
    >>> for name, values in forecast_table([one], Columns(("y",))).items():
    ...     print(name, values.tolist())
    step [0, 1]
    target ['y', 'y']
    mean [5.0, 5.0]
    lower_80 [4.0, 4.0]
    upper_80 [6.0, 6.0]
    """
    if kind not in get_args(TableKind):
        raise UsageError(f"the kind of table is {kind!r}", mend=f"choose one of {', '.join(get_args(TableKind))}")
    count = len(columns.targets)
    found: dict[str, Any] = {columns.time or "step": _joined([np.repeat(each.times, count) for each in forecasts])}
    if any(each.name is not None for each in forecasts):
        lengths = [len(each.times) * count for each in forecasts]
        found[columns.group or "series"] = np.repeat([each.name or "" for each in forecasts], lengths)
    found["target"] = np.tile(columns.targets, sum(len(each.times) for each in forecasts))
    found["mean"] = _joined([each.mean.reshape(-1) for each in forecasts])
    for number, level in enumerate(forecasts[0].levels if forecasts else ()):
        for side in ("lower", "upper"):
            found[f"{side}_{level:g}"] = _joined([getattr(each, side)[number].reshape(-1) for each in forecasts])
    if kind == "dict":
        return found
    import narwhals as nw

    return nw.from_dict(found, backend=kind).to_native()


def kind_of_table(given: Any) -> TableKind:
    """The kind of frame that data came in; a dict where it was none."""
    module = type(given).__module__.split(".")[0]
    return module if module in ("pandas", "polars", "pyarrow") else "dict"  # type: ignore[return-value]  # one of them


def _joined(parts: list[Any]) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0)
