"""A text on its way into training: its units numbered, the vocabulary of its first part, its last part held out."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.data.corpus import corpus_lines, corpus_name
from timesteps.errors import DataError
from timesteps.runtime.language.units import Units
from timesteps.runtime.language.vocabulary import UnitVocabulary
from timesteps.runtime.text.subword import SubwordModel
from timesteps.tasks.language.choices import ModelChoices

__all__ = ["Corpus", "Lines", "Prepared", "encode", "named_lines", "prepare", "written"]

Corpus = str | os.PathLike[str] | Iterable[str] | None
"""A file, `-`, the name of a known data set, lines themselves, or None: the bundled sample."""

Tokens = NDArray[np.int32]
Lines = Iterable[tuple[int, str]]


@dataclass(frozen=True)
class Prepared:
    """A vocabulary, and texts as its tokens, one after the other."""

    vocabulary: UnitVocabulary
    train: Tokens
    valid: Tokens | None
    characters: int  # of the validation text, ends of lines included
    unknown: int  # tokens of the validation text that are not in the vocabulary


def named_lines(
    corpus: Corpus, encoding: str | None = None, split: str = "train"
) -> tuple[str, Iterator[tuple[int, str]]]:
    """What a corpus is called, and its numbered lines."""
    if corpus is None or isinstance(corpus, str | os.PathLike):
        return corpus_name(corpus), corpus_lines(corpus, split=split, encoding=encoding)
    return "the text", enumerate(corpus, 1)


def prepare(lines: Lines, choices: ModelChoices, valid: Lines | float, name: str = "the text") -> Prepared:
    """Read a text once, and number its units by the vocabulary of its training part.

    `valid` is another text, or the share of this one's tokens at its end, whole lines, that is held out. Blank lines of
    texts with sentences are left out.

    Raises:
        DataError: no text, or a text of one unit.
    """
    share = valid if isinstance(valid, float | int) else 0.0
    subword = None
    if choices.units == "subword":
        lines = list(lines)
        kept = lines[: round(len(lines) * (1 - share))]
        subword = SubwordModel.train((line for _, line in kept), choices.vocabulary)
    units = Units(choices.of_units, subword)
    read = _Reader(units.cut, choices.has_sentences)
    read.add(lines)
    ids, ends = np.frombuffer(read.ids, np.int32), np.frombuffer(read.ends, np.int64)
    if len(read.numbers) - choices.has_sentences < 2:
        found = len(read.numbers) - choices.has_sentences
        raise DataError(f"has {found} different units, too few for a language model", path=name, mend="give more text")
    cut = len(ids) if not share else int(ends[min(int(np.searchsorted(ends, len(ids) * (1 - share))), len(ends) - 1)])
    counts = np.bincount(ids[:cut], minlength=len(read.numbers))
    words = list(read.numbers)
    known = {word: int(count) for word, count in zip(words, counts.tolist(), strict=True) if count and word is not None}
    vocabulary = UnitVocabulary.from_counts(
        known,
        choices.of_units,
        min_count=choices.min_count,
        size=None if subword else choices.vocabulary,
        sentences=int(counts[0]) if choices.has_sentences else None,
        subword=subword,
    )
    numbers = np.array([vocabulary.end if word is None else vocabulary.encode([word])[0] for word in words], np.int32)
    tokens = numbers[ids]
    held: Tokens | None
    if not isinstance(valid, float | int):
        held, characters = encode(vocabulary, valid)
    else:
        held, characters = (tokens[cut:], read.characters_from(cut)) if share else (None, 0)
    if held is not None and len(held) < 2:
        held, characters = None, 0
    unknown = 0 if held is None or vocabulary.unknown < 0 else int((held == vocabulary.unknown).sum())
    return Prepared(vocabulary, tokens[:cut], held, characters, unknown)


def encode(vocabulary: UnitVocabulary, lines: Lines) -> tuple[Tokens, int]:
    """A text as tokens, ends of sentences included, and how many characters it has."""
    read = _Reader(vocabulary.units, vocabulary.end >= 0)
    read.add(lines)
    words = list(read.numbers)
    numbers = [vocabulary.end if word is None else vocabulary.encode([word])[0] for word in words]
    return np.array(numbers, np.int32)[np.frombuffer(read.ids, np.int32)], read.characters_from(0)


def written(vocabulary: UnitVocabulary, tokens: Tokens) -> Iterator[str]:
    """The lines that these tokens are; an unknown word reads <unk>."""
    if vocabulary.end < 0:
        yield from vocabulary.text(tokens.tolist()).split("\n")
        return
    for sentence in np.split(tokens, np.flatnonzero(tokens == vocabulary.end) + 1):
        if len(sentence):
            yield vocabulary.text(sentence.tolist())


class _Reader:
    """Numbers units in the order in which they come; None, number 0 where there are sentences, is a sentence's end."""

    def __init__(self, cut: Callable[[str], list[str]], sentences: bool) -> None:
        self._cut, self._sentences = cut, sentences
        self.numbers: dict[str | None, int] = {None: 0} if sentences else {}
        self.ids, self.ends, self._characters = array("i"), array("q"), array("q")

    def add(self, lines: Lines) -> None:
        """Read on."""
        numbers: Any = self.numbers
        for _, line in lines:
            if self._sentences and not line.strip():
                continue
            for unit in self._cut(line if self._sentences else line + "\n"):
                self.ids.append(numbers.setdefault(unit, len(numbers)))
            if self._sentences:
                self.ids.append(0)
            self.ends.append(len(self.ids))
            self._characters.append(len(line) + 1)

    def characters_from(self, token: int) -> int:
        """Characters of the lines that begin at or behind a token."""
        begins = np.concatenate([[0], np.frombuffer(self.ends, np.int64)])[:-1] if self.ends else np.empty(0)
        return int(np.frombuffer(self._characters, np.int64)[begins >= token].sum()) if self.ends else 0
