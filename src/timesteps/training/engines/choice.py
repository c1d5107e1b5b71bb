"""Which engine trains a network, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option
from timesteps.runtime import native
from timesteps.runtime.layout import LINEAR, network_tensors
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.spec import NetworkSpec
from timesteps.training.engines.engine import Engine, EngineName
from timesteps.training.engines.native_engine import NativeEngine
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.examples import Examples
from timesteps.training.settings import Settings

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Choice", "choose", "choose_for", "engine_for", "why_not_native"]


@dataclass(frozen=True)
class Choice:
    """Which engine trains a network, and why."""

    name: EngineName
    why: str

    def __str__(self) -> str:
        return f"{self.name}, because {self.why}"


def choose(network: nn.Module | PlainNetwork, settings: Settings) -> Choice:
    """The engine that these settings mean for a network.

    Raises:
        UsageError: the native engine was asked for, and cannot train it; or torch is needed, and not installed.
    """
    return _choice(settings, lambda: why_not_native(network))


def choose_for(spec: NetworkSpec, regularization: Regularization, settings: Settings) -> Choice:
    """The same for a network that is yet to be made."""
    return _choice(settings, lambda: _why_not_plain(spec, regularization))


def _choice(settings: Settings, why_not: Callable[[], str | None]) -> Choice:
    if settings.engine == "torch":
        return _torch("it was asked for")
    reason = why_not()
    if reason is None:
        return Choice("native", "the network is plain" if settings.engine == "auto" else "it was asked for")
    if settings.engine == "native":
        mend = f"use {option('engine', 'auto')} or {option('engine', 'torch')}"
        raise UsageError(f"the native engine cannot train this: {reason}", mend=mend)
    return _torch(reason)


def _torch(why: str) -> Choice:
    if find_spec("torch") is None:
        raise UsageError(f"PyTorch has to train this, because {why}", mend="pip install 'timesteps[torch]'")
    return Choice("torch", why)


def engine_for(
    choice: Choice, network: nn.Module | PlainNetwork, train: Examples, settings: Settings, steps: int
) -> Engine:
    """The chosen engine, over the network's weights."""
    if choice.name == "native":
        if isinstance(network, PlainNetwork):
            return NativeEngine(network.spec, network.regularization, network.weights, train, settings, steps)
        spec: Any = network.spec
        regularization: Any = network.regularization
        return NativeEngine(spec, regularization, _arrays(network, spec), train, settings, steps, network)
    from timesteps.training.engines.torch_engine import TorchEngine
    from timesteps.training.engines.twin import module_over

    if isinstance(network, PlainNetwork):
        network = module_over(network.spec, network.regularization, network.weights)
    return TorchEngine(network, train, settings, steps)


def why_not_native(network: nn.Module | PlainNetwork) -> str | None:
    """Why the native engine cannot train a network; None if it can."""
    if isinstance(network, PlainNetwork):
        return _why_not_plain(network.spec, network.regularization)
    from timesteps.nn.models import Network

    if type(network) is not Network:
        return f"the network is a {type(network).__name__}, not one that a specification describes"
    return _why_not_plain(network.spec, network.regularization) or _why_not_arrays(network)


def _why_not_plain(spec: NetworkSpec, regularization: Regularization) -> str | None:
    if native.core is None:
        return f"there is no compiled core ({native.explain()})"
    for layer in spec.layers:
        if layer.cell in LINEAR and layer.zoneout:
            return f"the native engine has no zoneout of a {layer.cell}"
    if regularization.feature_dropout >= 1:
        return "the native engine has no dropout of all features"
    return None


def _why_not_arrays(network: nn.Module) -> str | None:
    for name, parameter in network.named_parameters():
        if parameter.device.type != "cpu":
            return f"the network is on {parameter.device}"
        if str(parameter.dtype) != "torch.float32" or not parameter.is_contiguous():
            return f"parameter {name} is {parameter.dtype}, not contiguous float32"
        if not parameter.requires_grad:
            return f"parameter {name} is not to be trained"
        if parameter._backward_hooks:
            return f"parameter {name} has hooks"
    hooked = (m for m in network.modules() if m._forward_hooks or m._forward_pre_hooks or m._backward_hooks)
    return None if next(hooked, None) is None else "a module has hooks, which only torch calls"


def _arrays(network: nn.Module, spec: NetworkSpec) -> dict[str, NDArray[np.float32]]:
    """The weights in the order of the specification, over the network's own memory."""
    weights = network.state_dict()
    return {name: weights[name].detach().numpy() for name in network_tensors(spec)}
