"""What may have been meant by a typed word, and how probable it is that somebody who means it types this."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from timesteps.runtime.language.spelling.channel import Channel
from timesteps.runtime.language.spelling.index import DeleteIndex
from timesteps.runtime.language.spelling.lexicon import Lexicon
from timesteps.runtime.language.spelling.strokes import strokes

__all__ = ["Candidate", "Finder", "written_like"]

_MOST_LISTED = 40  # candidates from the lexicon
_MOST_KEPT = 20_000  # words whose candidates are remembered
_DEAREST = 16.0  # a price above which nobody means the word, in nats
_DEAREST_SYLLABLE = 7.5  # one slip of any kind


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that may have been meant."""

    word: str
    """Capital letters as in what was typed."""
    channel: float
    """log P(typed | word); 0 for what was typed itself."""
    entry: str | None
    """The word in the lexicon, where it is there."""
    second: str | None = None
    """The second one in the lexicon, where `word` is two with a blank between them."""

    @property
    def words(self) -> list[tuple[str, str | None]]:
        """Each word and its entry."""
        first, blank, second = self.word.partition(" ")
        return [(first, self.entry), (second, self.second)] if blank else [(first, self.entry)]


class Finder:
    """Finds candidates: words of a lexicon, and Hangul words in which one syllable is another.

    Korean words have so many endings that no list has all of them; a syllable in the place of another needs no list.
    But a word that no list has is only taken for another such word if that shares more pieces with known words.
    `syllables` are those to choose from, the syllables of the lexicon if None.
    """

    def __init__(self, lexicon: Lexicon, channel: Channel | None = None, syllables: list[str] | None = None) -> None:
        self.lexicon, self.channel = lexicon, channel or Channel()
        self._given = syllables
        self._found: dict[str, list[Candidate]] = {}  # the words of a text recur
        self._like: dict[str, list[tuple[str, float]]] = {}

    @cached_property
    def _syllables(self) -> list[str]:
        given = self._given
        letters = {letter for word in self.lexicon.words for letter in word} if given is None else set(given)
        return sorted(letter for letter in letters if "가" <= letter <= "힣")

    @cached_property
    def _index(self) -> DeleteIndex:
        return DeleteIndex([strokes(syllable) for syllable in self._syllables], distance=1, prefix=6)

    def like_syllable(self, syllable: str) -> list[tuple[str, float]]:
        """Syllables one slip away, and log P(typed this | meant that)."""
        if syllable not in self._like:
            typed = strokes(syllable)
            others = [self._syllables[place] for place in self._index.near(typed)]
            found = [(other, self.channel.price(typed, strokes(other))) for other in others if other != syllable]
            self._like[syllable] = [(other, -price) for other, price in found if price <= _DEAREST_SYLLABLE]
        return self._like[syllable]

    def find(self, typed: str) -> list[Candidate]:
        """What was typed, first; then words of the lexicon by channel and frequency; then words of other syllables."""
        if (known := self._found.get(typed)) is None:
            if len(self._found) >= _MOST_KEPT:
                self._found.clear()
            known = self._found[typed] = self._find(typed)
        return known

    def _find(self, typed: str) -> list[Candidate]:
        exact = typed if typed in self.lexicon else typed.lower() if typed.lower() in self.lexicon else None
        found = {typed: Candidate(typed, 0.0, exact)}
        places = self.lexicon.near(typed)
        near = [self.lexicon.words[place] for place in places]
        if near:
            channel = self.channel.log_probs(strokes(typed), [self.lexicon.strokes[place] for place in places])
            totals = channel + np.array([self.lexicon.log_share(word) for word in near])
            for place in np.argsort(-totals, kind="stable")[:_MOST_LISTED].tolist():
                if channel[place] < -_DEAREST:
                    continue
                word = written_like(typed, near[place])
                found.setdefault(word, Candidate(word, float(channel[place]), near[place]))
        attested = self.lexicon.attested(typed)
        for place, letter in enumerate(typed):
            if "가" <= letter <= "힣" and self._syllables:
                for other, log_prob in self.like_syllable(letter):
                    word = typed[:place] + other + typed[place + 1 :]
                    if word in self.lexicon:
                        found.setdefault(word, Candidate(word, log_prob, word))
                    elif exact is None and self.lexicon.attested(word) > attested:
                        found.setdefault(word, Candidate(word, log_prob, None))
        return list(found.values())


def written_like(typed: str, word: str) -> str:
    """The word with capitals as in what was typed; capitals of its own stay.

    >>> written_like("Teh", "the"), written_like("TEH", "the"), written_like("i", "I")
    ('The', 'THE', 'I')
    """
    if len(typed) > 1 and typed.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if typed[:1].isupper() else word
