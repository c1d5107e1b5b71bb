"""`python -m bench.startup`: how long a user waits for `--help`, and for one prediction in a fresh process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.record import write

REPEATS = 9


def seconds(command: list[str], text: str = "") -> dict[str, Any]:
    """Median, fastest and slowest wall time of a command."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(command, input=text, text=True, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - start)
    return {"median": statistics.median(times), "fastest": min(times), "slowest": max(times), "runs": REPEATS}


def main() -> None:
    """Measure, after training the bundled sample once."""
    timesteps = [sys.executable, "-m", "timesteps"]
    with tempfile.TemporaryDirectory() as folder:
        run = str(Path(folder) / "run")
        start = time.perf_counter()
        subprocess.run([*timesteps, "train", "classify", "--out", run], check=True, stdout=subprocess.DEVNULL)
        figures = {"train classify (bundled sample, with baselines)": {"median": time.perf_counter() - start, "runs": 1}}
        figures["timesteps --help"] = seconds([*timesteps, "--help"])
        figures["timesteps predict, one line"] = seconds([*timesteps, "predict", run, "-"], "정말 재미있는 영화\n")
        figures["import timesteps.runtime.session"] = seconds([sys.executable, "-c", "import timesteps.runtime.session"])
    for name, figure in figures.items():
        print(f"{name}: {figure['median']:.3f} s")
    write("startup", figures)


main()
