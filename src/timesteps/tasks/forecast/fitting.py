"""From series to a trained forecaster: the network, then what the validation windows say of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.forecast.forecaster import TrainedForecaster
from timesteps.runtime.forecast.stepped import learned_of
from timesteps.runtime.forecast.windows import feature_names
from timesteps.runtime.layout import forecast_tensors, member_prefix
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns, Series
from timesteps.runtime.spec import Golden, ModelSpec, NetworkSpec, NumericSpec, TargetSpec
from timesteps.tasks.fit_network import arrays_of, untrained
from timesteps.tasks.forecast.calibrating import calibrated
from timesteps.tasks.forecast.choices import ForecastChoices
from timesteps.tasks.forecast.examples import WindowExamples, in_memory
from timesteps.tasks.forecast.preparing import Prepared, plain, prepare
from timesteps.tasks.learned_input import layers
from timesteps.training.callbacks import History
from timesteps.training.engines.choice import choose as choose_engine
from timesteps.training.examples import Examples, StoredExamples
from timesteps.training.loop import train
from timesteps.training.progress import Progress

__all__ = ["Fitted", "fit_series"]

_GOLDEN = 2  # windows that the model file holds with their outputs
_MEASURED = 1 << 25  # bytes of the validation windows that every epoch is measured on, at most


@dataclass(frozen=True)
class Fitted:
    """A trained forecaster.

    Args:
        model: ready to forecast.
        histories: one a member; losses are of the corrections, in units of the windows' scales.
        figures: what is worth telling: windows, base, shares, engine.
    """

    model: TrainedForecaster
    histories: list[History]
    figures: dict[str, Any]


def fit_series(
    series: Sequence[Series],
    columns: Columns,
    frequency: Frequency,
    choices: ForecastChoices,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Fitted:
    """Train on series and calibrate on the ends of them.

    Args:
        series: what is known; every number of them may be learned from.
        columns, frequency: of the series.
        choices: how.
        folder: where checkpoints are kept (`member-<k>/` of several members), and `resume` goes on from them.
        progress: what to show; `say` hears what was found and chosen.

    Raises:
        DataError: series that cannot be learned from; the message names the series.
        UsageError: choices that do not fit the series.
        NonFiniteError: training diverged; says where.
    """
    say = say or _silent
    prepared, choices = prepare(series, columns, frequency, choices, say)
    spec = model_spec(prepared, choices)
    tensors = _around(prepared)
    examples, measured = _examples(prepared, choices)
    say(
        f"{len(prepared.panel.starts)} series, {len(prepared.train.origins)} windows to train on, "
        f"{len(prepared.valid.origins)} to validate on, {len(feature_names(prepared.spec))} features a step"
    )
    histories = []
    for member in range(choices.members):
        if progress is not None and choices.members > 1:
            progress.member(member + 1, choices.members)
        settings = choices.settings(member)
        network = untrained(spec.network, choices.regularization(), settings)
        if not member:
            say(f"engine: {choose_engine(network, settings)}")
        place = folder if folder is None or choices.members == 1 else folder / f"member-{member}"
        history = train(network, examples, measured, settings, folder=place, resume=resume, progress=progress)
        prefix = member_prefix(spec, member)
        tensors |= {prefix + name: array for name, array in arrays_of(network).items()}
        histories.append(history)
    model = _calibrated(spec, tensors, prepared, choices)
    share = model.tensors["forecast.share"]
    say(f"share of the network's correction that is taken, by step: {_told(share.mean(axis=1))}")
    figures = {
        "engine": histories[0].engine.name if histories[0].engine is not None else None,
        "series": len(prepared.panel.starts),
        "train_windows": len(prepared.train.origins),
        "validation_windows": len(prepared.valid.origins),
        "features": feature_names(prepared.spec),
        "context": prepared.spec.context,
        "horizon": prepared.spec.horizon,
        "base": prepared.spec.base,
        "share": share.mean(axis=1).tolist(),
        "parameters": sum(array.size for name, array in tensors.items() if "rnn." in name or "head." in name),
        "epochs": [len(history.rows) for history in histories],
        "best_epoch": [None if h.best_epoch is None else h.best_epoch + 1 for h in histories],
    }
    return Fitted(model, histories, figures)


def model_spec(prepared: Prepared, choices: ForecastChoices) -> ModelSpec:
    """The model, before calibration."""
    assert choices.hidden_size is not None
    spec, loss, width = prepared.spec, choices.criterion, len(feature_names(prepared.spec))
    shape = (spec.horizon, spec.width) if spec.model == "direct" else (spec.width,)
    targets = TargetSpec(loss=loss.name, quantiles=loss.quantiles, shape=shape)
    network = NetworkSpec(
        input="numeric",
        input_size=width,
        layers=layers(width, choices.cell, choices.hidden_size, choices.num_layers, False),
        pool="last" if spec.model == "direct" else "none",
        outputs=loss.outputs(targets.size),
    )
    return ModelSpec(
        task="forecast",
        classes=(),
        targets=targets,
        forecast=spec,
        numeric=NumericSpec(features=width),
        network=network,
        members=choices.members,
        training=plain(choices.to_dict()),
    )


def _around(prepared: Prepared) -> dict[str, NDArray[Any]]:
    """The tensors around the network: its scaler, and a calibration that changes nothing."""
    spec = prepared.spec
    found: dict[str, NDArray[Any]] = {
        "scaler.mean": prepared.mean,
        "scaler.scale": prepared.scale,
        "target.mean": np.zeros(spec.width),
        "target.scale": prepared.unit,
    }
    found |= {name: np.zeros(shape) for name, shape in forecast_tensors(spec).items()}
    found["forecast.share"] = np.ones_like(found["forecast.share"])
    if spec.scaling in ("series", "all"):
        for number, name in enumerate(spec.series or ("",)):
            found["forecast.centre"][number], found["forecast.scale"][number] = prepared.scales[name]
    return found


def _examples(prepared: Prepared, choices: ForecastChoices) -> tuple[Examples | StoredExamples, Examples]:
    """The windows to train on, and those that every epoch is measured on."""
    scaler, loss = (prepared.mean, prepared.scale, prepared.unit), choices.criterion.name
    train_rows, valid_rows = (
        WindowExamples(prepared.spec, loss, prepared.panel, rows, *scaler) for rows in (prepared.train, prepared.valid)
    )
    most = max(1, _MEASURED * len(valid_rows) // (valid_rows.steps * valid_rows.step_bytes))
    some = np.unique(np.linspace(0, len(valid_rows) - 1, min(len(valid_rows), most)).round().astype(np.int64))
    return in_memory(train_rows), valid_rows.take(some)


def _calibrated(
    spec: ModelSpec, tensors: dict[str, NDArray[Any]], prepared: Prepared, choices: ForecastChoices
) -> TrainedForecaster:
    """The model with its shares and widths, and golden vectors."""
    model = TrainedForecaster(spec, tensors)
    windows, answer = model.answers(prepared.panel, prepared.valid)
    absolute = choices.criterion.name not in ("mse", "gaussian")
    tensors |= calibrated(
        prepared.spec,
        answer,
        windows.base,
        windows.targets,
        prepared.valid.columns,
        absolute=absolute,
        conformal=choices.conformal,
    )
    some = prepared.valid.take(slice(0, _GOLDEN))
    features = learned_of(prepared.spec, choices.criterion.name, prepared.panel, some).features
    outputs = model.outputs(features).reshape(len(features), -1).tolist()
    golden = tuple(
        Golden(input=tuple(map(tuple, row)), logits=tuple(logits))
        for row, logits in zip(features.astype(np.float64).tolist(), outputs, strict=True)
    )
    return TrainedForecaster(msgspec.structs.replace(spec, golden=golden), tensors)


def _told(shares: NDArray[np.float64]) -> str:
    steps = np.unique(np.linspace(0, len(shares) - 1, min(len(shares), 5)).round().astype(int))
    return ", ".join(f"{shares[step]:.2f} at {step + 1}" for step in steps.tolist())


def _silent(_: str) -> None:
    """Nobody listens."""
