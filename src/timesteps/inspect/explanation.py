"""`explain`: why a trained model answers as it does on one row, as plain arrays and as a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option
from timesteps.inspect.explain_choices import Chosen, Unit, choose_score, choose_unit
from timesteps.inspect.explain_neighbours import Neighbour, nearest
from timesteps.inspect.explain_reading import Reading, read_row
from timesteps.inspect.explain_steps import Contributions, integrated_gradients, leave_one_out
from timesteps.runtime.session import Session, load
from timesteps.runtime.trace import LayerTrace, NetworkTrace

__all__ = ["Explanation", "Saturation", "explain"]

_LOW, _HIGH = 0.1, 0.9


@dataclass(frozen=True)
class Saturation:
    """A gate over all steps and units of a layer and direction: its mean, and the shares below 0.1 and above 0.9; of
    what can be negative (g, n, candidates, states), of its absolute value."""

    layer: str
    gate: str
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, layer: LayerTrace, gate: str) -> Saturation:
        """Of one gate or state."""
        values = np.abs(layer[gate].astype(np.float64))
        mean, low, high = float(values.mean()), float((values < _LOW).mean()), float((values > _HIGH).mean())
        return cls(layer.name, gate, mean, low, high)


@dataclass(frozen=True)
class Explanation:
    """What a model answers to one row of T steps, and why.

    Args:
        title: of the model, for the page.
        reading: the steps.
        chosen: the answer, and the score that the contributions are of.
        trace: gates and states of one member.
        member: which one, from 0, of how many.
        integrated: contributions by integrated gradients, mean over the members; or why there are none.
        left_out: (T,) by how much the score falls without each step; NaN where the step is the one that is asked about.
        run_length: so many steps are left out together.
        saturation: of each gate.
        unit: the one that colours the steps at first.
        neighbours: rows of other data that the member's last vectors are nearest to.
        notes: what a reader must know besides.
    """

    title: str
    reading: Reading
    chosen: Chosen
    trace: NetworkTrace
    member: tuple[int, int]
    integrated: Contributions | str
    left_out: NDArray[np.float64]
    run_length: int
    saturation: tuple[Saturation, ...]
    unit: Unit
    coloured_by_unit: bool
    neighbours: tuple[Neighbour, ...] = ()
    neighbours_of: str = ""
    notes: tuple[str, ...] = ()

    def to_dict(self, arrays: bool = True) -> dict[str, Any]:
        """All of it as plain numbers, lists and texts; NaN is None. Without `arrays`, no gates and states."""
        found: dict[str, Any] = {
            "model": self.title,
            "answer": self.chosen.answer,
            "probability": self.chosen.probability,
            "score": {"name": self.chosen.name, "value": self.chosen.value, "step": self.chosen.score.step},
            "steps": list(self.reading.names),
            "left_out": _plain(self.left_out),
            "run_length": self.run_length,
            "member": self.member[0],
            "saturation": [vars(each) for each in self.saturation],
            "unit": {"layer": self.unit.layer, "name": self.unit.quantity, "number": self.unit.number},
            "neighbours": [vars(each) for each in self.neighbours],
            "notes": list(self.notes),
        }
        if isinstance(self.integrated, str):
            found["integrated_gradients"] = {"why_not": self.integrated}
        else:
            it = self.integrated
            features = None if it.features is None else _plain(it.features)
            found["integrated_gradients"] = {
                "steps": _plain(it.steps), "features": features, "elsewhere": it.elsewhere, "baseline": it.baseline,
                "score": it.score, "points": it.points, "residual": it.residual,
            }  # fmt: skip
        if arrays:
            weights, taken = self.trace.weights, self.trace.taken
            found["pooling"] = {
                "name": self.trace.pool,
                "weights": None if weights is None else _plain(weights),
                "taken": None if taken is None else taken[0].tolist(),
            }
            found["layers"] = {
                layer.name: {name: _plain(values) for name, values in layer.arrays.items()} for layer in self.trace
            }
        return found

    def to_html(self) -> str:
        """The page: it loads nothing from elsewhere."""
        from timesteps.inspect.explain_page import page

        return page(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, whole or not at all; where it is."""
        from timesteps.training.report_frame import write_page

        return write_page(path, self.to_html())


def explain(
    run: str | os.PathLike[str] | Session,
    row: Any,
    *,
    target: Any = None,
    step: int | None = None,
    unit: str | int | None = None,
    layer: str | None = None,
    member: int = 0,
    data: tuple[Sequence[Any], Sequence[Any] | None, str] | None = None,
    title: str | None = None,
) -> Explanation:
    """Why a model answers as it does on one row.

    Args:
        run: a run folder, a model file, or the model.
        row: a text, a list of tokens, token ids, or numbers (T, I), as the model reads them.
        target: the class to explain; None is the model's answer. Of a model of numbers, which of them, from 0.
        step: of a model that answers at every step, the step (from 0) whose answer is explained; None is the one that
            it is least sure of, of numbers the last.
        unit: what colours the steps first: "h.5", "c.5", "f.5", … or a number; None is the contributions.
        layer: "l0", "l0_reverse", …: where that unit is; None is the last layer.
        member: whose gates are shown, of an ensemble. Contributions are those of the whole ensemble.
        data: other rows, their labels or None, and what to call them: where the nearest are looked for, by the vectors
            that the dense layer reads.
        title: of the model; None is the name of `run`.

    Raises:
        DataError: a row that is not what the model reads, or without steps.
        UsageError: no such class, step, unit, layer or member.

    Example:
        >>> import numpy as np
        >>> from timesteps.inspect import explain
        >>> from timesteps.runtime.layout import model_tensors
        >>> from timesteps.runtime.session import Session
        >>> from timesteps.runtime.spec import LayerSpec, ModelSpec, NetworkSpec, NumericSpec
        >>> layer = LayerSpec(cell="gru", input_size=1, hidden_size=4)
        >>> network = NetworkSpec(input="numeric", input_size=1, layers=(layer,), outputs=1)
        >>> spec = ModelSpec(task="classify", classes=("down", "up"), numeric=NumericSpec(features=1), network=network)
        >>> tensors = {name: np.ones(shape) for name, (_, shape) in model_tensors(spec).items()}
        >>> found = explain(Session(spec, tensors), [0.5, -1.0, 2.0])
        >>> found.chosen.answer, found.left_out.shape, "</html>" in found.to_html()
        ('up', (3,), True)
    """
    session = run if isinstance(run, Session) else load(run)
    if title is None:
        title = "the model" if isinstance(run, Session) else Path(run).name
    count = len(session.members)
    if not 0 <= member < count:
        known = "0, and no other" if count == 1 else f"0 to {count - 1}"
        raise UsageError(f"{option('member')} is {member}", mend=f"this model has {known}")
    reading = read_row(session, row)
    chosen = choose_score(session, reading, target, step)
    networks = session.members
    trace = networks[member].trace(reading.steps)
    picked = choose_unit(trace, networks[member], chosen.score, unit, layer)
    left_out, run_length = leave_one_out(networks, reading, chosen.score)
    notes = [reading.cut] if reading.cut else []
    if run_length > 1:
        notes.append(f"The row is long: {run_length} steps at a time are left out together.")
    if not any(part.gates for part in trace):
        notes.append("A vanilla recurrent network has no gates: only its state h is shown.")
    found: tuple[Neighbour, ...] = ()
    if data is not None:
        found = nearest(session, networks[member], reading, row, *data[:2])
    saturation = [Saturation.of(part, gate) for part in trace for gate in (*part.gates, "h")]
    return Explanation(
        title, reading, chosen, trace, (member, count), _integrated(networks, reading, chosen), left_out, run_length,
        tuple(saturation), picked, unit is not None, found, "" if data is None else data[2], tuple(notes),
    )  # fmt: skip


def _integrated(networks: Sequence[Any], reading: Reading, chosen: Chosen) -> Contributions | str:
    """The mean over the members."""
    parts: list[Contributions] = []
    for network in networks:
        part = integrated_gradients(network, reading, chosen.score)
        if isinstance(part, str):
            return part
        parts.append(part)
    features = [part.features for part in parts if part.features is not None]
    return Contributions(
        np.mean([part.steps for part in parts], axis=0),
        np.mean(features, axis=0) if features else None,
        float(np.mean([part.elsewhere for part in parts])),
        float(np.mean([part.score for part in parts])),
        float(np.mean([part.baseline for part in parts])),
        max(part.points for part in parts),
    )


def _plain(values: NDArray[Any]) -> Any:
    """As lists, NaN as None."""
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()
