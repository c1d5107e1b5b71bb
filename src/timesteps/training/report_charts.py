"""Charts as inline SVG, drawn for a page whose style sheet holds the colours."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

__all__ = ["Line", "clean", "histogram", "line_chart", "reliability_chart", "svg", "ticks"]

W, H = 460, 290  # of a chart, in its own units; 12 of them are the height of a letter
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 14, 46
_MOST_POINTS = 400  # of a line: more cannot be told apart
_MOST_DOTS = 30


@dataclass(frozen=True)
class Line:
    """A named line; `members` are (x, y) of the runs that it stands for. `style` is "a" or "b" (colour and dashes)."""

    name: str
    style: str
    members: Sequence[tuple[Sequence[float], Sequence[float]]]


def clean(text: str) -> str:
    """Text as it may stand in HTML and SVG: escaped; characters that no page may hold are replaced.

    >>> clean('<b>\\x00&"')
    '&lt;b&gt;\\ufffd&amp;&quot;'
    """
    safe = "".join(
        "\ufffd" if unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\t\n\r" else letter
        for letter in text
    )
    return escape(safe, quote=True)


def ticks(low: float, high: float, most: int = 6, whole: bool = False) -> list[float]:
    """At most `most` round numbers (1, 2 or 5 times a power of ten apart) in [low, high].

    >>> ticks(0.0, 1.0), ticks(1, 3, whole=True)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [1.0, 2.0, 3.0])
    """
    if not high > low:
        return [low]
    exponent = math.floor(math.log10((high - low) / most))
    steps = [factor * 10.0**power for power in (exponent, exponent + 1) for factor in (1, 2, 5)]
    widest = 10.0 ** (exponent + 2)
    for step in [step for step in steps if not whole or step >= 1] + [max(widest, 1.0) if whole else widest]:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def svg(name: str, title: str, description: str, body: str, width: float = W, height: float = H) -> str:
    """A chart with its accessible name and description. `name` is unique on the page."""
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{clean(title)}</title><desc id="{name}-d">{clean(description)}</desc>{body}</svg>'
    )


def label(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    """Text in a chart."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{clean(text)}</text>'


class Axes:
    """A frame with ticks; `x` and `y` turn values into places."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float], right: float = _RIGHT) -> None:
        (x0, x1), (y0, y1) = x_range, y_range
        self.right, self.bottom = W - right, H - _BOTTOM
        self.x: Callable[[float], float] = lambda v: _LEFT + (v - x0) / (x1 - x0) * (self.right - _LEFT)
        self.y: Callable[[float], float] = lambda v: self.bottom - (v - y0) / (y1 - y0) * (self.bottom - _TOP)

    def draw(
        self,
        x_label: str,
        y_label: str,
        x_ticks: Sequence[float],
        y_ticks: Sequence[float],
        y_form: str,
    ) -> str:
        """Grid, tick labels and axis labels; `y_form` formats a tick, for example "{:g}"."""
        parts = []
        for value in y_ticks:
            at = self.y(value)
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{self.right}" y1="{at:.1f}" y2="{at:.1f}"/>')
            parts.append(label(_LEFT - 7, at + 4, y_form.format(value), "tick", "end"))
        for value in x_ticks:
            at = self.x(value)
            parts.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{self.bottom}" y2="{self.bottom + 4}"/>')
            parts.append(label(at, self.bottom + 18, f"{value:,.10g}", "tick"))
        parts.append(f'<line class="axis" x1="{_LEFT}" x2="{self.right}" y1="{self.bottom}" y2="{self.bottom}"/>')
        parts.append(label((_LEFT + self.right) / 2, H - 6, x_label, "name"))
        middle = (_TOP + self.bottom) / 2
        parts.append(f'<text class="name" text-anchor="middle" transform="translate(11 {middle:g}) rotate(-90)">')
        parts.append(f"{clean(y_label)}</text>")
        return "".join(parts)


def line_chart(
    name: str, title: str, lines: Sequence[Line], x_label: str, y_label: str, *, share: bool, best: float | None = None
) -> str:
    """Lines over whole x (epochs), each labelled at its end; `best` marks an x. Only finite numbers are drawn.

    With `share`, y is a share and shown in percent.
    """
    scale = 100.0 if share else 1.0
    runs = [
        (line, [(x, y * scale) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)])
        for line in lines
        for xs, ys in line.members
    ]
    runs = [(line, points) for line, points in runs if points]
    xs, ys = [x for _, points in runs for x, _ in points], [y for _, points in runs for _, y in points]
    if not ys:
        return ""
    x_range = (min(xs), max(xs)) if max(xs) > min(xs) else (min(xs) - 1, max(xs) + 1)
    spread = (max(ys) - min(ys)) or abs(max(ys)) * 0.1 or 1.0
    low = max(min(ys) - 0.08 * spread, 0.0) if min(ys) >= 0 else min(ys) - 0.08 * spread
    axes = Axes(x_range, (low, max(ys) + 0.08 * spread), right=84)
    y_ticks = ticks(low, max(ys) + 0.08 * spread)
    x_ticks = [x for x in ticks(*x_range, 10, whole=True) if min(xs) <= x <= max(xs)]
    parts = [axes.draw(x_label, y_label, x_ticks, y_ticks, "{:g}")]
    if best is not None:
        at = axes.x(best)
        parts.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{axes.bottom}"/>')
        parts.append(label(at + (5 if at < W / 2 else -5), _TOP + 9, "best", "tick", "start" if at < W / 2 else "end"))
    for line, points in runs:
        shown = points[:: -(-len(points) // _MOST_POINTS)]
        shown += [] if shown[-1] == points[-1] else [points[-1]]
        path = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in shown)
        parts.append(f'<polyline class="line {line.style}" points="{path}"/>')
        if len(shown) <= _MOST_DOTS:
            parts += [
                f'<circle class="dot {line.style}" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="3"/>' for x, y in shown
            ]
    drawn = [line for line in lines if any(of is line for of, _ in runs)]
    ends = [(line, float(np.mean([axes.y(points[-1][1]) for of, points in runs if of is line]))) for line in drawn]
    ends.sort(key=lambda end: end[1])
    said = []
    previous = -math.inf
    for line, at in ends:
        previous = max(at, previous + 15)
        parts.append(label(axes.right + 8, previous + 4, line.name, f"end {line.style}", "start"))
        last = [points[-1][1] for of, points in runs if of is line]
        said.append(f"{line.name}: {', '.join(f'{y:.4g}' for y in last)}{' %' if share else ''} at the end")
    return svg(name, title, f"{y_label} by {x_label}. " + "; ".join(said), "".join(parts))


def histogram(name: str, title: str, values: NDArray[np.int64], limit: int | None, x_label: str, y_label: str) -> str:
    """Counts of whole numbers in bins of equal width; a line marks `limit`. The longest 0.5 % may be cut off."""
    top = int(np.quantile(values, 0.995))
    if limit is not None and limit <= 1.6 * top:
        top = max(top, limit)
    width = max(1, int(ticks(0, (top + 1) / 10)[1])) if top >= 20 else 1
    bins = top // width + 1
    counts = np.bincount(values[values < bins * width] // width, minlength=bins)
    beyond = int((values >= bins * width).sum())
    axes = Axes((0, bins * width), (0, float(counts.max()) * 1.06))
    parts = [
        axes.draw(
            x_label, y_label, ticks(0, bins * width, 7, whole=True), ticks(0, float(counts.max()), 5, True), "{:,.0f}"
        )
    ]
    for number, count in enumerate(counts.tolist()):
        left, right, at = axes.x(number * width), axes.x((number + 1) * width), axes.y(count)
        parts.append(
            f'<rect class="bar" x="{left + 0.5:.1f}" y="{at:.1f}" width="{max(right - left - 1, 0.5):.1f}" '
            f'height="{axes.bottom - at:.1f}"/>'
        )
    if limit is not None and limit <= bins * width:
        at = axes.x(limit)
        parts.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{axes.bottom}"/>')
        side = "end" if at > W / 2 else "start"
        parts.append(label(at + (-5 if side == "end" else 5), _TOP + 9, f"limit {limit:,}", "tick", side))
    if beyond:
        parts.append(label(axes.right, _TOP + 26, f"{beyond:,} longer, up to {int(values.max()):,} →", "tick", "end"))
    said = f"{len(values):,} rows, median {np.median(values):.0f}, longest {int(values.max()):,} steps."
    return svg(name, title, said, "".join(parts))


def reliability_chart(
    name: str, title: str, points: Sequence[tuple[float, float, float, float, int]], x_label: str, y_label: str
) -> str:
    """Predicted against observed shares, each point (predicted, observed, low, high, rows), beside the diagonal."""
    axes = Axes((0.0, 100.0), (0.0, 100.0))
    marks = ticks(0, 100)
    parts = [axes.draw(x_label, y_label, marks, marks, "{:g}")]
    parts.append(f'<line class="mark" x1="{axes.x(0)}" y1="{axes.y(0)}" x2="{axes.x(100)}" y2="{axes.y(100)}"/>')
    most = max((rows for *_, rows in points), default=1)
    for predicted, observed, low, high, rows in points:
        x, y = axes.x(100 * predicted), axes.y(100 * observed)
        top, bottom = axes.y(100 * high), axes.y(100 * low)
        parts.append(
            f'<line class="whisker a" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom:.1f}" y2="{top:.1f}"/>'
            f'<circle class="dot a" cx="{x:.1f}" cy="{y:.1f}" r="{3 + 5 * math.sqrt(rows / most):.1f}">'
            f"<title>{rows:,} rows: said {100 * predicted:.1f} %, came true {100 * observed:.1f} %</title></circle>"
        )
    said = "; ".join(f"{100 * p:.0f} % said, {100 * o:.0f} % came true ({n:,} rows)" for p, o, _, _, n in points)
    return svg(name, title, f"{said}.", "".join(parts))
