"""n-grams of whole texts, by the step at which they end: counting them, and looking up the known ones.

A row has one string a step. Where the unit is "token" that is a token, and an n-gram is a run of them; where it is
"character" the strings laid end to end are the text, and an n-gram is a run of its characters. An n-gram's hash is that
of `ngrams.feature`: family "p" and the tokens joined by U+001F, or family "c" and the characters. `native/grams.h` does
the same faster. Truncation cuts steps, not n-grams: these are the whole text's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError
from timesteps.runtime import native
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.sequences import Bags
from timesteps.runtime.spec import GuideSpec
from timesteps.runtime.text.bags import Features
from timesteps.runtime.text.ngrams import JOINT, feature
from timesteps.runtime.text.numbered import Numbered
from timesteps.runtime.text.totals import HashCounts

_MOST_ORDERS = 64


def check_guide(spec: GuideSpec) -> None:
    """Raises `UsageError` for a specification without n-grams."""
    if not 1 <= spec.longest <= _MOST_ORDERS:
        raise UsageError(f"n-grams of 1 to {spec.longest} units", mend=f"give a longest n-gram of 1 to {_MOST_ORDERS}")
    if spec.min_count < 1:
        raise UsageError(f"min_count is {spec.min_count}", mend="give 1 or more")


@dataclass(frozen=True)
class Found:
    """The known n-grams of some rows: bag `step * longest + order - 1` holds those of one step and order."""

    bags: Bags
    offsets: NDArray[np.int64]  # (R + 1,) steps of the rows, before truncation
    longest: int

    def counts(self) -> NDArray[np.int64]:
        """(R,) how many n-grams each row has."""
        return np.diff(self.bags.offsets[self.offsets * self.longest])

    def distinct(self) -> Bags:
        """One bag a row: its distinct n-grams, ascending."""
        ends = self.bags.offsets[self.offsets * self.longest]
        if native.core is not None:
            return Bags(*native.core.distinct_ids(self.bags.ids, ends))
        rows = [sorted(set(self.bags.ids[begin:end].tolist())) for begin, end in pairwise(ends.tolist())]
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return Bags(np.array(list(chain.from_iterable(rows)), np.int32), offsets)


class GramCounter:
    """In how many rows each n-gram occurs.

    >>> counter = GramCounter(GuideSpec(longest=2, min_count=2))
    >>> counter.add([["a", "b"], ["a", "b", "a", "b"], ["b"]])
    >>> counter.features().size  # "a", "b" and "a b"; "b a" occurs in one row only
    3
    """

    def __init__(self, spec: GuideSpec, scratch: Scratch | None = None) -> None:
        check_guide(spec)
        self.spec = spec
        self._counts = HashCounts(scratch)

    def add(self, rows: Sequence[Sequence[str]] | Numbered) -> None:
        """Counts rows of strings, one a step."""
        if self._counts.core is not None:
            given = rows if isinstance(rows, Numbered) else Numbered.of(rows)
            characters = self.spec.unit == "character"
            self._counts.core.add_grams(*given.units, given.steps, given.offsets, characters, self.spec.longest)
        else:
            for row in rows.rows() if isinstance(rows, Numbered) else rows:
                self._counts.plain.update({key for _, key in grams(row, self.spec)})
        self._counts.spill()

    def features(self, most: int | None = None) -> Features:
        """Sorted hashes of the n-grams that are frequent enough, at most the `most` frequent ones."""
        return self._counts.frequent(self.spec.min_count, most)


def look_up_grams(rows: Sequence[Sequence[str]] | Numbered, spec: GuideSpec, features: Features) -> Found:
    """The n-grams of rows that are among `features`.

    >>> spec = GuideSpec(longest=2, min_count=1)
    >>> counter = GramCounter(spec)
    >>> counter.add([["a", "b"]])
    >>> found = look_up_grams([["a", "b"], ["b", "c"]], spec, counter.features())
    >>> np.diff(found.bags.offsets).reshape(-1, 2).tolist()  # a; b and "a b"; b; c is unknown
    [[1, 0], [1, 1], [1, 0], [0, 0]]
    """
    given = rows if isinstance(rows, Numbered) else Numbered.of(rows)
    steps, offsets = given.steps, given.offsets
    if native.core is not None:
        characters = spec.unit == "character"
        bags = Bags(*native.core.look_up_grams(*given.units, steps, offsets, characters, spec.longest, features))
        return Found(bags, offsets, spec.longest)
    ids = {key: number for number, key in enumerate(features.tolist())}
    slots: list[list[int]] = [[] for _ in range(len(steps) * spec.longest)]
    for row, start in zip(given.rows(), offsets.tolist(), strict=False):
        for slot, key in grams(row, spec):
            if key in ids:
                slots[start * spec.longest + slot].append(ids[key])
    ends = np.zeros(len(slots) + 1, np.int64)
    np.cumsum([len(slot) for slot in slots], out=ends[1:])
    return Found(Bags(np.array(list(chain.from_iterable(slots)), np.int32), ends), offsets, spec.longest)


def grams(row: Sequence[str], spec: GuideSpec) -> Iterator[tuple[int, int]]:
    """The slot, step * longest + order - 1, and the hash of every n-gram of a row: the definition."""
    if spec.unit == "token":
        pieces, family, joint = [(token, step) for step, token in enumerate(row)], "p", JOINT
    else:
        pieces, family, joint = [(character, step) for step, part in enumerate(row) for character in part], "c", ""
    for start in range(len(pieces)):
        for end in range(start, min(start + spec.longest, len(pieces))):
            ngram = joint.join(piece for piece, _ in pieces[start : end + 1])
            yield pieces[end][1] * spec.longest + end - start, feature(family, ngram)
