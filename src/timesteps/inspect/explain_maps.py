"""Heat maps of gates and states: one pixel a step and unit, as a small PNG within an SVG that has the axes."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.trace import LayerTrace
from timesteps.training.report_charts import label, svg, ticks

__all__ = ["PALETTE", "HeatMap", "heat_map", "order_of_units", "png"]

_COLOURS = ((8, 14, 44), (52, 74, 118), (117, 124, 131), (190, 172, 107), (255, 245, 195))
"""Dark blue to pale yellow: lighter is more, in grey and to colour-blind readers too."""


def _palette() -> NDArray[np.uint8]:
    places = np.linspace(0, len(_COLOURS) - 1, 256)
    channels = [np.interp(places, range(len(_COLOURS)), [colour[k] for colour in _COLOURS]) for k in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


PALETTE = _palette()  # (256, 3), no colour twice: the page reads values back from it

_W, _LEFT, _RIGHT, _TOP, _BOTTOM = 940.0, 64.0, 66.0, 8.0, 40.0


@dataclass(frozen=True)
class HeatMap:
    """One gate or state over time."""

    name: str  # unique on the page
    low: float
    high: float
    chart: str  # SVG


def png(index: NDArray[np.uint8], palette: NDArray[np.uint8] = PALETTE) -> bytes:
    """An indexed image (rows, columns) as PNG (ISO/IEC 15948): eight bits a pixel, no filter.

    >>> png(np.zeros((1, 2), np.uint8))[:8]
    b'\\x89PNG\\r\\n\\x1a\\n'
    """
    rows, columns = index.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), index], axis=1)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", palette.tobytes()), (b"IDAT", zlib.compress(lines.tobytes(), 9)))
    packed = [struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
              for kind, data in (*chunks, (b"IEND", b""))]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def order_of_units(layer: LayerTrace, most: int) -> NDArray[np.int64]:
    """At most so many units, those whose state varies most, put so that units that move together are neighbours: by
    their place on the first principal component of h.
    """
    h = layer.states["h"].astype(np.float64)
    h = np.where(np.isfinite(h), h, 0.0)
    h -= h.mean(axis=0)
    units = np.sort(np.argsort(-h.std(axis=0), kind="stable")[:most])
    if len(units) < 2:
        return units
    _, _, directions = np.linalg.svd(h[:, units], full_matrices=False)
    first = directions[0]
    first = first if first[np.abs(first).argmax()] > 0 else -first  # else its sign would be the library's choice
    return units[np.argsort(first, kind="stable")]


def heat_map(
    name: str,
    title: str,
    values: NDArray[np.floating],
    bounds: tuple[float, float],
    every: int,
    y_label: str = "unit, sorted",
) -> HeatMap:
    """A map of values (T, H), every so many steps, from bounds[0] (dark) to bounds[1] (light); NaN is dark.

    Args:
        name: unique on the page.
        title: of the chart.
        values: units in the order in which they are shown, the first at the bottom.
        bounds: of the colours.
        every: steps of a column, the first of which is shown.
        y_label: what the lines are.
    """
    low, high = bounds
    shown = np.nan_to_num((values[::every].T - low) / (high - low), nan=0.0)
    index = (np.clip(shown, 0, 1) * 255).round().astype(np.uint8)[::-1]
    units, columns = index.shape
    height = float(np.clip(units * 3.0, 96, 260))
    image = base64.b64encode(png(index)).decode("ascii")
    wide = _W - _LEFT - _RIGHT
    parts = [
        f'<image id="{name}" x="{_LEFT:g}" y="{_TOP:g}" width="{wide:g}" height="{height:g}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,{image}"/>'
    ]
    steps = len(values)
    for step in _ticks(steps, 11):
        at = _LEFT + (step - 0.5) / (columns * every) * wide
        parts.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP + height}" y2="{_TOP + height + 4}"/>')
        parts.append(label(at, _TOP + height + 17, f"{step}", "tick"))
    for unit in _ticks(units, 5):
        at = _TOP + height * (1 - (unit - 0.5) / units)
        parts.append(label(_LEFT - 7, at + 4, f"{unit}", "tick", "end"))
    parts.append(label(_LEFT + wide / 2, _TOP + height + 34, "step", "name"))
    middle = _TOP + height / 2
    parts.append(f'<text class="name" text-anchor="middle" transform="translate(14 {middle:g}) rotate(-90)">')
    parts.append(f"{y_label}</text>")
    parts.append(_scale(height, low, high))
    about = (
        f"{title}: {steps} steps from left to right, {units} lines from bottom to top, {low:g} dark, {high:g} light."
    )
    return HeatMap(name, low, high, svg(f"{name}-svg", title, about, "".join(parts), _W, _TOP + height + _BOTTOM))


def _ticks(count: int, most: int) -> list[int]:
    """Round numbers from 1 to count, with the first."""
    found = [int(value) for value in ticks(0, count, most, whole=True) if value >= 1]
    return [1, *(value for value in found if value > 1)]


def _scale(height: float, low: float, high: float) -> str:
    """What the colours mean."""
    steps, left = 16, _W - _RIGHT + 14
    parts = []
    for number in range(steps):
        red, green, blue = PALETTE[round(number * 255 / (steps - 1))].tolist()
        top = _TOP + height * (1 - (number + 1) / steps)
        parts.append(
            f'<rect x="{left:g}" y="{top:.1f}" width="12" height="{height / steps + 0.5:.1f}" '
            f'fill="rgb({red},{green},{blue})"/>'
        )
    for value, y in ((low, _TOP + height), ((low + high) / 2, _TOP + height / 2 + 4), (high, _TOP + 9)):
        parts.append(label(left + 16, y, f"{value:.3g}", "tick", "start"))
    return "".join(parts)
