"""One training run of a forecaster as a folder: series, model file, log, card."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from timesteps.data.series import SeriesSet, read_series
from timesteps.errors import DataError, option
from timesteps.runtime import modelfile
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.forecast.forecaster import TrainedForecaster, load_forecaster
from timesteps.runtime.series.series import Series
from timesteps.tasks.folder import CHECKPOINT, LAST, claim, clear
from timesteps.tasks.forecast.card import card
from timesteps.tasks.forecast.choices import ForecastChoices, choose
from timesteps.tasks.forecast.fitting import Fitted, fit_series
from timesteps.tasks.forecast.request import ForecastRequest
from timesteps.training.progress import Progress

__all__ = ["ForecastRun", "first_test_step", "run"]

Judge = Callable[["ForecastRun"], dict[str, Any]]


@dataclass(frozen=True)
class ForecastRun:
    """What a run came to.

    Args:
        folder: of the run.
        model: as it was loaded from its file.
        fitted: how the training went.
        data: the series, with what was said of them.
        test: the first step of each series that training has not seen; its length where it has seen all of them.
        choices: of the run.
        figures: what stands in `figures.json`.
    """

    folder: Path
    model: TrainedForecaster
    fitted: Fitted
    data: SeriesSet
    test: tuple[int, ...]
    choices: ForecastChoices
    figures: dict[str, Any]


def run(
    request: ForecastRequest,
    folder: Path,
    *,
    resume: bool = False,
    threads: int | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: Progress | None = None,
    judge: Judge | None = None,
) -> ForecastRun:
    """Train a forecaster and leave `model.safetensors`, `log.jsonl`, `figures.json` and `card.md` in the folder.

    Args:
        request: data and choices; with `resume`, those that the folder remembers take their place.
        folder: made if need be; a finished run in it is replaced.
        resume: go on with the run that was begun there.
        threads: in training; None: as the choices say.
        say, progress: hear and show how it goes.
        judge: looks at the trained model, and may leave a report in the folder; what it returns joins the figures.

    Raises:
        UsageError: choices that make no sense; a folder with an unfinished run, without `resume`; none to resume.
        DataError: data that cannot be used, by file and line, or series by name.
        NonFiniteError: training diverged. Interrupted: Ctrl-C; `resume` goes on.
    """
    if resume:
        request = ForecastRequest.read(folder)
    elif claim(folder):
        say(f"{folder} holds a finished run, which this one replaces")
    choices = choose(**request.choices)
    choices = choices if threads is None else replace(choices, threads=threads)
    request = msgspec.structs.replace(request, directory=request.directory or str(Path.cwd()))
    began = time.monotonic()
    data = read_series(request.place(request.data), request.columns, **request.reading)
    for note in data.notes:
        say(note)
    test = tuple(first_test_step(each, request.test) for each in data.series)
    for number, (each, end) in enumerate(zip(data.series, test, strict=True)):
        if end < 1:
            of = "" if each.name is None else f"series {each.name}: "
            what = f"{of}{each.known} known steps, and {option('test')} keeps {request.test:g} of them from training"
            raise DataError(what, mend=f"lower {option('test')}, or leave the series out", **data.where(number))
    if not resume:
        clear(folder)
        request.write(folder)
    seen = [_before(each, end) for each, end in zip(data.series, test, strict=True)]
    try:
        fitted = fit_series(
            seen,
            data.columns,
            data.frequency,
            choices,
            folder=folder / CHECKPOINT,
            resume=resume,
            progress=progress,
            say=say,
        )
    except DataError as error:
        raise _placed(error, data) from error
    fitted.model.save(folder / modelfile.FILE_NAME)
    model = load_forecaster(folder, verify=True)
    _write_log(folder, fitted)
    figures = {"data": data.source, "sha256": data.sha256, **fitted.figures, "seconds": time.monotonic() - began}
    found = ForecastRun(folder, model, fitted, data, test, choices, figures)
    if judge is not None:
        figures |= judge(found)
    _write(folder / "figures.json", msgspec.json.format(msgspec.json.encode(figures), indent=2))
    _write(folder / LAST, card(found.figures, model.spec, fitted.histories).encode())
    return found


def first_test_step(series: Series, test: float) -> int:
    """The first step of a series that is kept from training: `test` steps before the last known one, or that share.

    >>> import numpy as np
    >>> series = Series(None, np.arange(12), np.append(np.ones(10), [np.nan, np.nan])[:, None])
    >>> first_test_step(series, 0.2), first_test_step(series, 3), first_test_step(series, 0)
    (8, 7, 12)
    """
    if test == 0:
        return len(series)
    return series.known - (round(test * series.known) if test < 1 else int(test))


def _before(series: Series, end: int) -> Series:
    """The series as if it ended there."""
    if end == len(series):
        return series
    parts = (series.times[:end], series.targets[:end], series.past[:end], series.future[:end])
    return Series(series.name, *parts, series.static)


def _placed(error: DataError, data: SeriesSet) -> DataError:
    """The error with its file and, where it names a series, the line where that begins."""
    if error.path is not None:
        return error
    place: dict[str, Any] = {"path": data.source}
    for number, each in enumerate(data.series):
        if each.name is not None and error.what.startswith(f"series {each.name}: "):
            place = data.where(number)
    return DataError(error.what, mend=error.mend, **place)


def _write_log(folder: Path, fitted: Fitted) -> None:
    """`log.jsonl`: one line an epoch and member, without a clock, so that a resumed run leaves the same bytes."""
    lines = [
        msgspec.json.encode({"member": member, "engine": history.engine.name if history.engine else "", **record})
        for member, history in enumerate(fitted.histories)
        for record in history.rows
    ]
    _write(folder / "log.jsonl", b"".join(line + b"\n" for line in lines))


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)
