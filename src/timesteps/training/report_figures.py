"""Figures of a classifier: accuracies with their intervals, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

from timesteps.runtime.display import columns_of, fitted
from timesteps.training.report_charts import W, clean, label, svg, ticks

__all__ = ["accuracy_chart", "confusion_chart"]

_ROW = 38  # height of a row of points
_COLUMN = 7.2  # width of a letter


def accuracy_chart(name: str, title: str, rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Points with intervals, one below the other; rows are (name, share, low, high), the first is ours."""
    left = 22 + _COLUMN * min(14, max(len(row[0]) for row in rows))
    width, height = W, 56 + _ROW * len(rows)
    low, high = min(row[2] for row in rows), max(row[3] for row in rows)
    low, high = max(low - 0.05 * (high - low) - 0.001, 0.0), min(high + 0.05 * (high - low) + 0.001, 1.0)
    right, bottom = width - 66, height - 46

    def x(share: float) -> float:
        return left + (share - low) / (high - low) * (right - left)

    parts = []
    for value in ticks(100 * low, 100 * high, 5):
        at = x(value / 100)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="4" y2="{bottom}"/>')
        parts.append(label(at, bottom + 17, f"{value:g} %", "tick"))
    parts.append(label((left + right) / 2, height - 5, "accuracy with its 95 % interval", "name"))
    for number, (who, share, least, most) in enumerate(rows):
        y = 6 + _ROW * number + _ROW / 2
        style = "b" if number else "a"
        parts.append(label(left - 12, y + 4, fitted(who, 14), "end a" if number == 0 else "entry", "end"))
        parts.append(
            f'<line class="whisker {style}" x1="{x(least):.1f}" x2="{x(most):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(f'<circle class="dot {style}" cx="{x(share):.1f}" cy="{y:.1f}" r="{5 if number else 6.5}"/>')
        parts.append(label(right + 10, y + 4, f"{100 * share:.2f} %", "end a" if number == 0 else "entry", "start"))
    said = "; ".join(
        f"{who} {100 * share:.2f} % ({100 * least:.2f} to {100 * most:.2f})" for who, share, least, most in rows
    )
    return svg(name, title, f"{said}.", "".join(parts), width, height)


def confusion_chart(name: str, title: str, classes: Sequence[str], counts: Sequence[Sequence[float]]) -> str:
    """Rows are labels, columns answers; a cell has its count and its share of the row, which is also its shade."""
    K = len(classes)
    names = [clean(fitted(name, 60)) for name in classes]
    width, top = (W, 52) if K <= 4 else (900, 52)
    left = 34 + _COLUMN * min(12, max(columns_of(name) for name in classes))
    cell_w, cell_h = (width - left - 4) / K, 64 if K <= 4 else max(30, min(56, 640 / K))
    height = top + cell_h * K + 6
    columns = int(cell_w / 7.5)
    turned = f"translate(12 {top + cell_h * K / 2:g}) rotate(-90)"
    parts = [
        label(left + cell_w * K / 2, 13, "answer of the model", "name"),
        f'<text class="name" text-anchor="middle" transform="{turned}">label</text>',
    ]
    said = []
    for i, row in enumerate(counts):
        total = sum(row)
        y = top + cell_h * i
        parts.append(label(left + cell_w * (i + 0.5), top - 10, fitted(classes[i], columns), "entry"))
        parts.append(label(left - 9, y + cell_h / 2 + 4, fitted(classes[i], 12), "entry", "end"))
        for j, count in enumerate(row):
            share = count / total if total else 0.0
            middle = left + cell_w * (j + 0.5)
            parts.append(
                f'<g><rect class="cell{" hit" if i == j else ""}" x="{left + cell_w * j + 1:.1f}" y="{y + 1:.1f}" '
                f'width="{cell_w - 2:.1f}" height="{cell_h - 2:.1f}" style="--share:{share:.3f}"/>'
                f"<title>{names[i]} taken for {names[j]}: {count:,.6g} rows, {100 * share:.1f} %</title>"
            )
            small = cell_w < 56
            number = f"{count:,.6g}"
            parts.append(label(middle, y + cell_h / 2 - 1, number, "count small" if small else "count"))
            share_text = f"{100 * share:.0f}%" if small else f"{100 * share:.1f} %"
            parts.append(
                label(middle, y + cell_h / 2 + 14 - 3 * small, share_text, "share small" if small else "share")
            )
            parts.append("</g>")
        said.append(f"{classes[i]}: {row[i]:,.6g} of {total:,.6g} right")
    return svg(name, title, "; ".join(said), "".join(parts), width, height)
