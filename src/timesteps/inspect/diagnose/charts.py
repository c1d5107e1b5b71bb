"""Gradient flow as pictures: one for a page, one for a terminal of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from timesteps.inspect.diagnose.flow import Flow
from timesteps.training.report_charts import Axes, clean, label, svg, ticks

__all__ = ["MARKS", "flow_chart", "text_chart"]

MARKS = "ox+*#@%&"
"""What stands for a line in the terminal."""

_STYLES = "abc"
_WIDTH, _HEIGHT = 70, 11  # of the terminal's chart, without its axis
_DEEPEST = 12  # powers of ten that are shown


def flow_chart(name: str, title: str, lines: Sequence[tuple[str, Flow]], band: bool = True) -> str:
    """Spectral norms over steps back, on a logarithmic scale, each line labelled at its end; at most three lines.

    With `band`, the 10 % to 90 % quantiles of the first line lie behind it.
    """
    low, high = _range([flow for _, flow in lines])
    reach = max(flow.lags[-1] for _, flow in lines)
    axes = Axes((0, reach), (low, high), right=92)
    apart = max(1, -(-(high - low) // 7))
    powers = [power for power in range(low, high + 1) if power % apart == 0]  # 1 is among them
    parts = [axes.draw("steps back, k", "‖∂sₜ/∂sₜ₋ₖ‖ (spectral norm, log scale)",
                       ticks(0, reach, 7, whole=True), [], "{:g}")]  # fmt: skip
    for power in powers:
        at = axes.y(power)
        parts.append(f'<line class="grid" x1="{axes.x(0):.1f}" x2="{axes.right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(label(axes.x(0) - 7, at + 4, _power(power), "tick", "end"))
    if band:
        first = lines[0][1]
        there = list(zip(first.lags, first.high, strict=True)) + list(zip(first.lags, first.low, strict=True))[::-1]
        places = " ".join(f"{axes.x(k):.1f},{axes.y(_log(value, low)):.1f}" for k, value in there)
        parts.append(f'<polygon class="band" points="{places}"/>')
    ends = []
    for number, (said, flow) in enumerate(lines):
        points = [(0, 1.0), *zip(flow.lags, flow.spectral, strict=True)]
        shown = [(k, value) for k, value in points if value > 0 and math.log10(value) >= low]
        path = " ".join(f"{axes.x(k):.1f},{axes.y(math.log10(value)):.1f}" for k, value in shown)
        parts.append(f'<polyline class="line {_STYLES[number]}" points="{path}"/>')
        ends.append((axes.y(math.log10(shown[-1][1])), axes.x(shown[-1][0]), said, _STYLES[number]))
    previous = -math.inf
    for at, across, said, style in sorted(ends):
        previous = max(at, previous + 15)
        parts.append(label(min(axes.right, across) + 8, min(previous, axes.bottom) + 4, said, f"end {style}", "start"))
    told = "; ".join(f"{said}: {_lives(flow)}" for said, flow in lines)
    return svg(name, title, f"Norm of the gradient by steps back. {told}", "".join(parts))


def text_chart(lines: Sequence[tuple[str, Flow]]) -> list[str]:
    """The same as lines of at most 80 columns, each flow by its mark; where two meet, the first one's stands."""
    low, high = _range([flow for _, flow in lines])
    reach = max(flow.lags[-1] for _, flow in lines)
    canvas = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    for mark, (_, flow) in reversed(list(zip(MARKS, lines, strict=False))):
        for column in range(_WIDTH):
            value = _at(flow, 1 + column * (reach - 1) / (_WIDTH - 1))
            if value is None or value < low:
                continue
            row = round((high - value) / (high - low) * (_HEIGHT - 1))
            canvas[row][column] = mark
    drawn = ["norm (log scale)"]
    for row, cells in enumerate(canvas):
        power = high - row * (high - low) / (_HEIGHT - 1)
        tick = f"1e{power:+03.0f}" if abs(power - round(power)) < 1e-9 else ""
        drawn.append(f"{tick:>7} |{''.join(cells)}".rstrip())
    drawn.append(" " * 8 + "+" + "-" * _WIDTH)
    drawn.append(" " * 9 + "1" + f"steps back: {reach}".rjust(_WIDTH - 1))
    return drawn


def _at(flow: Flow, lag: float) -> float | None:
    """log10 of the median norm so many steps back, between two lags on the line through them."""
    if lag > flow.lags[-1]:
        return None
    logs = [math.log10(value) if value > 0 else -math.inf for value in flow.spectral]
    after = next(place for place, each in enumerate(flow.lags) if each >= lag)
    if flow.lags[after] == lag or after == 0 or math.isinf(logs[after]) or math.isinf(logs[after - 1]):
        return logs[after]
    share = (lag - flow.lags[after - 1]) / (flow.lags[after] - flow.lags[after - 1])
    return logs[after - 1] + share * (logs[after] - logs[after - 1])


def _range(flows: Sequence[Flow]) -> tuple[int, int]:
    """Whole powers of ten around all medians, 1 among them."""
    values = [value for flow in flows for value in flow.spectral if value > 0] + [1.0]
    high = math.ceil(math.log10(max(values)))
    low = math.floor(math.log10(min(values)))
    low = max(low, high - _DEEPEST)
    return (low, high) if high > low else (low - 1, high)


def _log(value: float, low: int) -> float:
    return max(low, math.log10(value)) if value > 0 else low


def _power(power: int) -> str:
    digits = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return "1" if power == 0 else f"10{digits}"


def _lives(flow: Flow) -> str:
    half = flow.half_life
    return clean(f"half-life {half:.1f} steps" if half is not None else f"half-life beyond {flow.lags[-1]} steps")
