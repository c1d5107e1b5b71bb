"""Text that a language model writes: sampled token by token, from the same seed the same text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError, option
from timesteps.runtime.language.model import LanguageModel

__all__ = ["Sampling", "generate", "generate_tokens"]


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn.

    Raises:
        UsageError: a number outside its range.
    """

    temperature: float = 1.0
    """Logarithms are divided by it: below 1 bolder, above 1 wilder; 0 always takes the most probable token."""
    top_k: int | None = None
    """Only the k most probable tokens are drawn from (Fan, Lewis and Dauphin 2018, arXiv:1805.04833)."""
    top_p: float | None = None
    """Only the most probable tokens that together reach this probability (Holtzman et al. 2020, arXiv:1904.09751)."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.temperature < math.inf):
            raise UsageError(f"{option('temperature')} is {self.temperature:g}", mend="give 0 or more")
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"{option('top_k')} is {self.top_k}", mend="give 1 or more")
        if self.top_p is not None and not 0.0 < self.top_p <= 1.0:
            raise UsageError(f"{option('top_p')} is {self.top_p:g}", mend="give more than 0, at most 1")

    def draw(self, log_probs: NDArray[np.float64], chance: float) -> int:
        """A token, for a chance in [0, 1): tokens lie side by side by falling probability, as long as likely.

        >>> logs = np.log([0.1, 0.6, 0.3])
        >>> [Sampling().draw(logs, chance) for chance in (0.0, 0.59, 0.61, 0.95)], Sampling(top_k=1).draw(logs, 0.99)
        ([1, 1, 2, 0], 1)
        """
        order = np.argsort(-log_probs, kind="stable")
        if self.temperature == 0.0:
            return int(order[0])
        kept = log_probs[order[: self.top_k]]
        weights = np.exp((kept - kept[0]) / self.temperature)
        if self.top_p is not None:
            sums = np.cumsum(weights / weights.sum())
            weights = weights[: int(np.searchsorted(sums, self.top_p - 1e-12)) + 1]
        sums = np.cumsum(weights)
        return int(order[min(int(np.searchsorted(sums, chance * sums[-1], side="right")), len(sums) - 1)])


def generate_tokens(
    model: LanguageModel, prompt: str = "", *, sampling: Sampling | None = None, seed: int = 0
) -> Iterator[int]:
    """Tokens after a prompt, one by one, without an end; <s> and <unk> are never among them.

    After </s> the next sentence begins.

    Raises:
        UsageError: the prompt has words, and the model knows none of them.
        ModelError: an answer of the model is no distribution.
    """
    sampling = sampling or Sampling()
    tokens = model.tokens(prompt)
    if tokens and all(token == model.unknown for token in tokens):
        word = model.units(prompt)[0]
        raise UsageError(
            f"the model knows no word of the prompt ({word!r})", mend="begin with words that it was trained on"
        )
    random = np.random.default_rng(seed)
    state = model.start()
    if tokens:
        _, state = model.log_probs(state, tokens)
    while True:
        found = np.array(model.distribution(state), np.float64)
        if model.unknown >= 0:
            found[model.unknown] = -np.inf
        if model.begin >= 0:
            found[model.begin] = -np.inf
        if np.isnan(found).any() or found.max() == -np.inf:
            what = "NaN" if np.isnan(found).any() else "no token at all"
            raise ModelError(f"expects {what} after {model.text(tokens[-8:])!r}", mend="train the model again")
        token = sampling.draw(found, float(random.random()))
        yield token
        tokens.append(token)
        state = model.start() if token == model.end else model.log_prob(state, token)[1]


def generate(
    model: LanguageModel,
    prompt: str = "",
    *,
    length: int = 100,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    stop: bool = True,
) -> str:
    """The prompt and what the model writes after it: at most `length` tokens.

    With `stop` it is one sentence; otherwise sentences stand on lines of their own.

    Raises:
        UsageError: an option outside its range; a prompt of unknown words.

    >>> from timesteps.runtime.language.plain import PlainModel
    >>> model = PlainModel(["나는 버스를 탔다", "그는 버스를 탔다", "그는 버스를 기다렸다"])
    >>> generate(model, "그는", temperature=0)
    '그는 버스를 탔다'
    """
    if length < 1:
        raise UsageError(f"{option('length')} is {length}", mend="give 1 token or more")
    lines, line = [], model.tokens(prompt)
    whole = len(line)
    written = generate_tokens(model, prompt, sampling=Sampling(temperature, top_k, top_p), seed=seed)
    for _, token in zip(range(length), written, strict=False):
        if token != model.end:
            line.append(token)
        elif stop:
            break
        else:
            lines.append(line)
            line = []
    lines.append(line)
    first, *others = lines
    # The prompt as it was written: its unknown words, blanks and capitals are the user's own.
    begun, rest = model.text(first[:whole]), model.text(first)
    first_line = prompt + rest[len(begun) :] if rest.startswith(begun) else rest
    return "\n".join([first_line, *map(model.text, others)])
