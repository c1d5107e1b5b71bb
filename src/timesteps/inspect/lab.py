"""`lab`: a small network at work on one sequence, its weights set by hand or learned, as table, drawing and file."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from timesteps.errors import UsageError, option
from timesteps.inspect.expressivity import TASKS, Expressivity, expressivity
from timesteps.inspect.handset import HANDSETS, Handset
from timesteps.inspect.handset.diagram import diagram
from timesteps.inspect.handset.equations import equations
from timesteps.inspect.handset.follow import Followed, follow
from timesteps.inspect.handset.table import table
from timesteps.runtime import modelfile
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.session import Session, with_golden

__all__ = ["Lab", "check_name", "lab"]

EXPRESSIVITY = "expressivity"  # what the command line calls the experiment beside the networks


@dataclass(frozen=True)
class Lab:
    """A network, a sequence, and what the one did with the other.

    Args:
        handset: the network set by hand, or the one whose input the trained network reads.
        session: what ran: it answers at every step.
        followed: the values of all steps.
        title: what the network does.
        notes: its equations, or how it was trained.
        units: names of the units of its last layer.
        signs: what was typed for each step, if that says more than the numbers.
        found: how the trained network does on long sequences; None of weights set by hand.
    """

    handset: Handset
    session: Session
    followed: Followed
    title: str
    notes: Sequence[str]
    units: Sequence[str]
    signs: Sequence[str] | None
    found: Expressivity | None = None

    def lines(self) -> list[str]:
        """A table of at most 80 columns, a line a step."""
        return table(self.followed, self.handset.inputs, self.units, self.session.classes, self.signs)

    def svg(self) -> str:
        """The network unrolled over the sequence."""
        return diagram(self.session, self.followed, self.title, self.handset.inputs, self.units, self.notes, self.signs)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        learned = None if self.found is None else self.found.to_dict()
        names = {"inputs": list(self.handset.inputs), "units": list(self.units)}
        return {
            "lab": self.handset.name,
            "what": self.title,
            "notes": list(self.notes),
            "trained": learned,
            **names,
            **self.followed.to_dict(),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, which answers at the end of a row or, in a stream, at every step. `UsageError` if the file
        cannot be written.
        """
        spec, tensors = self.session.spec, self.session.tensors
        network = msgspec.structs.replace(spec.network, pool="last")
        task = "regress" if spec.task == "regress" else "classify"
        once = msgspec.structs.replace(spec, task=task, network=network, golden=())
        modelfile.save(path, with_golden(once, tensors, [self.followed.inputs]), tensors)

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Write the drawing. `UsageError` if the file cannot be written."""
        with atomic_write(path) as file:
            file.write(self.svg().encode())


def lab(name: str, text: str | None = None, cell: str | None = None, *, seed: int = 0) -> Lab:
    """Run a small network on a sequence.

    Args:
        name: of `timesteps.inspect.handset.HANDSETS`.
        text: the sequence, as the network's notation says; None takes an example.
        cell: train a network of this cell to do the same, in a second or so, instead of setting weights by hand.
        seed: of that training.

    Raises:
        UsageError: an unknown name; a network that is not to be trained.
        DataError: an input that is not in the notation; the message names the character.

    >>> print(*lab("parity", "0110").lines(), sep=chr(10))
    step  x  either  both    P(1)  answer
       1  0      -1    -1  0.0067       0
       2  1       1    -1  0.9933       1
       3  1       1     1  0.0067       0
       4  0      -1    -1  0.0067       0
    """
    check_name(name)
    chosen = HANDSETS[name]
    text = chosen.example if text is None else text
    inputs, signs = chosen.read(text), chosen.notation.signs(text)
    title = f"{chosen.name}: {chosen.what}"
    if cell is None:
        session = chosen.session(per_step=True)
        notes = equations(session, chosen.inputs, chosen.units)
        return Lab(chosen, session, follow(session, inputs), title, notes, chosen.units, signs)
    if name not in TASKS:
        known = ", ".join(each for each in HANDSETS if each in TASKS)
        raise UsageError(f"{option('cell', cell)} with {name!r}", mend=f"training is for {known}")
    found = expressivity(cell, name, seed=seed, lengths=(1000,))
    layers = found.session.spec.network.layers
    units = [f"h{number}" for number in range(1, layers[-1].hidden_size + 1)]
    share = found.accuracy[1000]
    notes = [
        f"{len(layers)} layers of {len(units)} units, trained on sequences of up to {found.trained_to} steps",
        f"of 50 sequences of 1,000 steps, {_percent(share)} of the steps are right",
    ]
    title = f"{name}: {found.task.what} learned by a network of {cell} cells"
    return Lab(chosen, found.session, follow(found.session, inputs), title, notes, units, signs, found)


def check_name(name: str) -> None:
    """`UsageError` with the nearest name, unless there is such a network."""
    if name not in HANDSETS:
        near = difflib.get_close_matches(name, [*HANDSETS, EXPRESSIVITY], 1)
        mend = f"did you mean {near[0]}?" if near else "`timesteps lab` lists them"
        raise UsageError(f"there is no lab {name!r}", mend=mend)


def _percent(share: float) -> str:
    """Only what is exact is 100 %."""
    return "100 %" if share == 1 else f"{int(1000 * share) / 10:.1f} %"
