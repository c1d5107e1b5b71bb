"""What a `Corrector` answers: `Correction` with its `Change`s, and `Suggestion`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Change", "Correction", "Suggestion"]


@dataclass(frozen=True)
class Change:
    """One word that was corrected; where a blank was, what was typed or what was meant is two words."""

    begin: int
    """Where the word begins in the sentence as it was typed."""
    typed: str
    meant: str
    probability: float
    """Of this correction, among the sentences that were compared."""


@dataclass(frozen=True)
class Correction:
    """A corrected sentence."""

    typed: str
    text: str
    changes: list[Change]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        changes = [
            {"begin": each.begin, "typed": each.typed, "meant": each.meant, "probability": each.probability}
            for each in self.changes
        ]
        return {"typed": self.typed, "text": self.text, "changes": changes}


@dataclass(frozen=True)
class Suggestion:
    """A word that may have been meant, and how probably."""

    word: str
    probability: float
