"""`Labelled`: training rows that are read again and again from front to back, in memory or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.text.splitting import CHUNK

__all__ = ["Labelled", "Listed", "Part"]


class Part(NamedTuple):
    """Some rows: texts with class numbers (R,) and weights (R,)."""

    texts: list[str]
    targets: NDArray[np.int64]
    weights: NDArray[np.float64]


class Labelled(Protocol):
    """Labelled texts in a fixed order."""

    @property
    def mean_weight(self) -> float:
        """Of all rows."""

    def __len__(self) -> int:
        """How many rows there are."""

    def parts(self) -> Iterator[Part]:
        """All rows, so many at a time that they fit in memory; always cut in the same places."""


@dataclass(frozen=True)
class Listed:
    """Labelled texts in memory."""

    texts: Sequence[str]
    targets: NDArray[np.int64]
    weights: NDArray[np.float64]

    @property
    def mean_weight(self) -> float:
        """Of all rows."""
        return float(self.weights.mean())

    def __len__(self) -> int:
        return len(self.texts)

    def parts(self) -> Iterator[Part]:
        """Rows as they are cut for tokenising, too."""
        for first in range(0, len(self), CHUNK):
            rows = slice(first, first + CHUNK)
            yield Part(list(self.texts[rows]), self.targets[rows], self.weights[rows])
