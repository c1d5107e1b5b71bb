"""A run before it begins: one batch forward and backward, what is wrong with the network, what it would cost."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import option
from timesteps.inspect.diagnose import Diagnosis, Patient, diagnose_rows
from timesteps.inspect.diagnose.diagnosis import Spell
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import ModelSpec
from timesteps.tasks.fit_network import arrays_of
from timesteps.training.batches import training_batches
from timesteps.training.engines.choice import choose, engine_for
from timesteps.training.engines.engine import BadStepError, Step
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.examples import Examples
from timesteps.training.loop import train
from timesteps.training.nonfinite import NonFiniteError
from timesteps.training.settings import Settings

if TYPE_CHECKING:
    from timesteps.nn.models import Network

__all__ = ["Rehearsal", "duration", "rehearse", "sequence_bytes", "trial_rows"]

TRIAL_BATCHES = 6
"""Batches that are really trained (on a copy that is thrown away) to know what a step costs."""

_DIAGNOSED = 64  # rows


@dataclass(frozen=True)
class Rehearsal:
    """What is known of a run before its first step."""

    diagnosis: Diagnosis
    first: Step  # of the untrained network, on one batch
    epochs: int
    chance: float | None  # the loss of a network that knows nothing; None of numbers
    clip_norm: float | None
    seconds: float  # of all epochs of one network
    bytes: int  # of weights, gradients and optimiser

    def to_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        norm = None if math.isnan(self.first.norm) else self.first.norm
        first = {"loss": self.first.loss, "gradient_norm": norm, "chance": self.chance}
        cost = {"seconds": round(self.seconds, 3), "bytes": self.bytes}
        return {"estimate": cost, "first_batch": first, "diagnosis": self.diagnosis.to_dict()}

    @property
    def batch_line(self) -> str:
        """What the first batch says, in a line."""
        chance = "" if self.chance is None else f" (who knows nothing has {self.chance:.4g})"
        clipped = ""
        if self.clip_norm is not None and self.first.norm > self.clip_norm:
            clipped = f", clipped to {self.clip_norm:g}"
        norm = "" if math.isnan(self.first.norm) else f", gradient norm {self.first.norm:.3g}"
        return f"batch     loss {self.first.loss:.4g}{chance}{norm}{clipped}"

    def text(self, spell: Spell | None = None) -> str:
        """All of it in 80 columns; `spell` writes the options in it."""
        return "\n".join(
            [
                self.diagnosis.text(spell),
                "",
                self.batch_line,
                f"time      about {duration(self.seconds)} for {self.epochs} epochs",
                f"memory    about {self.bytes / 2**20:,.1f} MiB for weights, gradients and optimiser",
                "",
                "Nothing was trained or written (--dry-run).",
            ]
        )


def rehearse(
    spec: ModelSpec,
    network: Network | PlainNetwork,
    rows: Examples,
    settings: Settings,
    lengths: NDArray[np.int64],
) -> Rehearsal:
    """Diagnose an untrained network on some of its training rows, and time a few steps. The network is trained by it.

    Args:
        spec: of the model that would be trained.
        network: its first member, untrained.
        rows: some of the training rows.
        settings: of the run.
        lengths: steps of all training rows.

    Raises:
        NonFiniteError: the first batch gives NaN or infinity.
    """
    text = spec.text
    patient = Patient(
        spec.network if isinstance(network, PlainNetwork) else network.spec,
        arrays_of(network),
        rows.sequences.take(range(min(len(rows), _DIAGNOSED))),
        spec.task,
        "the untrained network",
        "the training rows",
        text,
        lengths,
        settings.batch_size,
    )
    diagnosis = diagnose_rows(patient)
    first = _first_step(network, rows, settings)
    once = Settings(**{**vars(settings), "epochs": 1})
    train(network, rows, None, once)  # the first batches pay for warming up
    began = time.perf_counter()
    train(network, rows, None, once)
    seconds = (time.perf_counter() - began) * len(lengths) / len(rows) * settings.epochs
    weights = sum(tensor.nbytes for tensor in network.state_dict().values())
    classes = len(spec.classes)
    # Weights, gradients, two moments, and the best weights that early stopping keeps.
    chance = math.log(classes) if classes else None
    return Rehearsal(diagnosis, first, settings.epochs, chance, settings.clip_norm, seconds, 5 * weights)


def trial_rows(total: int, batch_size: int) -> NDArray[np.int64]:
    """Which rows to rehearse with: a few batches, from the first row to the last."""
    few = min(total, TRIAL_BATCHES * batch_size)
    return np.linspace(0, total - 1, few).astype(np.int64)


def _first_step(network: Network | PlainNetwork, rows: Examples, settings: Settings) -> Step:
    """One batch, forward and backward."""
    engine = engine_for(choose(network, settings), network, rows, settings, 1)
    batch = training_batches(rows.sequences.lengths, settings.batch_size, seed=settings.seed, epoch=0)[0]
    with engine.session():
        engine.begin_epoch()
        try:
            step = engine.step(0, batch)
        except BadStepError as found:
            mend = f"mend the data, or lower {option('learning_rate')}"
            what = f"{found.what} is {found.value} of one batch: {found.fault.said}"
            raise NonFiniteError(what, mend=mend) from found
        engine.end()
    return step


def sequence_bytes(sequences: Sequences | None) -> int:
    """What rows take in memory."""
    if sequences is None:
        return 0
    bags = [part for part in (sequences.bags, sequences.phrases) if part is not None]
    arrays = [sequences.values, sequences.channels, *(part.ids for part in bags)]
    return sum(array.nbytes for array in arrays if array is not None)


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(0.2), duration(600), duration(7200)
    ('1 seconds', '10 minutes', '2.0 hours')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
