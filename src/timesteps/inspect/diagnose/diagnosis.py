"""`Diagnosis`: everything that was found, as text, plain values, and sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from timesteps.errors import spelled
from timesteps.inspect.diagnose.activity import Activity
from timesteps.inspect.diagnose.charts import MARKS, text_chart
from timesteps.inspect.diagnose.findings import Finding
from timesteps.inspect.diagnose.flow import Flow
from timesteps.inspect.diagnose.intake import Intake
from timesteps.runtime.display import fitted, printable

__all__ = ["Diagnosis"]

Spell = Callable[[str, str | int | bool | None], str]


@dataclass(frozen=True)
class Diagnosis:
    """Gradient flow, activity and intake of a model on some rows, and what follows from them. `str()` is 80 columns."""

    about: str  # the model, in a few words
    data: str  # the rows, in a few words
    flows: tuple[Flow, ...]
    activities: tuple[Activity, ...]
    intake: Intake
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        return self.text()

    def text(self, spell: Spell | None = None) -> str:
        """The diagnosis in at most 80 columns; `spell` writes the options in it, Python's way if there is none."""
        given = self.intake
        seen = "" if given.seen == given.rows else f" ({given.seen} looked at)"
        lines = [
            fitted(f"model     {printable(self.about)}", 80),
            fitted(f"data      {printable(self.data)}", 80),
            f"rows      {given.rows:,}{seen}, {_count(given.steps, 'step')}, median {given.median:,}, longest "
            f"{given.longest:,}",
            "",
            "Gradient flow: the largest singular value of the Jacobian of a state with",
            f"respect to that state k steps before, median of {_count(self.flows[0].steps, 'place')} in the data.",
            "",
        ]
        shown = self.shown
        lines += text_chart(shown)
        head = f"    {'layer, state':<14}{'1 back':>9}{'10 back':>9}{'farthest':>9}"
        lines += ["", f"{head}  {'half-life':<15}memory to 1 %"]
        marks = {(flow.layer, flow.state): mark for mark, (_, flow) in zip(MARKS, shown, strict=False)}
        lines += [_row(marks.get((flow.layer, flow.state), " "), flow) for flow in self.flows]
        lines += ["", f"    {'layer, gate':<14}{'mean':>10}{'near low':>10}{'near high':>10}  units that never move"]
        for each in self.activities:
            lines += _gates(each)
        lines += ["", "Findings" if self.findings else "Findings: none."]
        for finding in self.findings:
            head = "! " if finding.level == "warning" else "- "
            lines += wrap(printable(spelled(finding.said, spell)), 80, initial_indent=head, subsequent_indent="  ")
        return "\n".join(lines)

    @property
    def shown(self) -> list[tuple[str, Flow]]:
        """The lines of the chart in the terminal: all, or of many layers the first ones' and the last one's h."""
        flows = list(self.flows)
        if len(flows) > len(MARKS):
            hidden = [flow for flow in flows if flow.state == "h"]
            flows = [*hidden[: len(MARKS) - 1], hidden[-1]]
        return [(f"{flow.layer} {flow.state}", flow) for flow in flows]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for --json."""
        return {
            "about": self.about,
            "data": self.data,
            "intake": self.intake.to_dict(),
            "flows": [flow.to_dict() for flow in self.flows],
            "activities": [each.to_dict() for each in self.activities],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def _row(mark: str, flow: Flow) -> str:
    ten = max(lag for lag in flow.lags if lag <= 10)
    values = [flow.spectral[0], flow.spectral[flow.lags.index(ten)], flow.spectral[-1]]
    numbers = "".join(f"{value:>9.2g}" for value in values)
    half, memory = span(flow, flow.half_life), span(flow, flow.memory)
    return f"  {mark} {fitted(f'{flow.layer}, {flow.state}', 13):<14}{numbers}  {half:<15}{memory}"


def span(flow: Flow, steps: float | None) -> str:
    """Steps as the tables say them."""
    return f"over {flow.lags[-1]:,} steps" if steps is None else f"{steps:,.1f} steps"


def _gates(each: Activity) -> list[str]:
    dead = f"{len(each.dead)} of {each.units}"
    lines = []
    for number, gate in enumerate(each.gates):
        shares = f"{gate.mean:>10.3f}{gate.low:>10.1%}{gate.high:>10.1%}"
        lines.append(
            f"    {fitted(f'{each.layer}, {gate.gate}', 13):<14}{shares}  {dead if number == 0 else ''}".rstrip()
        )
    if not lines:
        lines.append(f"    {each.layer + ', no gates':<44}  {dead}")
    return lines


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"
