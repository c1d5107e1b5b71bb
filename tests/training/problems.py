"""Small problems that a recurrent network can learn, one for every kind of input."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch

from timesteps.nn.models import Network, Regularization, build
from timesteps.runtime.sequences import Bags, Sequences
from timesteps.runtime.spec import LayerSpec, NetworkSpec
from timesteps.training.examples import Examples

Kind = Literal["ids", "numeric", "bag"]
KINDS: tuple[Kind, ...] = ("ids", "numeric", "bag")
VOCABULARY = 12


def examples(kind: Kind, rows: int = 60, seed: int = 0) -> Examples:
    """Rows of 0 to 9 steps; class 1 where a feature below 4 (numbers: a positive sum) is in the row."""
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 10, rows)
    lengths[:2] = 0
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    if kind == "numeric":
        values = random.normal(size=(offsets[-1], 3)).astype(np.float32)
        targets = np.array([values[a:b, 0].sum() > 0 for a, b in pairwise(offsets)])
        return Examples(Sequences(values, offsets), targets)
    values = random.integers(1, VOCABULARY, offsets[-1]).astype(np.int32)
    targets = np.array([(values[a:b] < 4).any() for a, b in pairwise(offsets)])
    if kind == "ids":
        return Examples(Sequences(values, offsets), targets)
    # Bag u holds u itself and, if there is one, u - 1; bag 0 is empty.
    starts = np.concatenate([[0, 0], np.cumsum(np.full(VOCABULARY - 1, 2))])
    bags = Bags(np.array([[u, u - 1] for u in range(1, VOCABULARY)], np.int32).ravel(), starts)
    return Examples(Sequences(values, offsets, bags), targets)


def network(kind: Kind, seed: int = 0, outputs: int = 1, dropout: float = 0.3, **layer: Any) -> Network:
    embedded = kind != "numeric"
    spec = NetworkSpec(
        input=kind,
        input_size=VOCABULARY if embedded else 3,
        embedding_size=6 if embedded else 0,
        layers=(LayerSpec(cell="lstm", input_size=6 if embedded else 3, hidden_size=5, **layer),),
        outputs=outputs,
        pool="max",
        wide=kind == "bag",
    )
    rates = Regularization(
        input_dropout=dropout,
        recurrent_dropout=dropout,
        head_dropout=dropout,
        feature_dropout=dropout,
        weight_drop=dropout if layer else 0.0,
    )
    return build(spec, rates if dropout else None, seed=seed)


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def same_bits(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
