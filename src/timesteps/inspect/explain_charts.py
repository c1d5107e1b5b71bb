"""Bars over the steps of a row: contributions, weights of pooling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timesteps.training.report_charts import label, svg, ticks

__all__ = ["bar_chart", "contribution_chart"]

_W, _H, _LEFT, _RIGHT, _TOP, _BOTTOM = 940.0, 230.0, 64.0, 14.0, 18.0, 42.0
_MOST_BARS = 1000
_NAMED = 8
_LONGEST_NAME = 12


def contribution_chart(name: str, title: str, values: NDArray[np.floating], names: Sequence[str], unit: str) -> str:
    """Bars up and down, in the given unit, the longest with the names of their steps."""
    shown = np.nan_to_num(values)
    bars, per = _bars(shown)
    low, high = min(0.0, float(bars.min())), max(0.0, float(bars.max()))
    room = 0.09 * (high - low)  # for names
    low, high = low - room * (low < 0), high + room * (high > 0)
    parts = [_frame(low, high, len(values), f"contribution, {unit}")]
    parts += _drawn(bars, low, high, ("up", "down"))
    if per == 1:
        taken: list[float] = []
        wide = (_W - _LEFT - _RIGHT) / len(bars)
        for step in np.argsort(-np.abs(shown), kind="stable")[:_NAMED].tolist():
            at = _LEFT + (step + 0.5) * wide
            if shown[step] == 0 or any(abs(at - other) < 52 for other in taken):
                continue
            taken.append(at)
            y = _y(float(shown[step]), low, high) + (-4 if shown[step] > 0 else 12)
            text = names[step] if len(names[step]) <= _LONGEST_NAME else f"{names[step][: _LONGEST_NAME - 1]}…"
            parts.append(label(min(max(at, _LEFT + 20), _W - 34), y, text, "word"))
    return svg(f"{name}-chart", title, f"{title}: {len(values)} steps.", "".join(parts), _W, _H)


def bar_chart(name: str, title: str, values: NDArray[np.floating], unit: str, factor: float) -> str:
    """Bars from zero on."""
    bars, _ = _bars(np.asarray(values, np.float64) * factor)
    high = float(bars.max()) or 1.0
    parts = [_frame(0.0, high, len(values), unit), *_drawn(bars, 0.0, high, ("other", "other"))]
    return svg(f"{name}-chart", title, f"{title}: {len(values)} steps.", "".join(parts), _W, _H)


def _bars(values: NDArray[np.floating]) -> tuple[NDArray[np.float64], int]:
    """Of many steps, the one of each few that is farthest from 0; and how many those are."""
    per = -(-len(values) // _MOST_BARS)
    padded = np.zeros(-(-len(values) // per) * per)
    padded[: len(values)] = values
    groups = padded.reshape(-1, per)
    return np.take_along_axis(groups, np.abs(groups).argmax(axis=1)[:, None], axis=1)[:, 0], per


def _y(value: float, low: float, high: float) -> float:
    room, spread = _H - _BOTTOM - _TOP, (high - low) or 1.0
    return _TOP + room * (high - value) / spread


def _drawn(bars: NDArray[np.float64], low: float, high: float, kinds: tuple[str, str]) -> list[str]:
    wide, zero = (_W - _LEFT - _RIGHT) / len(bars), _y(0.0, low, high)
    parts = []
    for number, value in enumerate(bars.tolist()):
        at = _y(value, low, high)
        if abs(at - zero) >= 0.05:
            parts.append(
                f'<rect class="{kinds[value < 0]}" x="{_LEFT + number * wide:.1f}" y="{min(at, zero):.1f}" '
                f'width="{max(wide * 0.85, 0.6):.2f}" height="{abs(at - zero):.1f}"/>'
            )
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_W - _RIGHT}" y1="{zero:.1f}" y2="{zero:.1f}"/>')
    return parts


def _frame(low: float, high: float, steps: int, y_label: str) -> str:
    parts = []
    for value in ticks(low, high, 5):
        at = _y(value, low, high)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_W - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(label(_LEFT - 7, at + 4, f"{value:g}", "tick", "end"))
    wide = (_W - _LEFT - _RIGHT) / steps
    shown = [1, *(int(v) for v in ticks(0, steps, 11, whole=True) if v > 1)]
    parts += [label(_LEFT + (step - 0.5) * wide, _H - _BOTTOM + 17, f"{step}", "tick") for step in shown]
    parts.append(label((_LEFT + _W - _RIGHT) / 2, _H - 6, "step", "name"))
    middle = (_TOP + _H - _BOTTOM) / 2
    parts.append(f'<text class="name" text-anchor="middle" transform="translate(11 {middle:g}) rotate(-90)">')
    parts.append(f"{y_label}</text>")
    return "".join(parts)
