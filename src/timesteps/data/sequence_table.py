"""`SequenceTable`: sequences of numbers with labels, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesteps.data.tables import SkippedRow

__all__ = ["SequenceColumns", "SequenceTable"]


@dataclass(frozen=True)
class SequenceColumns:
    """Columns of a table with a row for each step. `.ts` files have none.

    Args:
        group: which sequence a row belongs to.
        time: when; None where rows come in their order.
        label: of the sequence; None where there are no labels.
        features: numbers of a step; () for all other columns that hold numbers.
    """

    group: str | None = None
    time: str | None = None
    label: str | None = None
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class SequenceTable:
    """R sequences of steps of I numbers.

    Args:
        rows: (T, I) each.
        labels: of each, as they are written; None without labels.
        names: of each: what a table calls it, or its number from 1.
        lines: where each begins.
        features: names of the columns that were read; () where the format has none.
    """

    rows: list[NDArray[np.float64]]
    labels: list[str] | None
    names: list[str]
    lines: list[int]
    features: tuple[str, ...]
    source: str
    sha256: str
    notes: list[str]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def rows_read(self) -> int:
        """How many there are; none is left out."""
        return len(self.rows)

    @property
    def skipped(self) -> list[SkippedRow]:
        """None, unlike of a table of texts."""
        return []
