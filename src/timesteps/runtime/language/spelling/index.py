"""Which words lie within a few edits of a string? Symmetric deletes: two strings within d edits become equal when each
loses at most d letters (Garbe 2012, SymSpell), so all words' shortened forms are listed once and looked up by hash.

Only the first letters of a word are shortened: what is within d edits as a whole is so at its beginning. Hashes stand
for strings, and a beginning for a word, so what is found are words that may be near; prices decide.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError

__all__ = ["DeleteIndex"]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that nothing is lost in a product modulo 2^64


class DeleteIndex:
    """The words near a string.

    >>> index = DeleteIndex(["bus", "busy", "rebus", "abacus"], distance=1)
    >>> [int(place) for place in index.near("bsu")]
    [0]
    """

    def __init__(self, words: Sequence[str], *, distance: int = 2, prefix: int = 7) -> None:
        """Of words in strokes. More than 2 edits, or long beginnings, take much memory."""
        if not 1 <= distance <= 3 or prefix <= distance:
            raise UsageError(f"distance {distance}, prefix {prefix}", mend="give 1 to 3 edits, and a longer prefix")
        self.distance, self.prefix = distance, prefix
        self._lengths = np.array([len(word) for word in words], np.int64)
        codes = np.zeros((len(words), prefix), np.uint64)
        for place, word in enumerate(words):
            head = word[:prefix]
            codes[place, : len(head)] = np.frombuffer(head.encode("utf-32-le"), np.uint32)
        hashes, owners = [], []
        everybody = np.arange(len(words), dtype=np.int32)
        for left_out in _subsets(prefix, distance):
            # A form without letters behind a word's end is the form without them.
            own = everybody if not left_out else everybody[self._lengths > left_out[-1]]
            hashes.append(_hash(codes[own][:, [column for column in range(prefix) if column not in left_out]]))
            owners.append(own)
        found = np.concatenate(hashes)
        order = np.argsort(found, kind="stable")
        self._hashes, self._owners = found[order], np.concatenate(owners)[order]

    def near(self, typed: str) -> NDArray[np.int64]:
        """The numbers of the words that may be within the distance, ascending: all that are, and a few more."""
        head = np.frombuffer(typed[: self.prefix].encode("utf-32-le"), np.uint32).astype(np.uint64)
        forms = [_hash(head[kept]) for kept in _kept(len(head), self.distance)]
        asked = np.unique(np.concatenate(forms))
        begin, end = (np.searchsorted(self._hashes, asked, side=side) for side in ("left", "right"))
        places = [self._owners[a:b] for a, b in zip(begin, end, strict=True) if b > a]
        if not places:
            return np.empty(0, np.int64)
        found = np.unique(np.concatenate(places)).astype(np.int64)
        near: NDArray[np.int64] = found[np.abs(self._lengths[found] - len(typed)) <= self.distance]
        return near


@functools.cache
def _kept(letters: int, most: int) -> list[NDArray[np.int64]]:
    """Which letters stay when none, one, … at most so many of them are left out: an array a number, a row a choice."""
    choices = [list(combinations(range(letters), letters - left_out)) for left_out in range(min(most, letters) + 1)]
    return [np.array(chosen, np.int64) for chosen in choices]


def _subsets(letters: int, most: int) -> list[tuple[int, ...]]:
    """Which letters to leave out: every choice of at most so many."""
    return [chosen for number in range(most + 1) for chosen in combinations(range(letters), number)]


def _hash(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(N,) a number for each row of letters; 0, which is no letter, counts for nothing."""
    value = np.zeros(len(codes), np.uint64)
    for column in codes.T:
        mixed = (value ^ column) * _FACTOR
        mixed ^= mixed >> np.uint64(29)
        value = np.where(column == 0, value, mixed)
    return value
