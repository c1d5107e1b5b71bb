"""What can be chosen about a forecaster, checked when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np

from timesteps.errors import UsageError, option
from timesteps.runtime.forecast.answer import quantile_levels
from timesteps.runtime.forecast.calendar import usual_calendar
from timesteps.runtime.losses import Loss
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Series
from timesteps.runtime.spec import (
    BaseName,
    CalendarName,
    CellName,
    CentreName,
    ForecastModelName,
    LossName,
    ScalingName,
    TransformName,
)
from timesteps.training.settings import EngineChoice, OptimizerName, ScheduleName, Settings

__all__ = ["ForecastChoices", "choose"]

_WORDS: Mapping[str, tuple[str, ...]] = {
    "model": get_args(ForecastModelName),
    "cell": get_args(CellName),
    "base": ("auto", *get_args(BaseName)),
    "transform": ("auto", *get_args(TransformName)),
    "scaling": ("auto", *get_args(ScalingName)),
    "centre": get_args(CentreName),
    "conformal": ("symmetric", "asymmetric", "none"),
}
_COUNTS = ("horizon", "num_layers", "members")
_MAY_BE_NONE = ("context_length", "season", "segment", "max_windows", "hidden_size", "epochs")
_CONTEXTS = {"day": 60, "business day": 60, "week": 104, "month": 36, "quarter": 16, "year": 10}
_SEASONS = 7  # of a context where the season is short and steps are many
_LONGEST = 336
_OFF = ("clip_norm", "patience")  # settings that None turns off
_STEPS_A_SEGMENT = 24  # a season of so many steps or more is read at a time
_MANY = 20_000  # windows; fewer take a smaller network, a higher rate and more epochs
_STEPS = 1500  # of training, about, where windows are few
_GROWN = 3.0  # times the smallest number the largest is, from where on logarithms are taken
_PRICED = ("business day", "month", "quarter", "year")  # frequencies of what grows by shares of itself


@dataclass(frozen=True)
class ForecastChoices:
    """One complete set of choices.

    Args:
        horizon: steps to forecast.
        context_length: steps that the network reads before; None: some seasons, fewer where series are short.
        season: steps of a season; None: the frequency's.
        segment: steps that the network reads at a time; None: a season of 24 steps or more, otherwise 1.
        model: direct, all steps of the horizon at once; or autoregressive, step by step, by sampled paths.
        cell, hidden_size, num_layers: the recurrent layers; 64 units, of few windows 32. `members` networks answer
            together by their mean.
        loss, quantiles: what is learned; see `timesteps.runtime.losses`. None: the median and the ends of the levels'
            intervals; of an autoregressive model, which needs a distribution, student_t.
        base: what the network corrects; see `timesteps.runtime.forecast.base`. auto: which of the last value, the
            seasonal one and the drift is best on the validation windows.
        transform, scaling, centre: see `timesteps.runtime.forecast.scaling`. auto: logarithms of what is positive and
            grows by shares of itself, and one scale for all of them; otherwise each series its own.
        calendar: features of the time; None: those that matter at the frequency.
        independent: every target is a row of its own, and all share the weights; False: they are forecast together.
        levels: of intervals that are calibrated, in percent, rising; between them others can be asked for.
        conformal: whether both ends of an interval are moved by as much, each by its own, or not at all.
        validation: share of the end of each series that training does not see, on which it is stopped, and by which the
            base is chosen and shares and widths are fitted; a whole number is as many steps.
        max_windows: an epoch learns from at most so many windows, spread evenly; None: from all.
        dropout: before the last layer and between recurrent ones; `input_dropout`, `recurrent_dropout`: over time.
        epochs, batch_size, optimizer, learning_rate, weight_decay, schedule, warmup, clip_norm, ema, patience, engine:
            as in `timesteps.training.settings.Settings`.
        random_state: of everything. threads: in training; None: one.

    Raises:
        UsageError: a value outside its range, by the name of the option.
    """

    horizon: int = 24
    context_length: int | None = None
    season: int | None = None
    segment: int | None = None
    model: ForecastModelName = "direct"
    cell: CellName = "gru"
    hidden_size: int | None = None
    num_layers: int = 1
    members: int = 1
    loss: LossName | None = None
    quantiles: tuple[float, ...] | None = None
    base: BaseName | Literal["auto"] = "auto"
    transform: TransformName | Literal["auto"] = "auto"
    scaling: ScalingName | Literal["auto"] = "auto"
    centre: CentreName = "last"
    calendar: tuple[CalendarName, ...] | None = None
    independent: bool = True
    levels: tuple[float, ...] = (80.0, 95.0)
    conformal: Literal["symmetric", "asymmetric", "none"] = "symmetric"
    validation: float = 0.15
    max_windows: int | None = 200_000
    dropout: float = 0.0
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    epochs: int | None = None
    batch_size: int = 64
    optimizer: OptimizerName = "adam"
    learning_rate: float | None = None
    weight_decay: float = 0.0
    schedule: ScheduleName = "linear"
    warmup: float = 0.05
    clip_norm: float | None = 1.0
    ema: float = 0.0
    patience: int | None = 5
    engine: EngineChoice = "auto"
    random_state: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, known in _WORDS.items():
            if getattr(self, name) not in known:
                raise UsageError(f"{option(name)} is {getattr(self, name)!r}", mend=f"choose one of {', '.join(known)}")
        for name in (*_COUNTS, *_MAY_BE_NONE):
            value = getattr(self, name)
            if value is None and name in _MAY_BE_NONE:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UsageError(f"{option(name)} is {value!r}", mend="give a whole number of at least 1")
        if unknown := [name for name in self.calendar or () if name not in get_args(CalendarName)]:
            known_words = ", ".join(get_args(CalendarName))
            raise UsageError(f"{option('calendar')} has {unknown[0]!r} in it", mend=f"choose among {known_words}")
        edges = (0.0, *self.levels, 100.0)
        if any(low >= high for low, high in pairwise(edges)):
            raise UsageError(
                f"{option('levels')} are {self.levels!r}", mend="give rising percentages between 0 and 100"
            )
        if isinstance(self.validation, bool) or self.validation <= 0 or 1 <= self.validation != int(self.validation):
            mend = "give a share between 0 and 1, or a number of steps"
            raise UsageError(f"{option('validation')} is {self.validation!r}", mend=mend)
        if self.criterion.is_classification:
            raise UsageError(f"{option('loss')} is {self.loss!r}", mend="choose a loss of numbers")
        self._check_model()
        self.settings(0)
        self.regularization()

    def _check_model(self) -> None:
        loss = self.criterion.name
        counts = loss == "negative_binomial"
        if self.model == "direct":
            if counts:
                what = f"{option('loss', loss)} with {option('model', 'direct')}"
                raise UsageError(what, mend=f"use it with {option('model', 'autoregressive')}")
            return
        if loss not in ("gaussian", "student_t", "negative_binomial"):
            what = f"{option('loss', loss)} with {option('model', 'autoregressive')}, which draws numbers"
            raise UsageError(what, mend="choose gaussian, student_t or negative_binomial")
        if self.transform == "return":
            mend = f"use {option('transform', 'log')}: rises are what it forecasts"
            raise UsageError(f"{option('transform', 'return')} with {option('model', 'autoregressive')}", mend=mend)
        if self.segment not in (None, 1):
            raise UsageError(
                f"{option('segment')} is {self.segment}, and the model goes step by step", mend="leave it out"
            )
        if counts and (self.transform not in ("auto", "log1p") or self.scaling not in ("auto", "none")):
            what = (
                f"{option('transform', self.transform)}, {option('scaling', self.scaling)} with {option('loss', loss)}"
            )
            raise UsageError(what, mend="leave them out: counts are what they are")

    @property
    def criterion(self) -> Loss:
        """The loss, with what outputs mean."""
        name = self.loss or ("quantile" if self.model == "direct" else "student_t")
        if name != "quantile" or self.quantiles is not None:
            return Loss(name, self.quantiles or ())
        return Loss("quantile", tuple(sorted((0.5, *quantile_levels(self.levels)))))

    def settings(self, member: int) -> Settings:
        """How a member is trained."""
        names = {field.name for field in fields(Settings)} & vars(self).keys()
        same = {name: value for name in names if (value := getattr(self, name)) is not None or name in _OFF}
        # One thread unless the user says otherwise: see `tasks.fit_network.settings_of`.
        threads = 1 if self.threads is None else self.threads
        given = {"seed": self.random_state + member, "threads": threads, "bucket": False}
        criterion = self.criterion
        return Settings(**{**same, **given, "loss": criterion.name, "quantiles": criterion.quantiles})

    def regularization(self) -> Regularization:
        """What acts in training only."""
        return Regularization(
            input_dropout=self.input_dropout,
            dropout=self.dropout if self.num_layers > 1 else 0.0,
            recurrent_dropout=self.recurrent_dropout,
            head_dropout=self.dropout,
        )

    def for_series(self, series: Sequence[Series], frequency: Frequency, say: Callable[[str], None]) -> ForecastChoices:
        """What the series decide: season, context, segment, transform, scaling, calendar.

        Raises:
            UsageError: the context is not made of segments.
        """
        season = frequency.season if self.season is None else self.season
        segment = self.segment or (season if season >= _STEPS_A_SEGMENT and self.model == "direct" else 1)
        context = self.context_length or self._context(frequency, season, segment, min(each.known for each in series))
        if self.segment is None and context % segment:
            segment = 1
        if context % segment:
            mend = f"choose a {option('context_length')} that it divides"
            raise UsageError(f"{option('segment')} is {segment}, the context {context}", mend=mend)
        transform = self.transform
        counts = self.criterion.name == "negative_binomial"
        if transform == "auto" and counts:
            transform = "log1p"
        elif transform == "auto":
            transform = "log" if _grows(series, frequency) else "none"
            if transform == "log":
                say("transform: log, for all targets are positive and grow by shares of themselves")
        scaling = self.scaling
        if scaling == "auto":
            scaling = "none" if counts else "series" if transform == "none" else "all"
        timed = series[0].times.dtype.kind == "M"
        calendar = self.calendar if self.calendar is not None else usual_calendar(frequency) if timed else ()
        if self.context_length is None:
            say(f"context: {context} steps" + (f", {segment} at a time" if segment > 1 else ""))
        return replace(
            self,
            season=season,
            context_length=context,
            segment=segment,
            transform=transform,
            scaling=scaling,
            calendar=calendar,
        )

    def _context(self, frequency: Frequency, season: int, segment: int, shortest: int) -> int:
        """As much as usually helps, and leaves the shortest series half of its windows."""
        usual = _CONTEXTS.get(frequency.unit, max(min(_SEASONS * season, _LONGEST), 24))
        room = max((shortest - 2 * self.horizon) // 2, 1)
        return max(min(usual, room) // segment, 1) * segment

    def for_windows(self, count: int) -> ForecastChoices:
        """What the number of windows decides: the size of the network, the rate, how many epochs."""
        many = count >= _MANY
        epochs = 4 if many else min(max(_STEPS * self.batch_size // count, 4), 40)
        return replace(
            self,
            hidden_size=self.hidden_size or (64 if many else 32),
            learning_rate=self.learning_rate or (1e-3 if many else 3e-3),
            epochs=self.epochs or epochs,
        )

    def to_dict(self) -> dict[str, Any]:
        """All of them by name."""
        return asdict(self)


def _grows(series: Sequence[Series], frequency: Frequency) -> bool:
    """Whether logarithms are the natural numbers of these series."""
    found = []
    for each in series:
        targets = each.targets[: each.known]
        if not np.isfinite(targets).any() or np.nanmin(targets) <= 0:
            return False
        found.append(float(np.nanmax(np.nanmax(targets, axis=0) / np.nanmin(targets, axis=0))))
    return frequency.unit in _PRICED or float(np.median(found)) > _GROWN


def choose(**chosen: Any) -> ForecastChoices:
    """The default choices with others in their place; those that are None are the default ones.

    Raises:
        UsageError: an unknown option, or a value outside its range.

    >>> choose(horizon=12, cell=None).criterion.quantiles
    (0.025, 0.1, 0.5, 0.9, 0.975)
    """
    known = {field.name for field in fields(ForecastChoices)}
    if unknown := sorted(chosen.keys() - known):
        raise UsageError(f"there is no option {unknown[0]}", mend=f"known are {', '.join(sorted(known))}")
    given = {name: value for name, value in chosen.items() if value is not None}
    given |= {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return ForecastChoices(**given)
