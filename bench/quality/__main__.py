"""`python -m bench.quality [NAME …]`: train the named recipes by the same commands that a user types, seed by seed.

Results go to bench/results/quality-<name>.json. NSMC and IMDB are read through TIMESTEPS_DATA or the download cache.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.quality.recipes import RECIPES, Recipe
from bench.record import write
from timesteps.data.source import open_source
from timesteps.data.split import hash_fraction

SPLIT_SEED = 7


def cut(recipe: Recipe, folder: Path) -> tuple[Path, Path]:
    """The data set as two files: rows to train on, and rows to be judged on."""
    table = open_source(recipe.dataset)
    paths = folder / "train.jsonl", folder / "held-out.jsonl"
    with paths[0].open("w", encoding="utf-8") as train, paths[1].open("w", encoding="utf-8") as held_out:
        for text, label in zip(table.texts, table.labels or [], strict=True):
            file = held_out if hash_fraction(text, SPLIT_SEED) < recipe.held_out else train
            file.write(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n")
    return paths


def measure(recipe: Recipe, seed: int, folder: Path) -> dict[str, Any]:
    """One run of the command line in a process of its own."""
    train, held_out = cut(recipe, folder)
    command = [sys.executable, "-m", "timesteps", "train", "classify", str(train), "--valid", str(held_out)]
    command += ["--out", str(folder / "run"), "--seed", str(seed), "--json", *recipe.arguments]
    if not (recipe.baselines and seed == recipe.seeds[0]):
        command.append("--no-baselines")
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - start
    result: dict[str, Any] = json.loads(done.stdout)
    model = folder / "run" / "model.safetensors"
    return {
        "seed": seed,
        "accuracy": result["model"]["accuracy"],
        "log_loss": result["model"]["log_loss"],
        "rows": result["model"]["n"],
        "trained_on": result["rows"]["train"],
        "seconds": {**result["seconds"], "whole command": seconds},
        "model_bytes": model.stat().st_size,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        "baselines": result["baselines"],
    }


def main(names: list[str]) -> None:
    """Measure the named recipes, or all."""
    for recipe in RECIPES:
        if names and recipe.name not in names:
            continue
        runs = []
        for seed in recipe.seeds:
            with tempfile.TemporaryDirectory() as folder:
                runs.append(measure(recipe, seed, Path(folder)))
            print(f"{recipe.name} seed {seed}: {100 * runs[-1]['accuracy']:.2f} %", file=sys.stderr)
            write(f"quality-{recipe.name}", {"arguments": recipe.arguments, "owed": recipe.owed, "runs": runs})


main(sys.argv[1:])
