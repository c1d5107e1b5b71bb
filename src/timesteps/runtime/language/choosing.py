"""Which of several sentences is the most probable: translations, speech hypotheses, spellings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from timesteps.errors import UsageError
from timesteps.runtime.language.model import LanguageModel
from timesteps.runtime.language.scoring import Score, tally, token_log_probs

__all__ = ["Choice", "choose"]


@dataclass(frozen=True)
class Choice:
    """The better hypothesis and what each got."""

    best: int
    """Number of the best one, from 0; the first of those that are equally good."""
    scores: list[Score]
    """Of each hypothesis after the context, that of the context left out."""
    per_token: bool
    hypotheses: list[str]

    @property
    def values(self) -> list[float]:
        """What was compared: log10 of the probability, or its mean over the tokens."""
        return [each.log10 / each.tokens if self.per_token else each.log10 for each in self.scores]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        scores = [{"text": text, **score.to_dict()} for text, score in zip(self.hypotheses, self.scores, strict=True)]
        return {"best": self.best, "text": self.hypotheses[self.best], "per_token": self.per_token, "scores": scores}


def choose(model: LanguageModel, hypotheses: Sequence[str], context: str = "", *, per_token: bool = False) -> Choice:
    """The most probable of the hypotheses, after a context that is the same for all.

    A longer sentence is less probable than a shorter one, all else equal; `per_token` compares means instead, which
    suits hypotheses of very different lengths.

    Raises:
        UsageError: no hypothesis, an empty one, or all are impossible.
        ModelError: as `score`.

    >>> from timesteps.runtime.language.plain import PlainModel
    >>> model = PlainModel(["나는 버스를 탔다", "그는 버스를 탔다", "그를 버스에 태운다"])
    >>> choice = choose(model, ["버스를 태운다", "버스를 탔다"], context="나는")
    >>> choice.best, [round(value, 2) for value in choice.values]
    (1, [-2.42, -0.08])
    """
    if not hypotheses:
        raise UsageError("there are no hypotheses to choose from", mend="give two or more")
    for number, hypothesis in enumerate(hypotheses, 1):
        if not hypothesis.strip() or not model.tokens(hypothesis):
            raise UsageError(f"hypothesis {number} of {len(hypotheses)} is empty", mend="give a text for each")
    between = " " if context and not context[-1].isspace() else ""
    whole = [context + between + hypothesis for hypothesis in hypotheses]
    token_lists, unit_lists = [model.tokens(text) for text in whole], [model.units(text) for text in whole]
    if model.end >= 0:
        token_lists = [[*tokens, model.end] for tokens in token_lists]
        unit_lists = [[*units, model.words[model.end]] for units in unit_lists]
    # Where units are made across the end of the context (subwords), what all have in common is the context.
    columns = zip(model.tokens(context), *token_lists, strict=False)
    shared = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    _, state = model.log_probs(model.start(), token_lists[0][:shared])
    scores = []
    for tokens, units, hypothesis in zip(token_lists, unit_lists, hypotheses, strict=True):
        tokens, units = tokens[shared:], units[shared:]
        found, _ = token_log_probs(model, state, tokens, units)
        sums = tally(model, tokens, units, found, hypothesis)
        scores.append(Score(**vars(sums), units=units, log_probs=found))
    choice = Choice(0, scores, per_token, list(hypotheses))
    best = int(np.argmax(choice.values))
    if choice.values[best] == -np.inf:
        reason = scores[0].impossible[0]
        raise UsageError(
            f"all {len(scores)} hypotheses are impossible for this model, the first because of {reason!r}",
            mend="give others, or train on more text",
        )
    return Choice(best, scores, per_token, list(hypotheses))
