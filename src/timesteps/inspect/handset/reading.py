"""Inputs of the hand-set networks as they are typed: bits, numbers, pairs of numbers, brackets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError

__all__ = ["BITS", "BRACKETS", "MARKS", "NUMBERS", "PAIRS", "Notation"]

Steps = list[tuple[float, ...]]


@dataclass(frozen=True)
class Notation:
    """How sequences are written."""

    what: str  # for messages and help
    parse: Callable[[str], tuple[Steps, list[str]]]
    symbols: bool = False  # whether what is typed for a step is not its number

    def read(self, text: str) -> NDArray[np.float64]:
        """Steps (T, I). `DataError` says which character or number is wrong."""
        return np.array(self._parsed(text)[0], np.float64)

    def signs(self, text: str) -> list[str] | None:
        """What was typed for each step; None where that is its number."""
        return self._parsed(text)[1] if self.symbols else None

    def _parsed(self, text: str) -> tuple[Steps, list[str]]:
        steps, signs = self.parse(text)
        if not steps:
            raise DataError("the input has no steps", mend=f"give {self.what}")
        return steps, signs


def _of_signs(text: str, table: dict[str, tuple[float, ...]], what: str) -> tuple[Steps, list[str]]:
    steps, signs = [], []
    for place, sign in enumerate(text, 1):
        if sign in table:
            steps.append(table[sign])
            signs.append(sign)
        elif not sign.isspace():
            raise DataError(f"character {place} of the input is {sign!r}", mend=f"give {what}")
    return steps, signs


_BITS, _MARKS, _BRACKETS = "zeros and ones", "zeros, ones, and dots for steps without a bit", "a text with brackets ( )"
_NUMBERS, _PAIRS = "numbers with blanks between them", "pairs such as 2,-1 with blanks between them"


def _bits(text: str) -> tuple[Steps, list[str]]:
    return _of_signs(text, {"0": (0,), "1": (1,)}, _BITS)


def _marks(text: str) -> tuple[Steps, list[str]]:
    steps, signs = _of_signs(text, {"0": (1, 0), "1": (0, 1), ".": (0, 0)}, _MARKS)
    if signs[:1] == ["."]:
        raise DataError("the input begins with '.', before there is a bit", mend="begin with 0 or 1")
    return steps, signs


def _numbers(text: str) -> tuple[Steps, list[str]]:
    words = text.replace(",", " ").split()
    return [(_number(word, f"number {place}", _NUMBERS),) for place, word in enumerate(words, 1)], words


def _pairs(text: str) -> tuple[Steps, list[str]]:
    steps: Steps = []
    words = text.split()
    for place, word in enumerate(words, 1):
        parts = word.split(",")
        if len(parts) != 2:
            raise DataError(f"step {place} of the input is {word!r}", mend=f"give {_PAIRS}")
        first, second = (_number(part, f"step {place}", _PAIRS) for part in parts)
        steps.append((first, second))
    return steps, words


def _brackets(text: str) -> tuple[Steps, list[str]]:
    """Other characters change nothing; a bracket that closes nothing is an error."""
    steps: Steps = []
    depth, text = 0, text.rstrip("\r\n")
    for place, sign in enumerate(text, 1):
        change = {"(": 1, ")": -1}.get(sign, 0)
        depth += change
        if depth < 0:
            raise DataError(f"character {place} of the input, {sign!r}, closes nothing", mend="open a bracket first")
        steps.append((float(change),))
    return steps, list(text)


def _number(word: str, where: str, what: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where} of the input is {word!r}", mend=f"give {what}")
    return number


BITS = Notation(_BITS, _bits)
MARKS = Notation(_MARKS, _marks, symbols=True)
NUMBERS = Notation(_NUMBERS, _numbers)
PAIRS = Notation(_PAIRS, _pairs)
BRACKETS = Notation(_BRACKETS, _brackets, symbols=True)
