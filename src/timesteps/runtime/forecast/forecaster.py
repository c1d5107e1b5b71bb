"""`TrainedForecaster`: a model file that continues series, and `load_forecaster`, which opens one. Without PyTorch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, ModelError, UsageError, option
from timesteps.runtime import modelfile
from timesteps.runtime.forecast.answer import Answer, at_levels, read_answer, taken
from timesteps.runtime.forecast.panel import Panel, columns_of, frequency_of
from timesteps.runtime.forecast.paths import PATHS, answer_of, sampled
from timesteps.runtime.forecast.scaling import untransformed
from timesteps.runtime.forecast.windows import Rows, Windows, cut, reach, rows_of
from timesteps.runtime.golden import agrees, golden_row
from timesteps.runtime.layout import member_network, member_prefix
from timesteps.runtime.losses import Loss
from timesteps.runtime.network import Network
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.series.forecast import Forecast
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns, Series
from timesteps.runtime.series.times import times_after
from timesteps.runtime.spec import ForecastSpec, ModelSpec
from timesteps.runtime.stream import Stream

__all__ = ["TrainedForecaster", "load_forecaster", "scaled_rows"]

Array = NDArray[np.float64]

_ROWS = 2048  # windows that are cut and answered at once
_PATHS = 16_384  # sampled paths, likewise


def load_forecaster(run: str | os.PathLike[str], *, verify: bool = False) -> TrainedForecaster:
    """The forecaster of a run folder or model file, ready to continue series, without PyTorch.

    Args:
        run: the folder that training wrote, or the `model.safetensors` in it.
        verify: replay the windows that were stored with their outputs, and refuse a model that answers differently.

    Raises:
        ModelError: no model there, one that is no forecaster, or one that is damaged, too new, or fails `verify`.
    """
    path = modelfile.find(run)
    spec, tensors = modelfile.load(path, modelfile.NETWORK)
    if spec.forecast is None:
        raise ModelError("holds a network that does not forecast", path=path, mend="open it with timesteps.load")
    model = TrainedForecaster(spec, tensors)
    if verify:
        try:
            model.verify()
        except ModelError as error:
            raise ModelError(error.what, path=path, mend=error.mend) from error
    return model


def scaled_rows(features: NDArray[np.float32], mean: Array, scale: Array) -> Sequences:
    """Windows (R, T, F) as the network reads them."""
    rows, steps, width = features.shape
    values = ((features - mean) / scale).astype(np.float32).reshape(rows * steps, width)
    return Sequences(values, np.arange(rows + 1, dtype=np.int64) * steps)


class TrainedForecaster:
    """A trained model that continues series, with everything it needs to know about them.

    Args:
        spec: what the model is, `spec.forecast` among it.
        tensors: all its tensors.

    Attributes:
        horizon: steps that it was trained to forecast.
        context: known steps that a series must have.
        columns, frequency: of the series that it was trained on.
    """

    def __init__(self, spec: ModelSpec, tensors: Mapping[str, NDArray[Any]]) -> None:
        assert spec.forecast is not None
        self.spec, self.tensors = spec, dict(tensors)
        self.forecasting: ForecastSpec = spec.forecast
        self.horizon, self.season = self.forecasting.horizon, self.forecasting.season
        self.context = reach(self.forecasting)
        self.columns: Columns = columns_of(self.forecasting)
        self.frequency: Frequency = frequency_of(self.forecasting)
        assert spec.targets is not None
        self._loss = Loss(spec.targets.loss, spec.targets.quantiles)

    @property
    def name(self) -> str:
        """As tables and reports call it: its cell."""
        cell = self.spec.network.layers[0].cell.upper().replace("MIN", "min")
        return cell if self.forecasting.model == "direct" else f"{cell}, step by step"

    @property
    def until(self) -> np.datetime64 | int:
        """The latest time that training has seen of any series, or the number of that step."""
        found = self.forecasting.until
        return int(found) if self.forecasting.unit == "step" else np.datetime64(found, "us")

    @property
    def scales(self) -> dict[str, tuple[Array, Array]]:
        """Centre and scale (D,) of each series that training has seen, or of all under the name ""; none where windows
        have their own."""
        if self.forecasting.scaling in ("window", "none"):
            return {}
        parts = zip(self.tensors["forecast.centre"], self.tensors["forecast.scale"], strict=True)
        return dict(zip(self.forecasting.series or ("",), parts, strict=True))

    def forecast(
        self, series: Sequence[Series], horizon: int | None = None, levels: Sequence[float] = ()
    ) -> list[Forecast]:
        """A forecast of each series from its last known step, by nothing after that step but `future` covariates.

        Args:
            series: with the columns that the model was trained on, and `context` known steps or more.
            horizon: steps; None: as many as in training. More are forecast from forecasts, as if they had happened,
                with intervals that grow accordingly.
            levels: of central intervals, in percent, up to the highest calibrated one (`spec.forecast.levels`).

        Raises:
            DataError: series that the model cannot read; the message names the series and what is missing.
            UsageError: a horizon or levels that the model cannot give.
        """
        horizon = self.horizon if horizon is None else horizon
        levels = tuple(float(level) for level in levels)
        self._check(horizon, levels)
        for each in series:
            # Horizons are answered whole, and read all covariates of theirs.
            self._check_series(each, -(-horizon // self.horizon) * self.horizon)
        found = [self._once(list(series), levels)] if series else []
        while found and sum(part[0].mean.shape[0] for part in found) < horizon:
            found.append(
                self._once([_continued(each, part) for each, *part in zip(series, *found, strict=True)], levels)
            )
        return [_joined(each, parts, horizon, levels) for each, *parts in zip(series, *found, strict=True)]

    def answers(self, panel: Panel, rows: Rows) -> tuple[Windows, Answer]:
        """The windows of rows, without their features, and what the network says of them at the calibrated levels."""
        windows, answers = [], []
        at_once = _ROWS if self.forecasting.model == "direct" else max(1, _PATHS // PATHS)
        for first in range(0, len(rows.origins), at_once):
            some = rows.take(slice(first, first + at_once))
            window = cut(self.forecasting, panel, some)
            answers.append(self._answer(panel, some, window))
            windows.append(replace(window, features=window.features[:, :0]))
        joined = Windows(
            *(np.concatenate([getattr(window, field.name) for window in windows]) for field in fields(Windows))
        )
        centre = np.concatenate([answer.centre for answer in answers])
        ends = (np.concatenate([getattr(each, side) for each in answers], axis=1) for side in ("lower", "upper"))
        return joined, Answer(centre, *ends)

    def _answer(self, panel: Panel, rows: Rows, windows: Windows) -> Answer:
        """What the network says of some windows."""
        spec, unit = self.forecasting, self.tensors["target.scale"]
        if spec.model == "autoregressive":
            paths = sampled(spec, self._loss, self._stream, unit, panel, rows, windows)
            return answer_of(paths, spec.levels, counts=self._loss.name == "negative_binomial")
        answer = read_answer(self.outputs(windows.features), self._loss, self.horizon, spec.width, spec.levels)
        return Answer(*(part * unit for part in answer))

    def outputs(self, features: NDArray[np.float32]) -> Array:
        """The network's outputs (R, outputs) for windows (R, T, F); of an autoregressive model (R · T, outputs)."""
        rows = scaled_rows(features, self.tensors["scaler.mean"], self.tensors["scaler.scale"])
        return np.asarray(np.mean([member.logits(rows).astype(np.float64) for member in self._members], axis=0))

    def verify(self) -> float:
        """Replay the golden vectors; the largest difference from the stored outputs.

        Raises:
            ModelError: an output differs by more than rounding can explain.
        """
        largest = 0.0
        for number, golden in enumerate(self.spec.golden):
            row = np.asarray(golden_row(self.spec, golden), np.float32)
            given, stored = self.outputs(row[None]).ravel(), np.array(golden.logits)
            if not agrees(given, stored):
                raise ModelError(
                    f"golden vector {number} gives {given.tolist()[:4]} …, stored is {stored.tolist()[:4]} …",
                    mend="copy the file again, or report it with the versions of timesteps and numpy",
                )
            largest = max(largest, float(np.abs(given - stored).max(initial=0.0)))
        return largest

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as one file, for `load_forecaster`."""
        modelfile.save(path, self.spec, self.tensors)

    @cached_property
    def _stream(self) -> Stream:
        return Stream(self.spec, self.tensors)

    @cached_property
    def _members(self) -> list[Network]:
        found = []
        for member in range(self.spec.members):
            prefix = member_prefix(self.spec, member)
            own = {name.removeprefix(prefix): part for name, part in self.tensors.items() if name.startswith(prefix)}
            found.append(Network(member_network(self.spec, member), own, np.float32))
        return found

    def _check(self, horizon: int, levels: tuple[float, ...]) -> None:
        spec = self.forecasting
        if horizon < 1:
            raise UsageError(f"{option('horizon')} is {horizon}", mend="give 1 or more")
        if horizon > self.horizon and spec.past:
            mend = f"ask for at most {self.horizon} steps, or train with a longer horizon or without past covariates"
            raise UsageError(f"{option('horizon')} is {horizon}, and {spec.past[0]} is not known beyond", mend=mend)
        known = spec.levels
        if levels and not (known and all(0 < level <= known[-1] for level in levels)):
            mend = f"ask for levels up to {known[-1]:g}, or train with others" if known else "train with levels"
            raise UsageError(f"{option('levels')} are {', '.join(f'{level:g}' for level in levels)}", mend=mend)

    def _check_series(self, series: Series, horizon: int) -> None:
        spec, steps = self.forecasting, series.known
        of = f"series {series.name}: " if series.name else ""
        if steps < self.context:
            mend = f"the model reads {self.context}: give more, or train with a shorter {option('context_length')}"
            raise DataError(f"{of}{steps} known steps", mend=mend)
        if not spec.future or series.future.shape[1] != len(spec.future):
            return
        ahead = series.future[steps : steps + horizon]
        times = series.times[steps : steps + horizon]
        if len(ahead) < horizon:
            what = f"{of}{spec.future[0]} is given for {len(ahead)} of the {horizon} steps to come"
            raise DataError(what, mend="add rows of the time to come with the future covariates")
        if not np.isfinite(ahead).all():
            step, column = np.argwhere(~np.isfinite(ahead))[0]
            what = f"{of}{spec.future[column]} is not known at {times[step]}, a step to come"
            raise DataError(what, mend="give all future covariates for the horizon")

    def _once(self, series: list[Series], levels: tuple[float, ...]) -> list[Forecast]:
        """One horizon."""
        spec = self.forecasting
        panel = Panel.of(spec, series, ahead=self.horizon, scales=self.scales)
        rows = rows_of(spec, panel, panel.known)
        count = len(spec.targets)
        if rows.columns.size < len(series) * count:
            there = {(int(o), int(c)) for o, columns in zip(*rows, strict=True) for c in columns}
            number, column = next(
                (n, c) for n, o in enumerate(panel.known) for c in range(count) if (int(o), c) not in there
            )
            of = f"series {series[number].name}: " if series[number].name else ""
            what = f"{of}no number of {spec.targets[column]} among the last {spec.context} steps"
            raise DataError(what, mend="leave it out, or fill it")
        windows, answer = self.answers(panel, rows)
        # (R, H, W) of independent targets becomes (S, H, D).
        shape = (len(series), count // spec.width, self.horizon, spec.width)

        def whole(part: Array) -> Array:
            grouped = np.moveaxis(part.reshape(*part.shape[:-3], *shape), -3, -2)
            return grouped.reshape(*part.shape[:-3], len(series), self.horizon, count)

        answer = Answer(*(whole(part) for part in answer))
        centre, scale = (part.reshape(len(series), 1, count) for part in (windows.centre, windows.scale))
        answer = taken(answer, whole(windows.base), self.tensors["forecast.share"])

        def back(numbers: Array) -> Array:
            found = untransformed(centre + scale * numbers, spec.transform)
            return np.maximum(found, 0.0) if self._loss.name == "negative_binomial" else found

        mean = back(answer.centre)
        lower = upper = np.zeros((0, *mean.shape))
        if levels:
            widened = answer.lower - self.tensors["forecast.lower"][:, None]
            raised = answer.upper + self.tensors["forecast.upper"][:, None]
            # What holds more holds all that others hold, and the forecast.
            widened = np.minimum.accumulate(np.minimum(widened, answer.centre), axis=0)
            raised = np.maximum.accumulate(np.maximum(raised, answer.centre), axis=0)
            lower = back(at_levels(widened, answer.centre, spec.levels, levels))
            upper = back(at_levels(raised, answer.centre, spec.levels, levels))
        return [
            Forecast(
                each.name, times_after(each, self.horizon, self.frequency), mean[n], levels, lower[:, n], upper[:, n]
            )
            for n, each in enumerate(series)
        ]


def _continued(series: Series, parts: list[Forecast]) -> Series:
    """A series as if its forecasts had happened."""
    known, times = series.known, np.concatenate([part.times for part in parts])
    targets = np.concatenate([series.targets[:known], *(part.mean for part in parts)])
    steps = len(targets)
    width = series.future.shape[1]
    later = max(0, len(series) - steps)
    return Series(
        series.name,
        np.concatenate([series.times[:known], times, series.times[steps:]]),
        np.concatenate([targets, np.full((later, targets.shape[1]), np.nan)]),
        np.zeros((steps + later, 0)),
        series.future[: steps + later] if width else np.zeros((steps + later, 0)),
        series.static,
    )


def _joined(series: Series, parts: list[Forecast], horizon: int, levels: tuple[float, ...]) -> Forecast:
    """Forecasts one after the other; each one's intervals hold the uncertainty that those before it have ended with."""
    below, above = np.zeros((len(levels), 1, 1)), np.zeros((len(levels), 1, 1))
    lower, upper = [], []
    for part in parts:
        lower.append(part.mean - np.hypot(part.mean - part.lower, below))
        upper.append(part.mean + np.hypot(part.upper - part.mean, above))
        below, above = (part.mean - lower[-1])[:, -1:], (upper[-1] - part.mean)[:, -1:]
    whole = [np.concatenate(pieces, axis=axis) for pieces, axis in ((lower, 1), (upper, 1))]
    return Forecast(
        series.name,
        np.concatenate([part.times for part in parts])[:horizon],
        np.concatenate([part.mean for part in parts])[:horizon],
        levels,
        whole[0][:, :horizon],
        whole[1][:, :horizon],
    )
