"""`python -m bench.language.sampled`: when a sampled softmax pays: a training step by vocabulary and number of samples.

Words with the frequencies of a Zipfian text, turn by turn, on two threads; the model of bench.language otherwise. To
bench/results/sampled_softmax.json.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from bench import record
from bench.language import model
from timesteps.inspect.speed import on_threads
from timesteps.training.language.native_engine import NativeLanguageEngine
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.language.torch_engine import TorchLanguageEngine

_WORDS, _SAMPLES, _WARM, _STEPS, _THREADS = (10_000, 100_000), (0, 1_000, 4_000), 1, 6, 2
_ENGINES = {"native": NativeLanguageEngine, "torch": TorchLanguageEngine}


def measure(words: int) -> dict[str, dict[str, float]]:
    """Medians of a step's seconds by engine and number of samples."""
    shares = 1 / np.arange(1, words + 1)
    count = (_WARM + _STEPS) * model.BATCH * model.STEPS + 1
    tokens = np.random.default_rng(0).choice(words, count, p=shares / shares.sum()).astype(np.int32)
    counts = (1e7 * shares).astype(np.int64) + 1
    found: dict[str, dict[str, float]] = {}
    for name, engine in _ENGINES.items():
        found[name] = {}
        for samples in _SAMPLES:
            settings = LanguageSettings(
                batch_size=model.BATCH, bptt=model.STEPS, learning_rate=model.RATE, clip_norm=model.CLIP,
                samples=samples, threads=_THREADS,
            )  # fmt: skip
            trainer: Any = engine(model.network(words), settings, counts)
            seconds = []
            for window in model.text(tokens):
                began = time.perf_counter()
                trainer.step(window, window.begin, model.RATE)
                seconds.append(time.perf_counter() - began)
            found[name]["all" if not samples else str(samples)] = float(np.median(seconds[_WARM:]))
    return found


def main() -> None:
    """Measure and write."""
    with on_threads(_THREADS):
        found: dict[str, Any] = {f"{words} words": measure(words) for words in _WORDS}
    record.write("sampled_softmax", {"threads": _THREADS, "steps": _STEPS, "seconds of a step": found})
    for name, figures in found.items():
        print(name, figures)


if __name__ == "__main__":
    main()
