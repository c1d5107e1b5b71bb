"""`PlainModel`: interpolated add-k n-grams in dictionaries: the interface in its plainest form.

For small texts and examples, and what the tests hold the rest of this room against. Corpora are for `NgramModel`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError
from timesteps.runtime.language.units import UnitsSpec
from timesteps.runtime.language.vocabulary import OfUnits, UnitVocabulary

__all__ = ["PlainModel"]

_State = tuple[int, ...]


class PlainModel(OfUnits):
    """P(w | h) = (c(h w) + k P(w | h')) / (c(h) + k), h' being h without its first token; before any count, uniform.

    A state is the last order - 1 tokens.

    >>> import math
    >>> model = PlainModel(["a b", "a c"], order=2)
    >>> state = model.start()
    >>> [round(math.exp(model.log_prob(state, token)[0]), 3) for token in model.tokens("a b zebra")]
    [0.865, 0.034, 0.003]
    """

    def __init__(
        self,
        texts: Iterable[str],
        units: UnitsSpec | None = None,
        *,
        order: int = 3,
        k: float = 0.5,
        min_count: int = 1,
        sentences: bool = True,
    ) -> None:
        """Counts the texts, each a sentence; without `sentences` they are one text, a line's end after each."""
        if order < 1 or k <= 0:
            raise UsageError(f"order {order}, k {k:g}", mend="give an order from 1 and a positive k")
        texts = list(texts)
        self._adopt_vocabulary(
            UnitVocabulary.fit(texts, units or UnitsSpec(), min_count=min_count, sentences=sentences)
        )
        self.order, self.k = order, k
        self._counts: defaultdict[_State, Counter[int]] = defaultdict(Counter)
        if sentences:
            for text in texts:
                self._count([self.begin, *self.tokens(text), self.end])
        else:
            self._count([token for text in texts for token in self.tokens(text + "\n")])

    def _count(self, tokens: list[int]) -> None:
        for place in range(int(self.begin >= 0), len(tokens)):
            for length in range(min(self.order - 1, place) + 1):
                self._counts[tuple(tokens[place - length : place])][tokens[place]] += 1

    def start(self) -> _State:
        """The state at the beginning of a sentence."""
        return self._after((), self.begin) if self.begin >= 0 else ()

    def empty(self) -> _State:
        """The state before anything."""
        return ()

    def _after(self, state: _State, token: int) -> _State:
        return (*state, token)[1 - self.order :] if self.order > 1 else ()

    def log_prob(self, state: _State, token: int) -> tuple[float, _State]:
        """log P(token | state), and the state after it."""
        return float(self.distribution(state)[token]), self._after(state, token)

    def log_probs(self, state: _State, tokens: Sequence[int]) -> tuple[NDArray[np.float64], _State]:
        """(N,) log P of each token after those before it, and the last state."""
        found = np.empty(len(tokens))
        for place, token in enumerate(tokens):
            found[place], state = self.log_prob(state, token)
        return found, state

    def distribution(self, state: _State) -> NDArray[np.float64]:
        """(V,) log P of all tokens."""
        p = np.full(len(self.words), 1.0)
        if self.begin >= 0:
            p[self.begin] = 0.0
        p /= p.sum()
        for length in range(len(state) + 1):
            if (found := self._counts.get(state[len(state) - length :])) is None:
                break
            p *= self.k
            p[list(found)] += list(found.values())
            p /= self.k + found.total()
        with np.errstate(divide="ignore"):
            logs: NDArray[np.float64] = np.log(p)
        return logs
