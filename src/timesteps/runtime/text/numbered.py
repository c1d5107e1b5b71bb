"""Strings as the core takes them: end to end, and rows of them by number, so that each distinct one is there once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Numbered", "Packed", "packed"]


class Packed(NamedTuple):
    """Strings: their UTF-8 one after another (half surrogate pairs too), and their numbers of code points."""

    text: bytes
    lengths: NDArray[np.int64]

    def strings(self) -> list[str]:
        """The strings themselves.

        >>> packed(["가", "bc", ""]).strings()
        ['가', 'bc', '']
        """
        text, place, found = self.text.decode("utf-8", "surrogatepass"), 0, []
        for length in self.lengths.tolist():
            found.append(text[place : place + length])
            place += length
        return found


def packed(units: Sequence[str] | Packed) -> Packed:
    """Strings end to end; what is so already stays as it is."""
    if isinstance(units, Packed):
        return units
    lengths = np.fromiter(map(len, units), np.int64, len(units))
    return Packed("".join(units).encode("utf-8", "surrogatepass"), lengths)


@dataclass(frozen=True)
class Numbered:
    """Rows of strings: row r is units[steps[offsets[r]]] … units[steps[offsets[r + 1] - 1]]."""

    units: Packed
    steps: NDArray[np.int32]
    offsets: NDArray[np.int64]  # (R + 1,)

    @classmethod
    def of(cls, rows: Sequence[Sequence[str]]) -> Numbered:
        """From lists, units in the order of first occurrence.

        >>> Numbered.of([["b", "a"], [], ["b"]]).steps.tolist()
        [0, 1, 0]
        """
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        units: dict[str, int] = {}
        tokens = chain.from_iterable(rows)
        steps = np.fromiter((units.setdefault(token, len(units)) for token in tokens), np.int32, int(offsets[-1]))
        return cls(packed(list(units)), steps, offsets)

    def rows(self) -> Iterator[list[str]]:
        """The rows as lists."""
        units = self.units.strings()
        for start, end in pairwise(self.offsets.tolist()):
            yield [units[unit] for unit in self.steps[start:end]]
