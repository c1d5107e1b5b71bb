"""The judgement of a run: its backtest on the steps kept from training, and `report.html`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from timesteps.errors import DataError
from timesteps.runtime.series.backtested import Backtest
from timesteps.tasks.forecast.baselines_classical import choose_classical
from timesteps.tasks.forecast.judging import judge_data, residuals_of
from timesteps.tasks.forecast.run import ForecastRun
from timesteps.training.report_forecast import ForecastReport, write_forecast_report
from timesteps.version import __version__

__all__ = ["REPORT", "judge_run"]

REPORT = "report.html"

Said = Callable[[str], None]


def judge_run(classical: str, say: Said, command: Sequence[str] = ()) -> Callable[[ForecastRun], dict[str, Any]]:
    """What `run` calls to judge its model on the steps that it kept from training; it leaves `report.html`.

    Args:
        classical: see `choose_classical`.
        say: hears what was left out.
        command: what was typed, for the report.

    Raises:
        UsageError: a classical baseline that is not known or not installed.
    """
    choose_classical(classical, 0)  # before the training rather than after it

    def judge(found: ForecastRun) -> dict[str, Any]:
        if all(end >= each.known for each, end in zip(found.data.series, found.test, strict=True)):
            return {"verdict": "Not judged: all steps were trained on."}

        try:
            result = judge_data(found.model, found.data, found.test, classical=classical, say=say)
        except DataError as error:
            return {"verdict": f"Not judged: {DataError(error.what, mend=error.mend)}."}
        for note in result.notes:
            say(note)
        residuals = residuals_of(found.model, found.data, found.test)
        report = report_of(found, result, shlex.join(command))
        write_forecast_report(found.folder / REPORT, ForecastReport(**report, residuals=residuals))
        verdict = f"{result.verdict.headline}. {result.detail}"
        return {"verdict": verdict, "table": result.lines(), "backtest": result.to_dict()}

    return judge


def report_of(found: ForecastRun, result: Backtest, command: str) -> dict[str, Any]:
    """The fields of `ForecastReport` that a run fills."""
    spec, figures, choices = found.model.forecasting, found.figures, found.choices
    history = found.fitted.histories[0]
    data = [
        ("source", found.data.source),
        ("SHA-256", found.data.sha256),
        ("series", f"{len(found.data.series):,}"),
        ("frequency", str(found.data.frequency)),
        ("targets", ", ".join(spec.targets)),
        ("past covariates", ", ".join(spec.past)),
        ("future covariates", ", ".join(spec.future)),
        ("static covariates", ", ".join(spec.static)),
        ("trained up to", spec.until),
        ("windows", f"{figures['train_windows']:,} to learn from, {figures['validation_windows']:,} to stop by"),
    ]
    shares = figures["share"]
    model = [
        ("network", f"{choices.num_layers} × {found.model.name}, {figures['parameters']:,} parameters"),
        ("reads", f"{spec.context:,} steps, {spec.segment} at a time"),
        ("transform", spec.transform),
        ("base", f"{spec.base}: what the network corrects"),
        ("share", f"{shares[0]:.2f} of its correction is taken at the first step, {shares[-1]:.2f} at the last"),
        ("engine", str(figures["engine"])),
    ]
    return {
        "title": f"Forecasts of {', '.join(spec.targets[:4])}{', …' if len(spec.targets) > 4 else ''}",
        "source": Path(found.data.source).name,
        "backtest": result,
        "curves": {
            "training": [row["loss"] for row in history.rows if "loss" in row],
            "validation": [row["val_loss"] for row in history.rows if "val_loss" in row],
        },
        "best_epoch": None if history.best_epoch is None else history.best_epoch + 1,
        "data": data,
        "model": model,
        "settings": _settings(choices.to_dict()),
        "command": command,
        "written": f"timesteps {__version__}",
    }


def _settings(choices: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, value in choices.items():
        if value is not None:
            listed = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            found.append((name.replace("_", " "), listed))
    return found
