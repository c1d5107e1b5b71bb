"""An explanation as one HTML page that loads nothing from elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from timesteps.inspect.explain_charts import bar_chart, contribution_chart
from timesteps.inspect.explain_maps import PALETTE, HeatMap, heat_map, order_of_units
from timesteps.inspect.explain_row import bounds_of, every_of, step_section
from timesteps.inspect.explain_script import SCRIPT, SCRIPT_HASH, STEP_STYLE
from timesteps.runtime.trace import LayerTrace
from timesteps.training.report_charts import clean
from timesteps.training.report_frame import frame
from timesteps.training.report_markup import facts, figure, section, table

if TYPE_CHECKING:
    from timesteps.inspect.explanation import Explanation

__all__ = ["page"]

_MOST_PIXELS = 1_500_000  # of all maps: a pixel takes about 1.1 bytes of the page
_FEWEST_UNITS = 8
_WORDS = 12
_LONGEST_TEXT = 300
_ABOUT = {
    "i": "input gate i: how much of the candidate is written",
    "f": "forget gate f: how much of the old memory stays",
    "o": "output gate o: how much of the memory is shown",
    "g": "candidate g: what may be written",
    "c": "cell state c: the memory",
    "h": "hidden state h: what the layer puts out",
    "r": "reset gate r: how much of the old state the candidate sees",
    "z": "update gate z: how much of the old state stays",
    "n": "candidate n: what may be written",
    "candidate": "candidate: what may be written",
}


def page(it: Explanation) -> str:
    """The whole page."""
    maps, scripted = _maps(it)
    sections = [
        step_section(it, scripted),
        _contributions(it),
        _pooling(it),
        *(_layer(it, part, maps[part.name]) for part in it.trace),
        _saturation(it),
        _neighbours(it),
    ]
    probability = "" if it.chosen.probability is None else f", {100 * it.chosen.probability:.1f} %"
    headline = f"{it.chosen.answer}{probability}"
    data = json.dumps(scripted, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    script = f'\n<script type="application/json" id="data">{data}</script>\n<script>{SCRIPT}</script>'
    return frame(
        f"Why {it.title} answers as it does",
        headline,
        [f"Explained: {it.chosen.name}, {it.chosen.value:.4g}.", *it.notes],
        sections,
        title=f"{it.title}: {headline}",
        style=STEP_STYLE,
        allowed=f"img-src data:; script-src '{SCRIPT_HASH}'",
        script=script,
    )


def _maps(it: Explanation) -> tuple[dict[str, list[tuple[str, HeatMap]]], dict[str, Any]]:
    """The heat maps of each layer and direction, by gate; and what the script reads."""
    steps = len(it.reading)
    every = every_of(it)
    count = sum(len(part.arrays) for part in it.trace)
    most = max(_FEWEST_UNITS, _MOST_PIXELS // (count * -(-steps // every)))
    drawn: dict[str, list[tuple[str, HeatMap]]] = {}
    layers = []
    for part in it.trace:
        units = order_of_units(part, most)
        if part.name == it.unit.layer and it.unit.number not in units:
            units = np.append(units, it.unit.number)
        drawn[part.name] = []
        for quantity, values in part.arrays.items():
            bounds, name = bounds_of(quantity, values), f"map-{part.name}-{quantity}"
            title = f"{_ABOUT[quantity]}, layer {part.name}"
            drawn[part.name].append((quantity, heat_map(name, title, values[:, units], bounds, every)))
        said = [{"quantity": q, "id": m.name, "low": m.low, "high": m.high} for q, m in drawn[part.name]]
        layers.append({"name": part.name, "units": units.tolist(), "maps": said})
    scripted = {"every": every, "palette": PALETTE.tolist(), "layers": layers, "measures": _measures(it)}
    return drawn, scripted


def _measures(it: Explanation) -> list[dict[str, Any]]:
    """What colours the steps besides units."""
    found = []
    if not isinstance(it.integrated, str):
        found.append(("integrated", "contribution (integrated gradients)", it.integrated.steps))
    found.append(("left-out", "loss of the score without the step", it.left_out))
    measures = []
    for name, about, values in found:
        largest = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
        plain = [float(f"{value:.4g}") if np.isfinite(value) else None for value in values.tolist()]
        measures.append({"id": name, "name": about, "values": plain, "low": -largest, "high": largest})
    return measures


def _contributions(it: Explanation) -> str:
    names, found = it.reading.names, it.integrated
    parts, pairs = [], [("score", f"{it.chosen.value:.4g}")]
    if isinstance(found, str):
        about = f"There are no integrated gradients: {found}."
        values = it.left_out
    else:
        about = (
            "Integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365) share the difference between the score "
            "of this row and that of a row in which nothing is said (vectors of zeros) out among the steps."
        )
        values = found.steps
        title = "Contribution of each step, by integrated gradients"
        parts.append(figure(contribution_chart("integrated", title, values, names, it.chosen.unit), title))
        if found.features is not None and found.features.shape[1] > 1:
            title = "Contribution of each feature at each step"
            bounds = bounds_of("contribution", found.features)
            chart = heat_map("map-features", title, found.features, bounds, every_of(it), "feature").chart
            parts.append(figure(chart, title))
        pairs += [
            ("score of a row of zeros", f"{found.baseline:.4g}"),
            ("sum over the steps", f"{found.steps.sum():.4g}"),
            ("elsewhere", f"{found.elsewhere:.4g}" if found.elsewhere else ""),
            ("missing from the sum", f"{found.residual:.2g}"),
            ("points of the integral", f"{found.points}"),
        ]
    title = "By how much the score falls without the step"
    parts.append(figure(contribution_chart("left-out", title, it.left_out, names, it.chosen.unit), title))
    strongest = np.argsort(-np.abs(np.nan_to_num(values)), kind="stable")[:_WORDS]
    rows = [
        [
            clean(names[step]),
            str(step + 1),
            "" if isinstance(found, str) else f"{found.steps[step]:+.4f}",
            "" if np.isnan(it.left_out[step]) else f"{it.left_out[step]:+.4f}",
        ]
        for step in strongest.tolist()
    ]
    head = ["strongest", "step", "integrated gradients", "without the step"]
    said = f"{about} All numbers are of the {it.chosen.name}."
    return section("What each step contributes", said, *parts, facts(pairs), table(head, rows))


def _pooling(it: Explanation) -> str:
    trace = it.trace
    if trace.pool == "none":
        return section("Pooling", "", "<p>None: the dense layer reads the outputs of each step, and answers there.</p>")
    if trace.pool == "last":
        ways = "the forward direction’s state after the last step"
        if any(part.reverse for part in trace):
            ways += ", and the reverse direction’s after the first"
        return section("Pooling", "", f"<p>The dense layer reads {ways}.</p>")
    charts = []
    about = f"Pooling “{trace.pool}” makes one vector of all steps, which the dense layer reads."
    if trace.pool == "attention" and trace.weights is not None:
        title = "Attention of each step"
        charts.append(figure(bar_chart("weights", title, trace.weights, "weight, %", 100), title))
    elif trace.weights is not None:
        about += f" In the mean each step weighs 1 / {len(it.reading)}."
    if trace.taken is not None:
        counts = np.bincount(trace.taken[0], minlength=len(it.reading)).astype(np.float64)
        title = "Features whose maximum lies at the step"
        charts.append(figure(bar_chart("taken", title, counts, "features", 1), title))
    return section("Pooling", about, *charts) if charts else section("Pooling", "", f"<p>{clean(about)}</p>")


def _layer(it: Explanation, part: LayerTrace, maps: list[tuple[str, HeatMap]]) -> str:
    figures = [f'<div class="map">{figure(each.chart, _ABOUT[q])}</div>' for q, each in maps]
    units = part.states["h"].shape[1]
    direction = "reads the row from its end" if part.reverse else "reads the row from its beginning"
    member = f" of member {it.member[0]} of {it.member[1]}" if it.member[1] > 1 else ""
    about = (
        f"{part.cell.upper()}{member} with {units} units; {direction}. Each column is a step, each line a unit; units "
        "that move together are neighbours, in the same order in all maps of the layer. Lighter is more."
    )
    return section(f"Layer {part.name}", about, *figures)


def _saturation(it: Explanation) -> str:
    rows = [
        [clean(each.layer), clean(each.gate), *(f"{100 * share:.1f} %" for share in (each.low, each.high)),
         f"{each.mean:.3f}"]
        for each in it.saturation
    ]  # fmt: skip
    about = (
        "Shares of all steps and units. A gate that is nearly always below 0.1 or above 0.9 learns slowly. Of what may "
        "be negative (g, n, candidates, h) the absolute value counts."
    )
    return section("Saturation", about, table(["layer", "gate", "below 0.1", "above 0.9", "mean"], rows, texts=2))


def _neighbours(it: Explanation) -> str:
    rows = [
        [clean(_short(each.text)), "" if each.label is None else clean(each.label), f"{each.similarity:.3f}",
         f"{each.row + 1:,}"]
        for each in it.neighbours
    ]  # fmt: skip
    if not rows:
        return ""
    where = f" of {it.neighbours_of}" if it.neighbours_of else ""
    about = f"The rows{where} whose vector before the dense layer makes the smallest angle with this row’s."
    return section("Nearest rows", about, table(["row", "label", "cosine", "number"], rows, texts=2))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} …"
