"""What to say when numbers stop being numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timesteps.errors import TimestepsError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from timesteps.nn.models import Batch

__all__ = ["NonFiniteError", "culprit"]


class NonFiniteError(TimestepsError):
    """Training met NaN or infinity and stopped before the step that would have put it into the weights."""


def culprit(network: nn.Module, batch: Batch, logits: Tensor) -> str:
    """Where NaN or infinity first shows: in the input, a parameter, the network's answer, or a gradient.

    >>> import torch
    >>> from torch import nn
    >>> from timesteps.nn.models import Batch
    >>> layer = nn.Linear(2, 1)
    >>> _ = layer.bias.data.fill_(torch.nan)
    >>> batch = Batch(torch.tensor([1]), torch.ones(1, 1, 2), None, None)
    >>> culprit(layer, batch, layer(torch.ones(1, 2)))
    'parameter bias is not finite'
    """
    if batch.values is not None and not _finite(batch.values):
        return "the input of the step is not finite"
    for name, parameter in network.named_parameters():
        if not _finite(parameter):
            return f"parameter {name} is not finite"
    if not _finite(logits):
        return "the network's logits are not finite"
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    values = {name: grad.coalesce().values() if grad.is_sparse else grad for name, grad in gradients.items()}
    for name, value in values.items():
        if not _finite(value):
            return f"the gradient of {name} is not finite"
    # Every number is finite, but the sum of their squares is not.
    largest = max(values, key=lambda name: float(values[name].abs().max()) if values[name].numel() else 0.0)
    return f"the gradients are too large to be summed, that of {largest} most of all"


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())
