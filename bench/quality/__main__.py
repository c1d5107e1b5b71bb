"""`python -m bench.quality [NAME …]`: train the named recipes by the same commands that a user types, seed by seed.

Results go to bench/results/quality-<name>.json, after every seed. NSMC and IMDB are read through TIMESTEPS_DATA or the
download cache.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from bench.quality.recipes import RECIPES, Recipe
from bench.record import write
from timesteps.data.source import open_source
from timesteps.data.split import hash_fraction

EARLY_STOPPING_SHARE = "0.2"  # of the training rows, where a recipe stops early


def cut(recipe: Recipe, split: int, folder: Path) -> tuple[Path, Path]:
    """The data set as two files: rows to train on, and rows to be judged on."""
    table = open_source(recipe.dataset)
    paths = folder / "train.jsonl", folder / "held-out.jsonl"
    with paths[0].open("w", encoding="utf-8") as train, paths[1].open("w", encoding="utf-8") as held_out:
        for text, label in zip(table.texts, table.labels or [], strict=True):
            file = held_out if hash_fraction(text, split) < recipe.held_out else train
            file.write(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n")
    return paths


def timesteps(*words: str) -> tuple[dict[str, Any], float, int]:
    """What a command prints as JSON, the seconds it took, and the most memory it held, in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "timesteps", *words, "--json"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # unlike RUSAGE_CHILDREN, of this child alone
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise SystemExit(f"timesteps {words[0]} ended with {process.returncode}")
    return json.loads(output), time.perf_counter() - start, usage.ru_maxrss * 1024


def measure(recipe: Recipe, split: int, seed: int, folder: Path) -> dict[str, Any]:
    """One run of the command line in a process of its own."""
    train, held_out = cut(recipe, split, folder)
    run = folder / "run"
    words = ["train", "classify", str(train), "--out", str(run), "--seed", str(seed), *recipe.arguments]
    if not (recipe.baselines and seed == recipe.seeds[0]):
        words.append("--no-baselines")
    if recipe.stops_early:
        words += ["--validation-split", EARLY_STOPPING_SHARE]
    else:
        words += ["--valid", str(held_out)]
    result, seconds, memory = timesteps(*words)
    judged = timesteps("evaluate", str(run), str(held_out))[0] if recipe.stops_early else result["model"]
    return {
        "split": split,
        "seed": seed,
        "accuracy": judged["accuracy"],
        "accuracy_interval": judged["accuracy_interval"],
        "macro_f1": judged["macro_f1"],
        "log_loss": judged["log_loss"],
        "judged_on": judged["n"],
        "trained_on": result["rows"]["train"],
        "left_out": result["rows"]["left_out"],
        "seconds": {**result["seconds"], "whole command": seconds},
        "model_bytes": (run / "model.safetensors").stat().st_size,
        "peak_memory_bytes": memory,
        "baselines": result["baselines"],
    }


def spread(values: Iterable[float]) -> dict[str, float]:
    """Mean, standard deviation (n - 1; 0 for one value), lowest, highest."""
    found = list(values)
    return {
        "mean": fmean(found),
        "stdev": stdev(found) if len(found) > 1 else 0.0,
        "lowest": min(found),
        "highest": max(found),
    }


def averaged(baselines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each baseline once, with the means of its figures over the splits that it was trained on."""
    found: dict[str, list[dict[str, Any]]] = {}
    for baseline in baselines:
        found.setdefault(baseline["name"], []).append(baseline)
    figures = ("accuracy", "macro_f1", "log_loss", "seconds")
    return [
        {
            "name": name,
            "splits": len(each),
            **{figure: fmean(one[figure] for one in each) for figure in figures},
            "accuracy_interval": [fmean(one["accuracy_interval"][side] for one in each) for side in (0, 1)],
        }
        for name, each in found.items()
    ]


def summarise(recipe: Recipe, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What the tables need, and every run."""
    return {
        **{name: value for name, value in asdict(recipe).items() if name not in ("seeds", "splits")},
        "command": recipe.command,
        "split": f"held out: hash_fraction(text, split) < {recipe.held_out:g}",
        "splits": sorted({run["split"] for run in runs}),
        "splits_planned": list(recipe.splits),
        "seeds": sorted({run["seed"] for run in runs}),
        "seeds_planned": list(recipe.seeds),
        "judged_on": round(fmean(run["judged_on"] for run in runs)),
        "trained_on": round(fmean(run["trained_on"] for run in runs)),
        "accuracy": spread(run["accuracy"] for run in runs),
        "log_loss": spread(run["log_loss"] for run in runs),
        "training_seconds": spread(run["seconds"]["training"] for run in runs),
        "model_bytes": max(run["model_bytes"] for run in runs),
        "peak_memory_bytes": max(run["peak_memory_bytes"] for run in runs),
        "baselines": averaged([baseline for run in runs for baseline in run["baselines"]]),
        "runs": [{name: value for name, value in run.items() if name != "baselines"} for run in runs],
    }


def main(names: list[str]) -> None:
    """Measure the named recipes, or all."""
    unknown = sorted(set(names) - {recipe.name for recipe in RECIPES})
    if unknown:
        raise SystemExit(f"no recipe {unknown[0]!r}; there are {', '.join(recipe.name for recipe in RECIPES)}")
    for recipe in RECIPES:
        if names and recipe.name not in names:
            continue
        runs: list[dict[str, Any]] = []
        for split, seed in product(recipe.splits, recipe.seeds):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(measure(recipe, split, seed, Path(folder)))
            print(f"{recipe.name} split {split} seed {seed}: {100 * runs[-1]['accuracy']:.2f} %", file=sys.stderr)
            write(f"quality-{recipe.name}", summarise(recipe, runs))


if __name__ == "__main__":
    main(sys.argv[1:])
