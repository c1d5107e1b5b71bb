"""Epochs on real data: a recipe's own rows, network and settings, trained by each engine in turn."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from timesteps.inspect.speed import on_threads
from timesteps.inspect.timing import Spread, ratios
from timesteps.tasks.classify.fitting import build_network, member_settings
from timesteps.tasks.classify.ready import Ready, make_ready
from timesteps.tasks.classify.request import Request
from timesteps.training.loop import train

#: Epochs by name: data set, recipe, and how many of the training rows (None: all).
EPOCHS: dict[str, tuple[str, str, int | None]] = {
    "textbook on imdb": ("imdb", "textbook", 20_000),
    "default on nsmc": ("nsmc", "default", 10_000),
}
TOLERANCE = 2e-3  # of an epoch's loss: RMSprop makes whole steps of gradients that are nothing but rounding


def prepared(name: str) -> Ready:
    """The rows of an epoch, encoded."""
    data, recipe, count = EPOCHS[name]
    ready = make_ready(Request(data=data, recipe=recipe, baselines=False), lambda _: None)
    if count is None or count >= len(ready.train):
        return ready
    rows = np.sort(np.random.default_rng(0).permutation(len(ready.train))[:count])
    return replace(ready, train=ready.train.take(rows))


def measure(name: str, threads: int, rounds: int) -> dict[str, Any]:
    """Seconds of an epoch of each engine, on the wall clock. Parity: the loss of the epoch."""
    ready = prepared(name)
    seconds: dict[str, list[float]] = {"native": [], "torch engine": []}
    losses: dict[str, float] = {}
    with on_threads(threads):
        for turn in range(rounds + 1):
            for engine in list(seconds)[:: 1 if turn % 2 else -1]:
                options = ready.options.but(epochs=1, patience="none", engine=engine.split()[0])
                network = build_network(ready.prepared.spec.network, options)
                begin = time.perf_counter()
                history = train(network, ready.train, None, member_settings(options, threads=threads))
                if turn:  # the first turn warms up
                    seconds[engine].append(time.perf_counter() - begin)
                losses[engine] = history.rows[0]["loss"]
    return {
        "seconds": {each: Spread.of(times).median for each, times in seconds.items()},
        "ratio": asdict(ratios(seconds["torch engine"], seconds["native"])),
        "rows": len(ready.train),
        "errors": {"loss": abs(losses["native"] - losses["torch engine"])},
        "rounds": rounds,
    }
