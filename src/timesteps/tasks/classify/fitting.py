"""Train the members of a classifier and put them together into one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.layout import member_network, member_prefix
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.spec import ModelSpec, NetworkSpec
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.prepare import Prepared
from timesteps.tasks.fit_network import arrays_of, settings_of, untrained
from timesteps.training.callbacks import Callback
from timesteps.training.engines.choice import choose
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.examples import Examples
from timesteps.training.loop import History, train
from timesteps.training.progress import Progress
from timesteps.training.settings import Settings
from timesteps.training.spool import SpooledExamples

if TYPE_CHECKING:
    from timesteps.nn.models import Network


@dataclass(frozen=True)
class Fitted:
    """A trained model, ready to be saved, and how its training went (one history a member)."""

    spec: ModelSpec
    tensors: dict[str, NDArray[Any]]
    histories: list[History]


def member_settings(options: Options, member: int = 0, threads: int | None = None) -> Settings:
    """The training settings among the options. Each member has a seed of its own."""
    return settings_of(options, options.seed + 1000 * member, threads)


def build_network(spec: NetworkSpec, options: Options, member: int = 0) -> Network | PlainNetwork:
    """The untrained network of one member, for the engine that will train it."""
    regularization = Regularization(
        input_dropout=options.input_dropout,
        dropout=options.dropout,
        recurrent_dropout=options.recurrent_dropout,
        weight_drop=options.weight_drop,
        feature_dropout=options.feature_dropout,
        word_dropout=options.word_dropout,
        head_dropout=options.dropout,
    )
    return untrained(spec, regularization, member_settings(options, member), options.chrono)


def fit_model(
    prepared: Prepared,
    options: Options,
    train_rows: Examples | SpooledExamples,
    valid_rows: Examples | None = None,
    *,
    vectors: NDArray[np.float32] | None = None,
    threads: int | None = None,
    folder: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    callbacks: Sequence[Callback] = (),
    say: Callable[[str], None] | None = None,
) -> Fitted:
    """Train every member on the same rows and join them; `say` hears which engine does, and why.

    With a `folder`, each member keeps its checkpoints there (`member-<k>/` when there are several) and `resume` goes
    on from them.
    """
    tensors: dict[str, NDArray[Any]] = dict(prepared.tensors)
    histories = []
    for member in range(options.members):
        if progress is not None and options.members > 1:
            progress.member(member + 1, options.members)
        network = build_network(member_network(prepared.spec, member), options, member)
        if vectors is not None:
            network.set_vectors(vectors)
        settings = member_settings(options, member, threads)
        if say is not None and member == 0:
            say(f"engine: {choose(network, settings)}")
        history = train(
            network,
            train_rows,
            valid_rows,
            settings,
            callbacks=callbacks,
            folder=None if folder is None else folder if options.members == 1 else folder / f"member-{member}",
            resume=resume,
            progress=progress,
        )
        prefix = member_prefix(prepared.spec, member)
        tensors |= {prefix + name: array for name, array in arrays_of(network).items()}
        histories.append(history)
    return Fitted(prepared.spec, tensors, histories)
