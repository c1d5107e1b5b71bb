"""What a run consists of between two epochs, as named tensors and plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn

from timesteps.errors import UsageError
from timesteps.training.averages import WeightAverage
from timesteps.training.callbacks import Callback, State
from timesteps.training.checkpoint import CallbackState
from timesteps.training.optimizers import Optimizers
from timesteps.training.settings import Settings
from timesteps.training.weights import restore_weights

__all__ = ["TrainingState"]


class TrainingState:
    """Weights, optimizers, averages and callbacks of a run.

    Args:
        network: what is trained.
        settings: how.
        steps: of the whole run.
        callbacks: those whose `state` is not empty belong to the state.
    """

    def __init__(self, network: nn.Module, settings: Settings, steps: int, callbacks: Sequence[Callback]) -> None:
        self.network, self.callbacks = network, list(callbacks)
        self.optimizers = Optimizers(network, settings, steps)
        dense, tables = self.optimizers.dense, self.optimizers.tables
        self.average = WeightAverage(dense, tables, settings.ema) if settings.ema else None

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the state by name; not copies."""
        parts = {"network": self.network.state_dict(), "optimizers": self.optimizers.state()}
        if self.average is not None:
            parts["average"] = self.average.state()
        for index, (_, state) in enumerate(self._remembering()):
            tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
            parts[f"callbacks.{index}"] = tensors
        return {f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}

    def values(self) -> list[CallbackState]:
        """What the callbacks remember beside tensors."""
        return [
            CallbackState(
                type(callback).__name__,
                {name: value for name, value in state.items() if not isinstance(value, Tensor)},
            )
            for callback, state in self._remembering()
        ]

    def load(self, tensors: Mapping[str, Tensor], values: Sequence[CallbackState]) -> None:
        """Continue from what `tensors` and `values` gave. `UsageError` if the callbacks are not the same."""
        remembering = [callback for callback, _ in self._remembering()]
        before, now = [state.name for state in values], [type(callback).__name__ for callback in remembering]
        if before != now:
            told = f"the run had the callbacks {', '.join(before) or 'none'}, now they are {', '.join(now) or 'none'}"
            raise UsageError(told, mend="resume with the same callbacks")
        restore_weights(self.network, _below("network", tensors))
        self.optimizers.load_state(_below("optimizers", tensors))
        if self.average is not None:
            self.average.load_state(_below("average", tensors))
        for index, (callback, state) in enumerate(zip(remembering, values, strict=True)):
            callback.load_state({**state.values, **_below(f"callbacks.{index}", tensors)})

    def _remembering(self) -> Iterator[tuple[Callback, State]]:
        for callback in self.callbacks:
            if state := callback.state():
                yield callback, state


def _below(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = part + "."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
