"""How much a text's own words help a model that reads it: figures with a cache and with dynamic evaluation beside those
of the model alone, at given weights or at those that suit a held-out text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.language.mixture import fit_weights
from timesteps.runtime.language.recurrent import RecurrentModel
from timesteps.tasks.language.adapting import (
    cache_log_probs,
    cached_log_probs,
    check_cache,
    check_rate,
    dynamic_loss,
)
from timesteps.tasks.language.corpus import Lines, encode
from timesteps.tasks.language.evaluation import evaluate_running

__all__ = ["Adapted", "Adapting", "evaluate_adapted"]

_FLATNESS = (0.0, 0.03, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
_RATE = 0.1  # where looking for a rate begins; the next ones are twice and half as high
_TUNED = 20_000  # tokens of a held-out text that weights are fitted on
_OF_CACHE, _OF_DYNAMIC = ("cache_size", "cache_flatness", "cache_share"), ("dynamic_rate",)


@dataclass(frozen=True)
class Adapting:
    """What to look at beside the model alone; what is None is the usual value, or fitted where there is a text for it.

    Args:
        cache: a neural cache of `cache_size` outputs (500), flatness θ (0.3), share λ (0.1).
        dynamic: dynamic evaluation at `dynamic_rate` (0.1).

    Raises:
        UsageError: a number out of range, or of what was not asked for.
    """

    cache: bool = False
    cache_size: int | None = None
    cache_flatness: float | None = None
    cache_share: float | None = None
    dynamic: bool = False
    dynamic_rate: float | None = None

    def __post_init__(self) -> None:
        for asked, names, of in ((self.cache, _OF_CACHE, "cache"), (self.dynamic, _OF_DYNAMIC, "dynamic")):
            for name in names:
                if getattr(self, name) is not None and not asked:
                    raise UsageError(f"{option(name)} is for {option(of)}", mend=f"give {option(of)}, too")
        check_cache(self.size, self.flatness, self.share)
        check_rate(self.rate)

    def __bool__(self) -> bool:
        return self.cache or self.dynamic

    @property
    def size(self) -> int:
        """Outputs that the cache keeps."""
        return 500 if self.cache_size is None else self.cache_size

    @property
    def flatness(self) -> float:
        """θ of the cache."""
        return 0.3 if self.cache_flatness is None else self.cache_flatness

    @property
    def share(self) -> float:
        """λ of the cache."""
        return 0.1 if self.cache_share is None else self.cache_share

    @property
    def rate(self) -> float:
        """Of gradient descent."""
        return _RATE if self.dynamic_rate is None else self.dynamic_rate


@dataclass(frozen=True)
class Adapted:
    """A way to read a text, its figures, and the numbers it was done with."""

    way: str
    """"plain", "cache" or "dynamic"."""
    nats: float
    """-log P of the text."""
    tokens: int
    characters: int
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def perplexity(self) -> float:
        """A token."""
        return math.exp(self.nats / self.tokens)

    @property
    def bits_per_character(self) -> float:
        """Ends of lines counted as characters."""
        return self.nats / math.log(2) / max(1, self.characters)

    def to_dict(self) -> dict[str, Any]:
        """The figures by name."""
        return {"perplexity": self.perplexity, "bits_per_character": self.bits_per_character, **self.numbers}


def evaluate_adapted(
    model: RecurrentModel, lines: Lines, adapting: Adapting, tune: Lines | None = None
) -> list[Adapted]:
    """The model alone, then what was asked for, on a text that is read from beginning to end.

    Args:
        model: any recurrent model.
        lines: numbered lines of the text.
        adapting: what to look at.
        tune: numbered lines of another text: what `adapting` leaves open is chosen so that its first 20,000 tokens are
            most probable: θ from a grid, λ by expectation maximisation, the rate by doubling and halving.

    Raises:
        UsageError: a rate at which the numbers grow beyond all bounds.
        DataError: a text without tokens, or with one that is impossible.
    """
    tokens, characters = encode(model.vocabulary, lines)
    held = None if tune is None else encode(model.vocabulary, tune)[0][:_TUNED]
    if held is not None and len(held) < 2:
        raise DataError(f"{option('tune')} has {len(held)} tokens", mend="give a text with words in it")
    found = [Adapted("plain", evaluate_running(model, tokens, characters).nats, len(tokens), characters)]
    if adapting.cache:
        numbers: dict[str, Any] = {"cache_flatness": adapting.flatness, "cache_share": adapting.share}
        if held is not None:
            numbers = _fit_cache(model, held, adapting)
        numbers["cache_size"] = adapting.size
        nats = -float(cached_log_probs(model, tokens, **numbers).sum())
        found.append(Adapted("cache", nats, len(tokens), characters, numbers))
    if adapting.dynamic:
        given = adapting.dynamic_rate is not None or held is None
        rate = adapting.rate if given or held is None else _fit_rate(model, held)
        nats = dynamic_loss(model, tokens, dynamic_rate=rate) * len(tokens)
        found.append(Adapted("dynamic", nats, len(tokens), characters, {"dynamic_rate": rate}))
    return found


def _fit_cache(model: RecurrentModel, tokens: NDArray[np.int32], adapting: Adapting) -> dict[str, float]:
    flatness = _FLATNESS if adapting.cache_flatness is None else (adapting.cache_flatness,)
    plain, cached = cache_log_probs(model, tokens, adapting.size, flatness)
    best, numbers = -math.inf, {}
    for theta, row in zip(flatness, cached, strict=True):
        parts = np.stack([plain, row], axis=1)
        share = float(fit_weights(parts)[1]) if adapting.cache_share is None else adapting.cache_share
        with np.errstate(divide="ignore"):
            total = float(np.logaddexp(plain + np.log1p(-share), row + np.log(share)).sum())
        if total > best:
            best, numbers = total, {"cache_flatness": theta, "cache_share": share}
    return numbers


def _fit_rate(model: RecurrentModel, tokens: NDArray[np.int32]) -> float:
    """Up or down from the usual one, as long as that makes the text more probable."""

    def loss(rate: float) -> float:
        try:
            return dynamic_loss(model, tokens, dynamic_rate=rate)
        except UsageError:  # beyond all bounds
            return math.inf

    rate, here = _RATE, loss(_RATE)
    for factor in (2.0, 0.5):
        first = rate
        while 1e-4 < rate * factor < 1e3 and (there := loss(rate * factor)) < here:
            rate, here = rate * factor, there
        if rate != first:
            break
    return rate
