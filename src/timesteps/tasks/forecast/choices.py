"""What can be chosen about a forecaster, checked when it is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, Literal, get_args

from timesteps.errors import UsageError, option
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.series.frequency import Frequency
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
    "transform": get_args(TransformName),
    "scaling": get_args(ScalingName),
    "centre": get_args(CentreName),
    "conformal": ("symmetric", "asymmetric", "none"),
}
_COUNTS = ("horizon", "hidden_size", "num_layers", "members")
_MAY_BE_NONE = ("context_length", "season", "segment", "max_windows")


@dataclass(frozen=True)
class ForecastChoices:
    """One complete set of choices.

    Args:
        horizon: steps to forecast.
        context_length: steps that the network reads before; None: four seasons, at least the horizon and 24.
        season: steps of a season; None: the frequency's.
        segment: steps that the network reads at a time; None: a season where the context has four of them or more and
            nothing else, otherwise 1.
        model: direct, all steps of the horizon at once; or autoregressive, step by step, by sampled paths.
        cell, hidden_size, num_layers: the recurrent layers. `members` networks answer together by their mean.
        loss, quantiles: what is learned; see `timesteps.runtime.losses`.
        base: what the network corrects; see `timesteps.runtime.forecast.base`. auto: which of the last value, the
            seasonal one and the drift is best on the validation windows.
        transform, scaling, centre: see `timesteps.runtime.forecast.scaling`.
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
    hidden_size: int = 64
    num_layers: int = 1
    members: int = 1
    loss: LossName = "mae"
    quantiles: tuple[float, ...] = ()
    base: BaseName | Literal["auto"] = "auto"
    transform: TransformName = "none"
    scaling: ScalingName = "series"
    centre: CentreName = "last"
    calendar: tuple[CalendarName, ...] | None = None
    independent: bool = True
    levels: tuple[float, ...] = (50.0, 80.0, 90.0, 95.0)
    conformal: Literal["symmetric", "asymmetric", "none"] = "symmetric"
    validation: float = 0.15
    max_windows: int | None = 200_000
    dropout: float = 0.1
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    epochs: int = 20
    batch_size: int = 64
    optimizer: OptimizerName = "adam"
    learning_rate: float = 1e-3
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
        self.settings(0)
        self.regularization()

    @property
    def criterion(self) -> Any:
        """The loss, with what outputs mean."""
        return self.settings(0).criterion

    def settings(self, member: int) -> Settings:
        """How a member is trained."""
        same = {field.name: getattr(self, field.name) for field in fields(Settings) if hasattr(self, field.name)}
        # One thread unless the user says otherwise: see `tasks.fit_network.settings_of`.
        threads = 1 if self.threads is None else self.threads
        return Settings(**{**same, "seed": self.random_state + member, "threads": threads, "bucket": False})

    def regularization(self) -> Regularization:
        """What acts in training only."""
        return Regularization(
            input_dropout=self.input_dropout,
            dropout=self.dropout if self.num_layers > 1 else 0.0,
            recurrent_dropout=self.recurrent_dropout,
            head_dropout=self.dropout,
        )

    def season_of(self, frequency: Frequency) -> int:
        """Steps of the season."""
        return frequency.season if self.season is None else self.season

    def context_of(self, frequency: Frequency) -> int:
        """Steps that the network reads."""
        if self.context_length is not None:
            return self.context_length
        return max(4 * self.season_of(frequency), self.horizon, 24)

    def segment_of(self, frequency: Frequency) -> int:
        """Steps that it reads at a time.

        Raises:
            UsageError: the context is not made of them.
        """
        season, context = self.season_of(frequency), self.context_of(frequency)
        if self.segment is None:
            return season if self.model == "direct" and context % season == 0 and context >= 4 * season else 1
        if context % self.segment:
            mend = f"choose a {option('context_length')} that it divides"
            raise UsageError(f"{option('segment')} is {self.segment}, the context {context}", mend=mend)
        return self.segment

    def to_dict(self) -> dict[str, Any]:
        """All of them by name."""
        return asdict(self)


def choose(**chosen: Any) -> ForecastChoices:
    """The default choices with others in their place; those that are None are the default ones.

    Raises:
        UsageError: an unknown option, or a value outside its range.

    >>> choose(horizon=12, cell=None).cell
    'gru'
    """
    known = {field.name for field in fields(ForecastChoices)}
    if unknown := sorted(chosen.keys() - known):
        raise UsageError(f"there is no option {unknown[0]}", mend=f"known are {', '.join(sorted(known))}")
    given = {name: value for name, value in chosen.items() if value is not None}
    given |= {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return ForecastChoices(**given)
