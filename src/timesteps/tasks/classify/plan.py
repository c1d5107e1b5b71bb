"""`--dry-run`: what would be trained, and what it would cost."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.inspect.diagnose.diagnosis import Spell
from timesteps.runtime.display import fitted, printable
from timesteps.runtime.layout import member_network
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.summary import Summary, summary
from timesteps.tasks.classify.fitting import build_network, member_settings
from timesteps.tasks.classify.memory import memory_for
from timesteps.tasks.classify.pretraining import estimated_seconds
from timesteps.tasks.classify.ready import Ready, Say, make_ready
from timesteps.tasks.classify.request import Request
from timesteps.tasks.rehearsal import Rehearsal, duration, rehearse, sequence_bytes, trial_rows
from timesteps.training.batches import WINDOW
from timesteps.training.examples import Examples


@dataclass(frozen=True)
class Plan:
    """Data, model, and estimates of time and memory."""

    ready: Ready
    lengths: NDArray[np.int64]  # steps of the training rows
    summary: Summary
    rehearsal: Rehearsal
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
            **self.rehearsal.to_dict(),
            "estimate": {"seconds": round(self.seconds, 3), "bytes": self.bytes},
        }

    def __str__(self) -> str:
        return self.text()

    def text(self, spell: Spell | None = None) -> str:
        """All of it in 80 columns; `spell` writes the options in it."""
        rows, lengths = self.ready.rows, self.lengths
        classes = ", ".join(
            f"{printable(name)}: {n:,}" for name, n in zip(rows.classes, _counts(self.ready), strict=True)
        )
        return "\n".join(
            [
                fitted(
                    f"data      {len(rows.train):,} rows to train on, {len(rows.valid):,} to validate: "
                    + printable(rows.source),
                    80,
                ),
                fitted(f"classes   {classes}", 80),
                f"steps     median {np.median(lengths):.0f}, longest {lengths.max()}",
                "",
                str(self.summary),
                "",
                self.rehearsal.diagnosis.text(spell),
                "",
                self.rehearsal.batch_line,
                f"time      about {duration(self.seconds)} for {self.ready.options.epochs} epochs"
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
    options, spec = ready.options, ready.prepared.spec
    network = build_network(member_network(spec, 0), options)
    trial = ready.train.take(trial_rows(len(ready.rows.train), options.batch_size))
    settings = member_settings(options, threads=request.threads)
    rehearsal = rehearse(spec, network, trial, settings, ready.train.lengths)
    seconds = rehearsal.seconds * options.members + estimated_seconds(ready.prepared, options)
    kept = ready.train.sequences if isinstance(ready.train, Examples) else None
    data = sum(sequence_bytes(each) for each in (kept, ready.valid.sequences, ready.prepared.corpus))
    data += 0 if isinstance(ready.train, Examples) else min(WINDOW, ready.train.steps * ready.train.step_bytes)
    data += sum(tensor.nbytes for tensor in ready.prepared.tensors.values())
    return Plan(ready, ready.train.lengths, summary(spec), rehearsal, seconds, rehearsal.bytes + data)


def _counts(ready: Ready) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.bincount(ready.rows.train.targets, minlength=len(ready.rows.classes))
