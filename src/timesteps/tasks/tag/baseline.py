"""The most frequent tag of each token: the bar for every tagger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

__all__ = ["MostFrequentTag"]


class MostFrequentTag:
    """Gives a token the tag that it had most often in training, and an unknown token the most frequent tag of all.

    Equally frequent tags go to the one that comes first in sorted order.

    Args:
        rows: lists of tokens (or ids: anything hashable).
        tags: their tags, one a token.

    >>> baseline = MostFrequentTag([["the", "dog", "runs"]], [["D", "N", "V"]])
    >>> baseline.predict([["the", "cat"]])
    [['D', 'D']]
    """

    def __init__(self, rows: Sequence[Sequence[Hashable]], tags: Sequence[Sequence[Any]]) -> None:
        counts: defaultdict[Hashable, Counter[Any]] = defaultdict(Counter)
        total: Counter[Any] = Counter()
        for row, labels in zip(rows, tags, strict=True):
            for token, tag in zip(row, labels, strict=True):
                counts[token][tag] += 1
                total[tag] += 1
        self._tags = {token: _most(found) for token, found in counts.items()}
        self._otherwise = _most(total)

    def predict(self, rows: Sequence[Sequence[Hashable]]) -> list[list[Any]]:
        """The tags of these rows."""
        return [[self._tags.get(token, self._otherwise) for token in row] for row in rows]


def _most(counts: Counter[Any]) -> Any:
    return min(counts, key=lambda tag: (-counts[tag], str(tag)))
