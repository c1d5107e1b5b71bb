"""`Lexicon`: correct words with their frequencies, and which of them are spelled like a given one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.language.spelling.index import DeleteIndex
from timesteps.runtime.language.spelling.strokes import strokes
from timesteps.runtime.language.units import BEGIN, END, UNKNOWN, Units, UnitsSpec

__all__ = ["WORDS", "Lexicon", "WordCounter"]

WORDS = "words.txt"
"""What the list is called in a run's folder."""

_MOST_COUNT = 1 << 62


class WordCounter:
    """Counts the words of sentences on their way to training, for a list beside the model.

    >>> counter = WordCounter()
    >>> list(counter.through([(1, "a bus, a bus")])), counter.counts["bus"]
    ([(1, 'a bus, a bus')], 2)
    """

    def __init__(self, most: int = 1 << 21) -> None:
        """When there are more than `most` words, those that occurred once are forgotten, so memory is bounded."""
        self.counts: Counter[str] = Counter()
        self._most = most
        self._units = Units(UnitsSpec("word", apart=True))

    def through(self, sentences: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """The sentences, which are counted as they pass."""
        for number, sentence in sentences:
            self.counts.update(self._units.cut(sentence))
            least = 1
            while len(self.counts) > self._most:
                self.counts = Counter({word: n for word, n in self.counts.items() if n > least})
                least += 1
            yield number, sentence

    def write(self, folder: str | PathLike[str]) -> None:
        """Leave the list in a run's folder; nothing if no word has a letter. `UsageError` if it cannot be written."""
        words = {word: n for word, n in self.counts.items() if any(map(str.isalpha, word))}
        if words:
            with atomic_write(Path(folder) / WORDS) as file:
                file.writelines(f"{line}\n".encode() for line in Lexicon(words).lines())


class Lexicon:
    """Words and how often each occurs.

    >>> lexicon = Lexicon({"bus": 5, "but": 20, "busy": 1})
    >>> [lexicon.words[place] for place in lexicon.near("busz")], round(float(np.exp(lexicon.log_share("bus"))), 2)
    (['bus', 'but', 'busy'], 0.19)
    """

    def __init__(self, counts: Mapping[str, int], *, min_count: int = 1, distance: int = 2) -> None:
        """Words without blanks. Rarer ones than `min_count` are no words by themselves, but known words may be made of
        pieces of them. `distance` is the most slips of a finger by which a word may be missed, up to 3."""
        self._every = [word for word, count in counts.items() if count > 0 and word not in (UNKNOWN, BEGIN, END)]
        kept = {word: counts[word] for word in self._every if counts[word] >= min_count}
        if not kept:
            raise DataError("there are no words with frequencies", mend="give a text or a list of words")
        self.words = list(kept)
        self.counts = np.array(list(kept.values()), np.int64)
        self.numbers = {word: number for number, word in enumerate(self.words)}
        self.distance = distance
        self._shares = np.log(self.counts / (self.counts.sum() + 1.0))

    @classmethod
    def fit(cls, texts: Iterable[str], *, min_count: int = 1, distance: int = 2) -> Self:
        """The words of texts, punctuation apart, that have a letter in them; the rest as the constructor."""
        units, counter = Units(UnitsSpec("word", apart=True)), Counter[str]()
        for text in texts:
            counter.update(units.cut(text))
        words = {word: n for word, n in counter.items() if any(map(str.isalpha, word))}
        return cls(words, min_count=min_count, distance=distance)

    @classmethod
    def read(
        cls, lines: Iterable[str] | Iterable[tuple[int, str]], *, name: str | None = None, min_count: int = 1
    ) -> Self:
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
        return cls(counts, min_count=min_count)

    @classmethod
    def of_run(cls, run: str | PathLike[str]) -> Self | None:
        """The list that training left in a run's folder, or beside the model file; None if it left none.

        What occurs once in it is no word: it is often a slip itself.
        """
        path = (Path(run) if Path(run).is_dir() else Path(run).parent) / WORDS
        if not path.is_file():
            return None
        try:
            return cls.read(path.read_text("utf-8").splitlines(), name=str(path), min_count=2)
        except UnicodeDecodeError as error:
            raise DataError("is not UTF-8", path=path, mend="train again") from error

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

    @cached_property
    def _pieces(self) -> frozenset[str]:
        return frozenset(piece for word in self._every for piece in _pieces(word))

    def attested(self, word: str) -> int:
        """How many pieces of three letters the word has in common with words that were ever seen.

        >>> Lexicon({"달려가서": 1, "올라갔다": 1}).attested("달려갔다")
        0
        >>> Lexicon({"달려갔을": 1, "올라갔다": 1}).attested("달려갔다")
        1
        """
        return sum(piece in self._pieces for piece in _pieces(word))

    def near(self, typed: str) -> NDArray[np.int64]:
        """The numbers of the words that may be within `distance` slips of what was typed."""
        return self._index.near(strokes(typed))

    def log_share(self, word: str) -> float:
        """log P(word) by frequency alone. `UsageError` for a word that is not here."""
        if word not in self.numbers:
            raise UsageError(f"{word!r} is not in the lexicon", mend="ask whether it is first")
        return float(self._shares[self.numbers[word]])


def _pieces(word: str) -> list[str]:
    return [word[place : place + 3] for place in range(len(word) - 2)]
