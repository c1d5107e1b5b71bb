"""From sentences to an n-gram model's specification and tensors, in bounded memory."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError, option
from timesteps.runtime import native
from timesteps.runtime.language.ngram_spec import NgramSpec, table_name
from timesteps.runtime.language.ngram_table import Level, add_level, new_table
from timesteps.runtime.language.vocabulary import UnitVocabulary
from timesteps.runtime.modelfile import MAX_HEADER
from timesteps.tasks.ngram.choices import Choices
from timesteps.tasks.ngram.corpus import blocks
from timesteps.tasks.ngram.plain import PlainCounter
from timesteps.tasks.ngram.smoothing import FALLBACK, Smoothing, discounts

__all__ = ["Estimated", "estimate"]

Tell = Callable[[str], None]

_PATIENCE = 2.0  # seconds before something is said


class Estimated(NamedTuple):
    """An n-gram model, and what its user should know."""

    spec: NgramSpec
    tensors: dict[str, NDArray[Any]]
    discounts: list[tuple[float, float, float]]  # by order; of Kneser-Ney only
    sentences: int
    tokens: int  # ends of sentences included
    spilled: int  # sorted runs that went to the disk
    notes: list[str]


def estimate(
    name: str, sentences: Iterable[tuple[int, str]], choices: Choices, folder: str | os.PathLike[str], tell: Tell
) -> Estimated:
    """Estimate a model of numbered sentences. `folder` is for files that hold what is beyond `choices.memory`; they
    have no names and are gone when nothing needs them.

    Raises:
        UsageError: choices that make no sense, a full disk.
        DataError: a corpus that is empty or cannot be read.
    """
    choices.check()
    say = _Paced(tell)
    scratch = _Scratch(folder, choices.bytes)
    with scratch.errors():
        counter = (PlainCounter if native.core is None else native.core.NgramCounter)(choices.bytes, str(folder))
    read = 0
    for block, nul in blocks(name, sentences, choices.units_spec):
        with scratch.errors():
            counter.add(block, nul)
        read += len(block)
        say(f"{read / 1e6:,.0f} MB of text read")
    vocabulary, tokens = _vocabulary(name, counter, choices)
    say(f"sorting n-grams, {len(vocabulary):,} words")
    way = choices.way
    with scratch.errors():
        levels = counter.levels(
            tokens, len(vocabulary), vocabulary.begin, vocabulary.end, choices.thresholds, way.continuation
        )
    found, notes = _discounts(levels.of_count) if way.smoothing is Smoothing.KNESER_NEY else ([], [])
    levels.estimate(int(way.smoothing), way.amount, found)
    tensors, counts = _tables(levels, choices.order, scratch, say)
    sums = (counter.sentences, int(vocabulary.counts.sum()))
    spec = NgramSpec(
        vocabulary=vocabulary.spec,
        counts=tuple(counts),
        smoothing=choices.smoothing,  # type: ignore[arg-type]  # `check` has seen it
        training={"corpus": name, "sentences": sums[0], "tokens": sums[1], "cutoffs": str(choices.thresholds)},
    )
    return Estimated(spec, tensors, found, *sums, counter.spilled, notes)


def _vocabulary(name: str, counter: Any, choices: Choices) -> tuple[UnitVocabulary, NDArray[np.uint32]]:
    words = counter.words()
    if not words:
        raise DataError("there is no word in this corpus", path=name, mend="give a text, a sentence a line")
    vocabulary = UnitVocabulary.from_counts(
        dict(zip(words, counter.counts(), strict=True)),
        choices.units_spec,
        min_count=choices.min_count,
        size=choices.vocabulary,
        sentences=counter.sentences,
    )
    # Said before hours of estimation, not after them.
    if (size := len(msgspec.json.encode(vocabulary.spec))) > MAX_HEADER - 4096:
        raise UsageError(
            f"a vocabulary of {len(vocabulary):,} words takes {size:,} bytes of the {MAX_HEADER:,} that fit",
            path=name,
            mend=f"cut rare words by {option('min_count', 2)} or {option('vocabulary', 1_000_000)}",
        )
    return vocabulary, np.array(vocabulary.encode(words), np.uint32)


def _discounts(of_count: Iterable[list[int]]) -> tuple[list[tuple[float, float, float]], list[str]]:
    found, notes = [], []
    for n, counts in enumerate(of_count, 1):
        each = discounts(counts)
        if each is None:
            notes.append(
                f"the corpus does not determine the discounts of {n}-grams ({counts[1]} occur once, {counts[2]} twice, "
                f"{counts[3]} three times): took {', '.join(f'{value:g}' for value in FALLBACK)}"
            )
        found.append(each or FALLBACK)
    return found, notes


def _tables(
    levels: Any, order: int, scratch: _Scratch, say: Callable[[str], None]
) -> tuple[dict[str, NDArray[Any]], list[int]]:
    tensors: dict[str, NDArray[Any]] = {}
    counts: list[int] = []
    slots: NDArray[np.uint32] = np.zeros(0, np.uint32)
    for n in range(1, order + 1):
        say(f"probabilities of {n}-grams")
        level = Level(*levels.next())
        counts.append(len(level.words))
        if n == 1:
            slots = np.arange(len(level.words), dtype=np.uint32)
            tensors["unigrams"] = np.stack([level.probabilities, level.backoffs], axis=1)
            continue
        with scratch.errors():
            table = new_table(len(level.words), n == order, scratch.array)
            placed = scratch.array((len(level.words),))
        add_level(table, slots, level, placed)
        tensors[table_name(n)], slots = table, placed
    return tensors, counts


class _Paced:
    """Says where the work is, when two seconds have passed since something was said."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._spoke = tell, time.monotonic()

    def __call__(self, sentence: str) -> None:
        if time.monotonic() - self._spoke >= _PATIENCE:
            self._tell(sentence)
            self._spoke = time.monotonic()


class _Scratch:
    """Arrays in memory while a share of it lasts, and in files behind that."""

    def __init__(self, folder: str | os.PathLike[str], memory: int) -> None:
        self._folder, self._left = folder, memory // 2
        self._numbers = count()

    def array(self, shape: tuple[int, ...]) -> NDArray[np.uint32]:
        """Of this shape, its content undefined."""
        size = 4 * int(np.prod(shape))
        if size <= self._left or size == 0:
            self._left -= size
            return np.empty(shape, np.uint32)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk says so here, and not when memory is touched
            return np.memmap(file, np.uint32, "r+", shape=shape)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """The system's errors inside name the folder."""
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"cannot be written: {(error.strerror or str(error)).lower()}",
                path=Path(self._folder),
                mend=f"free some space, choose another folder, or give more {option('memory')}",
            ) from error
