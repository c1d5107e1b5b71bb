"""Texts that the tests of n-gram models share, and what a model says of all n-grams."""

from __future__ import annotations

import numpy as np

from timesteps.runtime.language.ngram import Ngram
from timesteps.runtime.language.ngram_spec import table_name
from timesteps.runtime.language.ngram_table import EMPTY, logarithms


def texts(seed: int = 0, sentences: int = 200, words: int = 20, longest: int = 12) -> list[str]:
    """Random sentences whose words follow each other by rules, so that n-grams of all orders come again."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(words, 0.1), words)
    found = []
    for _ in range(sentences):
        word, line = int(rng.integers(words)), []
        for _ in range(int(rng.integers(1, longest + 1))):
            line.append(f"w{word}")
            word = int(rng.choice(words, p=table[word]))
        found.append(" ".join(line))
    return found


def content(model: Ngram) -> dict[tuple[str, ...], tuple[float, ...]]:
    """log10 of probability and back-off weight of every n-gram, by its words."""
    unigrams = model.tensors["unigrams"].tolist()
    found = {(word,): tuple(logs) for word, logs in zip(model.words, unigrams, strict=True)}
    before: dict[int, tuple[str, ...]] = dict(enumerate((word,) for word in model.words))
    for n in range(2, len(model.counts) + 1):
        table = model.tensors[table_name(n)]
        grams = {}
        for slot in np.flatnonzero(table[:, 1] != EMPTY).tolist():
            grams[slot] = (model.words[table[slot, 1]], *before[int(table[slot, 0])])
            found[grams[slot]] = tuple(logarithms(table)[slot].tolist())
        before = grams
    return found
