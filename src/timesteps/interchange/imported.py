"""What comes in: a model that answers, and a run folder to keep it in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from timesteps.interchange.checking import Check
from timesteps.interchange.plain import Label, PlainNetwork, to_session
from timesteps.runtime import modelfile
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.session import Session, with_golden

__all__ = ["Imported", "finish"]


@dataclass(frozen=True)
class Imported:
    """A model from elsewhere: `session` answers, `check` is the measurement, `notes` what its user should know."""

    session: Session
    check: Check
    notes: tuple[str, ...]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write a run folder: the model file, and a card that says where it came from. The folder's path.

        Raises:
            UsageError: the folder holds a model already, or cannot be written to.
        """
        path = modelfile.begin_folder(folder)
        modelfile.save(path / modelfile.FILE_NAME, self.session.spec, self.session.tensors)
        with atomic_write(path / "card.md") as file:
            file.write(self.card().encode())
        return path

    def card(self) -> str:
        """A page of Markdown about the model."""
        spec = self.session.spec
        reads = "token ids" if spec.text is not None else f"numbers, {spec.network.input_size:,} a step"
        layers = " → ".join(
            f"{'bidirectional ' * layer.bidirectional}{layer.cell} {layer.hidden_size:,}"
            for layer in spec.network.layers
        )
        lines = [
            f"# A model from {spec.training['imported_from']}",
            f"Reads rows of {reads}; {layers}; pooling {spec.network.pool}; {max(2, spec.network.outputs):,} classes.",
            f"Compared with its source when it was converted: {self.check}.",
            *(f"- {note}" for note in self.notes),
            "What it was trained on, and how well it does, its source has to say.",
        ]
        return "\n\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        spec = self.session.spec
        return {
            "classes": list(spec.classes),
            "input": "ids" if spec.text is not None else "numbers",
            "layers": [
                {"cell": each.cell, "hidden_size": each.hidden_size, "bidirectional": each.bidirectional}
                for each in spec.network.layers
            ],
            "pool": spec.network.pool,
            **self.check.to_dict(),
            "notes": list(self.notes),
        }


def finish(
    network: PlainNetwork,
    check: Check,
    library: str,
    origin: str,
    classes: Sequence[Label] | None,
    mask_zero: bool = False,
) -> Imported:
    """The model of a network that was measured, with golden vectors of its own answers.

    `mask_zero` says whether id 0 was padding where it came from.
    """
    training = {"imported_from": library, "source": origin[:200], **check.to_dict()}
    if network.spec.input == "ids":
        training["mask_zero"] = mask_zero
    session = to_session(network, classes, training)
    rng = np.random.default_rng(0)
    rows = [
        rng.integers(0, network.spec.input_size, steps)
        if network.spec.input == "ids"
        else _numbers(network, rng.normal(size=(steps, network.spec.input_size)))
        for steps in (1, 5, 12)
    ]
    spec = with_golden(session.spec, session.tensors, rows)
    return Imported(Session(spec, session.tensors), check, network.notes)


def _numbers(network: PlainNetwork, normal: Any) -> Any:
    return normal if network.scaler is None else network.scaler[0] + network.scaler[1] * normal
