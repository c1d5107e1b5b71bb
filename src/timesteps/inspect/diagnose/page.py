"""The diagnosis as one HTML file that needs nothing else."""

from __future__ import annotations

import os

from timesteps.errors import spelled
from timesteps.inspect.diagnose.charts import flow_chart
from timesteps.inspect.diagnose.diagnosis import Diagnosis, Spell, span
from timesteps.training import report_frame
from timesteps.training.report_charts import clean
from timesteps.training.report_markup import facts, figure, section, table

__all__ = ["page", "write_page"]

EXTRA_STYLE = """
.chart .line.c { stroke: var(--good); stroke-dasharray: 2 3; } .chart .end.c { fill: var(--good); }
.chart .band { fill: var(--a); fill-opacity: 0.14; }
.findings { padding-left: 1.2em; margin-top: 12px; } .findings li { margin: 8px 0; max-width: 46em; }
"""


def write_page(path: str | os.PathLike[str], diagnosis: Diagnosis, spell: Spell | None = None) -> None:
    """Write `page(diagnosis)`. Errors as `timesteps.training.report_frame.write_page`."""
    report_frame.write_page(path, page(diagnosis, spell))


def page(diagnosis: Diagnosis, spell: Spell | None = None) -> str:
    """The whole page; `spell` writes the options in the findings."""
    warnings = [finding for finding in diagnosis.findings if finding.level == "warning"]
    headline = f"{len(warnings)} warning{'s' if len(warnings) != 1 else ''}" if warnings else "Nothing to mend"
    sections = [_findings(diagnosis, spell), _flow(diagnosis), _activity(diagnosis), _intake(diagnosis)]
    return report_frame.frame(
        f"Diagnosis of {diagnosis.about} on {diagnosis.data}",
        headline,
        [],
        sections,
        title=f"Diagnosis of {diagnosis.about}",
        tone="bad" if warnings else "good",
        style=EXTRA_STYLE,
    )


def _findings(diagnosis: Diagnosis, spell: Spell | None) -> str:
    items = [
        f"<li><b>{'Warning' if finding.level == 'warning' else 'Note'}:</b> {clean(spelled(finding.said, spell))}</li>"
        for finding in diagnosis.findings
    ]
    listed = f'<ul class="findings">{"".join(items)}</ul>' if items else ""
    return section("Findings", "What may be wrong, and what mends it.", listed)


def _flow(diagnosis: Diagnosis) -> str:
    charts, layers = [], list(dict.fromkeys(flow.layer for flow in diagnosis.flows))
    for number, layer in enumerate(layers):
        lines = [(flow.state, flow) for flow in diagnosis.flows if flow.layer == layer]
        title = f"Layer {layer}: how much of a gradient arrives k steps back"
        charts.append(figure(flow_chart(f"flow{number}", title, lines), title))
    rows = [
        [
            clean(f"{flow.layer}, {flow.state}"),
            *(f"{value:.3g}" for value in (flow.spectral[0], flow.spectral[-1], flow.frobenius[-1])),
            clean(str(flow.lags[-1])),
            clean(span(flow, flow.half_life)),
            clean(span(flow, flow.memory)),
        ]
        for flow in diagnosis.flows
    ]
    head = [
        "layer, state",
        "spectral, 1 back",
        "spectral, last",
        "Frobenius/√H, last",
        "last is k =",
        "half-life",
        "to 1 %",
    ]
    about = (
        "The norm of ∂s(t)/∂s(t−k), the Jacobian of a layer's state with respect to the same state k steps before: its "
        "largest singular value, by how much a gradient can grow at most on its way back. The line is the median over "
        f"{diagnosis.flows[0].steps} places in the data, the band its 10 % to 90 % quantiles. A straight line falls by "
        "the same factor in every step; half-life and the way to a hundredth count from one step back."
    )
    return section("Gradient flow", about, f'<div class="pair">{"".join(charts)}</div>', table(head, rows))


def _activity(diagnosis: Diagnosis) -> str:
    rows = [
        [clean(f"{each.layer}, {gate.gate}"), f"{gate.mean:.3f}", f"{gate.low:.1%}", f"{gate.high:.1%}"]
        for each in diagnosis.activities
        for gate in each.gates
    ]
    still = [(f"layer {each.layer}", f"{len(each.dead)} of {each.units} units") for each in diagnosis.activities]
    about = (
        "How often a gate lies at an end of its range (below 0.05 or above 0.95; for tanh beyond ±0.95), where hardly "
        "any gradient passes."
    )
    gates = table(["layer, gate", "mean", "near the low end", "near the high end"], rows) if rows else ""
    return section("Gates and units", about, gates, '<h3 class="block">Units that never move</h3>' + facts(still))


def _intake(diagnosis: Diagnosis) -> str:
    given = diagnosis.intake
    pairs = [
        ("rows", f"{given.rows:,}"),
        ("steps", f"{given.steps:,}"),
        ("median row", f"{given.median:,} steps"),
        ("longest row", f"{given.longest:,} steps"),
        ("padding, rows shuffled", f"{given.padding_shuffled:.1%} of batches of {given.batch_size}"),
        ("padding, similar rows together", f"{given.padding_bucketed:.1%}"),
        ("padding read as input", f"{given.padding_fed:.1%}" if given.padding_fed else ""),
    ]
    rows = [
        [str(number) if len(given.means) > 1 else "all", f"{mean:.4g}", f"{deviation:.4g}"]
        for number, (mean, deviation) in enumerate(zip(given.means, given.deviations, strict=True))
    ]
    scale = table(["number of a step", "mean", "standard deviation"], rows[:50]) if rows else ""
    return section("What the network is given", "As its first layer reads it.", facts(pairs), scale)
