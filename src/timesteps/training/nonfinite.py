"""What to say when numbers stop being numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import TimestepsError
from timesteps.runtime.sequences import Sequences

if TYPE_CHECKING:
    from torch import Tensor, nn

    from timesteps.nn.models import Batch

__all__ = ["Fault", "NonFiniteError", "bad_input", "culprit", "too_large"]


class NonFiniteError(TimestepsError):
    """Training met NaN or infinity and stopped before the step that would have put it into the weights."""


class Fault(NamedTuple):
    """Where NaN or infinity first shows, going from the input to the gradients, and in words."""

    kind: Literal["input", "parameter", "logits", "loss", "gradient", "norm"]
    said: str


def bad_input(sequences: Sequences, rows: NDArray[np.int64]) -> Fault | None:
    """The first number of these rows that is not finite.

    >>> bad_input(Sequences.of([[[1.0]], [[2.0], [np.inf]]], np.float32), np.array([1])).said
    'the input of the step is not finite: row 1, step 1, number 0 is inf'
    """
    for what, values in (("number", sequences.values), ("channel", sequences.channels)):
        if values is None or values.dtype.kind != "f":
            continue
        for row in rows.tolist():
            own = values[sequences.offsets[row] : sequences.offsets[row + 1]]
            if not np.isfinite(own).all():
                step, place = np.argwhere(~np.isfinite(own))[0]
                said = f"row {row}, step {step}, {what} {place} is {own[step, place]}"
                return Fault("input", f"the input of the step is not finite: {said}")
    if sequences.linear is not None and not np.isfinite(sequences.linear[rows]).all():
        return Fault("input", "the guide's logits are not finite")
    return None


def too_large(logits: float, targets: NDArray[Any]) -> Fault:
    """Outputs that are finite, and a loss that is not."""
    largest = float(np.abs(targets[np.isfinite(targets)]).max(initial=0.0)) if targets.dtype.kind == "f" else 0.0
    of_targets = f", targets up to {largest:.3g}" if largest else ""
    return Fault("loss", f"the loss overflows: outputs are up to {logits:.3g}{of_targets}")


def culprit(network: nn.Module, batch: Batch, logits: Tensor) -> Fault:
    """Where NaN or infinity first shows: in the input, a parameter, the network's answer, or a gradient.

    >>> import torch
    >>> from torch import nn
    >>> from timesteps.nn.models import Batch
    >>> layer = nn.Linear(2, 1)
    >>> _ = layer.bias.data.fill_(torch.nan)
    >>> batch = Batch(torch.tensor([1]), torch.ones(1, 1, 2), None, None)
    >>> culprit(layer, batch, layer(torch.ones(1, 2))).said
    'parameter bias is not finite'
    """
    if batch.values is not None and not _finite(batch.values):
        return Fault("input", "the input of the step is not finite")
    for name, parameter in network.named_parameters():
        if not _finite(parameter):
            return Fault("parameter", f"parameter {name} is not finite")
    if not _finite(logits):
        return Fault("logits", "the network's logits are not finite")
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    values = {name: grad.coalesce().values() if grad.is_sparse else grad for name, grad in gradients.items()}
    for name, value in values.items():
        if not _finite(value):
            return Fault("gradient", f"the gradient of {name} is not finite")
    # Every number is finite, but the sum of their squares is not.
    largest = max(values, key=lambda name: float(values[name].abs().max()) if values[name].numel() else 0.0)
    return Fault("norm", f"the gradients are too large to be summed, that of {largest} most of all")


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())
