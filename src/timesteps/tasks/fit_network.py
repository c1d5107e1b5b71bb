"""Train one network and put it beside what was learned of its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.regularization import Regularization
from timesteps.runtime.spec import ModelSpec
from timesteps.training.callbacks import Callback
from timesteps.training.engines.choice import choose, choose_for
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.examples import Examples
from timesteps.training.loop import History, train
from timesteps.training.progress import Progress
from timesteps.training.settings import Settings

if TYPE_CHECKING:
    from timesteps.nn.models import Network

__all__ = ["fit_network"]


def fit_network(
    spec: ModelSpec,
    tensors: dict[str, NDArray[Any]],
    train_rows: Examples,
    valid_rows: Examples | None,
    regularization: Regularization,
    settings: Settings,
    *,
    callbacks: Sequence[Callback] = (),
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> tuple[dict[str, NDArray[Any]], History]:
    """All tensors of the trained model, and how the training went; `say` hears which engine trains, and why."""
    network: Network | PlainNetwork
    if choose_for(spec.network, regularization, settings).name == "native":
        network = PlainNetwork.untrained(spec.network, regularization, seed=settings.seed)
    else:
        from timesteps.nn.models import build

        network = build(spec.network, regularization, seed=settings.seed)
    if say is not None:
        say(f"engine: {choose(network, settings)}")
    history = train(network, train_rows, valid_rows, settings, callbacks=callbacks, progress=progress)
    weights = network.state_dict()
    arrays = {
        name: part.copy() if isinstance(part, np.ndarray) else part.detach().cpu().numpy().copy()
        for name, part in weights.items()
    }
    return {**tensors, **arrays}, history
