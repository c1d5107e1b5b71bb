"""`UnitVocabulary`: the numbers of a language model's units, with their frequencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import msgspec
import numpy as np

from timesteps.errors import DataError, ModelError, UsageError, option
from timesteps.runtime.language.answers import Answers
from timesteps.runtime.language.units import BEGIN, END, MARKS, UNKNOWN, Units, UnitsSpec
from timesteps.runtime.layout import shorten
from timesteps.runtime.text.subword import SubwordModel

__all__ = ["MAX_WORDS", "OfUnits", "UnitVocabulary", "VocabularySpec", "check_vocabulary"]

MAX_WORDS = 1 << 24
"""More than any language has; a vocabulary of a file may not be larger."""

_MOST_COUNT = 1 << 62
_BYTES = tuple(f"{byte:02x}" for byte in range(256))


class VocabularySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vocabulary in a model file. Of bytes it has no words; the model of subwords stands beside it, as a tensor."""

    units: UnitsSpec
    words: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    """How often each token occurred, marks first. Empty: not known."""
    sentences: bool = True
    """Whether <s> and </s> are among the tokens."""


def check_vocabulary(spec: VocabularySpec) -> None:
    """`ModelError` for a specification that contradicts itself or is too large to be a vocabulary."""
    words, marks = spec.words, len(_marks(spec))
    tokens = marks + (len(words) if spec.units.kind != "byte" else len(_BYTES))

    def wrong(what: str) -> ModelError:
        return ModelError(f"the vocabulary contradicts itself: {what}")

    if spec.units.apart and spec.units.kind != "word":
        raise wrong(f"punctuation apart from units of kind {spec.units.kind}")
    if (spec.units.kind == "byte") != (not words):
        raise wrong(f"{len(words)} words of kind {spec.units.kind}")
    if len(words) > MAX_WORDS:
        raise wrong(f"{len(words)} words, at most {MAX_WORDS} are read")
    if spec.counts and len(spec.counts) != tokens:
        raise wrong(f"{len(spec.counts)} counts for {tokens} tokens")
    if spec.counts and not all(0 <= count <= _MOST_COUNT for count in spec.counts):
        raise wrong("a count is negative or too large")
    if len(set(words)) != len(words):
        raise wrong("a word occurs twice")
    for mark in ("", *MARKS):
        if mark in words:
            raise wrong(f"{shorten(mark) or 'nothing'} is among its words")


def _marks(spec: VocabularySpec) -> tuple[str, ...]:
    """The first tokens: <unk> unless all units are known, <s> and </s> where there are sentences."""
    return ((UNKNOWN,) if spec.units.kind != "byte" else ()) + ((BEGIN, END) if spec.sentences else ())


class UnitVocabulary:
    """Numbers of units: the marks <unk>, <s>, </s> first, as far as there are any, then words by falling frequency.

    `words`, `begin`, `end`, `unknown`, `tokens`, `units` and `text` are those of `LanguageModel`. The words <s>, </s>
    and <unk> of a text are unknown words, so nobody can end a sentence by writing </s>.

    >>> vocabulary = UnitVocabulary.fit(["the cat sat", "the cat ran"], UnitsSpec("word"), min_count=2)
    >>> vocabulary.words
    ('<unk>', '<s>', '</s>', 'the', 'cat')
    >>> vocabulary.counts.tolist(), vocabulary.tokens("the cat slept")
    ([2, 0, 2, 2, 2], [3, 4, 0])
    >>> vocabulary.text([1, 3, 4, 2])
    'the cat'
    """

    def __init__(self, spec: VocabularySpec, subword: SubwordModel | None = None) -> None:
        """Of a specification that `check_vocabulary` has passed."""
        self.spec = spec
        self._units = Units(spec.units, subword)
        marks = _marks(spec)
        self.words: tuple[str, ...] = marks + (_BYTES if spec.units.kind == "byte" else spec.words)
        self.counts = np.array(spec.counts or (0,) * len(self.words), np.int64)
        """(V,) how often each token occurred where the vocabulary is from: of <unk>, all the words left out; of </s>,
        the sentences; of <s>, 0, because it is never predicted. All 0 where that is not known."""
        self.unknown, self.begin, self.end = (marks.index(mark) if mark in marks else -1 for mark in MARKS)
        self._numbers = {word: number for number, word in enumerate(self.words) if number >= len(marks)}

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        units: UnitsSpec,
        *,
        min_count: int = 1,
        size: int | None = None,
        sentences: bool = True,
        subword: SubwordModel | None = None,
    ) -> UnitVocabulary:
        """Counts the units of the texts, each text one sentence; the rest as `from_counts`."""
        cutter = Units(units, subword)
        counter: Counter[str] = Counter()
        number = 0
        for text in texts:
            number += 1
            counter.update(cutter.cut(text))
        return cls.from_counts(
            counter,
            units,
            min_count=min_count,
            size=size,
            sentences=number if sentences else None,
            subword=subword,
        )

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[str, int],
        units: UnitsSpec,
        *,
        min_count: int = 1,
        size: int | None = None,
        sentences: int | None = 0,
        subword: SubwordModel | None = None,
    ) -> UnitVocabulary:
        """Of frequencies: words that occur `min_count` times, at most `size` tokens, marks included.

        `sentences` says how many there were, None that the text runs on without any (and has neither <s> nor </s>).
        Of two words equally frequent the one listed first comes first.

        Raises:
            UsageError: `min_count` or `size` below what makes sense.
            DataError: no word is left.
        """
        spec = VocabularySpec(units, sentences=sentences is not None)
        marks = _marks(spec)
        if min_count < 1:
            raise UsageError(f"{option('min_count')} is {min_count}", mend="give 1 or more")
        if size is not None and size <= len(marks):
            raise UsageError(f"a vocabulary of {size} words", mend=f"give more than the {len(marks)} marks take")
        found = [(word, count) for word, count in counts.items() if word not in MARKS]
        if units.kind == "byte":
            kept = [(word, counts.get(word, 0)) for word in _BYTES]
        else:
            kept = sorted((each for each in found if each[1] >= min_count), key=lambda each: -each[1])
            kept = kept[: None if size is None else size - len(marks)]
            if not kept:
                raise DataError(
                    f"none of {len(found)} words occurs {min_count} times" if found else "there are no words",
                    mend=f"give more text or a lower {option('min_count')}" if found else "give a text",
                )
        of = dict(kept)
        left = sum(counts.values()) - sum(of.values())
        known = {UNKNOWN: left, BEGIN: 0, END: sentences or 0}
        words = () if units.kind == "byte" else tuple(of)
        return cls(
            msgspec.structs.replace(
                spec, words=words, counts=tuple(chain((known[mark] for mark in marks), of.values()))
            ),
            subword,
        )

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, unit: object) -> bool:
        return unit in self._numbers

    @property
    def subword(self) -> SubwordModel | None:
        """What cuts the texts, where the units are subwords."""
        return self._units.subword

    def encode(self, units: Iterable[str]) -> list[int]:
        """The numbers of units that `units` cut."""
        get, unknown = self._numbers.get, self.unknown
        return [get(unit, unknown) for unit in units]

    def tokens(self, text: str) -> list[int]:
        """The numbers of a text's units, without marks; those that are not in the vocabulary are `unknown`."""
        return self.encode(self._units.cut(text))

    def units(self, text: str) -> list[str]:
        """The text's units as they are written."""
        return self._units.cut(text)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of these tokens; <s> and </s> are left out, an unknown word reads <unk>. `UsageError` for a number
        that is no token."""
        marks = (self.begin, self.end)
        for token in tokens:
            if not 0 <= token < len(self.words):
                raise UsageError(f"token {token} is outside 0 to {len(self.words) - 1}", mend="use this model's tokens")
        return self._units.join([self.words[token] for token in tokens if token not in marks])


class OfUnits(Answers):
    """What of a `LanguageModel` is its vocabulary's alone."""

    vocabulary: UnitVocabulary
    words: Sequence[str]
    begin: int
    end: int
    unknown: int

    def _adopt_vocabulary(self, vocabulary: UnitVocabulary) -> None:
        self.vocabulary, self.words = vocabulary, vocabulary.words
        self.begin, self.end, self.unknown = vocabulary.begin, vocabulary.end, vocabulary.unknown

    def tokens(self, text: str) -> list[int]:
        """The numbers of a text's units, without marks; units that the vocabulary lacks are `unknown`."""
        return self.vocabulary.tokens(text)

    def units(self, text: str) -> list[str]:
        """The units themselves, as they are written in the text."""
        return self.vocabulary.units(text)

    def text(self, tokens: Sequence[int]) -> str:
        """The text that reads as these tokens."""
        return self.vocabulary.text(tokens)
