"""Series for a trained forecaster: read as they were in training, and refused where they are others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from timesteps.data.dataset import Dataset
from timesteps.data.series import SeriesSet, read_series
from timesteps.data.source import resolve
from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.forecast.forecaster import TrainedForecaster
from timesteps.runtime.series.series import Columns, Series
from timesteps.tasks.folder import REQUEST
from timesteps.tasks.forecast.request import ForecastRequest

__all__ = ["first_unseen_step", "read_for", "with_place"]


def read_for(
    model: TrainedForecaster, run: str, source: str, target: tuple[str, ...] = (), **reading: Any
) -> SeriesSet:
    """The series of a file or known set, with the columns and the frequency that the model was trained on.

    What the run was told of its own data (columns that are series of their own, how missing numbers are written)
    holds here, too, unless `reading` says otherwise.

    Args:
        model: that is to continue them.
        run: its folder, or the model file alone.
        source: a path, `-`, or the name of a known set.
        target: columns that are series of their own, with `separate=True` in `reading`.
        reading: options of `timesteps.data.series.read_series`; None for those that are not given.

    Raises:
        DataError: series that cannot be read, or of other columns than the model's; the message names file and line.
    """
    given = {name: value for name, value in reading.items() if value is not None}
    if isinstance(resolve(source), Dataset):
        found = read_series(source, None, frequency=model.frequency, **given)
    else:
        asked = _asked(run)
        given = (asked.reading if asked is not None else {}) | given
        if target and not given.get("separate"):
            mend = f"leave it out, or add {option('separate')}"
            raise UsageError(f"{option('target')} is for columns that are series of their own", mend=mend)
        columns: Columns | None = model.columns
        if given.get("separate"):  # the columns of the table are not those of the model
            columns = Columns(target, model.columns.time) if target or asked is None else asked.columns
        found = read_series(source, columns, frequency=model.frequency, **given)
    trained, got = model.columns, found.columns
    for kind in ("targets", "past", "future", "static"):
        if getattr(trained, kind) != getattr(got, kind):
            what = (
                f"{kind} are {_listed(getattr(got, kind))}, the model was trained on {_listed(getattr(trained, kind))}"
            )
            raise DataError(what, path=found.source, mend="give a table with those columns")
    if not any(each.known for each in found.series):
        raise DataError("no target is known", path=found.source, mend="give what came before the time to come")
    return found


def first_unseen_step(model: TrainedForecaster, series: Series) -> int:
    """The first step of a series that comes after all that the model has seen in training."""
    return int(np.searchsorted(series.times, model.until, side="right"))


def with_place(error: DataError, data: SeriesSet) -> DataError:
    """The error with the file and, where it names a series, the line of that series' last known step."""
    if error.path is not None:
        return error
    place: dict[str, Any] = {"path": data.source}
    for number, each in enumerate(data.series):
        if each.name is not None and error.what.startswith(f"series {each.name}: ") and each.known:
            place = data.where(number, each.known - 1)
    return DataError(error.what, mend=error.mend, **place)


def _asked(run: str) -> ForecastRequest | None:
    """What the run was asked, where its folder is at hand."""
    folder = Path(run)
    return ForecastRequest.read(folder) if (folder / REQUEST).is_file() else None


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
