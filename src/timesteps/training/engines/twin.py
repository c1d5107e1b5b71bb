"""The same network as a module of torch, over the memory of the native engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray

from timesteps.nn.models import Network
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.spec import NetworkSpec

__all__ = ["module_over"]


def module_over(spec: NetworkSpec, regularization: Regularization, weights: Mapping[str, NDArray[Any]]) -> Network:
    """A network whose parameters are these arrays: what changes one changes the other."""
    with torch.random.fork_rng(devices=[]):
        network = Network(spec, regularization)
    for name, parameter in network.named_parameters():
        parameter.data = torch.from_numpy(weights[name])
    return network
