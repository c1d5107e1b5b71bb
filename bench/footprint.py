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
    "truncating": "post", "wide_learning_rate": 0.002,
}  # fmt: skip
TRIAL_SECONDS = 131.0
GROWING = (50_000, 200_000)


def peak() -> int:
    """Bytes of memory that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_nsmc(choices: dict[str, Any]) -> dict[str, Any]:
    """The steps of `timesteps train classify nsmc --no-baselines`, each timed."""
    from timesteps.tasks.classify.fitting import fit_model
    from timesteps.tasks.classify.memory import give_back
    from timesteps.tasks.classify.ready import make_ready
    from timesteps.tasks.classify.request import Request
    from timesteps.tasks.classify.rows import read_rows
    from timesteps.training.callbacks import Callback

    marks = {"imported": time.perf_counter() - BEGAN}
    request = Request(data="nsmc", baselines=False, validation_split=0.1, choices=choices)
    start = time.perf_counter()
    read_rows(request, 0, lambda line: None)
    reading = time.perf_counter() - start
    start = time.perf_counter()
    ready = make_ready(request, lambda line: None)
    give_back()
    marks |= {"reading": reading, "extraction": time.perf_counter() - start - reading, "peak_ready": peak()}

    class First(Callback):
        """When the first step is done."""

        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            marks.setdefault("first_step", time.perf_counter() - start)

    start = time.perf_counter()
    fitted = fit_model(ready.prepared, ready.options, ready.train, ready.valid, threads=1, callbacks=[First()])
    marks["training"] = time.perf_counter() - start
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
    "nsmc": lambda: run_nsmc({"epochs": 1}),
    "wk": lambda: run_nsmc(WK),
    **{f"rows-{rows}": (lambda rows=rows: run_growing(rows)) for rows in GROWING},
}


def child(job: str) -> dict[str, Any]:
    """A job in a fresh process on one thread."""
    command = [sys.executable, "-m", "bench.footprint", job]
    found = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    figures: dict[str, Any] = json.loads(found.stdout)
    return figures


def main() -> None:
    """Run the named jobs, or all of them, and keep what others have found before."""
    from bench.record import read, write

    known = (read("footprint") or {}).get("results", {})
    for job in sys.argv[2:] or JOBS:
        known[job] = child(job)
        print(job, known[job])
    write("footprint", known)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in JOBS:
        print(json.dumps(JOBS[sys.argv[1]]()))
    else:
        main()
