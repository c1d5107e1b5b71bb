"""How probable a sentence is, and what comes next.

Logarithms of base 10, as in ARPA files; perplexity = P^(-1/N). N counts what was predicted: all tokens and the end of
the sentence; or words and the end; or characters and the end (a line's end is a character, too).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError
from timesteps.runtime.language.model import LanguageModel, State

__all__ = ["Next", "Score", "Tally", "advance", "next_words", "score", "token_log_probs"]

_LN10 = math.log(10.0)


def _perplexity(log_prob: float, n: int) -> float:
    """exp(-log_prob / n); infinite where a token is impossible or the exponent passes what a number can hold."""
    return math.inf if n and -log_prob / n > 709.0 else math.exp(-log_prob / n) if n else math.nan


@dataclass
class Tally:
    """Sums over tokens: what a score and the evaluation of a text have in common. Natural logarithms."""

    tokens: int = 0
    """Predicted, ends of sentences and unknown words included."""
    unknown: int = 0
    ends: int = 0
    words: int = 0
    characters: int = 0
    log_prob: float = 0.0
    """Of all tokens; -inf where one of them is impossible."""
    log_prob_known: float = 0.0
    """Of all but the unknown words."""
    impossible: list[str] = field(default_factory=list)
    """Tokens to which the model gives no probability at all: the reason for a perplexity that is infinite."""

    def add(self, other: Tally) -> None:
        """Both together."""
        for name in ("tokens", "unknown", "ends", "words", "characters", "log_prob", "log_prob_known"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.impossible = list(dict.fromkeys(self.impossible + other.impossible))

    @property
    def log10(self) -> float:
        """log10 of the probability."""
        return self.log_prob / _LN10

    @property
    def perplexity(self) -> float:
        """Per token, unknown words as the token <unk>. Infinite where a token is impossible (`impossible`)."""
        return _perplexity(self.log_prob, self.tokens)

    @property
    def perplexity_known(self) -> float:
        """Per token that is in the vocabulary: unknown words are counted neither above nor below the line."""
        return _perplexity(self.log_prob_known, self.tokens - self.unknown)

    @property
    def word_perplexity(self) -> float:
        """Per word (what stands between blanks) and end of sentence: comparable between all kinds of units."""
        return _perplexity(self.log_prob, self.words + self.ends)

    @property
    def character_perplexity(self) -> float:
        """Per character and end of sentence."""
        return _perplexity(self.log_prob, self.characters + self.ends)

    @property
    def bits_per_character(self) -> float:
        """log2 of `character_perplexity`."""
        n = self.characters + self.ends
        return -self.log_prob / n / math.log(2.0) if n else math.nan

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON; null stands for a number that is infinite or has nothing to count."""
        figures = {
            "log10": self.log10,
            "log10_known": self.log_prob_known / _LN10,
            "perplexity": self.perplexity,
            "perplexity_known": self.perplexity_known,
            "word_perplexity": self.word_perplexity,
            "character_perplexity": self.character_perplexity,
            "bits_per_character": self.bits_per_character,
        }
        counts = {name: getattr(self, name) for name in ("tokens", "unknown", "ends", "words", "characters")}
        finite = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        return {**finite, **counts, "impossible": self.impossible}


@dataclass
class Score(Tally):
    """The probability of one sentence, token by token."""

    units: list[str] = field(default_factory=list)
    """As written, the end of the sentence last."""
    log_probs: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(N,) natural logarithms, one a unit."""


def token_log_probs(
    model: LanguageModel, state: State, tokens: Sequence[int], units: Sequence[str]
) -> tuple[NDArray[np.float64], State]:
    """`model.log_probs`, with NaN and probabilities above 1 refused: `ModelError` names the token."""
    found, state = model.log_probs(state, tokens)
    wrong = np.flatnonzero(~(found <= 1e-4))  # a little rounding is no fault; NaN compares as false
    if wrong.size:
        place = int(wrong[0])
        raise ModelError(
            f"gives {units[place]!r}, token {place + 1}, the log probability {found[place]:g}",
            mend="the model is damaged or was not trained to the end",
        )
    return found, state


def tally(
    model: LanguageModel, tokens: Sequence[int], units: Sequence[str], found: NDArray[np.float64], text: str
) -> Tally:
    """The sums of what was found for the tokens of a text."""
    unknown = np.array(tokens, np.int64) == model.unknown if model.unknown >= 0 else np.zeros(len(tokens), bool)
    return Tally(
        tokens=len(tokens),
        unknown=int(unknown.sum()),
        ends=int(model.end >= 0 and len(tokens) > 0 and tokens[-1] == model.end),
        words=len(text.split()),
        characters=len(text),
        log_prob=float(found.sum()),
        log_prob_known=float(found[~unknown].sum()),
        impossible=list(dict.fromkeys(units[place] for place in np.flatnonzero(found == -np.inf).tolist())),
    )


def score(model: LanguageModel, sentence: str) -> Score:
    """The probability of a sentence, from its start to its end.

    Raises:
        ModelError: the model's answer for a token is no probability; the message names the token.

    >>> from timesteps.runtime.language.plain import PlainModel
    >>> model = PlainModel(["나는 버스를 탔다", "나는 버스를 탔다", "나는 버스를 기다렸다"])
    >>> bus = score(model, "나는 버스를 탔다")
    >>> bus.units, bus.tokens, bus.unknown
    (['나는', '버스를', '탔다', '</s>'], 4, 0)
    >>> round(bus.log10, 2), round(bus.perplexity, 2)
    (-0.25, 1.16)
    """
    tokens, units = model.tokens(sentence), model.units(sentence)
    if model.end >= 0:
        tokens, units = [*tokens, model.end], [*units, model.words[model.end]]
    found, _ = token_log_probs(model, model.start(), tokens, units)
    sums = tally(model, tokens, units, found, sentence)
    return Score(**vars(sums), units=units, log_probs=found)


def advance(model: LanguageModel, text: str, state: State | None = None) -> State:
    """The state after a text; from the start of a sentence, unless another state is given."""
    state = model.start() if state is None else state
    return model.log_probs(state, model.tokens(text))[1]


@dataclass(frozen=True)
class Next:
    """What may come next, and how probably."""

    unit: str
    token: int
    probability: float


def next_words(model: LanguageModel, context: str, k: int = 10) -> list[Next]:
    """The k most probable tokens after a context, <unk> left out; their probabilities are those of the model.

    Raises:
        UsageError: k is below 1.

    >>> from timesteps.runtime.language.plain import PlainModel
    >>> model = PlainModel(["나는 버스를 탔다", "나는 버스를 탔다", "나는 버스를 기다렸다"])
    >>> [(each.unit, round(each.probability, 2)) for each in next_words(model, "나는 버스를", 2)]
    [('탔다', 0.66), ('기다렸다', 0.33)]
    """
    if k < 1:
        raise UsageError(f"k is {k}", mend="ask for 1 word or more")
    found = model.distribution(advance(model, context))
    possible = np.flatnonzero(found > -np.inf)
    possible = possible[possible != model.unknown]
    best = possible[np.argsort(-found[possible], kind="stable")[:k]]
    return [Next(model.words[token], int(token), math.exp(found[token])) for token in best]
