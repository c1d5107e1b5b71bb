"""`timesteps train forecast [CSV]`: from series over time to a run folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from timesteps.cli import forecasting, options
from timesteps.cli.fetch import fetch
from timesteps.cli.talk import print_json, say

_DATA, _MODEL, _REG, _FIT = "Data", "Model", "Regularisation", "Training"
_OFTEN = 0.15  # share of every series that is kept from training to be judged on

#: Options of `ForecastChoices` whose parameters here are texts with commas in them.
_LISTS = ("quantiles", "calendar")


def _option(panel: str, help: str, value: str = "", *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, metavar=value)


def train_forecast(
    context: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="CSV",
            help="csv, tsv, jsonl or parquet (also .gz, .xz, .bz2), -, or the name of a known set of series (see "
            "`timesteps data`). None: the bundled house prices.",
            show_default=False,
        ),
    ] = None,
    time: Annotated[str | None, _option(_DATA, "Column of times. None: one step a row.", "NAME")] = None,
    target: Annotated[str | None, _option(_DATA, "Columns to forecast, commas between.", "NAME[,…]")] = None,
    group: Annotated[str | None, _option(_DATA, "Column that says which series a row is of.", "NAME")] = None,
    past: Annotated[str | None, _option(_DATA, "Columns known up to now.", "NAME[,…]")] = None,
    future: Annotated[str | None, _option(_DATA, "Columns known of the time to come, too.", "NAME[,…]")] = None,
    static: Annotated[str | None, _option(_DATA, "Columns that stay the same in a series.", "NAME[,…]")] = None,
    test: Annotated[
        float | None,
        _option(_DATA, "Steps, or share, at the end of every series to judge on; 0: none. Default: 0.15.", "N|X"),
    ] = None,
    validation: Annotated[
        float | None, _option(_DATA, "Steps, or share, before those to stop by. Default: 0.15.", "N|X")
    ] = None,
    classical: Annotated[
        str, _option(_DATA, "Judged beside it: ets, arima, none; auto: ets if installed and not too slow.", "NAME")
    ] = "auto",
    separate: forecasting.Separate = None,
    missing_values: forecasting.Missing = None,
    time_format: forecasting.TimeFormat = None,
    thousands: forecasting.Thousands = None,
    decimal: forecasting.Decimal = None,
    sort: forecasting.Sort = None,
    encoding: forecasting.Encoding = None,
    horizon: Annotated[int | None, _option(_MODEL, "Steps to forecast. Default: 24, or the known set's.", "N")] = None,
    context_length: Annotated[
        int | None, _option(_MODEL, "Steps that it reads before.", "N", "--context", "--context-length")
    ] = None,
    season: Annotated[int | None, _option(_MODEL, "Steps of a season. Default: the frequency's.", "N")] = None,
    segment: Annotated[int | None, _option(_MODEL, "Steps that the network reads at a time.", "N")] = None,
    model: Annotated[
        Literal["direct", "autoregressive"] | None,
        _option(_MODEL, "direct: all steps at once; autoregressive: one by one, by sampled paths.", "NAME"),
    ] = None,
    cell: options.Cell = None,
    hidden_size: Annotated[int | None, _option(_MODEL, "Hidden units of a layer.", "N")] = None,
    num_layers: options.NumLayers = None,
    members: options.Members = None,
    loss: Annotated[str | None, _option(_MODEL, "quantile, mse, mae, gaussian, student_t, …", "NAME")] = None,
    quantiles: Annotated[str | None, _option(_MODEL, "Of --loss quantile, as 0.1,0.5,0.9.", "X,…")] = None,
    base: Annotated[str | None, _option(_MODEL, "What the network corrects; auto: the best of them.", "NAME")] = None,
    transform: Annotated[str | None, _option(_MODEL, "none, log, …; auto: log of what grows.", "NAME")] = None,
    scaling: Annotated[str | None, _option(_MODEL, "Scale of each series, or one of all; or auto.", "NAME")] = None,
    centre: Annotated[str | None, _option(_MODEL, "What windows are read around.", "NAME")] = None,
    calendar: Annotated[str | None, _option(_MODEL, "Features of the time; none.", "NAME,…")] = None,
    independent: Annotated[
        bool | None, _option(_MODEL, "Targets each on its own, or together.", "", "--independent/--together")
    ] = None,
    levels: Annotated[str | None, _option(_MODEL, "Intervals, in percent; none. Default: 80,95.", "80,95")] = None,
    conformal: Annotated[
        Literal["symmetric", "asymmetric", "none"] | None,
        _option(_MODEL, "How intervals are calibrated: symmetric, asymmetric, none.", "NAME"),
    ] = None,
    dropout: options.Dropout = None,
    input_dropout: options.InputDropout = None,
    recurrent_dropout: options.RecurrentDropout = None,
    weight_decay: Annotated[float | None, _option(_REG, "Of the weights.", "X")] = None,
    epochs: Annotated[int | None, _option(_FIT, "Times through the windows. Default: by their number.", "N")] = None,
    max_windows: Annotated[int | None, _option(_FIT, "Windows of an epoch, at the most.", "N")] = None,
    batch_size: Annotated[int | None, _option(_FIT, "Windows a step.", "N")] = None,
    optimizer: options.Optimizer = None,
    learning_rate: options.LearningRate = None,
    schedule: options.Schedule = None,
    warmup: options.Warmup = None,
    clip_norm: Annotated[float | None, _option(_FIT, "Largest norm of the gradient.", "X")] = None,
    ema: options.Ema = None,
    patience: Annotated[
        int | None, _option(_FIT, "Epochs without a lower validation loss before it stops.", "N")
    ] = None,
    seed: options.Seed = None,
    engine: options.Engine = None,
    out: options.Out = Path("run"),
    threads: options.Threads = None,
    resume: options.Resume = False,
    as_json: options.AsJson = False,
) -> None:
    """Train a forecaster, judge it beside last value, drift and seasonal naive, and leave a run folder.

    The folder holds model.safetensors (all that `predict` and `backtest` need), report.html, card.md, log.jsonl and
    figures.json. The last steps of every series are kept from training, to judge on; --test 0 trains on all of them.
    """
    from timesteps.data.dataset import Dataset
    from timesteps.data.source import resolve
    from timesteps.tasks.forecast.reporting import judge_run
    from timesteps.tasks.forecast.request import ForecastRequest
    from timesteps.tasks.forecast.run import run
    from timesteps.training.progress import quiet, terminal

    given = {name: value for name, value in context.params.items() if value is not None}
    choices = {name: given[name] for name in _choices() if name in given}
    if levels is not None:
        choices["levels"] = forecasting.percentages(levels)
    for name in _LISTS:
        if name in choices:
            choices[name] = _listed(name, choices[name])
    if seed is not None:
        choices["random_state"] = seed
    known = resolve("house-prices" if data is None else data)
    if horizon is None and isinstance(known, Dataset) and known.series is not None:
        choices["horizon"] = known.series.horizon
    request = ForecastRequest(
        data=data,
        target=forecasting.names(target),
        time=time,
        group=group,
        past=forecasting.names(past),
        future=forecasting.names(future),
        static=forecasting.names(static),
        test=_OFTEN if test is None else test,
        reading=forecasting.reading(separate, missing_values, time_format, thousands, decimal, sort, encoding),
        choices=choices,
    )
    fetch(None if resume else data)
    judge = judge_run(classical, say, ["timesteps", "train", "forecast", *_typed(context)])
    try:
        progress = quiet() if as_json else terminal()
        result = run(request, out, resume=resume, threads=threads, say=say, progress=progress, judge=judge)
    except KeyboardInterrupt as stop:
        if not (out / "request.json").exists():
            raise KeyboardInterrupt("nothing was written") from stop
        command = f"timesteps train forecast --resume --out {shlex.quote(str(out))}"
        raise KeyboardInterrupt(f"the epochs that are done are kept; go on with: {command}") from stop
    if as_json:
        print_json(result.figures | {"folder": str(out)})
    else:
        _tell(result.figures, out, data)


def _choices() -> list[str]:
    from dataclasses import fields

    from timesteps.tasks.forecast.choices import ForecastChoices

    return [field.name for field in fields(ForecastChoices) if field.name != "threads"]


def _listed(name: str, text: str) -> tuple[Any, ...]:
    if text == "none":
        return ()
    if name != "quantiles":
        return forecasting.names(text)
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} are no quantiles such as 0.1,0.5,0.9") from error


def _typed(context: typer.Context) -> list[str]:
    """The command's own words, for the report: the data, and every option that was given."""
    words = [str(context.params["data"])] if context.params.get("data") is not None else []
    for parameter in context.command.params:
        name = parameter.name or ""
        value = context.params.get(name)
        if name in ("data", "as_json", "resume") or value is None or not parameter.opts[0].startswith("--"):
            continue
        if context.get_parameter_source(name) is None or context.get_parameter_source(name).name == "DEFAULT":  # type: ignore[union-attr]
            continue
        if isinstance(value, bool):
            words.append(parameter.opts[0] if value else parameter.secondary_opts[0])
        else:
            words += [parameter.opts[0], str(value)]
    return words


def _tell(figures: dict[str, Any], out: Path, data: str | None) -> None:
    from timesteps.runtime.display import printable

    folder, source = shlex.quote(str(out)), shlex.quote(data) if data is not None else "house-prices"
    if "table" in figures:
        said = figures["backtest"]["verdict"]
        typer.echo(f"{printable(said['headline'])}.\n{printable(said['detail'])}\n")
        for line in figures["table"]:
            typer.echo(printable(line))
        typer.echo(f"\nreport  {out / 'report.html'}")
    else:
        typer.echo(f"{printable(str(figures['verdict']))}\n")
    typer.echo(f"next:   timesteps predict {folder} {source} --plot forecast.png")
    typer.echo(f"        timesteps backtest {folder} {source}")
