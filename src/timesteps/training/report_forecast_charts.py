"""Charts of forecasts: fans against the truth, errors by step and by window, coverage, and what is left in the errors.

Lines are told apart by their dashes and bands by their shade, so that a page without colours says the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.series.backtested import Autocorrelation, Window
from timesteps.runtime.series.times import times_text
from timesteps.training.report_charts import Axes, clean, label, svg, ticks

__all__ = ["CHART_STYLE", "Curve", "autocorrelation_chart", "coverage_chart", "curve_chart", "fan_chart"]

Array = NDArray[np.float64]

_MOST_TIMES = 4  # tick labels of a time axis
_DOTS = 40  # points of the truth that are drawn one by one

CHART_STYLE = """
.chart .band { fill: var(--a); fill-opacity: 0.16; stroke: none; }
.chart .line.truth { stroke: var(--ink); stroke-width: 1.2; }
.chart .line.fan { stroke: var(--a); stroke-width: 3; stroke-opacity: 0.85; }
.chart .line.c { stroke: var(--muted); stroke-dasharray: 1.5 4; }
.chart .dot.truth { fill: var(--ink); stroke: none; } .chart .dot.c { fill: var(--muted); }
.chart .now { stroke: var(--muted); stroke-width: 1; }
.chart .stem { stroke: var(--a); stroke-width: 2; }
.chart .noise { fill: var(--muted); fill-opacity: 0.14; }
.key { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 8px 0 0; font-size: 13.5px; color: var(--muted); }
.key svg.chart { display: inline-block; width: 30px; height: 10px; vertical-align: middle; margin-right: 7px; }
"""


@dataclass(frozen=True)
class Curve:
    """A named line; `style` is "a" (solid), "b" (dashed) or "c" (dotted)."""

    name: str
    style: str
    values: Sequence[float]


def fan_chart(name: str, title: str, window: Window, target: int, unit: str, baseline: int | None = None) -> str:
    """The past, what came, the first model's forecast with its intervals, and a baseline's, of one target.

    Args:
        name: unique on the page.
        title: of the chart.
        window: to be drawn.
        target: number of the target.
        unit: label of the y axis.
        baseline: number of the model that is drawn dashed.
    """
    ours = window.forecasts[0]
    past, truth = window.past[:, target], window.truth[:, target]
    C, H = len(past), len(truth)
    ahead = np.arange(C, C + H)
    drawn = [past, truth, ours.mean[:, target], ours.lower[..., target].ravel(), ours.upper[..., target].ravel()]
    bar = None if baseline is None else window.forecasts[baseline].mean[:, target]
    y_range = _range(np.concatenate([*drawn, *([] if bar is None else [bar])]))
    axes = Axes((0.0, float(max(C + H - 1, 1))), y_range)
    parts = [_frame(axes, y_range, "time", unit, _places(times_text(np.concatenate([window.times, ours.times[:H]]))))]
    for lower, upper in zip(ours.lower[::-1], ours.upper[::-1], strict=True):  # the widest first
        edge = [*zip(ahead, lower[:, target], strict=True), *zip(ahead[::-1], upper[::-1, target], strict=True)]
        if all(math.isfinite(y) for _, y in edge):
            parts.append(f'<polygon class="band" points="{_points(axes, edge)}"/>')
    at = axes.x(C - 0.5)
    parts.append(f'<line class="now" x1="{at:.1f}" x2="{at:.1f}" y1="14" y2="{axes.bottom}"/>')
    parts += _line(axes, "fan", ahead, ours.mean[:, target])
    if bar is not None:
        parts += _line(axes, "b", ahead, bar)
    parts += _line(axes, "truth", np.arange(C), past)
    parts += _line(axes, "truth", ahead, truth, dots=H <= _DOTS)
    off = np.abs(truth - ours.mean[:, target])
    said = (
        f"{H} steps after {C} of the past; mean absolute error {np.nanmean(off):.4g}" if (~np.isnan(off)).any() else ""
    )
    return svg(name, title, said, "".join(parts))


def curve_chart(
    name: str,
    title: str,
    curves: Sequence[Curve],
    x_label: str,
    y_label: str,
    texts: Sequence[str] = (),
) -> str:
    """Lines over the numbers 1, 2, …, or over places that have `texts` for labels."""
    found = [value for curve in curves for value in curve.values if math.isfinite(value)]
    if not found:
        return ""
    low, high = 1.0, float(max(len(curve.values) for curve in curves))
    y_range = _range(np.array([0.0, *found]) if min(found) >= 0 else np.array(found))
    axes = Axes((low, high) if high > low else (low - 1, high + 1), y_range)
    numbers = [(mark, f"{mark:g}") for mark in ticks(low, high, 8, whole=True)]
    marks = [(place + 1, text) for place, text in _places(texts)] if texts else numbers
    parts = [_frame(axes, y_range, x_label, y_label, marks)]
    said = []
    for curve in reversed(curves):
        values = np.asarray(curve.values, np.float64)
        parts += _line(axes, curve.style, np.arange(1, len(values) + 1), values, dots=len(values) <= 12)
        ends = values[np.isfinite(values)]
        if len(ends):
            said.append(f"{curve.name}: {ends[0]:.4g} at the first, {ends[-1]:.4g} at the last")
    return svg(name, title, f"{y_label} by {x_label}. " + "; ".join(reversed(said)), "".join(parts))


def coverage_chart(name: str, title: str, curves: Sequence[tuple[str, str, Sequence[tuple[float, float]]]]) -> str:
    """Share of the targets inside, against what the level claims: (model, style, (level, coverage) …)."""
    seen = [value for _, _, points in curves for pair in points for value in pair]
    low = max(0.0, 10 * math.floor(min(seen) / 10 - 0.5)) if seen else 0.0
    axes = Axes((low, 100.0), (low, 100.0))
    marks = ticks(low, 100, 6)
    parts = [axes.draw("level of the interval, %", "targets inside, %", marks, marks, "{:g}")]
    ends = f'x1="{axes.x(low):.1f}" y1="{axes.y(low):.1f}" x2="{axes.x(100):.1f}" y2="{axes.y(100):.1f}"'
    parts.append(f'<line class="mark" {ends}/>')
    said = []
    for model, style, points in reversed(curves):
        parts += _line(axes, style, [level for level, _ in points], [share for _, share in points], dots=True)
        said.append(f"{model}: " + ", ".join(f"{share:.0f} % in those of {level:g} %" for level, share in points))
    return svg(name, title, "; ".join(reversed(said)) + ".", "".join(parts))


def autocorrelation_chart(name: str, title: str, found: Autocorrelation) -> str:
    """A stem a lag, on the band that 95 of 100 stay in where nothing is left."""
    high = max(0.3, 1.15 * max(abs(value) for value in (*found.values, found.band)))
    lags = len(found.values)
    axes = Axes((0.0, lags + 0.5), (-high, high))
    parts = [axes.draw("lag, steps", "autocorrelation", ticks(1, lags, 8, whole=True), ticks(-high, high, 5), "{:g}")]
    top, bottom = axes.y(found.band), axes.y(-found.band)
    parts.append(
        f'<rect class="noise" x="{axes.x(0):.1f}" y="{top:.1f}" width="{axes.right - axes.x(0):.1f}" '
        f'height="{bottom - top:.1f}"/>'
    )
    parts.append(
        f'<line class="axis" x1="{axes.x(0):.1f}" x2="{axes.right}" y1="{axes.y(0):.1f}" y2="{axes.y(0):.1f}"/>'
    )
    for lag, value in enumerate(found.values, 1):
        x = axes.x(lag)
        parts.append(f'<line class="stem" x1="{x:.1f}" x2="{x:.1f}" y1="{axes.y(0):.1f}" y2="{axes.y(value):.1f}"/>')
        parts.append(f'<circle class="dot a" cx="{x:.1f}" cy="{axes.y(value):.1f}" r="3"/>')
    outside = sum(abs(value) > found.band for value in found.values)
    return svg(name, title, f"{outside} of {lags} lags are outside ±{found.band:.2f}.", "".join(parts))


def key(curves: Sequence[tuple[str, str]]) -> str:
    """What the lines of a chart are: (style, name) pairs, as HTML."""
    box = '<svg class="chart" viewBox="0 0 30 10" aria-hidden="true"><line x1="0" x2="30" y1="5" y2="5" class="line '
    items = "".join(f'<span>{box}{style}"/></svg>{clean(name)}</span>' for style, name in curves)
    return f'<p class="key">{items}</p>'


def _frame(
    axes: Axes, y_range: tuple[float, float], x_label: str, y_label: str, marks: Sequence[tuple[float, str]]
) -> str:
    """Axes with a text at each mark of x, which may be a time."""
    parts = [axes.draw(x_label, y_label, [], ticks(*y_range), "{:,.6g}")]
    for place, text in marks:
        at = axes.x(place)
        parts.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{axes.bottom}" y2="{axes.bottom + 4}"/>')
        parts.append(label(at, axes.bottom + 18, text, "tick"))
    return "".join(parts)


def _places(texts: Sequence[str]) -> list[tuple[float, str]]:
    """A few of the texts with their places, none so near to an end that it would stick out."""
    n = len(texts)
    most = min(_MOST_TIMES, n) if n and len(texts[0]) <= 10 else min(3, n)
    inset = 0.5 / max(most, 1)
    places = sorted({round((inset + number / most) * (n - 1)) for number in range(most)})
    return [(float(place), texts[place]) for place in places]


def _range(values: Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    spread = (high - low) or abs(high) * 0.1 or 1.0
    return (low - 0.06 * spread if low else 0.0), high + 0.06 * spread


def _points(axes: Axes, points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{axes.x(float(x)):.1f},{axes.y(float(y)):.1f}" for x, y in points)


def _line(
    axes: Axes, style: str, xs: Sequence[float] | NDArray[np.generic], ys: Sequence[float] | Array, dots: bool = False
) -> list[str]:
    """A line through the numbers that are there, interrupted where one is missing."""
    parts, run = [], []
    for x, y in [*zip(list(xs), list(ys), strict=True), (math.nan, math.nan)]:
        if math.isfinite(y):
            run.append((float(x), float(y)))
        else:
            if len(run) > 1:
                parts.append(f'<polyline class="line {style}" points="{_points(axes, run)}"/>')
            if dots or len(run) == 1:
                size = 2.2 if style == "truth" else 3
                parts += [
                    f'<circle class="dot {style}" cx="{axes.x(a):.1f}" cy="{axes.y(b):.1f}" r="{size}"/>'
                    for a, b in run
                ]
            run = []
    return parts
