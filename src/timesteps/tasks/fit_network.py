"""Train one network and put it beside what was learned of its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.regularization import Regularization
from timesteps.runtime.spec import ModelSpec, NetworkSpec
from timesteps.training.callbacks import Callback
from timesteps.training.engines.choice import choose, choose_for
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.examples import Examples
from timesteps.training.loop import History, train
from timesteps.training.progress import Progress
from timesteps.training.settings import Settings

if TYPE_CHECKING:
    from timesteps.nn.models import Network

__all__ = ["arrays_of", "fit_network", "settings_of", "untrained"]


def settings_of(choices: object, seed: int, threads: int | None, **others: Any) -> Settings:
    """The settings that choices (an estimator's parameters, say) of the same names mean."""
    same = {field.name: getattr(choices, field.name) for field in fields(Settings) if hasattr(choices, field.name)}
    # One thread unless the user says otherwise: the steps of these networks are too short to share, on a busy machine
    # two threads wait for each other, and the bits then do not depend on the number of cores.
    return Settings(**{**same, "seed": seed, "threads": 1 if threads is None else threads, **others})


def untrained(
    spec: NetworkSpec, regularization: Regularization, settings: Settings, chrono: int | None = None
) -> Network | PlainNetwork:
    """A network for the engine that will train it."""
    if choose_for(spec, regularization, settings).name == "native":
        return PlainNetwork.untrained(spec, regularization, seed=settings.seed, chrono=chrono)
    from timesteps.nn.models import build

    return build(spec, regularization, seed=settings.seed, chrono=chrono)


def arrays_of(network: Network | PlainNetwork) -> dict[str, NDArray[Any]]:
    """Copies of the weights by name."""
    return {
        name: part.copy() if isinstance(part, np.ndarray) else part.detach().cpu().numpy().copy()
        for name, part in network.state_dict().items()
    }


def fit_network(
    spec: ModelSpec,
    tensors: dict[str, NDArray[Any]],
    train_rows: Examples,
    valid_rows: Examples | None,
    regularization: Regularization,
    settings: Settings,
    *,
    chrono: int | None = None,
    callbacks: Sequence[Callback] = (),
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> tuple[dict[str, NDArray[Any]], History]:
    """All tensors of the trained model, and how the training went; `say` hears which engine trains, and why."""
    network = untrained(spec.network, regularization, settings, chrono)
    if say is not None:
        say(f"engine: {choose(network, settings)}")
    history = train(network, train_rows, valid_rows, settings, callbacks=callbacks, progress=progress)
    return {**tensors, **arrays_of(network)}, history
