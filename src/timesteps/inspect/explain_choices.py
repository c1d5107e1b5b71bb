"""What is explained: which answer, by which score, and which unit is looked at first."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from timesteps.errors import UsageError, option
from timesteps.inspect.explain_reading import Reading
from timesteps.inspect.explain_steps import Score
from timesteps.runtime.losses import Loss
from timesteps.runtime.metrics import probabilities
from timesteps.runtime.network import Network
from timesteps.runtime.numbers import Numbers
from timesteps.runtime.session import Session
from timesteps.runtime.trace import NetworkTrace

__all__ = ["Chosen", "Unit", "choose_score", "choose_unit"]

_UNIT = re.compile(r"(?:([A-Za-z_]+)[.\s]?)?(\d+)")


@dataclass(frozen=True)
class Chosen:
    """An answer, and the score that stands for it.

    Args:
        answer: a label, or the predicted number as text.
        probability: of the label; None of numbers.
        target: the label whose score it is, or the name of the number.
        name: what the score is, in words.
        value: the score, mean over the members.
        score: how it follows from logits.
        unit: of the score.
    """

    answer: str
    probability: float | None
    target: str
    name: str
    value: float
    score: Score
    unit: str


@dataclass(frozen=True)
class Unit:
    """A unit of a gate or state."""

    layer: str
    quantity: str
    number: int

    def __str__(self) -> str:
        return f"{self.layer} {self.quantity}.{self.number}"


def choose_score(session: Session, reading: Reading, target: Any, step: int | None) -> Chosen:
    """What is explained. `UsageError` for a class, number or step that there is not."""
    spec = session.spec
    logits = np.mean([each.logits(reading.steps).astype(np.float64) for each in session.members], axis=0)
    if spec.network.pool != "none":
        if step is not None:
            raise UsageError("this model answers once a row", mend=f"leave {option('step')} out")
    elif step is not None and not 0 <= step < len(reading):
        raise UsageError(f"the row has {len(reading)} steps", mend=f"choose {option('step')} among them")
    if spec.targets is not None:
        return _number(session, logits, target, step)
    p = probabilities(logits)
    if spec.network.pool == "none" and step is None:
        step = int(p.max(axis=1).argmin())
    row = p[step or 0]
    best = int(row.argmax())
    wanted = best if target is None else _class(spec.classes, target)
    outputs = spec.network.outputs
    name = str(spec.classes[wanted])
    if outputs == 1:
        weights = np.array([1.0 if wanted == 1 else -1.0])
        said = f"logit of “{name}” against “{spec.classes[1 - wanted]}”"
    else:
        weights = np.full(outputs, -1 / (outputs - 1))
        weights[wanted] = 1.0
        said = f"logit of “{name}” above the mean of the others"
    at = "" if step is None else f" at step {step + 1}, “{reading.names[step]}”"
    score = Score(weights, step)
    return Chosen(str(spec.classes[best]), float(row[best]), name, said + at, score.of(logits), score, "logits")


def _number(session: Session, logits: Any, target: Any, step: int | None) -> Chosen:
    spec = session.spec
    assert spec.targets is not None
    if spec.network.pool == "none" and step is None:
        step = len(logits) - 1
    size = spec.targets.size
    wanted = 0 if target is None else target
    if not isinstance(wanted, int) or not 0 <= wanted < size:
        raise UsageError(f"{option('target')} is {target!r}", mend=f"the model predicts numbers 0 to {size - 1}")
    loss = Loss(spec.targets.loss, spec.targets.quantiles)
    scale = session.tensors["target.scale"].astype(np.float64)
    weights = np.zeros(spec.network.outputs)
    weights[wanted * len(loss.parameters) + loss.centre] = float(scale[wanted % len(scale)])
    score = Score(weights, step)
    found = Numbers(spec.targets, session.tensors).predictions(logits[step or 0][None]).ravel()[wanted]
    kind = loss.parameters[loss.centre]
    kind = f"quantile {kind}" if loss.name == "quantile" else kind
    name = f"predicted {kind}" + (f" of number {wanted}" if size > 1 else "")
    at = "" if step is None else f" at step {step + 1}"
    said = f"{name}{at}, in units of the target, from its mean in training"
    return Chosen(f"{found:.6g}", None, name, said, score.of(logits), score, "units of the target")


def _class(classes: tuple[Any, ...], target: Any) -> int:
    names = [str(label) for label in classes]
    if str(target) not in names:
        close = difflib.get_close_matches(str(target), names, 1, 0.5)
        shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        mend = f"did you mean {close[0]!r}? the classes are {shown}" if close else f"the classes are {shown}"
        raise UsageError(f"{option('target')} is {target!r}", mend=mend)
    return names.index(str(target))


def choose_unit(trace: NetworkTrace, network: Network, score: Score, unit: str | int | None, layer: str | None) -> Unit:
    """The unit by its name or, without one, the unit of the last layer whose state moves the answer most."""
    parts = [part for part in trace if part.layer == trace.layers[-1].layer]
    part = parts[0] if layer is None else trace[layer]
    if unit is None:
        if part not in parts:
            return Unit(part.name, "h", int(part.states["h"].std(axis=0).argmax()))
        size = part.states["h"].shape[1]
        head = np.abs(network.head @ score.weights.astype(network.head.dtype))[: size * len(parts)]
        moves = np.stack([each.states["h"].std(axis=0) for each in parts]) * head.reshape(len(parts), size)
        if layer is None:
            part = parts[int(moves.max(axis=1).argmax())]
        return Unit(part.name, "h", int(moves[parts.index(part)].argmax()))
    found = _UNIT.fullmatch(str(unit).strip())
    names = list(part.arrays)
    if found is None:
        mend = f"give a number, or one of {', '.join(names)} with a number, such as {option('unit', 'h.5')}"
        raise UsageError(f"{option('unit')} is {unit!r}", mend=mend)
    quantity = found[1] or ("c" if "c" in part.states else "h")
    size = part[quantity].shape[1]
    number = int(found[2])
    if number >= size:
        raise UsageError(f"{option('unit')} is {unit!r}", mend=f"layer {part.name} has units 0 to {size - 1}")
    return Unit(part.name, quantity, number)
