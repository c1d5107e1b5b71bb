"""Word vectors from the texts of a run, those without labels included, for the networks to begin from."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.sequences import Sequences
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.prepare import Prepared
from timesteps.tasks.classify.vectors import Given, starting_table
from timesteps.training.cbow import train_vectors

_TRIAL_WORDS = 100_000


def first_vectors(
    given: Given | None, prepared: Prepared, options: Options, say: Callable[[str], None] | None = None
) -> NDArray[np.float32] | None:
    """What the embedding begins from: the vectors that the user gave, or those that `pretrained` learns, if any."""
    if given is None:
        return pretrained(prepared, options, say)
    table, said = starting_table(given, prepared.spec)
    if say is not None:
        say(said)
    return table


def pretrained(
    prepared: Prepared, options: Options, say: Callable[[str], None] | None = None
) -> NDArray[np.float32] | None:
    """Vectors (input_size, embedding_size) learned from the corpus, NaN for reserved ids; None without a corpus.

    They depend on corpus and seed alone, so that a resumed run learns the same bits again.
    """
    corpus = prepared.corpus
    if corpus is None:
        return None
    if say is not None:
        size = f"{len(corpus):,} texts of {len(corpus.values):,} words"
        say(f"pretraining word vectors on {size}, {options.pretrain} epochs")
    return _vectors(corpus, prepared, options, options.pretrain, say)


def estimated_seconds(prepared: Prepared, options: Options) -> float:
    """How long `pretrained` will take, from an epoch over the first texts."""
    corpus = prepared.corpus
    if corpus is None or not len(corpus.values):
        return 0.0
    rows = max(1, int(np.searchsorted(corpus.offsets, _TRIAL_WORDS, side="right")) - 1)
    few = Sequences(corpus.values[: corpus.offsets[rows]], corpus.offsets[: rows + 1])
    start = time.perf_counter()
    _vectors(few, prepared, options, 1, None)
    return (time.perf_counter() - start) * len(corpus.values) / max(1, len(few.values)) * options.pretrain


def _vectors(
    corpus: Sequences, prepared: Prepared, options: Options, epochs: int, say: Callable[[str], None] | None
) -> NDArray[np.float32]:
    network = prepared.spec.network
    return train_vectors(
        corpus, network.input_size, size=network.embedding_size, epochs=epochs, seed=options.seed, say=say
    )
