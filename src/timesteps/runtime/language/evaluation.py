"""How well a language model predicts a text: perplexities, by place in the sentence, and what surprised it most."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, ModelError
from timesteps.runtime.language.model import LanguageModel
from timesteps.runtime.language.scoring import Tally, tally, token_log_probs

__all__ = ["Surprise", "TextEvaluation", "TokenLine", "evaluate_text"]

#: Of 10 tokens one place each, then wider and wider: the first token of each band of places.
_BANDS = (*range(10), 10, 15, 20, 30, 50, 100, 200)
_CONTEXT = 8  # units shown before a surprise
_SHOWN_LINES, _SHOWN_UNITS = 40, 60  # kept with every token's probability, for the report


@dataclass(frozen=True)
class Surprise:
    """A token that the model did not expect."""

    unit: str
    log_prob: float
    line: int
    position: int
    context: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON; null for the logarithm of an impossible token."""
        value = self.log_prob / math.log(10.0)
        shown = value if math.isfinite(value) else None
        return {
            "unit": self.unit,
            "log10": shown,
            "line": self.line,
            "position": self.position,
            "context": self.context,
        }


@dataclass(frozen=True)
class TokenLine:
    """A line with the probability of each of its tokens."""

    line: int
    units: list[str]
    log_probs: NDArray[np.float64]


@dataclass
class TextEvaluation(Tally):
    """The sums of a text (`Tally`), and where they come from."""

    lines: int = 0
    by_position: list[tuple[int, int, float]] = field(default_factory=list)
    """First place of a band (0 is the first token of a line), tokens in it, and their perplexity."""
    surprises: list[Surprise] = field(default_factory=list)
    """The least probable tokens of the vocabulary, the least probable first."""
    shown: list[TokenLine] = field(default_factory=list)
    """The first lines, cut to some tokens."""

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON: those of `Tally`, `lines`, `by_position`, `surprises`."""
        positions = [
            {"position": first, "tokens": n, "perplexity": value if math.isfinite(value) else None}
            for first, n, value in self.by_position
        ]
        found = {"by_position": positions, "surprises": [each.to_dict() for each in self.surprises]}
        return {"lines": self.lines, **super().to_dict(), **found}


class _Places:
    """Sums by band of places."""

    def __init__(self) -> None:
        self.sums, self.numbers = np.zeros(len(_BANDS)), np.zeros(len(_BANDS), np.int64)

    def add(self, found: NDArray[np.float64]) -> None:
        bands = np.searchsorted(_BANDS, np.arange(len(found)), side="right") - 1
        self.numbers += np.bincount(bands, minlength=len(_BANDS))
        np.add.at(self.sums, bands, found)

    def rows(self) -> list[tuple[int, int, float]]:
        found = zip(_BANDS, self.numbers.tolist(), self.sums.tolist(), strict=True)
        return [(first, n, math.exp(min(-total / n, 709.0))) for first, n, total in found if n]


def evaluate_text(
    model: LanguageModel, lines: Iterable[str] | Iterable[tuple[int, str]], *, most: int = 20, name: str | None = None
) -> TextEvaluation:
    """Judges the model on a text, line by line; lines that are blank are no sentences and are left out.

    A model with a mark for the beginning of a sentence starts afresh with each line. One without reads on, and where it
    has no mark for the end either, a line's end is the character that it is.

    Args:
        model: any language model.
        lines: the text, or numbered lines of it.
        most: how many of the most surprising tokens are kept.
        name: of the file, for errors.

    Raises:
        DataError: there is no line with anything in it.
        ModelError: an answer of the model is no probability; the message says of which token, in which line.

    >>> from timesteps.runtime.language.plain import PlainModel
    >>> found = evaluate_text(PlainModel(["a b", "a c"], order=2), ["a b", "c a"])
    >>> found.tokens, found.unknown, round(found.perplexity, 2), found.surprises[0].unit
    (6, 0, 4.94, 'c')
    """
    places, result = _Places(), TextEvaluation()
    least: list[tuple[float, int, Surprise]] = []  # a heap: the least surprising of those kept comes first
    state = model.start() if model.begin >= 0 else model.empty()
    for number, line in (each if isinstance(each, tuple) else (place, each) for place, each in enumerate(lines, 1)):
        if not line.strip():
            continue
        text = line if model.end >= 0 else line + "\n"
        tokens, units = model.tokens(text), model.units(text)
        if model.end >= 0:
            tokens, units = [*tokens, model.end], [*units, model.words[model.end]]
        if model.begin >= 0:
            state = model.start()
        try:
            found, state = token_log_probs(model, state, tokens, units)
        except ModelError as error:
            raise ModelError(f"line {number}: {error.what}", path=name, mend=error.mend) from error
        result.lines += 1
        result.add(tally(model, tokens, units, found, text))
        places.add(found)
        known = np.flatnonzero(np.array(tokens) != model.unknown)
        for place in known[np.argsort(found[known], kind="stable")[:most]].tolist():
            item = (-float(found[place]), -result.tokens + len(tokens) - place)
            if len(least) == most and item <= least[0][:2]:
                continue
            context = model.text(tokens[max(0, place - _CONTEXT) : place])
            surprise = Surprise(units[place], float(found[place]), number, place, context)
            (heapq.heappush if len(least) < most else heapq.heapreplace)(least, (*item, surprise))
        if len(result.shown) < _SHOWN_LINES:
            result.shown.append(TokenLine(number, units[:_SHOWN_UNITS], found[:_SHOWN_UNITS].copy()))
    if not result.tokens:
        raise DataError("has no line with anything in it", path=name, mend="give a text, one sentence a line")
    result.by_position = places.rows()
    result.surprises = [surprise for *_, surprise in sorted(least, key=lambda item: item[:2], reverse=True)]
    return result
