"""n-gram models from ARPA files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timesteps.interchange.checking import Check
from timesteps.runtime import modelfile
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.language.arpa import read_arpa
from timesteps.runtime.language.ngram import Ngram

__all__ = ["ImportedNgram", "from_arpa"]


@dataclass(frozen=True)
class ImportedNgram:
    """A model from an ARPA file: `model` answers, `notes` are what its user should know."""

    model: Ngram
    notes: tuple[str, ...]
    check: Check

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write a run folder: the model file, and a card that says where it came from. The folder's path.

        Raises:
            UsageError: the folder holds a model already, or cannot be written to.
        """
        path = modelfile.begin_folder(folder)
        self.model.save(path)
        spec = self.model.spec
        lines = [
            "# An n-gram language model from an ARPA file",
            f"Of order {spec.order}, from {spec.training['source']}; "
            f"n-grams by order: {', '.join(f'{count:,}' for count in spec.counts)}.",
            *(f"- {note}" for note in self.notes),
            "What it was estimated from, its source has to say.",
        ]
        with atomic_write(path / "card.md") as file:
            file.write(("\n\n".join(lines) + "\n").encode())
        return path

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        spec = self.model.spec
        return {
            "order": spec.order,
            "vocabulary": len(self.model.words),
            "ngrams": list(spec.counts),
            "units": spec.vocabulary.units.kind,
            **self.check.to_dict(),
            "notes": list(self.notes),
        }


def from_arpa(path: str | os.PathLike[str], *, units: str = "word") -> ImportedNgram:
    """Read an ARPA file, compressed or not, whose words are units of this kind.

    Raises:
        ModelError: the file is missing or damaged, with the line where.
        UsageError: no such kind of units.
    """
    model = read_arpa(path, units=units)
    notes = []
    if added := model.spec.training["added"]:
        notes.append(f"{added:,} ends of n-grams that the file lacks were added, with the probabilities they have")
    if model.spec.training["without_unknown"]:
        notes.append("the file has no <unk>: unknown words have the probability 10^-100")
    return ImportedNgram(model, tuple(notes), Check("an ARPA file holds the numbers themselves"))
