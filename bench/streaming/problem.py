"""What is stepped: an LSTM with as many inputs as units, and a dense layer with one output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.layout import network_tensors
from timesteps.runtime.session import Session
from timesteps.runtime.spec import CellName, LayerSpec, ModelSpec, NetworkSpec, NumericSpec

Weights = dict[str, NDArray[np.float32]]
Step = Callable[[NDArray[np.float32]], NDArray[Any]]
"""x (H,) float32 to the logit (1,): numpy in, numpy out, the state inside."""


@dataclass(frozen=True)
class Contestant:
    """A step, and what brings the state back to zeros."""

    step: Step
    reset: Callable[[], None]


def session_of(hidden: int, cell: CellName = "lstm") -> Session:
    """Our own."""
    layer = LayerSpec(cell=cell, input_size=hidden, hidden_size=hidden)
    network = NetworkSpec(input="numeric", input_size=hidden, layers=(layer,), outputs=1)
    spec = ModelSpec(task="classify", classes=(0, 1), numeric=NumericSpec(features=hidden), network=network)
    random = np.random.default_rng(hidden)
    bound = 1 / np.sqrt(hidden)  # as torch draws them
    tensors: dict[str, NDArray[Any]] = {
        name: random.uniform(-bound, bound, shape).astype(np.float32)
        for name, shape in network_tensors(network).items()
    }
    scaler = {"scaler.mean": np.zeros(hidden), "scaler.scale": np.ones(hidden)}
    return Session(spec, tensors | scaler)


def weights_of(session: Session) -> Weights:
    """The tensors by torch's names: weight_ih … bias_hh, head.weight and head.bias."""
    return {
        name.removeprefix("rnn.").removesuffix("_l0"): np.asarray(tensor, np.float32)
        for name, tensor in session.tensors.items()
        if not name.startswith("scaler.")
    }
