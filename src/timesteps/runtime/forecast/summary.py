"""What a forecaster reads and says, for `timesteps info`."""

from __future__ import annotations

from typing import Any

import msgspec

from timesteps.runtime.forecast.forecaster import TrainedForecaster
from timesteps.runtime.forecast.windows import feature_names

__all__ = ["forecast_lines", "forecast_summary"]

_NAMES = 8  # of columns or features that a line tells


def forecast_lines(model: TrainedForecaster) -> list[str]:
    """A few lines: columns, frequency, context and horizon, what stands around the network, what training has seen."""
    spec, share = model.forecasting, model.tensors["forecast.share"].mean(axis=1)
    kinds = {"past": spec.past, "future": spec.future, "static": spec.static}
    others = [f"{kind} {_told(names)}" for kind, names in kinds.items() if names]
    features = feature_names(spec)
    levels = ", ".join(f"{level:g} %" for level in spec.levels) or "none"
    segments = f", {spec.segment} at a time" if spec.segment > 1 else ""
    return [
        f"Forecasts {_told(spec.targets)}, {model.frequency}, {spec.horizon} steps ({spec.model})",
        f"From {spec.context} steps{segments}; season {spec.season}",
        f"{len(features)} features a step: {_told(features)}",
        *([f"Covariates: {'; '.join(others)}"] if others else []),
        f"Transform {spec.transform}, scale {spec.scaling}, base {spec.base}; of the way from there to the network "
        f"{share[0]:.2f} at step 1, {share[-1]:.2f} at step {spec.horizon}",
        f"Intervals: {levels}",
        f"Trained up to {spec.until}",
    ]


def forecast_summary(model: TrainedForecaster) -> dict[str, Any]:
    """The same as plain values for --json."""
    found: dict[str, Any] = msgspec.to_builtins(model.forecasting)
    return found | {"features": feature_names(model.forecasting), "share": model.tensors["forecast.share"].tolist()}


def _told(names: tuple[str, ...] | list[str]) -> str:
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {more} more" if more > 0 else "")
