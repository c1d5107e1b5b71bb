"""What is measured: steps of whole models, beside PyTorch and other libraries, and epochs on real data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.layers.lengths import lengths
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import CellName, InputKind, LayerSpec, NetworkSpec, PoolName
from timesteps.training.examples import Examples
from timesteps.training.settings import Settings

CELLS: tuple[CellName, ...] = ("rnn", "lstm", "gru")
THREADS = (1, 2)
PEERS = ("keras", "jax")
RESULTS = "training"
"""File in bench/results."""


@dataclass(frozen=True)
class Model:
    """Embedding(words, inputs), or without words numbers (inputs) -> cell(hidden) -> pooling -> Dense(1).

    B rows of T steps each; with `ragged`, of the 64 lengths of `bench.layers.lengths`, up to T. Models of words tell
    two classes apart, models of numbers minimise the mean squared error.
    """

    cell: CellName
    words: int
    inputs: int
    hidden: int
    batch: int
    steps: int
    bidirectional: bool = False
    pool: PoolName = "last"
    ragged: bool = False

    def spec(self) -> NetworkSpec:
        """As a model file says it."""
        layer = LayerSpec(
            cell=self.cell, input_size=self.inputs, hidden_size=self.hidden, bidirectional=self.bidirectional
        )
        kind: InputKind = "ids" if self.words else "numeric"
        return NetworkSpec(
            input=kind,
            input_size=self.words or self.inputs,
            embedding_size=self.inputs if self.words else 0,
            layers=(layer,),
            pool=self.pool,
            outputs=1,
        )

    def lengths(self) -> NDArray[np.int64]:
        """Steps of each row."""
        return np.array([min(each, self.steps) for each in lengths()] if self.ragged else [self.steps] * self.batch)

    def examples(self) -> Examples:
        """One batch. Words are drawn with the frequencies of Zipf's law where there are many, else evenly."""
        random, offsets = np.random.default_rng(0), np.concatenate([[0], np.cumsum(self.lengths())])
        if not self.words:
            rows = Sequences(random.normal(size=(offsets[-1], self.inputs)).astype(np.float32), offsets)
            return Examples(rows, random.normal(size=(self.batch, 1)).astype(np.float32), kind="numbers")
        shares = 1 / np.arange(1, self.words) if self.words > 1000 else np.ones(self.words - 1)
        ids = random.choice(np.arange(1, self.words), offsets[-1], p=shares / shares.sum()).astype(np.int32)
        return Examples(Sequences(ids, offsets), random.integers(0, 2, self.batch))

    def settings(self, threads: int) -> Settings:
        """Adam without clipping; of words binary cross-entropy, of numbers mean squared error."""
        loss = "cross_entropy" if self.words else "mse"
        return Settings(epochs=100_000, batch_size=self.batch, clip_norm=None, threads=threads, loss=loss)


GROUPS: dict[str, list[Model]] = {
    "small": [Model(cell, 500, 16, 8, batch, 100) for cell in CELLS for batch in (32, 64)],
    "large": [Model("lstm", 20_000, 128, 128, 64, 200, bidirectional=True, pool="mean")],
    "lengths": [Model("lstm", 20_000, 128, 128, 64, 400, bidirectional=True, pool="mean", ragged=True)],
    "forecaster": [Model(cell, 0, 8, 64, 128, 96) for cell in ("lstm", "gru")],
}
PARTS = (*GROUPS, "epochs")
