"""What a run consists of between two epochs, as named tensors and plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from timesteps.errors import UsageError
from timesteps.training.callbacks import Callback, State
from timesteps.training.checkpoint import CallbackState
from timesteps.training.engines.engine import Array, Engine

__all__ = ["TrainingState"]

_PLAIN = (int, float, str, type(None))


class TrainingState:
    """The engine and the callbacks of a run.

    Args:
        engine: of the run.
        callbacks: those whose `state` is not empty belong to the state.
    """

    def __init__(self, engine: Engine, callbacks: Sequence[Callback]) -> None:
        self.engine, self.callbacks = engine, list(callbacks)

    def tensors(self) -> dict[str, Array]:
        """All tensors of the state by name; not copies."""
        tensors = self.engine.state()
        for index, (_, state) in enumerate(self._remembering()):
            for name, value in state.items():
                if not isinstance(value, _PLAIN):
                    tensors[f"callbacks.{index}.{name}"] = value
        return tensors

    def values(self) -> list[CallbackState]:
        """What the callbacks remember beside tensors."""
        return [
            CallbackState(
                type(callback).__name__, {name: value for name, value in state.items() if isinstance(value, _PLAIN)}
            )
            for callback, state in self._remembering()
        ]

    def load(self, tensors: Mapping[str, Array], values: Sequence[CallbackState]) -> None:
        """Continue from what `tensors` and `values` gave. `UsageError` if the callbacks are not the same."""
        remembering = [callback for callback, _ in self._remembering()]
        before, now = [state.name for state in values], [type(callback).__name__ for callback in remembering]
        if before != now:
            told = f"the run had the callbacks {', '.join(before) or 'none'}, now they are {', '.join(now) or 'none'}"
            raise UsageError(told, mend="resume with the same callbacks")
        self.engine.load_state({name: part for name, part in tensors.items() if not name.startswith("callbacks.")})
        for index, (callback, state) in enumerate(zip(remembering, values, strict=True)):
            prefix = f"callbacks.{index}."
            kept = {name.removeprefix(prefix): part for name, part in tensors.items() if name.startswith(prefix)}
            callback.load_state({**state.values, **kept})

    def _remembering(self) -> Iterator[tuple[Callback, State]]:
        for callback in self.callbacks:
            if state := callback.state():
                yield callback, state
