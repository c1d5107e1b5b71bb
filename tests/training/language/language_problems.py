"""Small language models and texts for the tests of training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.language.recurrent_spec import LanguageSpec, layers_of
from timesteps.runtime.language.units import UnitsSpec
from timesteps.runtime.language.vocabulary import VocabularySpec
from timesteps.training.language.network import LanguageNetwork, untrained

BEGIN = 1

AWD: dict[str, Any] = {
    "locked": True, "word_dropout": 0.1, "input_dropout": 0.3, "dropout": 0.2, "output_dropout": 0.4,
    "weight_drop": 0.5, "activation": 2.0, "slowness": 1.0,
}  # fmt: skip
ZAREMBA: dict[str, Any] = {"input_dropout": 0.3, "dropout": 0.2, "output_dropout": 0.4}


def network_of(
    cell: str, embedding: int, hidden: int, layers: int, words: int, *, tied: bool = False, double: bool = False
) -> LanguageNetwork:
    """An untrained model of `words` tokens, marks included; the same one every time."""
    vocabulary = VocabularySpec(UnitsSpec("word"), tuple(f"w{number}" for number in range(words - 3)))
    spec = LanguageSpec(
        vocabulary=vocabulary,
        embedding_size=embedding,
        layers=layers_of(cell, embedding, hidden, layers, tied),
        tied=tied,
    )
    network = untrained(spec, words, BEGIN, scale=0.3)
    kind = np.float64 if double else np.float32
    return LanguageNetwork(spec, {name: weight.astype(kind) for name, weight in network.weights.items()})


def tokens_of(words: int, count: int, seed: int = 0) -> NDArray[np.int32]:
    """Tokens, each of which says something of the next."""
    random = np.random.default_rng(seed)
    tokens = [2]
    for _ in range(count - 1):
        follows = (7 * tokens[-1] + random.integers(0, 3)) % (words - 2) + 2
        tokens.append(int(follows) if random.random() < 0.8 else int(random.integers(2, words)))
    return np.array(tokens, np.int32)
