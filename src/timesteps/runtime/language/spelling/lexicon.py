"""`Lexicon`: correct words with their frequencies, and which of them are spelled like a given one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError
from timesteps.runtime.language.spelling.index import DeleteIndex
from timesteps.runtime.language.spelling.strokes import strokes
from timesteps.runtime.language.units import BEGIN, END, UNKNOWN, Units, UnitsSpec

__all__ = ["WORDS", "Lexicon"]

WORDS = "words.txt"
"""What the list is called in a run's folder."""

_MOST_COUNT = 1 << 62


class Lexicon:
    """Words and how often each occurs.

    >>> lexicon = Lexicon({"bus": 5, "but": 20, "busy": 1})
    >>> [lexicon.words[place] for place in lexicon.near("busz")], round(float(np.exp(lexicon.log_share("bus"))), 2)
    (['bus', 'but', 'busy'], 0.19)
    """

    def __init__(self, counts: Mapping[str, int], *, distance: int = 2) -> None:
        """Words without blanks; `distance` is the most slips of a finger by which a word may be missed, up to 3."""
        kept = {word: count for word, count in counts.items() if count > 0 and word not in (UNKNOWN, BEGIN, END)}
        if not kept:
            raise DataError("there are no words with frequencies", mend="give a text or a list of words")
        self.words = list(kept)
        self.counts = np.array(list(kept.values()), np.int64)
        self.numbers = {word: number for number, word in enumerate(self.words)}
        self.distance = distance
        self._shares = np.log(self.counts / (self.counts.sum() + 1.0))

    @classmethod
    def fit(cls, texts: Iterable[str], *, min_count: int = 1, distance: int = 2) -> Lexicon:
        """The words of texts, punctuation apart, that have a letter in them and occur `min_count` times."""
        units, counter = Units(UnitsSpec("word", apart=True)), Counter[str]()
        for text in texts:
            counter.update(units.cut(text))
        return cls(
            {word: n for word, n in counter.items() if n >= min_count and any(map(str.isalpha, word))},
            distance=distance,
        )

    @classmethod
    def read(cls, lines: Iterable[str] | Iterable[tuple[int, str]], *, name: str | None = None) -> Lexicon:
        """Of a list, a word and its frequency a line, blanks or a tab between them.

        Raises:
            DataError: a line that is none of that; there is no line.
        """
        counts: Counter[str] = Counter()
        for number, line in (each if isinstance(each, tuple) else (place, each) for place, each in enumerate(lines, 1)):
            parts = line.removeprefix("\ufeff").split()
            if not parts:
                continue
            if len(parts) != 2 or not (parts[1].isascii() and parts[1].isdigit()) or int(parts[1][:20]) > _MOST_COUNT:
                raise DataError(
                    "is no word with its frequency", path=name, line=number, mend="write `word 123`, one word a line"
                )
            counts[parts[0]] += int(parts[1])
        if not counts:
            raise DataError("has no words", path=name, mend="write `word 123`, one word a line")
        return cls(counts)

    def lines(self) -> Iterable[str]:
        """What `read` reads, the most frequent word first."""
        for number in np.argsort(-self.counts, kind="stable").tolist():
            yield f"{self.words[number]}\t{self.counts[number]}"

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.numbers

    @cached_property
    def strokes(self) -> list[str]:
        """Of each word."""
        return [strokes(word) for word in self.words]

    @cached_property
    def _index(self) -> DeleteIndex:
        # Korean words are longer in strokes, and many begin alike.
        long = float(np.mean([len(each) for each in self.strokes])) > 9
        return DeleteIndex(self.strokes, distance=self.distance, prefix=10 if long and self.distance < 3 else 7)

    def near(self, typed: str) -> NDArray[np.int64]:
        """The numbers of the words that may be within `distance` slips of what was typed."""
        return self._index.near(strokes(typed))

    def log_share(self, word: str) -> float:
        """log P(word) by frequency alone. `UsageError` for a word that is not here."""
        if word not in self.numbers:
            raise UsageError(f"{word!r} is not in the lexicon", mend="ask whether it is first")
        return float(self._shares[self.numbers[word]])
