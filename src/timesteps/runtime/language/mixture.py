"""Several language models as one: P(w | h) = Σ λ_i P_i(w | h), with weights that suit a held-out text.

The weights are those of greatest likelihood, found by expectation maximisation (Jelinek and Mercer 1980): each token
gives every model the share that it has in the mixture's probability of that token, and the mean shares are the next
weights. The likelihood rises in each round and has one maximum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, ModelError, UsageError
from timesteps.runtime.language.answers import Answers
from timesteps.runtime.language.model import LanguageModel, State
from timesteps.runtime.language.scoring import token_log_probs

__all__ = ["MixtureModel", "fit_weights", "tune"]

#: Models that cut this alike cut most texts alike.
_PROBE = "The films' end: 정말 재미있다ㅋㅋ, 1편 3.5점!! Don't\u2026 café"


class MixtureModel(Answers):
    """Language models over one vocabulary, interpolated linearly.

    The vocabulary is all their words together, numbered as in the first model and then as in the others. A model gives
    a word that it does not know an equal part of its <unk>, so that the mixture's probabilities still sum to 1. A state
    is a tuple of the models' states.

    Raises:
        UsageError: fewer than two models; weights that are not positive and of sum 1; models of different units.

    >>> from timesteps.runtime.language.plain import PlainModel
    >>> mixture = MixtureModel([PlainModel(["a b"]), PlainModel(["a c"])], [0.75, 0.25])
    >>> mixture.words
    ('<unk>', '<s>', '</s>', 'a', 'b', 'c')
    >>> float(np.exp(mixture.distribution(mixture.start())).sum().round(12))
    1.0
    """

    def __init__(self, models: Sequence[LanguageModel], weights: Sequence[float]) -> None:
        self.weights = np.array(weights, np.float64)
        if len(models) < 2 or len(weights) != len(models):
            raise UsageError(f"{len(models)} models with {len(weights)} weights", mend="give two models or more")
        if not (self.weights > 0).all() or abs(self.weights.sum() - 1.0) > 1e-6:
            raise UsageError(f"weights {list(weights)}", mend="give positive numbers whose sum is 1")
        _check_alike(models)
        self.models = list(models)
        first = models[0]
        self.words: Sequence[str] = tuple(dict.fromkeys(word for model in models for word in model.words))
        self.begin, self.end, self.unknown = first.begin, first.end, first.unknown
        self._numbers = {word: number for number, word in enumerate(self.words)}
        self._log_weights = np.log(self.weights)
        self._maps = [self._map(model) for model in models]
        self._owners = _owners(self.words, models)

    def _map(self, model: LanguageModel) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(V,) a model's number for each word, and what is added to its logarithm: the share of <unk>."""
        of = {word: number for number, word in enumerate(model.words)}
        numbers = np.array([of.get(word, model.unknown) for word in self.words], np.int64)
        shared = numbers == model.unknown if model.unknown >= 0 else np.zeros(len(numbers), bool)
        return numbers, np.where(shared, -np.log(max(int(shared.sum()), 1)), 0.0)

    def tokens(self, text: str) -> list[int]:
        """The numbers of a text's units; those that no model knows are unknown."""
        units = self.models[0].units(text)
        if self.unknown < 0:
            return [self._numbers[unit] for unit in units]
        # Whether it is known is for the models to say: <s> is one of their words, and unknown in a text.
        lists = zip(*(model.tokens(text) for model in self.models), strict=True)
        unknowns = tuple(model.unknown for model in self.models)
        return [
            self.unknown if each == unknowns else self._numbers[unit] for unit, each in zip(units, lists, strict=True)
        ]

    def units(self, text: str) -> list[str]:
        """The units of a text."""
        return self.models[0].units(text)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        # Each stretch of words that the same model is the first to know, that model writes.
        parts = []
        for owner, stretch in groupby(tokens, self._owners.__getitem__):
            numbers = self._maps[owner][0]
            parts.append(self.models[owner].text([int(numbers[token]) for token in stretch]))
        return ("" if self.units(" ") else " ").join(parts)

    def start(self) -> State:
        """Before the first token of a sentence."""
        return tuple(model.start() for model in self.models)

    def empty(self) -> State:
        """Nothing is known of what came before."""
        return tuple(model.empty() for model in self.models)

    def log_prob(self, state: State, token: int) -> tuple[float, State]:
        """log P(token | state), and the state after it."""
        found, after = self.log_probs(state, [token])
        return float(found[0]), after

    def log_probs(self, state: State, tokens: Sequence[int]) -> tuple[NDArray[np.float64], State]:
        """(N,) log P of each token after those before it, and the state after the last."""
        parts, after = self.parts(state, tokens)
        return _mix(parts, self._log_weights), after

    def parts(self, state: State, tokens: Sequence[int]) -> tuple[NDArray[np.float64], State]:
        """(N, models) what each of them says, and the state after the last token."""
        columns, states = [], []
        given = np.array(tokens, np.int64)
        for model, (numbers, shares), of in zip(self.models, self._maps, state, strict=True):
            found, of = token_log_probs(model, of, numbers[given].tolist(), [self.words[token] for token in tokens])
            columns.append(found + shares[given])
            states.append(of)
        return np.stack(columns, axis=1), tuple(states)

    def distribution(self, state: State) -> NDArray[np.float64]:
        """(V,) log P of every token."""
        each = zip(self.models, self._maps, state, strict=True)
        columns = [model.distribution(of)[numbers] + shares for model, (numbers, shares), of in each]
        return _mix(np.stack(columns, axis=1), self._log_weights)


def _check_alike(models: Sequence[LanguageModel]) -> None:
    first = models[0]
    for number, model in enumerate(models[1:], 2):
        if model.units(_PROBE) != first.units(_PROBE):
            raise UsageError(
                f"model {number} cuts texts into other units than the first "
                f"({model.units(_PROBE)[:3]} beside {first.units(_PROBE)[:3]})",
                mend="mix models of the same units",
            )
        for mark in ("begin", "end", "unknown"):
            if (getattr(model, mark) < 0) != (getattr(first, mark) < 0):
                raise UsageError(f"model {number} and the first do not both have a mark {mark!r}", mend="mix others")
        if first.unknown < 0 and set(model.words) != set(first.words):
            raise UsageError(f"model {number} has other words and no <unk> for the rest", mend="mix others")


def _owners(words: Sequence[str], models: Sequence[LanguageModel]) -> list[int]:
    """Which model is the first to have each word."""
    owner: dict[str, int] = {}
    for number, model in enumerate(models):
        for word in model.words:
            owner.setdefault(word, number)
    return [owner[word] for word in words]


def _mix(parts: NDArray[np.float64], log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) log Σ λ exp(parts), for rows in which every model may say -inf."""
    terms = parts + log_weights
    highest = terms.max(axis=1)
    safe = np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):
        mixed: NDArray[np.float64] = np.log(np.exp(terms - safe[:, None]).sum(axis=1)) + safe
    return mixed


def fit_weights(parts: NDArray[np.float64], *, rounds: int = 1000, tolerance: float = 1e-9) -> NDArray[np.float64]:
    """(models,) the weights under which tokens are most probable, of (N, models) what each model says of each.

    Raises:
        DataError: no token is possible for any model.

    >>> parts = np.log([[0.5, 0.1], [0.5, 0.1], [0.1, 0.5]])
    >>> fit_weights(parts).round(3).tolist()
    [0.75, 0.25]
    """
    parts = parts[np.isfinite(parts).any(axis=1)]
    if not len(parts):
        raise DataError("no token of the held-out text is possible for any model", mend="give another text")
    probabilities = np.exp(parts - parts.max(axis=1, keepdims=True))
    weights = np.full(parts.shape[1], 1.0 / parts.shape[1])
    for _ in range(rounds):
        terms = probabilities * weights
        after = (terms / terms.sum(axis=1, keepdims=True)).mean(axis=0)
        done = np.abs(after - weights).max() < tolerance
        weights = after
        if done:
            break
    weights = np.maximum(weights, 1e-6)  # a model that helps nowhere stays, with next to no say
    found: NDArray[np.float64] = weights / weights.sum()
    return found


def tune(
    models: Sequence[LanguageModel], lines: Iterable[str] | Iterable[tuple[int, str]], *, name: str | None = None
) -> MixtureModel:
    """The mixture of the models that suits a held-out text best: lines, or numbered lines, of a file of that name.

    Raises:
        DataError: the text has no line with anything in it.
        UsageError: as `MixtureModel`.
    """
    mixture = MixtureModel(models, [1.0 / len(models)] * len(models))
    found = []
    state = mixture.start() if mixture.begin >= 0 else mixture.empty()
    for number, line in (each if isinstance(each, tuple) else (place, each) for place, each in enumerate(lines, 1)):
        if not line.strip():
            continue
        tokens = mixture.tokens(line if mixture.end >= 0 else line + "\n")
        tokens += [mixture.end] if mixture.end >= 0 else []
        try:
            parts, state = mixture.parts(mixture.start() if mixture.begin >= 0 else state, tokens)
        except ModelError as error:
            raise ModelError(f"line {number}: {error.what}", path=name, mend=error.mend) from error
        found.append(parts)
    if not found:
        raise DataError("has no line with anything in it", path=name, mend="give a text, one sentence a line")
    return MixtureModel(models, fit_weights(np.concatenate(found)).tolist())
