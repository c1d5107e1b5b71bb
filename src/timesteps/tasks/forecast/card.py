"""The card of a forecaster: what it is, what it was trained on, what it is worth, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from timesteps.runtime.spec import ModelSpec
from timesteps.training.callbacks import History

__all__ = ["card"]


def card(figures: Mapping[str, Any], spec: ModelSpec, histories: Sequence[History]) -> str:
    """The card's text. `figures` may hold `verdict`, the first line of a backtest, and `table`, its lines."""
    forecast = spec.forecast
    assert forecast is not None
    layers = spec.network.layers
    steps = f"{forecast.every} × {forecast.unit}" if forecast.every > 1 else forecast.unit
    lines = [
        f"# Forecaster: {', '.join(forecast.targets)}",
        "",
        *([str(figures["verdict"]), ""] if "verdict" in figures else []),
        f"{len(layers)} {layers[0].cell.upper()} layers of {layers[0].hidden_size} units, "
        f"{figures['parameters']} parameters, that read {forecast.context} steps ({steps}) and forecast "
        f"{forecast.horizon}.",
        f"Trained on {figures['series']} series of {figures['data']} up to {forecast.until}: "
        f"{figures['train_windows']} windows, and {figures['validation_windows']} later ones to stop by, to choose the "
        f"base by and to fit shares and intervals on ({figures['engine']} engine, {figures['seconds']:.1f} s).",
        "",
        "## How it forecasts",
        "",
        f"- base: {forecast.base}, season of {forecast.season} steps",
        f"- of the way from there to the network, by step: {_ends(figures['share'])}",
        f"- transform: {forecast.transform}; scale: {forecast.scaling}; read around: {forecast.centre}",
        f"- intervals: {', '.join(f'{level:g} %' for level in forecast.levels) or 'none'}, calibrated on the "
        "validation windows; they hold what they promise as far as times to come are like those",
        f"- a step of the network has {len(figures['features'])} features",
    ]
    if "table" in figures:
        lines += ["", "## Backtest", "", "```", *figures["table"], "```"]
    lines += ["", "## Epochs", "", "| member | epoch | rate | training | validation |", "|-|-|-|-|-|"]
    for member, history in enumerate(histories):
        for row in history.rows:
            kept = " (kept)" if history.best_epoch is not None and row["epoch"] == history.best_epoch + 1 else ""
            lines.append(
                f"| {member + 1} | {int(row['epoch'])} | {row['learning_rate']:.2g} | {row['loss']:.4f} "
                f"| {row['val_loss']:.4f}{kept} |"
            )
    lines += ["", "Losses are of scaled numbers.", "", "## Choices", ""]
    lines += [f"- {name}: {value}" for name, value in spec.training.items() if value is not None]
    return "\n".join(lines) + "\n"


def _ends(shares: Sequence[float]) -> str:
    if len(shares) == 1:
        return f"{shares[0]:.2f}"
    return (
        f"{shares[0]:.2f} at 1, {shares[len(shares) // 2]:.2f} at {len(shares) // 2 + 1}, {shares[-1]:.2f} at the last"
    )
