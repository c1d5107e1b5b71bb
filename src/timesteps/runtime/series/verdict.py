"""The sentence that says how good forecasts are, beside the best baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["ForecastVerdict", "shown"]

_SAME = 0.005  # errors this near to each other, as a share, are the same to whoever reads them


@dataclass(frozen=True)
class ForecastVerdict:
    """A model beside the best baseline, in words.

    Args:
        name: of the model.
        metric: "MASE", or "MAE" where no series has a scale.
        value: of the model.
        baseline: name of the baseline that errs least; None without baselines.
        bar: its value.
        interval: of value - bar, 95 %; None where windows are too few to tell.

    >>> print(ForecastVerdict("LSTM", "MASE", 0.83, "seasonal naive", 1.02, (-0.3, -0.1)))
    LSTM: MASE 0.83, better than seasonal naive (1.02)
    >>> print(ForecastVerdict("LSTM", "MAE", 1.02, "last value", 1.0))
    LSTM does not beat last value, the random walk: MAE 1.02 vs 1.00
    """

    name: str
    metric: str
    value: float
    baseline: str | None = None
    bar: float = math.nan
    interval: tuple[float, float] | None = None

    @property
    def wins(self) -> bool:
        """Whether it errs less than every baseline, by more than half a percent."""
        return self.baseline is not None and self.value < self.bar * (1.0 - _SAME)

    @property
    def loses(self) -> bool:
        """Whether a baseline errs less, by more than half a percent."""
        return self.baseline is not None and self.value > self.bar * (1.0 + _SAME)

    @property
    def unsure(self) -> bool:
        """Whether the difference may be chance."""
        return self.interval is not None and self.interval[0] <= 0.0 <= self.interval[1]

    @property
    def headline(self) -> str:
        """The first line that a reader sees. It hides neither a loss nor a lead that may be chance."""
        ours, bar = shown(self.value, self.bar)
        if self.baseline is None:
            return f"{self.name}: {self.metric} {ours}"
        named = f"{self.baseline}, the random walk" if self.baseline == "last value" else self.baseline
        chance = ", which may be chance" if self.unsure and (self.wins or self.loses) else ""
        if self.wins:
            return f"{self.name}: {self.metric} {ours}, better than {self.baseline} ({bar}){chance}"
        if self.loses:
            return f"{self.name} does not beat {named}: {self.metric} {ours} vs {bar}{chance}"
        return f"{self.name} does not beat {named}, it equals it: {self.metric} {ours} vs {bar}"

    def __str__(self) -> str:
        return self.headline

    def to_dict(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {
            "headline": self.headline,
            "model": self.name,
            "metric": self.metric,
            "value": self.value,
            "baseline": self.baseline,
            "bar": None if self.baseline is None else self.bar,
            "beats": self.wins,
            "interval": None if self.interval is None else list(self.interval),
        }


def shown(*values: float) -> tuple[str, ...]:
    """Numbers side by side, with as many decimals as the least of them needs for two digits that count, two at least.

    >>> shown(0.83, 1.02), shown(0.00412, 0.0041)
    (('0.83', '1.02'), ('0.0041', '0.0041'))
    """
    finite = [abs(value) for value in values if math.isfinite(value) and value]
    decimals = max(2, 1 - math.floor(math.log10(min(finite)))) if finite else 2
    if max(finite, default=0.0) >= 1e7 or decimals > 8:
        return tuple(f"{value:.3g}" for value in values)
    return tuple(f"{value:,.{decimals}f}" for value in values)
