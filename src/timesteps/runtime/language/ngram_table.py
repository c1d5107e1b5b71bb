"""The n-grams of a model as numbers: levels in suffix order, and the tables that queries look them up in.

An n-gram w1 … wn is found from its last word on: its *parent* is w2 … wn, and (parent, w1) is its key in the table of
its order. The parent stands for its slot in the table of the order before (a word for itself), so a key is exact, and
an n-gram costs one place in memory an order. A place is looked for from `home` on, slot by slot, until an empty one.

What is here is the definition; `native/ngram` does the same faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.runtime import native

__all__ = [
    "EMPTY",
    "NOTHING",
    "WIDTH",
    "Level",
    "PlainReader",
    "add_level",
    "find",
    "logarithms",
    "new_table",
    "reader",
]

EMPTY = 0xFFFFFFFF
"""The word of an empty slot; the slot of what is not there."""
WIDTH = 4
"""Numbers of an entry: parent, first word, log10 of probability and of back-off weight (not in the highest order)."""
NOTHING = np.float32(-0.0)
"""The back-off weight, as a logarithm, of an n-gram from which none of the model goes on."""

_MASK = (1 << 64) - 1
_BLOCK = 1 << 20

Uint32 = NDArray[np.uint32]
State = tuple[int, ...]
"""Words, the last one last; the core's `NgramState` is as good as one."""


class Level(NamedTuple):
    """n-grams of one order, as columns. `parents` counts the n-grams of the level before; log10 in float32."""

    parents: Uint32
    words: Uint32
    probabilities: NDArray[np.float32]
    backoffs: NDArray[np.float32]


def logarithms(table: Uint32) -> NDArray[np.float32]:
    """(slots, 2) or (slots, 1): the probabilities and back-off weights of a table, in place."""
    return table.view(np.float32)[:, 2:]


def home(parent: int, word: int, slots: int) -> int:
    """The slot where looking for a key begins."""
    product = ((parent << 32 | word) ^ 0x9E3779B97F4A7C15) * 0xD6E8FEB86659FD93
    return ((product & _MASK ^ product >> 64) * slots) >> 64


def new_table(
    count: int, highest: bool, make: Callable[[tuple[int, int]], Uint32] = lambda shape: np.empty(shape, np.uint32)
) -> Uint32:
    """An empty table for so many n-grams; a third of its slots stay empty. `make` may put it into a file."""
    if count > (EMPTY - 1) // 3 * 2:
        raise DataError(f"{count} n-grams of one order are more than a model holds", mend="cut off rare ones")
    table = make((count + count // 2 + 1, WIDTH - highest))
    table[:] = 0
    table[:, 1] = EMPTY
    return table


def add_level(table: Uint32, parents: Uint32, level: Level, slots: Uint32) -> None:
    """Put n-grams into a table. `parents` are the slots of all n-grams of the level before (for words, themselves); the
    new ones' slots come into `slots`, EMPTY for those that were there already."""
    for begin in range(0, len(level.words), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        above = np.ascontiguousarray(parents[level.parents[part]])
        columns = (above, level.words[part], level.probabilities[part], level.backoffs[part], slots[part])
        if native.core is not None:
            native.core.ngram_insert(table, *columns)
        else:
            _insert(table, *columns)


def _insert(table: Uint32, parents: Uint32, words: Uint32, p: NDArray[Any], b: NDArray[Any], slots: Uint32) -> None:
    values = logarithms(table)
    for place, (parent, word) in enumerate(zip(parents.tolist(), words.tolist(), strict=True)):
        slot = home(parent, word, len(table))
        while table[slot, 1] != EMPTY and tuple(table[slot, :2]) != (parent, word):
            slot = (slot + 1) % len(table)
        if table[slot, 1] != EMPTY:
            slots[place] = EMPTY
            continue
        table[slot, 0], table[slot, 1], slots[place] = parent, word, slot
        values[slot] = (p[place], b[place])[: values.shape[1]]


def find(table: Uint32, parents: Uint32, words: Uint32) -> Uint32:
    """(N,) the slots of n-grams by the slots of their parents and their first words; EMPTY for those not there."""
    if native.core is not None:
        slots = np.empty(len(words), np.uint32)
        native.core.ngram_find(table, np.ascontiguousarray(parents), np.ascontiguousarray(words), slots)
        return slots
    pairs = zip(parents.tolist(), words.tolist(), strict=True)
    return np.array([_slot(table, parent, word) for parent, word in pairs], np.uint32)


def _slot(table: Uint32, parent: int, word: int) -> int:
    slot = home(parent, word, len(table))
    for _ in range(len(table)):
        if table[slot, 1] == EMPTY:
            break
        if table[slot, 0] == parent and table[slot, 1] == word:
            return slot
        slot = (slot + 1) % len(table)
    return EMPTY


class PlainReader:
    """Probabilities from tables, with the methods of the core's `NgramReader`. Logarithms are natural.

    log P(w | h) is the entry of the longest n-gram of the model that ends h w, and the weights of backing off from all
    longer ends of h. A state is the longest end of the words so far from which an n-gram of the model goes on.
    """

    def __init__(self, unigrams: NDArray[np.float32], begin: int, tables: Sequence[Uint32]) -> None:
        self._unigrams, self._begin = unigrams.reshape(-1, 2), begin
        self._tables = [(table, logarithms(table)) for table in tables]

    def _known(self, words: State) -> tuple[State, list[float]]:
        """The end of the words that matters, and the weights of backing off from 1, 2, … of them."""
        weights: list[float] = []
        length, parent = 0, 0
        for back, word in enumerate(reversed(words[-len(self._tables) :] if self._tables else ())):
            if back == 0:
                parent, weight = word, self._unigrams[word, 1]
            else:
                table, values = self._tables[back - 1]
                parent = _slot(table, parent, word)
                if parent == EMPTY:
                    break
                weight = values[parent, 1]
            weights.append(float(weight))
            if not _nothing(weight):
                length = back + 1
        return (words[len(words) - length :], weights[:length])

    def shortest(self, state: State) -> State:
        """The end of the state that matters."""
        return self._known(self._checked(state))[0]

    def _checked(self, words: State) -> State:
        if not all(0 <= word < len(self._unigrams) for word in words):
            raise IndexError("a word is not in the vocabulary")
        return words

    def log_prob(self, state: State, word: int) -> tuple[float, State]:
        """log P(word | state), and the state after it."""
        self._checked((*state, word))
        state, weights = self._known(state)
        found = self._unigrams[word, 0]
        parent, matched = word, 0
        for (table, values), before in zip(self._tables, reversed(state), strict=False):
            parent = _slot(table, parent, before)
            if parent == EMPTY:
                break
            found = values[parent, 0]
            matched += 1
        log = float(found)
        for weight in weights[matched:]:
            log += weight
        return (-math.inf if word == self._begin else log * math.log(10.0)), self._known((*state, word))[0]

    def distribution(self, state: State, logs: NDArray[np.float64]) -> None:
        """log P of all words."""
        for word in range(len(self._unigrams)):
            logs[word] = self.log_prob(state, word)[0]

    def log_probs(self, state: State, words: Uint32, logs: NDArray[np.float64]) -> State:
        """log P of words that follow each other; the state after them."""
        for place, word in enumerate(words.tolist()):
            logs[place], state = self.log_prob(state, word)
        return self.shortest(state)

    def sentences(self, state: State, words: Uint32, offsets: NDArray[np.int64], logs: NDArray[np.float64]) -> None:
        """Sentences, each from the same state: words[offsets[n] : offsets[n + 1]]."""
        for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
            self.log_probs(state, words[first:last], logs[first:last])


def _nothing(weight: np.float32) -> bool:
    return bool(weight == 0 and np.signbit(weight))


def reader(unigrams: NDArray[np.float32], begin: int, tables: Sequence[Uint32]) -> Any:
    """What answers from tables: the core's `NgramReader`, or the plain one."""
    if native.core is None:
        return PlainReader(unigrams, begin, tables)
    return native.core.NgramReader(np.ascontiguousarray(unigrams).reshape(-1), begin, list(tables))
