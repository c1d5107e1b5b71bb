"""What is measured: steps of models of a textbook's size and of a larger one, and epochs on real data."""

from __future__ import annotations

from dataclasses import dataclass

from timesteps.runtime.spec import CellName, LayerSpec, NetworkSpec, PoolName

CELLS: tuple[CellName, ...] = ("rnn", "lstm", "gru")
THREADS = (1, 2)
PARTS = ("small", "large", "epochs")
RESULTS = "training"
"""File in bench/results."""


@dataclass(frozen=True)
class Model:
    """Embedding(words, embedded) -> cell(hidden) -> pooling -> Dense(1), B rows of T steps each."""

    cell: CellName
    words: int
    embedded: int
    hidden: int
    batch: int
    steps: int
    bidirectional: bool = False
    pool: PoolName = "last"

    def spec(self) -> NetworkSpec:
        """As a model file says it."""
        layer = LayerSpec(
            cell=self.cell, input_size=self.embedded, hidden_size=self.hidden, bidirectional=self.bidirectional
        )
        return NetworkSpec(
            input="ids",
            input_size=self.words,
            embedding_size=self.embedded,
            layers=(layer,),
            pool=self.pool,
            outputs=1,
        )


SMALL = [Model(cell, 500, 16, 8, batch, 100) for cell in CELLS for batch in (32, 64)]
LARGE = [Model("lstm", 20_000, 128, 128, 64, 200, bidirectional=True, pool="mean")]
