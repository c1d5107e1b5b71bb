"""`timesteps backtest RUN CSV`: how good were the forecasts that it would have made, beside the baselines?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from timesteps.cli import forecasting
from timesteps.cli.talk import print_json, say


def backtest(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Run folder of a forecaster, or the model file in it.", show_default=False),
    ],
    data: Annotated[
        str,
        typer.Argument(
            metavar="CSV",
            help="Series with the columns that it was trained on (csv, tsv, jsonl, parquet; -), or a known data set.",
            show_default=False,
        ),
    ],
    windows: Annotated[
        int | None, typer.Option("--windows", metavar="N", help="Windows of each series. Default: 50, or what fits.")
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option("--stride", metavar="N", help="Steps from one to the next. Default: the horizon, or what fits."),
    ] = None,
    horizon: Annotated[
        int | None, typer.Option("--horizon", metavar="N", help="Steps of a window. Default: those of training.")
    ] = None,
    levels: Annotated[
        str | None, typer.Option("--levels", metavar="80,95", help="Intervals, in percent. Default: those of training.")
    ] = None,
    seen: Annotated[
        bool, typer.Option("--seen", metavar="", help="Judge on steps that it was trained on, too; it is said.")
    ] = False,
    classical: Annotated[
        str,
        typer.Option(
            "--classical",
            metavar="NAME",
            help="Beside it: ets, arima, none; auto: ets if it is there and not too slow.",
        ),
    ] = "auto",
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the figures as an HTML page, too.")
    ] = None,
    separate: forecasting.Separate = None,
    target: forecasting.Target = None,
    missing_values: forecasting.Missing = None,
    time_format: forecasting.TimeFormat = None,
    thousands: forecasting.Thousands = None,
    decimal: forecasting.Decimal = None,
    sort: forecasting.Sort = None,
    encoding: forecasting.Encoding = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="The figures as JSON on standard output.")
    ] = False,
) -> None:
    """MAE, RMSE, MASE, sMAPE, pinball, and coverage and width of the intervals, each beside the baselines.

    Windows lie behind what the model was trained on; each is forecast by nothing after it begins.
    """
    from timesteps.runtime.display import printable
    from timesteps.runtime.forecast.forecaster import load_forecaster
    from timesteps.runtime.metrics_forecast import check_levels
    from timesteps.tasks.forecast.continuing import first_unseen_step
    from timesteps.tasks.forecast.judging import judge_data, write_backtest_report

    chosen = forecasting.percentages(levels)
    check_levels(chosen or ())
    model = load_forecaster(run)
    given = forecasting.reading(separate, missing_values, time_format, thousands, decimal, sort, encoding)
    found = forecasting.read_series_of(model, run, data, target, given)
    start = [0 if seen else first_unseen_step(model, each) for each in found.series]
    with forecasting.placed(found):
        result = judge_data(
            model,
            found,
            start,
            horizon=horizon,
            windows=windows,
            stride=stride,
            levels=chosen,
            classical=classical,
            say=say,
        )
    if seen:
        say("the model was trained on some of these windows: its figures are better than they would be")
    if report is not None:
        write_backtest_report(report, model, found, result, start)
        say(f"report: {report}")
    if as_json:
        print_json({"run": run, "data": found.source, "sha256": found.sha256, "seen": seen, **result.to_dict()})
        return
    typer.echo(f"{printable(result.verdict.headline)}.")
    typer.echo(result.detail)
    typer.echo("")
    for line in result.lines():
        typer.echo(printable(line))
    for note in result.notes:
        say(note)
