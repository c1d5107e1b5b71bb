"""Bags of n-grams: counting the features of a corpus, and looking up those of units and phrases.

What the features are is said in `ngrams.py`. Work is done once per distinct unit: callers pass distinct units, and
steps as numbers of units. Without the compiled core the same happens in plain Python, much slower.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError
from timesteps.runtime import native
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.sequences import Bags
from timesteps.runtime.spec import BagSpec
from timesteps.runtime.text.ngrams import phrase_features, unit_features
from timesteps.runtime.text.numbered import Packed, packed
from timesteps.runtime.text.totals import HashCounts

Features = NDArray[np.uint64]  # (F,) sorted: a feature's id is its position


def check_bag(spec: BagSpec) -> None:
    """Raises `UsageError` for a specification that describes no bag."""
    for name, range_ in (("syllable", spec.syllable), ("jamo", spec.jamo)):
        if range_ is not None and not 1 <= range_[0] <= range_[1]:
            raise UsageError(f"{name} n-grams from {range_[0]} to {range_[1]}", mend="give (smallest, largest), from 1")
    if spec.phrase < 1:
        raise UsageError(f"phrases of order {spec.phrase}", mend="give 1 for none, 2 for pairs of units, …")
    if not (spec.word or spec.syllable or spec.jamo or spec.phrase > 1):
        raise UsageError("the bag has no features", mend="switch on word, syllable, jamo or phrase")
    if spec.min_count < 1:
        raise UsageError(f"min_count is {spec.min_count}", mend="give 1 or more")
    if spec.piece is not None and (spec.piece < 1 or spec.phrase > 1):
        raise UsageError(f"pieces of {spec.piece} syllables", mend="give 1 or more, and no phrases")


def _families(spec: BagSpec) -> tuple[bool, int, int, int, int]:
    """Word, and the ranges of syllable and jamo; (1, 0) where there are none."""
    return spec.word, *(spec.syllable or (1, 0)), *(spec.jamo or (1, 0))


def _strings(units: Sequence[str] | Packed) -> Sequence[str]:
    return units.strings() if isinstance(units, Packed) else units


def _rows(units: Sequence[str], steps: NDArray[np.int32], offsets: NDArray[np.int64]) -> Iterable[list[str]]:
    for start, end in pairwise(offsets.tolist()):
        yield [units[unit] for unit in steps[start:end]]


class FeatureCounter:
    """How often each feature occurs in a corpus.

    >>> counter = FeatureCounter(BagSpec(syllable=(1, 2), jamo=None))
    >>> counter.add(["영화", "영"], np.array([3, 1]))
    >>> len(counter), counter.features(min_count=4).size  # "<영", "영" and nothing else
    (8, 2)
    """

    def __init__(self, spec: BagSpec, scratch: Scratch | None = None) -> None:
        check_bag(spec)
        self.spec = spec
        self._counts = HashCounts(scratch)

    def add(self, units: Sequence[str] | Packed, counts: NDArray[np.int64]) -> None:
        """Counts the features of distinct units that occur `counts` (U,) times each; a count is at least 1."""
        many = len(units.lengths) if isinstance(units, Packed) else len(units)
        if many != len(counts) or (len(counts) and counts.min() < 1):
            raise UsageError("a unit needs one count, of 1 or more")
        if self._counts.core is not None:
            self._counts.core.add(*packed(units), np.ascontiguousarray(counts, np.int64), *_families(self.spec))
        else:
            for unit, count in zip(_strings(units), counts.tolist(), strict=True):
                for key in unit_features(unit, self.spec):
                    self._counts.plain[key] += count
        self._counts.spill()

    def add_phrases(self, units: Sequence[str] | Packed, steps: NDArray[np.int32], offsets: NDArray[np.int64]) -> None:
        """Counts the phrases of rows: step s is `units[steps[s]]`, row r is `steps[offsets[r]:offsets[r + 1]]`."""
        if self._counts.core is not None:
            self._counts.core.add_phrases(*packed(units), steps, offsets, self.spec.phrase)
        else:
            for row in _rows(_strings(units), steps, offsets):
                for found in phrase_features(row, self.spec.phrase):
                    self._counts.plain.update(found)
        self._counts.spill()

    def __len__(self) -> int:
        return len(self._counts)

    def features(self, min_count: int | None = None, most: int | None = None) -> Features:
        """Sorted features that occur `min_count` times (the specification's if None), at most the `most` frequent ones.

        Of features equally frequent those with the smaller hash stay.
        """
        return self._counts.frequent(self.spec.min_count if min_count is None else min_count, most)


def _bags(found: list[list[int]], features: Features) -> Bags:
    """Bags of hashes as bags of ids, each sorted; hashes that are no features are left out."""
    lengths = np.fromiter(map(len, found), np.int64, len(found))
    hashes = np.array([key for keys in found for key in keys], np.uint64)
    ids = np.searchsorted(features, hashes)
    known = ids < len(features)
    known[known] = features[ids[known]] == hashes[known]
    bag = np.repeat(np.arange(len(found)), lengths)[known]
    offsets = np.zeros(len(found) + 1, np.int64)
    np.cumsum(np.bincount(bag, minlength=len(found)), out=offsets[1:])
    return Bags(ids[known].astype(np.int32), offsets)


def look_up(units: Sequence[str] | Packed, spec: BagSpec, features: Features) -> Bags:
    """One bag a unit: the ids of its features (phrases aside), ascending; those not in `features` are left out.

    >>> spec = BagSpec(syllable=(2, 2), jamo=None, min_count=1)
    >>> counter = FeatureCounter(spec)
    >>> counter.add(["ab"], np.array([1]))  # "ab" itself, and "<a", "ab", "b>"
    >>> np.diff(look_up(["ab", "abc", "c"], spec, counter.features()).offsets).tolist()
    [4, 2, 0]
    """
    check_bag(spec)
    if native.core is not None:
        return Bags(*native.core.look_up(*packed(units), *_families(spec), features))
    return _bags([sorted(unit_features(unit, spec)) for unit in _strings(units)], features)


def look_up_phrases(
    units: Sequence[str] | Packed,
    steps: NDArray[np.int32],
    offsets: NDArray[np.int64],
    spec: BagSpec,
    features: Features,
) -> Bags:
    """One bag a step: the ids of the phrases that end there, ascending. Steps, rows: `FeatureCounter.add_phrases`."""
    check_bag(spec)
    if native.core is not None:
        return Bags(*native.core.look_up_phrases(*packed(units), steps, offsets, spec.phrase, features))
    rows = _rows(_strings(units), steps, offsets)
    return _bags([sorted(set(found)) for row in rows for found in phrase_features(row, spec.phrase)], features)
