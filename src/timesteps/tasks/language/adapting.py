"""Models that go on learning from the text they are judged on: the neural cache, and dynamic evaluation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option
from timesteps.runtime.language.recurrent import RecurrentModel
from timesteps.training.language.loop import train_language
from timesteps.training.language.network import LanguageNetwork
from timesteps.training.language.settings import LanguageSettings

__all__ = ["cached_log_probs", "dynamic_loss"]

_BLOCK = 256  # tokens judged at a time


def cached_log_probs(
    model: RecurrentModel, tokens: NDArray[np.int32], *, size: int = 500, flatness: float = 0.3, share: float = 0.1
) -> NDArray[np.float64]:
    r"""log P of each token of a running text, by a model with a cache of its own outputs.

    :math:`P(w) = (1 - \lambda) P_\text{model}(w) + \lambda \sum_i [w_{i+1} = w] e^{\theta h_t \cdot h_i} / \sum_i
    e^{\theta h_t \cdot h_i}` over the last `size` outputs :math:`h_i` and the words that followed them; where nothing
    has been read yet, the model alone. Grave, Joulin and Usunier (2017), arXiv 1612.04426.

    Args:
        model: any recurrent model.
        tokens: (N,), read from `model.start()` on.
        size: outputs that are kept, at least 1.
        flatness: θ.
        share: λ, in [0, 1).

    Raises:
        UsageError: a number out of range.
    """
    if size < 1:
        raise UsageError(f"{option('size')} is {size}", mend="give 1 or more")
    if not 0 <= share < 1:
        raise UsageError(f"{option('share')} is {share}", mend="give a number of at least 0 and below 1")
    outputs, state = np.empty((0, model.spec.layers[-1].hidden_size), np.float32), model.start()
    found = np.empty(len(tokens))
    for begin in range(0, len(tokens), _BLOCK):
        block = tokens[begin : begin + _BLOCK]
        last = model.output(state)[None]
        after, state = model.read(state, block)
        here = np.concatenate([last, after[:-1]])
        first = max(0, begin - size)
        outputs = np.concatenate([outputs, here])  # of the tokens first … begin + len(block), before each
        scores = flatness * (here @ outputs.T).astype(np.float64)
        places, now = np.arange(first, begin + len(block)), np.arange(begin, begin + len(block))[:, None]
        scores[(places >= now) | (places < now - size)] = -np.inf
        weights = np.exp(scores - np.maximum(scores.max(axis=1, keepdims=True), -1e300))
        sums = weights.sum(axis=1)
        right = (weights * (tokens[places] == block[:, None])).sum(axis=1)
        plain = np.exp(model.judge(here, block))
        mixed = (1 - share) * plain + share * right / np.where(sums > 0, sums, 1.0)
        with np.errstate(divide="ignore"):
            found[begin : begin + _BLOCK] = np.log(np.where(sums > 0, mixed, plain))
        outputs = outputs[-size:]
    return found


def dynamic_loss(
    model: RecurrentModel, tokens: NDArray[np.int32], *, rate: float = 0.1, bptt: int = 20, clip_norm: float = 0.25
) -> float:
    """Mean -log P of a running text's tokens by a copy of the model that learns from each stretch once it is judged.

    Gradient descent on the stretch of `bptt` tokens just read; the model itself stays as it is. The first token is not
    judged. Krause et al. (2018), arXiv 1709.07432, without their decay to the first weights.

    Raises:
        NonFiniteError: the rate is too high.
        DataError: fewer than two tokens.
    """
    weights = {name: weight.copy() for name, weight in model.weights.items() if name != "vocabulary.subword"}
    settings = LanguageSettings(epochs=1, batch_size=1, bptt=bptt, learning_rate=rate, clip_norm=clip_norm)
    history = train_language(LanguageNetwork(model.spec, weights), tokens, None, settings)
    return history.rows[0]["loss"]
