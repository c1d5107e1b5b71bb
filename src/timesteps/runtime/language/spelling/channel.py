"""The noisy channel: log P(what was typed | the word that was meant), by weighted edits.

The edits are those of Damerau (1964): a stroke more, a stroke less, another one, two in the wrong order; no stroke is
edited twice. Each kind of slip has a price, the negative logarithm of how often it happens at one place of a word
(Kernighan, Church and Gale 1990 counted it letter by letter; here by class, so that few examples are enough).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.language.spelling.strokes import KEYS, neighbours

__all__ = ["Channel", "Prices"]

_VOWELS = frozenset("aeiouyㅏㅐㅑㅒㅓㅔㅕㅖㅗㅛㅜㅠㅡㅣ")
#: Strokes that stand for like sounds.
_SOUNDS = tuple(
    map(
        frozenset,
        (
            "ckqsx",
            "szc",
            "gj",
            "fvp",
            "dt",
            "mn",
            "iy",
            "bp",
            "ㅐㅔ",
            "ㅒㅖㅔ",
            "ㅗㅜ",
            "ㅓㅗ",
            "ㅈㅊ",
            "ㄱㅋ",
            "ㄷㅌ",
            "ㅂㅍ",
            "ㅅㅆ",
        ),
    )
)


class Prices(msgspec.Struct, frozen=True):
    """Of each kind of slip: -log P, for one place of a word."""

    swap: float = 5.0
    """Two strokes in the wrong order."""
    drop: float = 5.5
    """A stroke left out…"""
    drop_double: float = 3.5
    """…one of two that are the same…"""
    drop_vowel: float = 5.0
    """…a vowel…"""
    drop_silent: float = 4.5
    """…a letter that is often silent: e, h, u, t, and the ㅎ and ㅇ of Korean."""
    add: float = 6.0
    """A stroke too many…"""
    add_double: float = 4.0
    """…a stroke twice…"""
    add_vowel: float = 5.5
    """…a vowel."""
    change: float = 7.0
    """Another stroke…"""
    change_near: float = 5.5
    """…on a neighbouring key…"""
    change_vowel: float = 5.0
    """…both vowels…"""
    change_sound: float = 4.5
    """…of like sound…"""
    change_shift: float = 4.0
    """…on the same key, with or without shift."""
    first: float = 1.5
    """What a slip in the first letter costs besides: who cannot spell a word knows how it begins (Yannakoudakis and
    Fawthrop 1983). Not for Hangul, where slips are those of fingers."""
    blank_drop: float = 6.0
    """No blank between two words, about as dear as another stroke left out…"""
    blank_add: float = 8.0
    """…and one inside a word. Dearer, for writers of Korean differ in it: at 6, words that are rightly two were joined
    in sentences that nobody had damaged (those that `bench.spelling` tunes on)."""


class Channel:
    """Prices of all candidates at once.

    >>> channel = Channel()
    >>> ways = channel.log_probs("recieve", ["receive", "relieve", "receiver"])
    >>> [int(place) for place in np.argsort(-ways)]
    [0, 1, 2]
    """

    def __init__(self, prices: Prices | None = None) -> None:
        self.prices = prices or Prices()
        self._change = functools.cache(self._price_of_change)

    def _price_of_change(self, meant: str, typed: str) -> float:
        p = self.prices
        if meant == typed:
            return 0.0
        found = [p.change]
        if KEYS.get(meant, meant) == KEYS.get(typed, typed):
            found.append(p.change_shift)
        if typed in neighbours(meant):
            found.append(p.change_near)
        if meant in _VOWELS and typed in _VOWELS:
            found.append(p.change_vowel)
        if any(meant in group and typed in group for group in _SOUNDS):
            found.append(p.change_sound)
        return min(found)

    def _price_of_drop(self, letter: str, before: str, after: str) -> float:
        p = self.prices
        found = [p.drop]
        if letter in (before, after):
            found.append(p.drop_double)
        if letter in _VOWELS:
            found.append(p.drop_vowel)
        if letter in "ehutㅎㅇ":
            found.append(p.drop_silent)
        return min(found)

    def _price_of_add(self, letter: str, before: str, after: str) -> float:
        p = self.prices
        found = [p.add]
        if letter in (before, after):
            found.append(p.add_double)
        if letter in _VOWELS:
            found.append(p.add_vowel)
        return min(found)

    def log_probs(self, typed: str, meant: Sequence[str]) -> NDArray[np.float64]:
        """(N,) log P(typed | word) up to a constant, of words in strokes: 0 where nothing was edited."""
        return -np.array([self.price(typed, word) for word in meant], np.float64)

    def price(self, typed: str, word: str) -> float:
        """The least sum of prices that turns the word into what was typed."""
        p, change = self.prices, self._change
        m, n = len(typed), len(word)
        adds = [self._price_of_add(typed[i], typed[i - 1 : i], typed[i + 1 : i + 2]) for i in range(m)]
        drops = [self._price_of_drop(word[j], word[j - 1 : j] if j else "", word[j + 1 : j + 2]) for j in range(n)]
        beginning = p.first if word < "\u1100" else 0.0
        before: list[float] = []
        last = [0.0]
        for j in range(n):
            last.append(last[j] + drops[j] + (beginning if j == 0 else 0.0))
        for i in range(m):
            row = [last[0] + adds[i] + (beginning if i == 0 else 0.0)]
            letter = typed[i]
            for j in range(n):
                other = word[j]
                first = beginning if i == 0 and j == 0 else 0.0
                best = last[j] if letter == other else last[j] + change(other, letter) + first
                best = min(best, last[j + 1] + adds[i] + first, row[j] + drops[j] + first)
                if i and j and letter == word[j - 1] and typed[i - 1] == other and letter != other:
                    best = min(best, before[j - 1] + p.swap)
                row.append(best)
            before, last = last, row
        return last[n]
