"""The row of an explanation, step by step in colours, and its input as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesteps.inspect.explain_maps import heat_map
from timesteps.inspect.explain_script import colour
from timesteps.training.report_charts import Line, clean, line_chart
from timesteps.training.report_markup import figure, section

if TYPE_CHECKING:
    from timesteps.inspect.explanation import Explanation

__all__ = ["bounds_of", "every_of", "step_section"]

_MOST_COLUMNS = 2000


def every_of(it: Explanation) -> int:
    """How many steps share a column of a map, which shows the first of them."""
    return -(-len(it.reading) // _MOST_COLUMNS)


def bounds_of(quantity: str, values: NDArray[Any]) -> tuple[float, float]:
    """What the colours span: (0, 1) or (-1, 1) where the equation says so, else ± the largest absolute value."""
    if quantity in ("i", "f", "o", "r", "z"):
        return 0.0, 1.0
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    if quantity in ("g", "n") or (quantity == "h" and largest <= 1):
        return -1.0, 1.0
    return -(largest or 1.0), largest or 1.0


def step_section(it: Explanation, scripted: dict[str, Any]) -> str:
    """The row itself, coloured."""
    if it.coloured_by_unit:
        part = it.trace[it.unit.layer]
        values = part[it.unit.quantity][:, it.unit.number].astype(np.float64).tolist()
        low, high = bounds_of(it.unit.quantity, part[it.unit.quantity])
        shown, chosen = f"{it.unit.layer}, {it.unit.quantity} of unit {it.unit.number}", _option(it)
    else:
        first = scripted["measures"][0]
        values, low, high, shown, chosen = (first[k] for k in ("values", "low", "high", "name", "id"))
    values = [float("nan") if value is None else value for value in values]
    numbers = it.reading.steps.values.ndim == 2
    chips = []
    for number, (name, glued, value) in enumerate(zip(it.reading.names, it.reading.glued, values, strict=True)):
        said = "" if value != value else f"{value:.3g}"
        blank = "" if glued or number == 0 else " "
        chips.append(
            f'{blank}<span class="t" data-value="{said}" title="step {number + 1}: {said or "none"}" '
            f'style="{colour(value, low, high)}">{clean(name)}</span>'
        )
    groups = "".join(
        f'<optgroup label="{clean(layer["name"])}">'
        + "".join(_choice(f"{layer['name']} {m['quantity']}", m["quantity"], chosen) for m in layer["maps"])
        + "</optgroup>"
        for layer in scripted["layers"]
    )
    first_choices = "".join(_choice(m["id"], m["name"], chosen) for m in scripted["measures"])
    own = next(layer for layer in scripted["layers"] if layer["name"] == it.unit.layer)
    units = "".join(_choice(str(unit), str(unit), str(it.unit.number)) for unit in sorted(own["units"]))
    hidden = "" if it.coloured_by_unit else " hidden"
    controls = (
        f'<div class="controls"><label>colour by<select id="what">{first_choices}{groups}</select></label>'
        f'<label id="units"{hidden}>unit<select id="unit">{units}</select></label>'
        f'<span class="legend"><span id="shown">{clean(shown)}</span>'
        f'<span class="t" id="least" style="{colour(low, low, high)}">{low:.2g}</span> to '
        f'<span class="t" id="most" style="{colour(high, low, high)}">{high:.2g}</span></span></div>'
    )
    about = (
        f"{len(it.reading)} steps as the model reads them. Positive numbers are orange over a solid line, negative "
        "ones blue over a dotted line; gates, which are never negative, go from white to green."
    )
    kind = "steps numbers" if numbers else "steps"
    return section("Step by step", about, controls, f'<p class="{kind}">{"".join(chips)}</p>', _input(it))


def _input(it: Explanation) -> str:
    """A row of numbers as a chart: lines of one or two features, a map of more."""
    values = it.reading.steps.values
    if values.ndim != 2:
        return ""
    title = "Input, each feature less its mean in training, over its standard deviation"
    if values.shape[1] > 2:
        bounds = bounds_of("input", values)
        return figure(heat_map("map-input", title, values, bounds, every_of(it), "feature").chart, title)
    steps = list(range(1, len(values) + 1))
    lines = [Line(f"feature {k + 1}", "ab"[k], [(steps, values[:, k].tolist())]) for k in range(values.shape[1])]
    return figure(line_chart("input", title, lines, "step", "scaled value", share=False), title)


def _option(it: Explanation) -> str:
    return f"{it.unit.layer} {it.unit.quantity}"


def _choice(value: str, name: str, chosen: str) -> str:
    selected = " selected" if value == chosen else ""
    return f'<option value="{clean(value)}"{selected}>{clean(name)}</option>'
