"""Networks and rows of every kind that the native engine trains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from timesteps.nn.models import Network, build
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.sequences import Bags, Sequences
from timesteps.runtime.spec import LayerSpec, NetworkSpec
from timesteps.training.examples import Examples

INPUTS = ("ids", "one_hot", "numeric", "bag", "wide", "guided", "guided ids")
CELLS: dict[str, dict[str, Any]] = {
    "rnn": {"cell": "rnn"},
    "relu": {"cell": "rnn", "nonlinearity": "relu"},
    "linear": {"cell": "rnn", "nonlinearity": "linear"},
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "gru before": {"cell": "gru", "reset_after": False},
    "mingru": {"cell": "mingru"},
    "minlstm": {"cell": "minlstm"},
    "normed rnn": {"cell": "rnn", "layer_norm": True, "zoneout": 0.2},
    "normed lstm": {"cell": "lstm", "layer_norm": True},
    "peephole": {"cell": "lstm", "peephole": True, "zoneout_cell": 0.3},
    "all of lstm": {"cell": "lstm", "layer_norm": True, "peephole": True, "zoneout": 0.1, "zoneout_cell": 0.3},
    "normed gru": {"cell": "gru", "layer_norm": True, "zoneout": 0.3},
    "zoned gru before": {"cell": "gru", "reset_after": False, "zoneout": 0.3},
    "normed gru before": {"cell": "gru", "reset_after": False, "layer_norm": True},
}
POOLS = ("last", "mean", "max", "mean+max", "attention", "none")
LOSSES: dict[str, tuple[float, ...]] = {
    "mse": (),
    "mae": (),
    "quantile": (0.1, 0.4, 0.9),
    "gaussian": (),
    "student_t": (),
    "negative_binomial": (),
}
VOCABULARY, NUMBERS, CHANNELS, BAGS = 12, 3, 2, 9

DROPOUTS = Regularization(
    input_dropout=0.2,
    dropout=0.3,
    recurrent_dropout=0.25,
    feature_dropout=0.4,
    word_dropout=0.1,
    head_dropout=0.3,
    initial_state_noise=0.2,
    weight_drop=0.3,
)


def rates_for(cell: str, rates: Regularization = DROPOUTS) -> Regularization:
    """The rates that a cell can have: linear ones have no recurrent product."""
    linear = CELLS[cell]["cell"] in ("mingru", "minlstm")
    return replace(rates, recurrent_dropout=0.0, weight_drop=0.0) if linear else rates


def spec_of(
    kind: str = "ids",
    cell: str = "lstm",
    pool: Any = "mean",
    *,
    outputs: int = 1,
    layers: int = 1,
    bidirectional: bool = False,
    learned: bool = False,
    hidden: int = 5,
) -> NetworkSpec:
    embedded = kind not in ("one_hot", "numeric")
    channels, pooled = CHANNELS if kind.startswith("guided") else 0, pool != "none"
    size = 6 + channels if embedded else NUMBERS if kind == "numeric" else VOCABULARY
    made = []
    for _ in range(layers):
        state: Any = "learned" if learned else "zero"
        options = CELLS[cell]
        made.append(
            LayerSpec(input_size=size, hidden_size=hidden, bidirectional=bidirectional, initial_state=state, **options)
        )
        size = hidden * (2 if bidirectional else 1)
    inputs: Any = {"wide": "bag", "guided": "bag", "guided ids": "ids"}.get(kind, kind)
    return NetworkSpec(
        input=inputs,
        input_size=VOCABULARY if kind != "numeric" else NUMBERS,
        embedding_size=6 if embedded else 0,
        layers=tuple(made),
        pool=pool,
        outputs=outputs,
        channels=channels,
        share=0.3 if channels and pooled else 0.0,
        wide=kind == "wide" and pooled,
    )


def rows_of(
    kind: str,
    rows: int = 48,
    *,
    outputs: int = 1,
    longest: int = 9,
    soft: bool = False,
    full: bool = False,
    numbers: int = 0,
    loss: str = "",
    per_step: bool = False,
    seed: int = 0,
) -> Examples:
    """Rows of 0 to `longest` steps (all as long with `full`), with weights that float32 adds exactly.

    With `numbers`, so many numbers are to be predicted, a fifth of which are missing; counts for a `loss` of counts.
    """
    random = np.random.default_rng(seed)
    lengths = np.full(rows, longest) if full else random.integers(0, longest + 1, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    steps = int(offsets[-1])
    bags = phrases = channels = linear = None
    values: Any = random.integers(0, VOCABULARY, steps).astype(np.int32)
    if kind == "numeric":
        values = random.normal(size=(steps, NUMBERS)).astype(np.float32)
    if kind in ("bag", "wide", "guided"):
        values = random.integers(0, BAGS, steps).astype(np.int32)
        sizes = random.integers(0, 5, BAGS)
        bags = Bags(random.integers(0, VOCABULARY, sizes.sum()).astype(np.int32), np.concatenate([[0], sizes.cumsum()]))
        if kind == "wide":
            sizes = random.integers(0, 3, steps)
            ids = random.integers(0, VOCABULARY, sizes.sum()).astype(np.int32)
            phrases = Bags(ids, np.concatenate([[0], sizes.cumsum()]))
    if kind.startswith("guided"):
        channels = random.normal(size=(steps, CHANNELS)).astype(np.float32)
        linear = random.normal(size=(rows, outputs)).astype(np.float32)
    sequences = Sequences(values, offsets, bags, phrases, channels, linear)
    classes, units = 2 if outputs == 1 else outputs, steps if per_step else rows
    if numbers:
        targets: Any = random.normal(size=(units, numbers)).astype(np.float32)
        if loss == "negative_binomial":
            targets = np.floor(np.exp(targets))
        targets[random.random(targets.shape) < 0.2] = np.nan
        weights = random.integers(1, 9, rows) / 4
        return Examples(sequences, targets, weights, kind="numbers", per_step=per_step, missing="mask")
    targets = random.integers(0, classes, units)
    if soft:
        targets = random.dirichlet(np.ones(classes), units).astype(np.float32)[:, -outputs:]
    if per_step:
        return Examples(sequences, targets, random.integers(1, 9, steps) / 4, per_step=True)
    return Examples(sequences, targets, random.integers(1, 9, rows) / 4)


def network_of(spec: NetworkSpec, regularization: Regularization | None = None, seed: int = 0) -> Network:
    """A network whose weights are all drawn, those too that usually begin at zero."""
    import torch

    network = build(spec, regularization, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network


def without(regularization: Regularization, *names: str) -> Regularization:
    return replace(regularization, **dict.fromkeys(names, 0.0))
