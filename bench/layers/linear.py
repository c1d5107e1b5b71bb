"""Layers whose recurrence is linear: by the kernel, by the plain loop, and beside torch's GRU of the same size."""

from __future__ import annotations

import copy
import functools
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from timesteps import nn as ours
from timesteps.inspect.speed import data, differences, on_threads, results, worker
from timesteps.inspect.timing import Spread, clock_for, interleave, ratios

BATCH = 32


def measure(cell: str, hidden: int, steps: int, work: str, rounds: int) -> dict[str, Any]:
    """One thread. Errors are against the plain loop in float64; `torch_errors` are those of the loop in float32."""
    with on_threads(1), torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        layer, theirs = getattr(ours, cell)(hidden, hidden), nn.GRU(hidden, hidden)
        x, dy = data(steps, BATCH, hidden, work)
        loop = functools.partial(layer, implementation="loop")
        exact = copy.deepcopy(layer).double()
        expected = results(
            exact,
            x.double(),
            None if dy is None else dy.double(),
            functools.partial(exact, implementation="loop"),
        )
        errors = [differences(results(layer, x, dy, run), expected) for run in (None, loop)]
        calls = {
            "timesteps": worker(layer, x, dy),
            "loop": worker(layer, x, dy, loop),
            "torch GRU": worker(theirs, x, dy),
        }
        seconds = interleave(calls, rounds=rounds, clock=clock_for(1))
    return {
        "seconds": {name: Spread.of(each).median for name, each in seconds.items()},
        "ratio": {name: asdict(ratios(seconds[name], seconds["timesteps"])) for name in ("loop", "torch GRU")},
        "errors": errors[0],
        "torch_errors": errors[1],
        "rounds": len(seconds["timesteps"]),
    }
