"""Counts of hashes that may outgrow memory: sorted runs on the disk, merged at the end; exact, whatever was spilled."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime import native
from timesteps.runtime.scratch import Column, Scratch

__all__ = ["HashCounts", "Totals"]

Entries = tuple[NDArray[np.uint64], NDArray[np.int64]]  # hashes, ascending, and their counts

_ENTRY = 96  # bytes of an entry of the core's table at its worst, while it grows
_RANGES = 256  # of hashes, by their highest byte: they are merged one after another


class Totals:
    """Runs of counts.

    Args:
        scratch: where they are written; a quarter of its memory is for counting.
    """

    def __init__(self, scratch: Scratch) -> None:
        self.most = max(scratch.memory // 4 // _ENTRY, 1 << 16)
        self._scratch = scratch
        self._runs: list[tuple[Column, Column, NDArray[np.int64]]] = []

    def __bool__(self) -> bool:
        return bool(self._runs)

    def add(self, entries: Entries) -> None:
        """Keep what was counted so far."""
        keys, counts = self._scratch.column(np.uint64), self._scratch.column(np.int64)
        keys.append(entries[0])
        counts.append(entries[1])
        bounds = np.arange(1, _RANGES, dtype=np.uint64) << np.uint64(56)
        ends = np.concatenate([[0], np.searchsorted(entries[0], bounds), [len(keys)]])
        self._runs.append((keys, counts, ends.astype(np.int64)))

    def frequent(self, least: int, most: int | None) -> NDArray[np.uint64]:
        """Hashes seen `least` times in all runs, ascending; at most the `most` frequent ones, of equals the smaller.

        >>> with Scratch(1 << 20) as scratch:
        ...     totals = Totals(scratch)
        ...     for keys, counts in (([1, 9], [2, 1]), ([9, 2**63], [1, 3])):
        ...         totals.add((np.array(keys, np.uint64), np.array(counts)))
        ...     totals.frequent(2, None).tolist(), totals.frequent(2, 2).tolist()
        ([1, 9, 9223372036854775808], [1, 9223372036854775808])
        """
        parts = [_merged([self._read(run, number) for run in self._runs], least) for number in range(_RANGES)]
        keys, counts = (np.concatenate(each) for each in zip(*parts, strict=True))
        if most is None or len(keys) <= most:
            return keys
        return np.sort(keys[np.lexsort((keys, -counts))[:most]])

    @staticmethod
    def _read(run: tuple[Column, Column, NDArray[np.int64]], number: int) -> Entries:
        keys, counts, ends = run
        first, last = int(ends[number]), int(ends[number + 1])
        return keys.read(first, last), counts.read(first, last)


def _merged(runs: list[Entries], least: int) -> Entries:
    keys = np.concatenate([keys for keys, _ in runs])
    counts = np.concatenate([counts for _, counts in runs])
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, np.int64)
    totals = np.add.reduceat(counts, starts) if len(keys) else counts
    kept = totals >= least
    return keys[starts][kept], totals[kept]


class HashCounts:
    """How often each hash was seen: in the core's table, or in a Counter where there is no core.

    With `scratch`, counts that outgrow their share of memory go to the disk when `spill` is called.
    """

    def __init__(self, scratch: Scratch | None = None) -> None:
        self.core: Any = None if native.core is None else native.core.FeatureCounter()
        self.plain: Counter[int] = Counter()
        self._totals = None if scratch is None else Totals(scratch)

    def __len__(self) -> int:
        return len(self.plain if self.core is None else self.core)

    def spill(self) -> None:
        """Write the counts out, if they have become too many."""
        if self._totals is not None and len(self) > self._totals.most:
            self._totals.add(self._taken())

    def frequent(self, least: int, most: int | None) -> NDArray[np.uint64]:
        """Hashes seen `least` times, ascending; at most the `most` frequent ones, of equals the smaller."""
        if self._totals:
            self._totals.add(self._taken())
            return self._totals.frequent(least, most)
        if self.core is not None:
            found: NDArray[np.uint64] = self.core.features(least, -1 if most is None else most)
            return found
        kept = [(-count, key) for key, count in self.plain.items() if count >= least]
        if most is not None:
            kept = sorted(kept)[:most]
        return np.array(sorted(key for _, key in kept), np.uint64)

    def _taken(self) -> Entries:
        """The counts in memory, which are forgotten."""
        if self.core is not None:
            keys, counts = self.core.entries()
            self.core = type(self.core)()
            return keys, counts
        ordered = sorted(self.plain.items())
        self.plain = Counter()
        return np.array([key for key, _ in ordered], np.uint64), np.array([count for _, count in ordered], np.int64)
