"""Everything before the first step of training: which windows there are, and what is learned of the series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.forecast.missing import decay_rate
from timesteps.runtime.forecast.panel import Panel, scales_of
from timesteps.runtime.forecast.scaling import transformed
from timesteps.runtime.forecast.stepped import learned_of
from timesteps.runtime.forecast.windows import Rows, cut, reach, rows_of
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns, Series
from timesteps.runtime.series.times import times_text
from timesteps.runtime.spec import BaseName, ForecastSpec
from timesteps.tasks.forecast.choices import ForecastChoices

__all__ = ["Prepared", "plain", "prepare"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_SAMPLE = 4000  # windows that the scaler and the choice of the base look at
_CALIBRATION = 40_000  # windows that shares and widths are fitted on, at most
_SAMPLED = 1_000  # likewise, where each takes many paths


@dataclass(frozen=True)
class Prepared:
    """Series ready to be learned from.

    Args:
        spec: of the forecaster, without calibration.
        panel: the series, end to end.
        train, valid: the windows.
        mean, scale: (F,) the scaler of the features.
        unit: (W,) the scale of the targets, in units of the windows' scales.
        scales: centre and scale of each series, or under "" of all.
    """

    spec: ForecastSpec
    panel: Panel
    train: Rows
    valid: Rows
    mean: Array
    scale: Array
    unit: Array
    scales: dict[str, tuple[Array, Array]]


def prepare(
    series: Sequence[Series],
    columns: Columns,
    frequency: Frequency,
    choices: ForecastChoices,
    say: Callable[[str], None],
) -> tuple[Prepared, ForecastChoices]:
    """From series as they were read, with the choices that depend on them made. What lies behind the last known step
    of a series is not looked at.

    Raises:
        DataError: series that cannot be learned from; the message names the series.
        UsageError: choices that do not fit the series.
    """
    if not series:
        raise DataError("no series", mend="give one or more")
    choices = choices.for_series(series, frequency, say)
    spec = _spec(series, columns, frequency, choices)
    _check(series, spec)
    ends = _training_ends(series, spec, choices)
    spec, scales = _learned(series, spec, ends)
    panel = Panel.of(spec, series, ahead=spec.horizon, scales=scales)
    split = panel.starts + ends  # where the validation part of each series begins
    most = _CALIBRATION if choices.model == "direct" else _SAMPLED
    valid = _origins(spec, np.where(split < panel.known, split, panel.known), panel.known, most)
    if choices.base == "auto":
        spec = msgspec.structs.replace(spec, base=_best_base(spec, panel, valid, choices, say))
    train = _origins(spec, panel.starts + reach(spec), split, choices.max_windows)
    rows = rows_of(spec, panel, train), rows_of(spec, panel, valid)
    for part, what in zip(rows, ("training", "validation"), strict=True):
        if not len(part.origins):
            raise DataError(f"no {what} window has a number of a target", mend="give series with fewer missing numbers")
    loss = choices.criterion.name
    sample = learned_of(spec, loss, panel, rows[0].take(_spread(len(rows[0].origins), _SAMPLE)))
    flat = sample.features.astype(np.float64).reshape(-1, sample.features.shape[-1])
    mean, scale = flat.mean(axis=0), flat.std(axis=0)
    constant = scale <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
    unit = np.nanmean(np.abs(sample.targets), axis=(0, 1))
    unit = np.where((unit > 0) & (loss != "negative_binomial"), unit, 1.0)
    prepared = Prepared(spec, panel, *rows, mean, np.where(constant, 1.0, scale), unit, scales)
    return prepared, choices.for_windows(len(rows[0].origins))


def _spec(series: Sequence[Series], columns: Columns, frequency: Frequency, choices: ForecastChoices) -> ForecastSpec:
    """Without what is learned of the training part."""
    names = [each.name for each in series if each.name is not None]
    if len(set(names)) != len(names):
        raise DataError("two series have the same name", mend="give each a name of its own")
    vocabularies = []
    for place in range(len(columns.static)):
        values = [each.static[place] for each in series]
        words = any(isinstance(value, str) for value in values)
        vocabularies.append(tuple(sorted({str(value) for value in values})) if words else ())
    has_times = series[0].times.dtype.kind == "M"
    if columns.past and choices.model == "autoregressive":
        what = (
            f"{columns.past[0]} is not known of the steps to come, and {option('model', 'autoregressive')} reads them"
        )
        raise UsageError(what, mend=f"leave past covariates out, or use {option('model', 'direct')}")
    if choices.calendar and not has_times:
        raise UsageError(f"{option('calendar')} of series without times", mend="leave it out, or name the time column")
    parts = [part[: each.known] for each in series for part in (each.targets, each.past, each.future)]
    assert choices.context_length is not None and choices.season is not None and choices.segment is not None
    assert choices.transform != "auto" and choices.scaling != "auto" and choices.calendar is not None
    latest = max(each.times[max(each.known, 1) - 1] for each in series if len(each))
    return ForecastSpec(
        model=choices.model,
        horizon=choices.horizon,
        context=choices.context_length,
        segment=choices.segment,
        season=choices.season,
        time=columns.time,
        group=columns.group,
        targets=columns.targets,
        past=columns.past,
        future=columns.future,
        static=columns.static,
        vocabularies=tuple(vocabularies),
        unit=frequency.unit,
        every=frequency.every,
        regular=frequency.regular,
        independent=choices.independent,
        base="last" if choices.base == "auto" else choices.base,
        transform=choices.transform,
        differences=choices.model == "direct" and choices.segment == 1 and choices.transform != "return",
        scaling=choices.scaling,
        centre=choices.centre,
        calendar=choices.calendar,
        missing=any(bool(np.isnan(part).any()) for part in parts),
        series=tuple(each.name or "" for each in series) if choices.scaling == "series" else (),
        levels=()
        if choices.conformal == "none" and choices.criterion.name in ("mse", "mae")
        else tuple(choices.levels),
        until=times_text(np.array([latest]))[0],
    )


def _check(series: Sequence[Series], spec: ForecastSpec) -> None:
    needed = reach(spec) + spec.horizon
    for column, name in enumerate(spec.targets):
        if all(np.isnan(each.targets[:, column]).all() for each in series):
            raise DataError(f"{name} has no number in it", mend="choose another target")
    for each in series:
        of = f"series {each.name}: " if each.name else ""
        if each.known < needed:
            what = f"{of}{each.known} known steps, and a window of context and horizon takes {needed}"
            mend = f"lower {option('context_length')} or {option('horizon')}, or leave the series out"
            raise DataError(what, mend=mend)
    for column, name in enumerate(spec.targets):
        if all(_is_constant(each.targets[: each.known, column]) for each in series):
            value = np.nanmax(series[0].targets[:, column]) if len(series) == 1 else None
            what = f"{name} is constant" + ("" if value is None else f", always {value:g}")
            raise DataError(what, mend="there is nothing to learn: choose another target")


def _is_constant(values: Array) -> bool:
    there = values[~np.isnan(values)]
    return not len(there) or bool((there == there[0]).all())


def _training_ends(series: Sequence[Series], spec: ForecastSpec, choices: ForecastChoices) -> Index:
    """(S,) steps of each series that training may see; the others are for validation, where there are enough."""
    ends = []
    for each in series:
        share = choices.validation
        held = int(share) if share >= 1 else round(share * each.known)
        held = max(held, spec.horizon)
        ends.append(each.known - held if each.known - held >= reach(spec) + spec.horizon else each.known)
    found = np.array(ends, np.int64)
    if (found == [each.known for each in series]).all():
        what = f"no series has {reach(spec) + 2 * spec.horizon} steps, for a context, a horizon and one to validate on"
        raise DataError(what, mend=f"lower {option('context_length')} or {option('horizon')}")
    return found


def _learned(
    series: Sequence[Series], spec: ForecastSpec, ends: Index
) -> tuple[ForecastSpec, dict[str, tuple[Array, Array]]]:
    """What the training part says of missing numbers and of the scales of whole series."""
    scales: dict[str, tuple[Array, Array]] = {}
    cut_off = ends.tolist()
    if spec.scaling in ("series", "all"):
        for each, end in zip(series, cut_off, strict=True):
            scales[each.name or ""] = scales_of(transformed(each.targets[:end], spec.transform))
    if spec.scaling == "all":
        whole = np.array(list(scales.values())).mean(axis=0)
        scales = {"": (whole[0], whole[1])}
    if not spec.missing:
        return spec, scales
    starts = np.cumsum([0, *cut_off])[:-1].astype(np.int64)
    parts = {
        kind: np.concatenate([getattr(each, kind)[:end] for each, end in zip(series, cut_off, strict=True)])
        for kind in ("targets", "past", "future")
    }
    for kind in ("past", "future"):
        if (empty := np.isnan(parts[kind]).all(axis=0)).any():
            name = getattr(spec, kind)[int(np.argmax(empty))]
            raise DataError(f"{name} has no number in the training part", mend="leave the column out")
    means = np.concatenate([np.nanmean(parts[kind], axis=0) for kind in ("past", "future")])
    rates = np.concatenate([decay_rate(part, starts) for part in parts.values()])
    return msgspec.structs.replace(spec, means=tuple(means.tolist()), rates=tuple(rates.tolist())), scales


def _origins(spec: ForecastSpec, first: Index, last: Index, most: int | None) -> Index:
    """Origins from `first` of every series on whose horizon ends by `last`; of too many, evenly spread ones, counted
    from the end."""
    counts = np.maximum(last - spec.horizon + 1 - first, 0)
    rows = int(counts.sum()) * (len(spec.targets) if spec.independent else 1)
    stride = 1 if most is None else max(1, -(-rows // most))
    parts = [np.arange(b + n - 1, b - 1, -stride)[::-1] for b, n in zip(first.tolist(), counts.tolist(), strict=True)]
    return np.concatenate(parts).astype(np.int64)


def _spread(count: int, most: int) -> Index:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _best_base(
    spec: ForecastSpec, panel: Panel, valid: Index, choices: ForecastChoices, say: Callable[[str], None]
) -> BaseName:
    """Which base alone is nearest to the validation windows."""
    candidates: list[BaseName] = ["last"]
    if 1 < spec.season <= spec.context:
        candidates.append("seasonal")
    candidates.append("drift")
    some = valid[_spread(len(valid), max(1, _SAMPLE // len(spec.targets)))]
    errors: dict[BaseName, float] = {}
    for name in candidates:
        tried = msgspec.structs.replace(spec, base=name)
        windows = cut(tried, panel, rows_of(tried, panel, some))
        wrong = windows.targets - windows.base
        errors[name] = float(np.nanmean(wrong**2 if choices.criterion.name in ("mse", "gaussian") else np.abs(wrong)))
    best = min(errors, key=lambda name: errors[name])
    told = ", ".join(f"{name} {error:.4g}" for name, error in errors.items())
    say(f"base: {best} (mean error of the bases alone on the validation windows: {told})")
    return best


def plain(values: dict[str, Any]) -> dict[str, str | int | float | bool | None]:
    """Choices as the model file keeps them for the reader of the card."""
    return {
        name: value if value is None or isinstance(value, str | int | float | bool) else ", ".join(map(str, value))
        for name, value in values.items()
    }
