"""`python -m bench.language [--shapes small,medium,awd] [--threads 1,2]`: training steps beside torch.nn's, and memory.

On PTB's text, found through TIMESTEPS_DATA; each contestant takes the same steps, turn by turn. Peak memory is that of
the small shape. Results go to bench/results/language.json, those of other shapes and numbers of threads stay.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from bench import record
from bench.language import model
from bench.language.memory import peak_mib
from bench.layers.options import numbers
from timesteps.data.corpus import corpus_lines
from timesteps.inspect.speed import on_threads
from timesteps.tasks.language.choices import ModelChoices
from timesteps.tasks.language.corpus import prepare

_WARM = 3


def ptb() -> tuple[np.ndarray[Any, np.dtype[np.int32]], int]:
    """Its training text as tokens, and how many there are of them."""
    path = Path(os.environ["TIMESTEPS_DATA"]) / "ptb" / "ptb.train.txt.xz"
    prepared = prepare(corpus_lines(path), ModelChoices(), 0.0)
    return prepared.train, len(prepared.vocabulary.words)


def measure(name: str, threads: int, steps: int) -> dict[str, Any]:
    """Medians of a step's seconds, their ratios, and what an epoch of PTB takes at that pace."""
    shape, (tokens, words) = model.SHAPES[name], ptb()
    with on_threads(threads):
        calls = {
            "native": model.by_engine("native", shape, threads, words),
            "torch engine": model.by_engine("torch", shape, threads, words),
            "torch": model.by_torch(shape, words),
        }
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        losses: dict[str, list[float]] = {name: [] for name in calls}
        for number, window in enumerate(model.text(shape, tokens)):
            if number == steps + _WARM:
                break
            for contestant, step in calls.items():
                began = time.perf_counter()
                losses[contestant].append(step(window))
                seconds[contestant].append(time.perf_counter() - began)
    median = {name: float(np.median(each[_WARM:])) for name, each in seconds.items()}
    epoch = (len(tokens) - 1) // model.BATCH / shape.steps
    return {
        "seconds": median,
        "ratio": median["torch"] / median["native"],
        "seconds_of_an_epoch": {name: round(each * epoch, 1) for name, each in median.items()},
        "largest_difference_of_losses": float(np.abs(np.subtract(losses["native"], losses["torch"])).max()),
        "steps": steps,
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.language", description=__doc__)
    parser.add_argument("--shapes", type=lambda text: text.split(","), default=["small"])
    parser.add_argument("--threads", type=numbers, default=(1, 2))
    parser.add_argument("--steps", type=int, default=60)
    asked = parser.parse_args()
    before = record.read("language")
    found: dict[str, Any] = {} if before is None else before["results"]
    for name, threads in product(asked.shapes, asked.threads):
        found[f"{name}, {threads} thread{'s' * (threads > 1)}"] = measure(name, threads, asked.steps)
    if "small" in asked.shapes:
        memory = {name: peak_mib(name) for name in ("native", "torch")}
        found["peak memory, MiB"] = memory | {"ratio": memory["native"] / memory["torch"]}
    record.write("language", found)
    for name, figures in found.items():
        print(name, figures)


if __name__ == "__main__":
    main()
