"""What a network of numbers does at every step of one sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.metrics import probabilities
from timesteps.runtime.session import Session

__all__ = ["Followed", "follow"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Followed:
    """All values of one sequence of T steps.

    Args:
        inputs: (T, I).
        gates: of the last layer, after their activation, by name, (T, H) each; none of a vanilla network.
        states: of the last layer, behind each step, by name, (T, H) each; the first is its output.
        outputs: (T, outputs): logits, or the number that is the answer.
        answers: the label or number of each step.
    """

    inputs: Array
    gates: dict[str, Array]
    states: dict[str, Array]
    outputs: Array
    answers: list[Any]

    def __len__(self) -> int:
        return len(self.inputs)

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it: one object a step."""
        parts = {"x": self.inputs, **self.gates, **self.states, "output": self.outputs}
        return {
            "steps": [
                {**{name: part[t].tolist() for name, part in parts.items()}, "answer": self.answers[t]}
                for t in range(len(self))
            ]
        }


def follow(session: Session, inputs: Array) -> Followed:
    """Every gate, state and answer of a sequence (T, I).

    Args:
        session: answers at every step, and reads numbers.
        inputs: the sequence.

    >>> from timesteps.inspect.handset import handset
    >>> parity = handset("parity")
    >>> followed = follow(parity.session(per_step=True), parity.read("0101"))
    >>> followed.states["h"].tolist(), followed.answers
    ([[-1.0, -1.0], [1.0, -1.0], [1.0, -1.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    trace = session.trace([inputs])
    last = trace.layers[-1]
    parts = (last.gates, last.states)
    gates, states = ({name: np.asarray(a, np.float64) for name, a in part.items()} for part in parts)
    outputs = trace.logits
    if session.classes:
        answers = [session.classes[best] for best in probabilities(outputs).argmax(axis=1).tolist()]
    else:
        answers = session.predict([inputs])[0].tolist()
    return Followed(inputs, gates, states, outputs, answers)
