"""`timesteps predict RUN CSV` of a forecaster: the steps that follow, as CSV or JSON lines, and as a picture."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timesteps.cli.forecasting import placed, read_series_of
from timesteps.cli.talk import say


def predict_series(
    run: str,
    source: str,
    *,
    horizon: int | None,
    levels: Sequence[float] | None,
    plot: Path | None,
    as_json: bool,
    target: str | None,
    given: Mapping[str, Any],
) -> None:
    """Read the series, continue them, print a row a step, series and target."""
    from timesteps.runtime.forecast.forecaster import load_forecaster
    from timesteps.runtime.metrics_forecast import check_levels
    from timesteps.tasks.forecast.plot import check_plot, plot_forecasts
    from timesteps.tasks.forecast.table import forecast_table

    if plot is not None:
        check_plot(plot)
    model = load_forecaster(run)
    chosen = check_levels(model.forecasting.levels if levels is None else levels)
    data = read_series_of(model, run, source, target, dict(given))
    with placed(data):
        forecasts = model.forecast(data.series, horizon, chosen)
    _write(forecast_table(forecasts, model.columns), as_json)
    if plot is not None:
        shown = plot_forecasts(plot, data.series, forecasts, model.columns.targets)
        say(f"{plot}: {shown}")


def _write(table: Mapping[str, Any], as_json: bool) -> None:
    from timesteps.runtime.series.times import times_text

    heads = list(table)
    first = table[heads[0]]
    columns = [times_text(first) if first.dtype.kind == "M" else first.tolist()]
    columns += [table[head].tolist() for head in heads[1:]]
    if as_json:
        for row in zip(*columns, strict=True):
            print(json.dumps(dict(zip(heads, row, strict=True)), ensure_ascii=False))
    else:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(heads)
        for row in zip(*columns, strict=True):
            writer.writerow(f"{cell:.10g}" if isinstance(cell, float) else cell for cell in row)
    sys.stdout.flush()
