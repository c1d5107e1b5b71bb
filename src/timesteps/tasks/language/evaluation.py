"""How well a recurrent model predicts a text that it reads from beginning to end, over the ends of lines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.runtime.language.recurrent import RecurrentModel

__all__ = ["RunningEvaluation", "evaluate_running"]


@dataclass(frozen=True)
class RunningEvaluation:
    """What a text's tokens came to, in nats."""

    tokens: int
    unknown: int
    characters: int
    nats: float
    nats_unknown: float  # of them, for unknown words

    @property
    def perplexity(self) -> float:
        """A token."""
        return math.exp(self.nats / self.tokens)

    @property
    def perplexity_known(self) -> float:
        """A token, without those that the vocabulary lacks."""
        known = self.tokens - self.unknown
        return math.exp((self.nats - self.nats_unknown) / known) if known else math.inf

    @property
    def bits_per_character(self) -> float:
        """Ends of lines counted as characters."""
        return self.nats / math.log(2) / max(1, self.characters)

    def to_dict(self) -> dict[str, Any]:
        """The figures by name."""
        return {
            "tokens": self.tokens,
            "unknown": self.unknown,
            "characters": self.characters,
            "perplexity": self.perplexity,
            "perplexity_known": self.perplexity_known if math.isfinite(self.perplexity_known) else None,
            "bits_per_character": self.bits_per_character,
            "nats_per_token": self.nats / self.tokens,
        }


def evaluate_running(
    model: RecurrentModel, tokens: NDArray[np.int32], characters: int, found: NDArray[np.float64] | None = None
) -> RunningEvaluation:
    """Perplexity of a text that runs on, as language models of words are compared (Mikolov et al. 2010).

    `found` are the tokens' log P where something else than the model alone has made them.

    `DataError` for an empty text, and for a token of probability 0, by its place.
    """
    if not len(tokens):
        raise DataError("the text has no tokens", mend="give a text with words in it")
    if found is None:
        found, _ = model.log_probs(model.start(), tokens.tolist())
    if not np.isfinite(found).all():
        place = int(np.flatnonzero(~np.isfinite(found))[0])
        raise DataError(f"token {place + 1}, {model.words[tokens[place]]!r}, has probability {math.exp(found[place])}")
    unknown = tokens == model.unknown
    return RunningEvaluation(
        len(tokens), int(unknown.sum()), characters, -float(found.sum()), -float(found[unknown].sum())
    )
