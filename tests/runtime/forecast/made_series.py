"""Series and untrained forecasters for the tests of forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np

from timesteps.runtime.forecast.forecaster import TrainedForecaster
from timesteps.runtime.forecast.panel import Panel
from timesteps.runtime.forecast.windows import feature_names
from timesteps.runtime.layout import model_tensors
from timesteps.runtime.losses import Loss
from timesteps.runtime.series.series import Series
from timesteps.runtime.spec import ForecastSpec, LayerSpec, ModelSpec, NetworkSpec, NumericSpec, TargetSpec

START = np.datetime64("2024-01-01T00:00", "us")


def made(steps: int = 90, ahead: int = 6, seed: int = 0, name: str | None = "a", holes: float = 0.0) -> Series:
    """Two positive targets, a past and two future covariates, a number and a word; `ahead` rows of the time to come."""
    random = np.random.default_rng(seed)
    whole = steps + ahead
    targets = np.exp(random.normal(size=(whole, 2)).cumsum(axis=0) * 0.1) * (seed + 1)
    targets[steps:] = np.nan
    past, future = random.normal(size=(whole, 1)), random.normal(size=(whole, 2))
    past[steps:] = np.nan
    if holes:
        targets[random.random(targets.shape) < holes] = np.nan
        targets[steps - 1] = 1.5
        past[random.random(past.shape) < holes] = np.nan
    times = START + np.arange(whole) * np.timedelta64(1, "h")
    return Series(name, times, targets, past, future, (3.0 + seed, "xy"[seed % 2]))


def spec_of(**changes: Any) -> ForecastSpec:
    """A specification for `made`."""
    values: dict[str, Any] = {
        "horizon": 6,
        "context": 8,
        "season": 4,
        "time": "t",
        "group": "g",
        "targets": ("u", "v"),
        "past": ("p",),
        "future": ("q", "r"),
        "static": ("n", "w"),
        "vocabularies": ((), ("x", "y")),
        "unit": "hour",
        "calendar": ("hour",),
        "levels": (80.0, 95.0),
    }
    values |= changes
    if values.get("missing"):
        values |= {"means": (0.0, 0.0, 0.0), "rates": (0.1, 0.2, 0.3, 0.4, 0.5)}
    return ForecastSpec(**values)


def model_of(forecast: ForecastSpec, loss: str = "gaussian", members: int = 1, seed: int = 0) -> TrainedForecaster:
    """An untrained network with everything around it."""
    random = np.random.default_rng(seed)
    width = len(feature_names(forecast))
    criterion = Loss(loss, (0.1, 0.5, 0.9) if loss == "quantile" else ())  # type: ignore[arg-type]
    direct = forecast.model == "direct"
    shape = (forecast.horizon, forecast.width) if direct else (forecast.width,)
    targets = TargetSpec(loss=criterion.name, quantiles=criterion.quantiles, shape=shape)
    network = NetworkSpec(
        input="numeric",
        input_size=width,
        layers=(LayerSpec(cell="gru", input_size=width, hidden_size=5),),
        pool="last" if direct else "none",
        outputs=criterion.outputs(targets.size),
    )
    spec = ModelSpec(
        task="forecast",
        classes=(),
        targets=targets,
        forecast=forecast,
        numeric=NumericSpec(features=width),
        network=network,
        members=members,
    )
    tensors = {}
    for name, (dtypes, shape) in model_tensors(spec).items():
        drawn = random.uniform(0.1, 0.9, shape) if name.startswith(("forecast", "target", "scaler")) else None
        tensors[name] = (random.normal(0, 0.3, shape) if drawn is None else drawn).astype(dtypes[0])
    return TrainedForecaster(spec, tensors)


def panel_of(spec: ForecastSpec, *series: Series, **others: Any) -> Panel:
    """A panel with room for the horizon."""
    return Panel.of(spec, series, ahead=spec.horizon, **others)
