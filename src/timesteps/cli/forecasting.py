"""What the verbs of forecasting share: which runs they are for, options of reading, and how errors name their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from timesteps.data.series import SeriesSet
    from timesteps.runtime.forecast.forecaster import TrainedForecaster


def names(text: str | None) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def percentages(text: str | None) -> tuple[float, ...] | None:
    """`80,95` as levels, `none` as no level; nothing as None."""
    if text is None:
        return None
    if text == "none":
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} are no percentages such as 80,95") from error


_READING = "Reading"


def _option(help: str, value: str = "", *flags: str) -> Any:
    return typer.Option(*flags, help=help, rich_help_panel=_READING, show_default=False, metavar=value)


Separate = Annotated[bool | None, _option("Each column of targets is a series of its own.", "", "--separate")]
Target = Annotated[str | None, _option("With --separate: those columns, commas between.", "NAME[,…]")]
Missing = Annotated[str | None, _option("Cells that stand for missing numbers, commas between.", "WORDS")]
TimeFormat = Annotated[str | None, _option("Of times that can be read in two ways, as %d/%m/%Y.", "FORM")]
Thousands = Annotated[str | None, _option("Mark between thousands.", "MARK")]
Decimal = Annotated[str | None, _option("Mark before decimals. Default: a point.", "MARK")]
Sort = Annotated[bool | None, _option("Sort rows that are not in the order of time.", "", "--sort")]
Encoding = Annotated[str | None, _option("Encoding of the file. Default: UTF-8.", "NAME")]


def reading(
    separate: bool | None,
    missing: str | None,
    time_format: str | None,
    thousands: str | None,
    decimal: str | None,
    sort: bool | None,
    encoding: str | None,
) -> dict[str, Any]:
    """Those of the options of `read_series` that were given."""
    given = {
        "separate": separate,
        "missing_values": names(missing) or None,
        "time_format": time_format,
        "thousands": thousands,
        "decimal": decimal,
        "sort": sort,
        "encoding": encoding,
    }
    return {name: value for name, value in given.items() if value is not None}


def is_forecast_run(run: str) -> bool:
    """Whether a run holds a forecaster. `ModelError` if it holds nothing that can be opened."""
    from timesteps.runtime import modelfile

    path = modelfile.find(run)
    if modelfile.task(path) not in modelfile.NETWORK.tasks:
        return False
    spec, _ = modelfile.load(path, modelfile.NETWORK)
    return spec.forecast is not None


def read_series_of(
    model: TrainedForecaster, run: str, source: str, target: str | None, given: dict[str, Any]
) -> SeriesSet:
    """The series that a model is to continue, and on standard error what was guessed and filled in reading them."""
    from timesteps.cli.fetch import fetch
    from timesteps.cli.talk import say
    from timesteps.tasks.forecast.continuing import read_for

    fetch(source)
    found = read_for(model, run, source, names(target), **given)
    for note in found.notes:
        say(note)
    return found


@contextmanager
def placed(data: SeriesSet) -> Iterator[None]:
    """Errors inside name the file, and the line of the series that they are about."""
    from timesteps.errors import DataError
    from timesteps.tasks.forecast.continuing import with_place

    try:
        yield
    except DataError as error:
        raise with_place(error, data) from error
