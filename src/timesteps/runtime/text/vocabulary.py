"""Words and their ids, with the reserved ids of the textbook data sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from timesteps.errors import UsageError

PADDING, START, UNKNOWN = 0, 1, 2
PADDING_MARK, START_MARK, UNKNOWN_MARK = "<padding>", "<start>", "<unknown>"
_MARKS = {PADDING: PADDING_MARK, START: START_MARK, UNKNOWN: UNKNOWN_MARK}


class Vocabulary:
    """Ids of words: 0 padding, 1 start, 2 out of vocabulary, then words from `index_from` by descending frequency.

    Of two words equally frequent the one that occurred first comes first. `num_words` is the number of ids, reserved
    ones included, as in `keras.datasets.imdb`: a word whose id would be `num_words` or more is out of vocabulary.
    (Keras' IMDB counts words from 1, so that its most frequent word has the id 4 and 3 is never used; here `index_from`
    is the first word's own id.) The marks `<padding>`, `<start>` and `<unknown>` are the names of the reserved ids both
    ways, and never words. `len(vocabulary)` is the number of rows that an embedding needs.

    >>> vocabulary = Vocabulary.fit([["a", "film", "a"], ["film", "a", "must"]], num_words=5)
    >>> vocabulary.words, vocabulary.encode(["a", "must", "film"])
    (('a', 'film'), [3, 2, 4])
    >>> vocabulary.decode([1, 4, 2])
    ['<start>', 'film', '<unknown>']
    """

    def __init__(
        self,
        words: Iterable[str],
        *,
        counts: Sequence[int] | None = None,
        num_words: int | None = None,
        index_from: int = 3,
    ) -> None:
        """From words by rank. `counts`, if given, are their frequencies."""
        if index_from < 3:
            raise UsageError(f"index_from is {index_from}", mend="ids 0, 1 and 2 are reserved: give 3 or more")
        if num_words is not None and num_words <= index_from:
            raise UsageError(f"num_words is {num_words}", mend=f"give more than index_from, which is {index_from}")
        ranked = tuple(words)
        if counts is not None and len(counts) != len(ranked):
            raise UsageError(f"{len(counts)} counts for {len(ranked)} words", mend="give one count a word")
        kept = len(ranked) if num_words is None else min(len(ranked), num_words - index_from)
        self.index_from = index_from
        self.words: tuple[str, ...] = ranked[:kept]
        self.counts: tuple[int, ...] | None = None if counts is None else tuple(counts[:kept])
        self._ids = {word: index_from + rank for rank, word in enumerate(self.words)}
        if len(self._ids) != kept:
            raise UsageError("a word occurs twice in the vocabulary", mend="give each word once")
        for reserved, mark in _MARKS.items():
            if mark in self._ids:
                raise UsageError(f"the word {mark!r} is the mark of id {reserved}", mend="leave it out")
            self._ids[mark] = reserved

    @classmethod
    def fit(
        cls, token_lists: Iterable[Iterable[str]], *, num_words: int | None = None, index_from: int = 3
    ) -> Vocabulary:
        """Counts the tokens of all texts and ranks them."""
        counter: Counter[str] = Counter()
        for tokens in token_lists:
            counter.update(tokens)
        return cls.from_counts(counter, num_words=num_words, index_from=index_from)

    @classmethod
    def from_counts(cls, counter: Counter[str], *, num_words: int | None = None, index_from: int = 3) -> Vocabulary:
        """From frequencies, listed in the order of first occurrence (as a `Counter` that was updated in order is)."""
        ranked = [(word, count) for word, count in counter.most_common() if word not in _MARKS.values()]
        words, counts = [word for word, _ in ranked], [count for _, count in ranked]
        return cls(words, counts=counts, num_words=num_words, index_from=index_from)

    def __len__(self) -> int:
        return self.index_from + len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Ids of tokens; 2 for those that are not in the vocabulary."""
        get = self._ids.get
        return [get(token, UNKNOWN) for token in tokens]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Words of ids. The reserved ids (and unused ones below `index_from`) give their marks."""
        words = []
        for number in map(int, ids):
            if not 0 <= number < len(self):
                raise UsageError(f"id {number} is outside 0 to {len(self) - 1}", mend="use the vocabulary it came from")
            known = number >= self.index_from
            words.append(self.words[number - self.index_from] if known else _MARKS.get(number, UNKNOWN_MARK))
        return words
