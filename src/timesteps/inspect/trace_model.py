"""`trace`: every gate and state of a call, of a trained model, a layer, or any module with such layers in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError
from timesteps.runtime.session import Session
from timesteps.runtime.trace import LayerTrace, NetworkTrace, Trace

if TYPE_CHECKING:
    from torch import nn

    from timesteps.nn.models import Batch, Network
    from timesteps.nn.recurrent import Recurrent
    from timesteps.nn.trace import StackTrace

__all__ = ["ModelTrace", "trace"]


@dataclass(frozen=True)
class ModelTrace:
    """What the recurrent layers of a module did in one call.

    Args:
        stacks: of each recurrent layer or stack that was called, by its name in the module, in the order of the calls.
        output: what the module returned.
    """

    stacks: dict[str, StackTrace]
    output: Any

    def __getitem__(self, name: str) -> StackTrace:
        """A recurrent layer by its name in the module."""
        return self.stacks[name]


@overload
def trace(model: Session, x: Any) -> Trace: ...
@overload
def trace(model: Recurrent, x: Any, **more: Any) -> StackTrace: ...
@overload
def trace(model: Network, x: Batch) -> NetworkTrace: ...
@overload
def trace(model: nn.Module, x: Any, **more: Any) -> ModelTrace: ...
def trace(model: Any, x: Any, **more: Any) -> Any:
    """Every gate and state of a call, without gradients, as numpy arrays.

    Args:
        model: a trained model (`Session`): rows in, arrays (N, H) of all their steps out, see `Session.trace`; a layer
            of `timesteps.nn`, see `Recurrent.trace`; a network that `timesteps.nn.build` made, with a batch; or any
            module that has such layers in it.
        x: what the model reads.
        more: further arguments of a module's call.

    Raises:
        UsageError: a module without recurrent layers of this library, or one that did not call them.

    Example:
        >>> import torch
        >>> from timesteps.inspect import trace
        >>> from timesteps.nn import GRU
        >>> class Model(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.rnn, self.head = GRU(5, 8, batch_first=True), torch.nn.Linear(8, 2)
        ...     def forward(self, x):
        ...         return self.head(self.rnn(x)[0])
        >>> found = trace(Model(), torch.zeros(3, 10, 5))
        >>> found["rnn"]["l0"]["z"].shape, found.output.shape
        ((3, 10, 8), torch.Size([3, 10, 2]))
    """
    if isinstance(model, Session):
        return model.trace(x)
    from timesteps.nn.models import Network
    from timesteps.nn.recurrent import Recurrent

    if isinstance(model, Recurrent):
        return model.trace(x, **more)
    found = _of_module(model, x, more)
    return _of_network(model, x, found) if isinstance(model, Network) else found


def _of_module(model: nn.Module, x: Any, more: dict[str, Any]) -> ModelTrace:
    import torch

    from timesteps.nn.stack import RecurrentStack
    from timesteps.nn.trace import Recorder

    stacks = {name: module for name, module in model.named_modules() if isinstance(module, RecurrentStack)}
    if not stacks:
        raise UsageError(f"{type(model).__name__} has no recurrent layer", mend="give one with layers of timesteps.nn")
    try:
        for stack in stacks.values():
            stack.recorder = Recorder()
        with torch.no_grad():
            output = model(x, **more)
        recorders = {name: stack.recorder for name, stack in stacks.items()}
    finally:
        for stack in stacks.values():
            stack.recorder = None
    found = {name: each.trace(None) for name, each in recorders.items() if each is not None and each.scans}
    if not found:
        raise UsageError(f"{type(model).__name__} called none of its recurrent layers", mend="give it another input")
    return ModelTrace(found, output)


def _of_network(network: Network, batch: Batch, found: ModelTrace) -> NetworkTrace:
    """The real steps of a batch, end to end."""
    from timesteps.nn.padding import mask_of

    stack = found["rnn"]
    lengths: NDArray[np.int64] = batch.lengths.cpu().numpy()
    real = mask_of(batch.lengths, stack.inputs.shape[1]).cpu().numpy()
    layers = tuple(
        LayerTrace(
            part.layer, part.reverse, part.cell,
            {name: values[real] for name, values in part.gates.items()},
            {name: values[real] for name, values in part.states.items()},
        )
        for part in stack.layers
    )  # fmt: skip
    attention = network.attention.weight[0].detach().cpu().numpy() if network.spec.pool == "attention" else None
    inputs = None if network.spec.input == "one_hot" else stack.inputs[real]
    logits = found.output.detach().cpu().numpy()
    return NetworkTrace(layers, lengths, inputs, logits, network.spec.pool, attention)
