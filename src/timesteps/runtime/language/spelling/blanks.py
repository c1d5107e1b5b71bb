"""Blanks as slips: two words that were written as one, and one word that was written as two (Korean 띄어쓰기)."""

from __future__ import annotations

import math
from functools import cached_property

from timesteps.runtime.language.spelling.candidates import Candidate, written_like
from timesteps.runtime.language.spelling.channel import Prices
from timesteps.runtime.language.spelling.lexicon import Lexicon

__all__ = ["Blanks"]

_MOST_SPLITS = 4  # ways to cut a word that the language model is asked about


class Blanks:
    """Candidates that differ from what was typed by one blank.

    >>> blanks = Blanks(Lexicon({"the": 9, "dog": 3, "today": 2}), Prices())
    >>> blanks.apart("Thedog")[0].word, blanks.together("to", "day").word
    ('The dog', 'today')
    """

    def __init__(self, lexicon: Lexicon, prices: Prices, unlisted: bool = False) -> None:
        """`unlisted`: whether a part may be no word of the lexicon, but three letters or more that all are known from
        its words, as Korean ones with their endings are."""
        self.lexicon, self.prices, self.unlisted = lexicon, prices, unlisted
        self._least = -math.log(float(lexicon.counts.sum()))

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.lexicon.words))

    def apart(self, typed: str) -> list[Candidate]:
        """Two words, the most frequent first, for what is no word itself; at most four ways."""
        if len(typed) > 2 * self._longest or self._entry(typed) is not None:
            return []
        found = []
        for place in range(1, len(typed)):
            parts = typed[:place], typed[place:]
            entries = self._entry(parts[0]), self._entry(parts[1])
            if all(entry is not None or self._seems(part) for part, entry in zip(parts, entries, strict=True)):
                share = sum(self._least if entry is None else self.lexicon.log_share(entry) for entry in entries)
                found.append((-share, place, entries))
        price = -self.prices.blank_drop
        return [
            Candidate(f"{typed[:place]} {typed[place:]}", price, entries[0], entries[1])
            for _, place, entries in sorted(found)[:_MOST_SPLITS]
        ]

    def together(self, first: str, second: str) -> Candidate | None:
        """One word for two, if there is such a word."""
        if not first or not second or len(first) + len(second) > self._longest:
            return None
        entry = self._entry(first + second)
        return None if entry is None else Candidate(first + second, -self.prices.blank_add, entry)

    def _seems(self, part: str) -> bool:
        return self.unlisted and len(part) > 2 and self.lexicon.attested(part) == len(part) - 2

    def _entry(self, typed: str) -> str | None:
        """The word in the lexicon, which may be written with other capitals, but not with some inside it."""
        if typed in self.lexicon:
            return typed
        lower = typed.lower()
        return lower if lower in self.lexicon and written_like(typed, lower) == typed else None
