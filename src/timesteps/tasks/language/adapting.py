"""Models that go on learning from the text they are judged on: the neural cache, and dynamic evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option
from timesteps.runtime.language.recurrent import RecurrentModel
from timesteps.training.language.loop import train_language
from timesteps.training.language.network import LanguageNetwork
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.nonfinite import NonFiniteError

__all__ = ["cache_log_probs", "cached_log_probs", "check_cache", "check_rate", "dynamic_loss"]

_BLOCK = 256  # tokens judged at a time
_MOST = 700.0  # nats a token, whose perplexity is still a number


def check_cache(size: int, flatness: float, share: float) -> None:
    """`UsageError` for a number out of range."""
    if size < 1:
        raise UsageError(f"{option('cache_size')} is {size}", mend="give 1 or more")
    if not 0 <= flatness < math.inf:
        raise UsageError(f"{option('cache_flatness')} is {flatness}", mend="give a number of at least 0")
    if not 0 <= share < 1:
        raise UsageError(f"{option('cache_share')} is {share}", mend="give a number of at least 0 and below 1")


def check_rate(rate: float) -> None:
    """`UsageError` for a rate that nothing can learn at."""
    if not 0 < rate < math.inf:
        raise UsageError(f"{option('dynamic_rate')} is {rate}", mend="give a number above 0")


def cache_log_probs(
    model: RecurrentModel, tokens: NDArray[np.int32], size: int, flatness: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""log P of each token of a running text by the model alone, and by its cache alone.

    Args:
        model: any recurrent model.
        tokens: (N,), read from `model.start()` on.
        size: outputs that are kept.
        flatness: (K,) values of θ.

    Returns:
        (N,), and (K, N) with -inf for what the cache does not have; the first token, before which nothing has been
        read, has the model's own.
    """
    outputs, state = np.empty((0, model.spec.layers[-1].hidden_size), np.float32), model.start()
    plain, found = np.empty(len(tokens)), np.empty((len(flatness), len(tokens)))
    for begin in range(0, len(tokens), _BLOCK):
        block = tokens[begin : begin + _BLOCK]
        last = model.output(state)[None]
        after, state = model.read(state, block)
        here = np.concatenate([last, after[:-1]])
        first = max(0, begin - size)
        outputs = np.concatenate([outputs, here])  # of the tokens first … begin + len(block), before each
        likeness = (here @ outputs.T).astype(np.float64)
        places, now = np.arange(first, begin + len(block)), np.arange(begin, begin + len(block))[:, None]
        out = (places >= now) | (places < now - size)
        same = tokens[places] == block[:, None]
        plain[begin : begin + _BLOCK] = model.judge(here, block)
        for row, theta in zip(found, flatness, strict=True):
            scores = np.where(out, -np.inf, theta * likeness)
            weights = np.exp(scores - np.maximum(scores.max(axis=1, keepdims=True), -1e300))
            sums = weights.sum(axis=1)
            with np.errstate(divide="ignore"):
                row[begin : begin + _BLOCK] = np.log((weights * same).sum(axis=1) / np.where(sums > 0, sums, 1.0))
        outputs = outputs[-size:]
    found[:, :1] = plain[:1]
    return plain, found


def cached_log_probs(
    model: RecurrentModel,
    tokens: NDArray[np.int32],
    *,
    cache_size: int = 500,
    cache_flatness: float = 0.3,
    cache_share: float = 0.1,
) -> NDArray[np.float64]:
    r"""log P of each token of a running text, by a model with a cache of its own outputs.

    :math:`P(w) = (1 - \lambda) P_\text{model}(w) + \lambda \sum_i [w_{i+1} = w] e^{\theta h_t \cdot h_i} / \sum_i
    e^{\theta h_t \cdot h_i}` over the last `cache_size` outputs :math:`h_i` and the words that followed them; where
    nothing has been read yet, the model alone. Grave, Joulin and Usunier (2017), arXiv 1612.04426.

    Args:
        model: any recurrent model.
        tokens: (N,), read from `model.start()` on.
        cache_size: outputs that are kept, at least 1.
        cache_flatness: θ, at least 0.
        cache_share: λ, in [0, 1).

    Raises:
        UsageError: a number out of range.
    """
    check_cache(cache_size, cache_flatness, cache_share)
    plain, (cached,) = cache_log_probs(model, tokens, cache_size, [cache_flatness])
    with np.errstate(divide="ignore"):
        found: NDArray[np.float64] = np.logaddexp(np.log1p(-cache_share) + plain, np.log(cache_share) + cached)
    return found


def dynamic_loss(
    model: RecurrentModel,
    tokens: NDArray[np.int32],
    *,
    dynamic_rate: float = 0.1,
    bptt: int = 20,
    clip_norm: float = 0.25,
) -> float:
    """Mean -log P of a running text's tokens by a copy of the model that learns from each stretch once it is judged.

    Gradient descent on the stretch of `bptt` tokens just read; the model itself stays as it is. Read from
    `model.start()` on. Krause et al. (2018), arXiv 1709.07432, without their decay to the first weights.

    Raises:
        UsageError: a rate that is not positive, or at which the numbers grow beyond all bounds.
        DataError: no token; fewer than two, where the text has no sentences.
    """
    check_rate(dynamic_rate)
    weights = {name: weight.copy() for name, weight in model.weights.items() if name != "vocabulary.subword"}
    settings = LanguageSettings(epochs=1, batch_size=1, bptt=bptt, learning_rate=dynamic_rate, clip_norm=clip_norm)
    # Where sentences have ends, one has been read before the first token; otherwise the first is the model's alone.
    read = tokens if model.end < 0 else np.concatenate([np.array([model.end], np.int32), tokens])
    what = f"{option('dynamic_rate')} is {dynamic_rate}, at which the weights grow beyond all bounds"
    try:
        loss = train_language(LanguageNetwork(model.spec, weights), read, None, settings).rows[0]["loss"]
    except NonFiniteError as error:
        raise UsageError(what, mend="give a lower one") from error
    if loss > _MOST:
        raise UsageError(what, mend="give a lower one")
    if model.end >= 0:
        return loss
    alone = -float(model.log_probs(model.start(), tokens[:1].tolist())[0][0])
    return (loss * (len(tokens) - 1) + alone) / len(tokens)
