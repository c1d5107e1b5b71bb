"""What is wrong, or may be, in one sentence each, with the option that mends it where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from timesteps.errors import option, spelled
from timesteps.inspect.diagnose.activity import Activity
from timesteps.inspect.diagnose.flow import Flow
from timesteps.inspect.diagnose.intake import Intake

__all__ = ["ADVISED", "Finding", "Subject", "findings"]

_NETWORK = frozenset({"cell", "chrono", "layer_norm", "nonlinearity"})
_STEPS = frozenset({"clip_norm", "learning_rate", "batch_size"})

ADVISED: dict[str, frozenset[str]] = {
    "classify": _NETWORK | _STEPS | {"max_length", "truncating", "mask", "padding"},
    "tag": _STEPS | {"cell", "chrono"},
    "regress": _STEPS | {"cell", "chrono"},
    "language": _STEPS | {"cell", "bptt"},
    "cell": _NETWORK,
}
"""Options that may be advised, by what the model was trained to do: those that its training takes."""

_EXPLODES = 10.0
_MOSTLY = 0.5
_FAR_MEAN, _SMALL, _LARGE = 3.0, 0.1, 5.0
_MUCH_PADDING = 0.3
_MUCH_CUT = 0.2
_FEW_DEAD = 0.05
_REMEMBERS = 0.85  # a forget gate whose mean is above it, beside which a shut input gate is no fault
_BATCHES = 4  # below, hardly any rows are of similar length
_KEEPS = {"lstm": ("f", "high"), "gru": ("z", "high"), "mingru": ("z", "low"), "minlstm": ("f", "high")}
"""The end of the gate that keeps the state, where being stuck is memory and no fault."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found. `said` has its options marked: `str()` reads as Python, `spelled` as who asks likes."""

    kind: str
    where: str  # a layer, or ""
    level: Literal["warning", "note"]
    said: str

    def __str__(self) -> str:
        return spelled(self.said)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": self.kind, "where": self.where, "level": self.level, "said": str(self)}


@dataclass(frozen=True)
class Subject:
    """What is diagnosed, as far as advice depends on it."""

    task: str  # a key of ADVISED
    cell: str
    pool: str  # "last" where only the last state answers
    layer_norm: bool = False
    mask: bool = True
    padding: str = "pre"

    def may(self, name: str, value: Any = None) -> str:
        """The option as advice, nothing where training does not take it."""
        return option(name, value) if name in ADVISED[self.task] else ""


def findings(
    subject: Subject, flows: Sequence[Flow], activities: Sequence[Activity], given: Intake | None
) -> list[Finding]:
    """All findings, warnings first."""
    found = [
        *_exploding(subject, flows),
        *_vanishing(subject, flows, given),
        *(finding for each in activities for finding in _stuck(subject, each)),
        *(finding for each in activities for finding in _dead(subject, each)),
        *([] if given is None else _intake(subject, given)),
    ]
    return sorted(found, key=lambda finding: finding.level != "warning")


def _exploding(subject: Subject, flows: Sequence[Flow]) -> Iterator[Finding]:
    for flow in flows:
        if flow.growth < _EXPLODES:
            continue
        at = flow.lags[flow.spectral.index(flow.growth)]
        bound = _or(subject.may("clip_norm", 1.0) and f"bound the step by {subject.may('clip_norm', 1.0)}",
                    subject.may("layer_norm", True) if not subject.layer_norm else "",
                    subject.may("learning_rate") and f"a lower {subject.may('learning_rate')}")  # fmt: skip
        what = (
            f"layer {flow.layer}: gradients of {flow.state} explode, {flow.growth:,.3g} times larger {_steps(at)} back"
        )
        yield Finding("exploding", flow.layer, "warning", f"{what}; {bound}" if bound else what)


def _vanishing(subject: Subject, flows: Sequence[Flow], given: Intake | None) -> Iterator[Finding]:
    for layer in dict.fromkeys(flow.layer for flow in flows):
        own = [flow for flow in flows if flow.layer == layer]
        memories = [flow.memory for flow in own]
        reach = max(flow.lags[-1] for flow in own)
        if any(memory is None for memory in memories):
            continue
        longest = max(memory for memory in memories if memory is not None)
        needed = reach if given is None else given.median
        if longest >= needed / 2 or needed < 4:
            continue
        what = (
            f"layer {layer}: its memory ends after about {_steps(round(longest))} "
            f"(the gradient is a hundredth there), rows have {needed:,}"
        )
        if subject.pool != "last":
            note = f"{what}; that is enough where single steps tell the answer, for every step is pooled"
            note = note if subject.pool != "none" else f"{what}; that is enough where neighbours tell the answer"
            yield Finding("short_memory", layer, "note", note)
            continue
        chrono = subject.may("chrono", needed)
        cell = subject.may("cell", "lstm") if subject.cell == "rnn" else chrono
        advice = _or(cell, f"{chrono} with it" if subject.cell == "rnn" and chrono else "",
                     subject.may("max_length") and f"a shorter {subject.may('max_length')}")  # fmt: skip
        yield Finding("vanishing", layer, "warning", f"{what}; {advice}" if advice else what)


def _stuck(subject: Subject, activity: Activity) -> Iterator[Finding]:
    gate_of, end = _KEEPS.get(activity.cell, ("", ""))
    remembers = any(gate.gate == gate_of == "f" and gate.mean > _REMEMBERS for gate in activity.gates)
    for gate in activity.gates:
        spared = (gate.gate, "low") == (gate_of, end) or (remembers and gate.gate == "i")
        low = 0.0 if spared else gate.low
        high = 0.0 if (gate.gate, "high") == (gate_of, end) else gate.high
        if low + high < _MOSTLY:
            continue
        name = "h" if gate.gate == "h" else f"gate {gate.gate}"
        side = "near 0" if low > 3 * high and gate.gate not in ("h", "g", "n") else "at the ends of its range"
        what = f"layer {activity.layer}: {name} is {side} in {low + high:.0%} of all steps, where no gradient passes"
        norm = subject.may("layer_norm", True) if not subject.layer_norm else ""
        advice = _or(norm, subject.may("learning_rate") and f"a lower {subject.may('learning_rate')}",
                     "smaller inputs")  # fmt: skip
        yield Finding("saturated", activity.layer, "warning", f"{what}; {advice}")


def _dead(subject: Subject, activity: Activity) -> Iterator[Finding]:
    dead, units = activity.dead, activity.units
    if len(dead) < max(1, _FEW_DEAD * units):
        return
    held = " at zero by their relu" if len(activity.relu_dead) > len(dead) / 2 else ""
    what = (
        f"layer {activity.layer}: {len(dead)} of {units} units never move{held} (unit"
        f"{'s' if len(dead) > 1 else ''} {', '.join(map(str, dead[:5]))}{', …' if len(dead) > 5 else ''})"
    )
    mend = _or(subject.may("nonlinearity", "tanh"), subject.may("learning_rate") and
               f"a lower {subject.may('learning_rate')}") if held else "fewer units would do the same"  # fmt: skip
    yield Finding("dead_units", activity.layer, "warning" if held else "note", f"{what}; {mend}")


def _intake(subject: Subject, given: Intake) -> Iterator[Finding]:
    if given.constant:
        names = ", ".join(map(str, given.constant[:8])) + (", …" if len(given.constant) > 8 else "")
        what = f"feature{'s' if len(given.constant) > 1 else ''} {names} never change{'s' * (len(given.constant) == 1)}"
        yield Finding("constant_features", "", "warning", f"{what} in this data; leave them out")
    for number, (mean, deviation) in enumerate(zip(given.means, given.deviations, strict=True)):
        of = f"feature {number}" if len(given.means) > 1 else "the input"
        if number in given.constant or (abs(mean) <= _FAR_MEAN and _SMALL <= deviation <= _LARGE):
            continue
        if len(given.means) == 1 and subject.task not in ("cell",) and deviation < _LARGE and abs(mean) <= _FAR_MEAN:
            continue  # of learned vectors, small ones are as good
        what = f"{of} has mean {mean:.3g} and standard deviation {deviation:.3g} where 0 and 1 are expected"
        mend = "subtract the mean and divide by the deviation of the training data"
        if subject.task != "cell":
            mend = "is it in the units of the training data?"
        yield Finding("input_scale", "", "warning", f"{what}; {mend}")
    if not subject.mask and given.padding_fed > _MUCH_PADDING:
        after = subject.padding == "post" and subject.pool == "last"
        what = f"{given.padding_fed:.0%} of the steps that the network reads are padding" + (
            ", and the answer comes after it" if after else ""
        )
        advice = _or(subject.may("mask", True), subject.may("padding", "pre") if after else "",
                     subject.may("max_length") and f"a shorter {subject.may('max_length')}")  # fmt: skip
        yield Finding("padding_fed", "", "warning", f"{what}; {advice}" if advice else what)
    if given.padding_bucketed > _MUCH_PADDING and given.rows >= _BATCHES * given.batch_size:
        what = (
            f"{given.padding_bucketed:.0%} of the steps of batches of {given.batch_size} rows are padding, even where "
            "rows of similar length are together"
        )
        advice = _or(subject.may("batch_size") and f"a smaller {subject.may('batch_size')}",
                     subject.may("max_length") and f"a shorter {subject.may('max_length')}")  # fmt: skip
        yield Finding("padding", "", "note", f"{what}; {advice}" if advice else what)
    if given.cut > _MUCH_CUT and given.limit is not None:
        what = f"{given.cut:.0%} of the rows reach {given.limit:,} steps, beyond which they are cut"
        advice = _or(subject.may("max_length") and f"a larger {subject.may('max_length')}",
                     subject.may("truncating", "middle"))  # fmt: skip
        yield Finding("truncation", "", "note", f"{what}; {advice}" if advice else what)


def _or(*choices: str) -> str:
    given = [choice for choice in choices if choice]
    return f"try {', or '.join(given)}" if given and not given[0].startswith("bound") else ", or ".join(given)


def _steps(count: int) -> str:
    return f"{count:,} step{'s' if count != 1 else ''}"
