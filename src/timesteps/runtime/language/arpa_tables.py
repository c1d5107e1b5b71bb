"""From the sections of an ARPA file to the tables of a model, and what they must be to make one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.language.ngram_spec import table_name
from timesteps.runtime.language.ngram_table import EMPTY, NOTHING, Level, add_level, find, logarithms, new_table

__all__ = ["Section", "Wrong", "tables_of"]

Uint32 = NDArray[np.uint32]


class Wrong(Exception):  # noqa: N818  # it never leaves the reader
    """What is wrong in which line."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.what, self.line = what, line


class Section(NamedTuple):
    """The n-grams of one order: words (N, n), log10 of probabilities and back-off weights (NaN: none), lines."""

    ids: Uint32
    probabilities: NDArray[np.float64]
    backoffs: NDArray[np.float64]
    lines: NDArray[np.int64]


class _Done(NamedTuple):
    """An order whose n-grams are in their table."""

    logs: NDArray[np.float32]  # of the table, (slots, 2)
    lines: NDArray[np.int64]  # by slot; 0 for n-grams that the file does not have
    weighted: NDArray[np.bool_]  # by slot, whether the file gives a back-off weight


def tables_of(
    unigrams: Section, sections: Iterator[Section], order: int, extra: list[set[tuple[int, ...]]]
) -> tuple[dict[str, NDArray[Any]] | None, list[int], list[set[tuple[int, ...]]]]:
    """The tensors of a model, and how many n-grams of each order it has.

    Where the shorter end of an n-gram is neither in the file nor among `extra`, by order: None, and `extra` with it.
    """
    tensors: dict[str, NDArray[Any]] = {"unigrams": _columns(unigrams)}
    counts = [len(unigrams.ids)]
    below = _Done(tensors["unigrams"], unigrams.lines, ~np.isnan(unigrams.backoffs))
    for n, section in enumerate(sections, 2):
        section = _with_extra(section, extra[n - 1])
        ids = section.ids
        parents, contexts = _slots(tensors, ids[:, 1:]), _slots(tensors, ids[:, :-1])
        if (lost := np.flatnonzero(parents == EMPTY)).size:
            extra[n - 2] |= set(map(tuple, ids[lost, 1:].tolist()))
            return None, counts, extra
        _check(below, section, contexts)
        table = new_table(len(ids), n == order)
        values = _columns(section)
        if (filled := np.flatnonzero(np.isnan(section.probabilities))).size:
            there = contexts[filled] != EMPTY
            weights = below.logs[np.where(there, contexts[filled], 0), 1]
            values[filled, 0] = below.logs[parents[filled], 0] + np.where(there, weights, np.float32(0))
        slots = np.empty(len(ids), np.uint32)
        level = Level(np.arange(len(ids), dtype=np.uint32), np.ascontiguousarray(ids[:, 0]), *_pair(values))
        add_level(table, parents, level, slots)
        if (again := np.flatnonzero(slots == EMPTY)).size:
            raise Wrong(f"this {n}-gram occurs twice", int(section.lines[again[0]]))
        _mark(below, contexts[contexts != EMPTY])
        tensors[table_name(n)] = table
        counts.append(len(ids))
        below = _by_slot(table, section, slots)
    _mark(below, np.zeros(0, np.uint32))
    return tensors, counts, extra


def _pair(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.ascontiguousarray(values[:, 0]), np.ascontiguousarray(values[:, 1])


def _columns(section: Section) -> NDArray[np.float32]:
    """Both logarithms; a weight that the file does not give is 0, which changes nothing."""
    return np.stack([section.probabilities, np.nan_to_num(section.backoffs)], axis=1).astype(np.float32)


def _slots(tensors: dict[str, NDArray[Any]], ids: Uint32) -> Uint32:
    """The slots of n-grams (N, n); EMPTY for those that are not there. A word is its own slot."""
    slots = np.ascontiguousarray(ids[:, -1])
    for n in range(2, ids.shape[1] + 1):
        found = find(tensors[table_name(n)], slots, np.ascontiguousarray(ids[:, -n]))
        slots = np.where(slots == EMPTY, slots, found)
    return slots


def _with_extra(section: Section, extra: set[tuple[int, ...]]) -> Section:
    """The section, and n-grams that it lacks, whose probability is NaN until it is known."""
    if not extra:
        return section
    more = np.array(sorted(extra), np.uint32)
    nothing = np.full(len(more), np.nan)
    return Section(
        np.concatenate([section.ids, more]),
        np.concatenate([section.probabilities, nothing]),
        np.concatenate([section.backoffs, nothing]),
        np.concatenate([section.lines, np.zeros(len(more), np.int64)]),
    )


def _check(below: _Done, section: Section, contexts: Uint32) -> None:
    """What n-grams of this section go on from must be there, and have a back-off weight."""
    own = section.lines > 0
    if (wrong := own & (contexts == EMPTY)).any():
        n = section.ids.shape[1]
        raise Wrong(f"a {n}-gram goes on from a {n - 1}-gram that the file does not have", int(section.lines[wrong][0]))
    there = contexts[own]
    lacking = there[~below.weighted[there] & (below.lines[there] > 0)]
    if lacking.size:
        raise Wrong("has no back-off weight, but longer n-grams go on from it", int(below.lines[lacking].min()))


def _mark(below: _Done, contexts: Uint32) -> None:
    """Say of n-grams with the weight 1 whether any goes on from them: 0 or -0."""
    if below.logs.shape[1] < 2:
        return
    weights = below.logs[:, 1]
    zero = weights == 0
    goes_on = np.zeros(len(weights), bool)
    goes_on[contexts] = True
    weights[zero & ~goes_on] = NOTHING
    weights[zero & goes_on] = 0


def _by_slot(table: Uint32, section: Section, slots: Uint32) -> _Done:
    lines = np.zeros(len(table), np.int64)
    weighted = np.zeros(len(table), bool)
    lines[slots] = section.lines
    weighted[slots] = ~np.isnan(section.backoffs)
    return _Done(logarithms(table), lines, weighted)
