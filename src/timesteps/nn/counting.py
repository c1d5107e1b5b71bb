"""How many parameters a module has, counted as torch or as Keras does."""

from __future__ import annotations

from torch import nn

from timesteps.errors import UsageError
from timesteps.nn.cells import Cell, GRUCell
from timesteps.nn.stack import RecurrentStack
from timesteps.runtime import counting
from timesteps.runtime.spec import NetworkSpec


def count_parameters(module: nn.Module | NetworkSpec, biases: str = "torch") -> int:
    """The number of parameters of a module, torch's own included, or of a network that is only specified.

    Args:
        module: any module, or a `NetworkSpec`.
        biases: "torch" counts the tensors, two biases a recurrent cell; "keras" one, except a GRU that resets after the
            product, which needs both.

    Raises:
        UsageError: another way of counting.

    Example:
        >>> from timesteps.nn import LSTM, count_parameters
        >>> count_parameters(LSTM(16, 8)), count_parameters(LSTM(16, 8), biases="keras")
        (832, 800)
    """
    if isinstance(module, NetworkSpec):
        return counting.count_parameters(module, biases)
    if biases not in counting.BIASES:
        raise UsageError(f"biases is {biases!r}", mend=f"use one of {', '.join(counting.BIASES)}")
    total = sum(parameter.numel() for parameter in module.parameters())
    if biases == "torch":
        return total
    return total - sum(_surplus(part) for part in module.modules())


def _surplus(part: nn.Module) -> int:
    """Parameters of the second biases that could be added to the first."""
    if isinstance(part, RecurrentStack):
        return sum(
            _surplus(part.cell(k, bool(reverse)))
            for k, layer in enumerate(part.layers)
            for reverse in range(len(layer.suffixes))
        )
    if isinstance(part, nn.GRU | nn.GRUCell) or (isinstance(part, GRUCell) and part.reset_after):
        return 0
    if isinstance(part, Cell | nn.RNNBase | nn.RNNCellBase):
        named = part.named_parameters(recurse=False)
        return sum(parameter.numel() for name, parameter in named if name.startswith("bias_hh"))
    return 0
