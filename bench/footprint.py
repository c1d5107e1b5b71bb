"""`python -m bench.footprint`: what training a text classifier takes beside its steps: memory, start-up, extraction.

Each job is a process of its own. NSMC is needed (TIMESTEPS_DATA); figures are of one thread.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BEGAN = time.perf_counter()
MIB = 2**20

#: The trial's recipe "wk": whole words as bags, a wide term, two passes; its extraction and training took 131 s.
WK = {
    "guide": "none", "piece": "none", "wide": True, "consistency": 0.0, "epochs": 2, "max_length": 60,
    "truncating": "post",
}  # fmt: skip
TRIAL_SECONDS = 131.0
TRAIN, VALID = "train.tsv", "valid.tsv"
GROWING = (200_000, 800_000)


def peak() -> int:
    """Bytes of memory that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write_nsmc(folder: Path) -> None:
    """NSMC's rows as `bench.quality` and the trials split them, as two files."""
    from timesteps.data.source import load
    from timesteps.data.split import hash_fraction

    table = load("nsmc")
    with (folder / TRAIN).open("w", encoding="utf-8") as train, (folder / VALID).open("w", encoding="utf-8") as valid:
        for file in (train, valid):
            file.write("text\tlabel\n")
        for text, label in zip(table.texts, table.labels or [], strict=True):
            (valid if hash_fraction(text, 7) < 0.1 else train).write(f"{text}\t{label}\n")


def run_nsmc(folder: Path, choices: dict[str, Any]) -> dict[str, Any]:
    """The steps of `timesteps train classify --no-baselines` on NSMC, each timed."""
    from timesteps.tasks.classify.fitting import fit_model
    from timesteps.tasks.classify.memory import give_back
    from timesteps.tasks.classify.ready import make_ready
    from timesteps.tasks.classify.request import Request
    from timesteps.tasks.classify.rows import read_rows
    from timesteps.training.callbacks import Callback

    marks = {"imported": time.perf_counter() - BEGAN}
    request = Request(data=str(folder / TRAIN), valid=str(folder / VALID), baselines=False, choices=choices)
    start, cpu = time.perf_counter(), time.process_time()
    read_rows(request, 0, lambda line: None)
    reading, reading_cpu = time.perf_counter() - start, time.process_time() - cpu
    start, cpu = time.perf_counter(), time.process_time()
    ready = make_ready(request, lambda line: None)
    give_back()
    marks |= {"reading": reading, "extraction": time.perf_counter() - start - reading, "peak_ready": peak()}
    marks["extraction_cpu"] = time.process_time() - cpu - reading_cpu

    class First(Callback):
        """When the first step is done."""

        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            marks.setdefault("first_step", time.perf_counter() - start)

    start, cpu = time.perf_counter(), time.process_time()
    fitted = fit_model(ready.prepared, ready.options, ready.train, ready.valid, threads=1, callbacks=[First()])
    marks["training"], marks["training_cpu"] = time.perf_counter() - start, time.process_time() - cpu
    return {
        **marks,
        "peak": peak(),
        "epochs": ready.options.epochs,
        "features": ready.prepared.spec.network.input_size,
        "table_and_moments": 3 * 4 * ready.prepared.spec.network.input_size * (ready.options.embedding_size),
        "trained_on": len(ready.rows.train),
        "accuracy": fitted.histories[0].rows[-1]["val_accuracy"],
    }


def run_growing(rows: int) -> dict[str, Any]:
    """A made-up file of so many rows, trained on from the disk with `--memory 128MB`."""
    from timesteps.tasks.classify import memory
    from timesteps.tasks.classify.request import Request
    from timesteps.tasks.classify.run import run
    from timesteps.training.progress import quiet

    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        with path.open("w", encoding="utf-8") as file:
            file.write("text,label\n")
            for _ in range(rows):
                label = draw.randrange(2)
                text = " ".join(f"w{int(draw.random() ** 2 * 4000)}" for _ in range(14))
                file.write(f"{text} {'good' if label else 'bad'},{label}\n")
        memory._FACTOR = 1 << 20  # both sizes from the disk, whatever they need
        choices = {"embedding_size": 8, "hidden_size": 4, "epochs": 1, "members": 1, "consistency": 0.0}
        request = Request(data=str(path), baselines=False, memory="128MB", recipe="default", choices=choices)
        start = time.perf_counter()
        run(request, Path(folder, "run"), resume=False, say=lambda line: None, progress=quiet())
        return {"bytes": path.stat().st_size, "peak": peak(), "seconds": time.perf_counter() - start}


JOBS = {
    "nsmc": lambda folder: run_nsmc(folder, {"epochs": 1}),
    "wk": lambda folder: run_nsmc(folder, WK),
    **{f"rows-{rows}": (lambda folder, rows=rows: run_growing(rows)) for rows in GROWING},
}


def child(job: str, folder: str) -> dict[str, Any]:
    """A job in a fresh process on one thread."""
    command = [sys.executable, "-m", "bench.footprint", job, folder]
    found = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    figures: dict[str, Any] = json.loads(found.stdout)
    return figures


def main(jobs: list[str]) -> None:
    """Run the named jobs, and keep what others have found before."""
    from bench.record import read, write

    known = (read("footprint") or {}).get("results", {})
    with tempfile.TemporaryDirectory() as folder:
        if {"nsmc", "wk"} & set(jobs):
            write_nsmc(Path(folder))
        for job in jobs:
            known[job] = child(job, folder)
            print(job, known[job])
    write("footprint", known)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in JOBS and Path(sys.argv[2]).is_dir():
        print(json.dumps(JOBS[sys.argv[1]](Path(sys.argv[2]))))
    else:
        main(sys.argv[1:] or list(JOBS))
