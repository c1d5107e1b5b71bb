"""`LanguageModel`: what n-gram and recurrent language models, and mixtures of them, have in common.

A language model gives P(w_1 … w_n) = ∏ P(w_i | w_1 … w_{i-1}), the end of the sentence counted as its last token. All
that is done with one (scores of sentences, the next word, the better hypothesis, corrections, generated text) is
written once, against this interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["LanguageModel", "State"]

State = Any
"""What a model remembers of the tokens so far: a plain value. Advancing makes a new one and leaves the old as it was,
so that hypotheses can branch from one state. States of an n-gram model compare equal when they predict alike."""


class LanguageModel(Protocol):
    """Probabilities of the next token.

    Tokens are numbers from 0 to V - 1. Three are marks: `begin` opens a sentence and is never predicted (-1 where
    text runs on without sentences), `end` closes one (-1 likewise), `unknown` stands for every unit that is not in the
    vocabulary (-1 where there is none, as with bytes). All logarithms are natural.
    """

    @property
    def words(self) -> Sequence[str]:
        """(V,) the tokens by number, marks included: `<s>`, `</s>`, `<unk>`."""

    @property
    def begin(self) -> int:
        """The mark that opens a sentence."""

    @property
    def end(self) -> int:
        """The mark that closes one."""

    @property
    def unknown(self) -> int:
        """What stands for every unit that is not in the vocabulary."""

    def tokens(self, text: str) -> list[int]:
        """The numbers of a text's units, without marks; units that the vocabulary lacks are `unknown`."""

    def units(self, text: str) -> list[str]:
        """The units themselves, as `tokens` numbers them, as they are written in the text."""

    def text(self, tokens: Sequence[int]) -> str:
        """The text that reads as these tokens; the inverse of `tokens` up to spaces and unknown words."""

    def start(self) -> State:
        """Before the first token of a sentence: `begin` has been read; or nothing, where there is no such mark."""

    def empty(self) -> State:
        """Nothing is known of what came before."""

    def log_prob(self, state: State, token: int) -> tuple[float, State]:
        """log P(token | state), and the state after it."""

    def distribution(self, state: State) -> NDArray[np.float64]:
        """(V,) log P of every token after the state; -inf at `begin`."""

    def log_probs(self, state: State, tokens: Sequence[int]) -> tuple[NDArray[np.float64], State]:
        """(N,) log P of each of the tokens after those before it, and the state after the last: as N calls of
        `log_prob`, but faster."""
