"""What each regulariser of the cell costs: our layer with it, beside our plain layer."""

from __future__ import annotations

import functools
from dataclasses import asdict
from typing import Any

import torch

from bench.layers.plan import regularisers
from timesteps.inspect.speed import data, differences, on_threads, pair, results, worker
from timesteps.inspect.timing import Spread, clock_for, interleave, ratios

STEPS, BATCH = 100, 32


def measure(cell: str, hidden: int, rounds: int) -> dict[str, Any]:
    """Forward and backward on one thread; parity is with the plain loop under the same random numbers."""
    variants: dict[str, dict[str, Any]] = {"plain": {}, **regularisers(cell)}
    with on_threads(1):
        x, dy = data(STEPS, BATCH, hidden, "training")
        calls, errors = {}, {}
        for name, options in variants.items():
            layer = pair(cell, hidden, hidden, **options)["timesteps"]
            found, expected = (
                results(layer, x, dy, functools.partial(layer, generator=_seeded(), implementation=implementation))
                for implementation in (None, "loop")
            )
            errors[name] = differences(found, expected)
            calls[name] = worker(layer, x, dy, functools.partial(layer, generator=_seeded()))
        seconds = interleave(calls, rounds=rounds, clock=clock_for(1))
    return {
        "seconds": {name: Spread.of(each).median for name, each in seconds.items()},
        "times_plain": {name: asdict(ratios(seconds[name], seconds["plain"])) for name in variants if name != "plain"},
        "errors": {kind: max(each[kind] for each in errors.values()) for kind in errors["plain"]},
        "rounds": len(seconds["plain"]),
    }


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)
