"""The weights of a network as a value: copied, put back, written to a file."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

import torch
from torch import Tensor, nn

from timesteps.training.tensorfile import write_tensors

__all__ = ["copy_weights", "restore_weights", "save_weights"]


def copy_weights(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, copied.

    >>> layer = nn.Linear(2, 1)
    >>> kept = copy_weights(layer)
    >>> _ = layer.weight.data.zero_()
    >>> restore_weights(layer, kept)
    >>> bool((layer.weight == 0).any())
    False
    """
    return {name: weight.detach().clone() for name, weight in network.state_dict().items()}


@torch.no_grad()
def restore_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put weights back, in place. `RuntimeError` from torch if they are not exactly this network's."""
    network.load_state_dict(dict(weights), strict=True)


def save_weights(path: str | PathLike[str], network: nn.Module) -> None:
    """Write the weights as a safetensors file, atomically, under their names in `state_dict`."""
    write_tensors(path, network.state_dict(), {})
