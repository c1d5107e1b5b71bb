"""Counting and estimation in plain Python: the definition of what `native/ngram` does, for small corpora.

The classes have the methods of the core's `NgramCounter` and `NgramLevels`, and give the same bits.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from timesteps.tasks.ngram.smoothing import Smoothing

__all__ = ["PlainCounter", "PlainLevels"]

Gram = tuple[int, ...]  # the last word first
Columns = tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.float32], NDArray[np.float32]]

_NEVER_PREDICTED = -99.0


class PlainCounter:
    """A corpus as numbers of words. What `memory` and `folder` are for, it does without."""

    spilled = 0

    def __init__(self, memory: int, folder: str) -> None:
        self._counts: Counter[str] = Counter()
        self._sentences: list[list[str]] = []

    def add(self, lines: bytes, nul: bool) -> None:
        """Lines of text, each a sentence; words are separated by white space, or by NUL."""
        for line in lines.decode().split("\n"):
            words = [word for word in line.split("\0") if word] if nul else line.split()
            self._counts.update(words)
            if words:
                self._sentences.append(words)

    @property
    def sentences(self) -> int:
        """How many there are."""
        return len(self._sentences)

    def words(self) -> list[str]:
        """In the order in which they first came."""
        return list(self._counts)

    def counts(self) -> list[int]:
        """How often each occurs."""
        return list(self._counts.values())

    def levels(
        self,
        tokens: NDArray[np.uint32],
        vocabulary: int,
        begin: int,
        end: int,
        cutoffs: Sequence[int],
        continuation: bool,
    ) -> PlainLevels:
        """n-grams of all orders."""
        number = dict(zip(self._counts, tokens.tolist(), strict=True))
        raw: list[Counter[Gram]] = [Counter() for _ in cutoffs]
        for sentence in self._sentences:
            line = [begin, *(number[word] for word in sentence), end]
            for last in range(1, len(line)):
                for n in range(1, min(len(cutoffs), last + 1) + 1):
                    raw[n - 1][tuple(line[last - n + 1 : last + 1][::-1])] += 1
        return PlainLevels(raw, vocabulary, begin, cutoffs, continuation)


@dataclass
class _Followers:
    """What follows one context: counts in all and cut off, words in all, kept words of count 1, 2, 3 and more."""

    sum: int = 0
    cut: int = 0
    all: int = 0
    kinds: list[int] = field(default_factory=lambda: [0, 0, 0])

    def see(self, count: int) -> None:
        self.sum += abs(count)
        self.all += count != 0
        if count < 0:
            self.cut -= count
        elif count > 0:
            self.kinds[min(count, 3) - 1] += 1


class PlainLevels:
    """n-grams by order, with counts; those cut off have them negative."""

    def __init__(
        self, raw: Sequence[Counter[Gram]], vocabulary: int, begin: int, cutoffs: Sequence[int], continuation: bool
    ) -> None:
        self._begin, self._predicted = begin, float(vocabulary - 1)
        self._levels: list[dict[Gram, int]] = []
        self.of_count: list[list[int]] = []
        for n, counter in enumerate(raw, 1):
            counts: dict[Gram, int] = {(word,): 0 for word in range(vocabulary)} if n == 1 else {}
            counts |= counter
            if continuation and n < len(raw):
                behind = Counter(gram[:-1] for gram in raw[n])
                counts = {gram: count if gram[-1] == begin else behind[gram] for gram, count in counts.items()}
            shown = [count for gram, count in counts.items() if gram != (begin,)]
            self.of_count.append([shown.count(count) for count in range(5)])
            cut = {gram for gram in counts if n > 1 and counter[gram] <= cutoffs[n - 1]}
            self._levels.append({gram: -counts[gram] if gram in cut else counts[gram] for gram in sorted(counts)})
        self._followers: list[defaultdict[Gram, _Followers]] = []
        for level in self._levels:
            followers: defaultdict[Gram, _Followers] = defaultdict(_Followers)
            for gram, count in level.items():
                followers[gram[1:]].see(count)
            self._followers.append(followers)

    def estimate(self, smoothing: int, amount: float, discounts: Sequence[Sequence[float]]) -> None:
        """Choose the way of smoothing; then `next` gives the levels."""
        self._smoothing, self._amount, self._discounts = Smoothing(smoothing), amount, discounts
        self._n = 0
        self._probabilities: dict[Gram, float] = {(): 1.0 / self._predicted}

    def _whole(self, context: Gram) -> bool:
        """Whether add-k counts what follows: no longer context is left."""
        return len(context) + 1 == len(self._levels) or context[-1:] == (self._begin,)

    def _backoff(self, context: Gram) -> float:
        """The weight of the lower order behind a context; 1 where nothing of the model goes on from it."""
        followers = self._followers[len(context)][context]
        kept, cut, total = sum(followers.kinds), float(followers.cut), float(followers.sum)
        if not kept:
            return 1.0
        if self._smoothing is Smoothing.KNESER_NEY:
            mass = cut
            for discount, kinds in zip(self._discounts[len(context)], followers.kinds, strict=True):
                mass += discount * kinds
            return mass / total
        if self._smoothing is Smoothing.ADD_K:
            if not self._whole(context):
                return 1.0
            share = cut / (self._predicted - kept) if followers.cut else 0.0
            return self._predicted * (share + self._amount) / (total + self._amount * self._predicted)
        if self._smoothing is Smoothing.WITTEN_BELL:
            return (cut + followers.all) / (total + followers.all)
        return self._amount

    def _probability(self, gram: Gram, count: int) -> float:
        context = gram[1:]
        followers = self._followers[len(context)][context]
        lower = self._probabilities[gram[:-1]]
        total = float(followers.sum)
        if self._smoothing is Smoothing.KNESER_NEY:
            below = self._backoff(context) * lower
            discount = self._discounts[len(context)][min(count, 3) - 1] if count else 0.0
            return (count - discount) / total + below if count else below
        if self._smoothing is Smoothing.ADD_K:
            if not self._whole(context):
                return lower
            return (count + self._amount) / (total + self._amount * self._predicted)
        if self._smoothing is Smoothing.WITTEN_BELL:
            return count / (total + followers.all) + self._backoff(context) * lower
        return count / total if count else self._amount * lower

    def next(self) -> Columns:
        """The next level's columns: parents, first words, logarithms of probabilities and back-off weights."""
        level = {gram: count for gram, count in self._levels[self._n].items() if count >= 0}
        above = [gram for gram, count in self._levels[self._n - 1].items() if count >= 0] if self._n else [()]
        self._n += 1
        found = {gram: self._probability(gram, count) for gram, count in level.items()}
        self._probabilities = found
        logs = [_NEVER_PREDICTED if gram == (self._begin,) else math.log10(p) for gram, p in found.items()]
        return (
            np.array([bisect_left(above, gram[:-1]) for gram in level], np.uint32),
            np.array([gram[-1] for gram in level], np.uint32),
            np.array(logs, np.float32) + np.float32(0),
            np.array([self._log_backoff(gram) for gram in level], np.float32),
        )

    def _log_backoff(self, gram: Gram) -> float:
        if self._n == len(self._levels) or not sum(self._followers[self._n][gram].kinds):
            return -0.0
        return math.log10(self._backoff(gram)) + 0.0
