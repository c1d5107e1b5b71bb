"""Which engine trains a network, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from timesteps.training.engines.engine import Engine
from timesteps.training.engines.torch_engine import TorchEngine
from timesteps.training.examples import Examples
from timesteps.training.settings import Settings

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Chosen", "Plain", "engine_for"]

Plain = Any


@dataclass(frozen=True)
class Chosen:
    """An engine, and why it was chosen."""

    engine: Engine
    why: str

    def __str__(self) -> str:
        return f"{self.engine.name}, {self.why}"


def engine_for(network: nn.Module, train: Examples, settings: Settings, steps: int) -> Chosen:
    """The engine for a run."""
    return Chosen(TorchEngine(network, train, settings, steps), "for now")
