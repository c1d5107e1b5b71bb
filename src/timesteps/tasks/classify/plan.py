"""`--dry-run`: what would be trained, and what it would cost."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.display import printable
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.summary import Summary, summary
from timesteps.tasks.classify.fitting import build_network, member_settings
from timesteps.tasks.classify.memory import memory_for
from timesteps.tasks.classify.pretraining import estimated_seconds
from timesteps.tasks.classify.ready import Ready, Say, make_ready
from timesteps.tasks.classify.request import Request
from timesteps.training.batches import WINDOW
from timesteps.training.examples import Examples
from timesteps.training.loop import train

#: Batches that are really trained (on a copy that is thrown away) to know what a step costs.
TRIAL_BATCHES = 6


@dataclass(frozen=True)
class Plan:
    """Data, model, and estimates of time and memory."""

    ready: Ready
    lengths: NDArray[np.int64]  # steps of the training rows
    summary: Summary
    seconds: float
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        rows = self.ready.rows
        lengths = self.lengths
        return {
            "rows": rows.to_dict(),
            "classes": {name: int(n) for name, n in zip(rows.classes, _counts(self.ready), strict=True)},
            "steps": {"median": float(np.median(lengths)), "longest": int(lengths.max())},
            "model": self.summary.to_dict(),
            "options": self.ready.options.as_dict(),
            "estimate": {"seconds": round(self.seconds, 3), "bytes": self.bytes},
        }

    def __str__(self) -> str:
        rows, lengths = self.ready.rows, self.lengths
        classes = ", ".join(
            f"{printable(name)}: {n:,}" for name, n in zip(rows.classes, _counts(self.ready), strict=True)
        )
        return "\n".join(
            [
                f"data      {rows.source}: {len(rows.train):,} rows to train on, {len(rows.valid):,} to validate",
                f"classes   {classes}",
                f"steps     median {np.median(lengths):.0f}, longest {lengths.max()}",
                "",
                str(self.summary),
                "",
                f"time      about {_duration(self.seconds)} for {self.ready.options.epochs} epochs"
                + (f" of {self.ready.options.members} members" if self.ready.options.members > 1 else "")
                + ", baselines not counted",
                f"memory    about {self.bytes / 2**20:,.0f} MiB for weights, gradients, optimiser and data",
                "",
                "Nothing was trained or written (--dry-run).",
            ]
        )


def plan(request: Request, say: Say) -> Plan:
    """Check the data and build the model as `run` would, train a few batches to time them, and write nothing."""
    memory = memory_for(request)
    with ExitStack() as stack:
        return _plan(request, say, None if memory is None else stack.enter_context(Scratch(memory)))


def _plan(request: Request, say: Say, scratch: Scratch | None) -> Plan:
    ready = make_ready(request, say, scratch)
    options = ready.options
    network = build_network(ready.prepared.spec.network, options)
    few = min(len(ready.rows.train), TRIAL_BATCHES * options.batch_size)
    rows = np.linspace(0, len(ready.rows.train) - 1, few).astype(np.int64)
    trial = ready.train.take(rows)
    settings = member_settings(options.but(epochs=1), threads=request.threads)
    train(network, trial, None, settings)  # the first batches pay for warming up
    start = time.perf_counter()
    train(network, trial, None, settings)
    seconds = time.perf_counter() - start
    seconds *= len(ready.rows.train) / few * options.epochs * options.members
    seconds += estimated_seconds(ready.prepared, options)
    weights = sum(tensor.nbytes for tensor in network.state_dict().values())
    kept = ready.train.sequences if isinstance(ready.train, Examples) else None
    data = sum(_bytes(each) for each in (kept, ready.valid.sequences, ready.prepared.corpus))
    data += 0 if isinstance(ready.train, Examples) else min(WINDOW, ready.train.steps * ready.train.step_bytes)
    data += sum(tensor.nbytes for tensor in ready.prepared.tensors.values())
    # Weights, gradients, two moments, and the best weights that early stopping keeps.
    lengths = ready.train.lengths
    return Plan(ready, lengths, summary(ready.prepared.spec), seconds, weights * 5 + data)


def _bytes(sequences: Sequences | None) -> int:
    if sequences is None:
        return 0
    bags = [part for part in (sequences.bags, sequences.phrases) if part is not None]
    arrays = [sequences.values, sequences.channels, *(part.ids for part in bags)]
    return sum(array.nbytes for array in arrays if array is not None)


def _counts(ready: Ready) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.bincount(ready.rows.train.targets, minlength=len(ready.rows.classes))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
