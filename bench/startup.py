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


def seconds(command: list[str], text: str = "", limit: float | None = None, repeats: int = REPEATS) -> dict[str, Any]:
    """Median, fastest and slowest wall time of a command, and the seconds it may take."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, input=text, text=True, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - start)
    return {
        "median": statistics.median(times),
        "fastest": min(times),
        "slowest": max(times),
        "runs": repeats,
        "limit": limit,
    }


def main() -> None:
    """Measure, after training the bundled sample once."""
    timesteps = [sys.executable, "-m", "timesteps"]
    with tempfile.TemporaryDirectory() as folder:
        run = str(Path(folder) / "run")
        train = seconds([*timesteps, "train", "classify", "--out", run], limit=180.0, repeats=1)
        figures = {
            "`timesteps --help`": seconds([*timesteps, "--help"], limit=0.4),
            "`timesteps predict`, one line": seconds(
                [*timesteps, "predict", run, "-"], "정말 재미있는 영화\n", limit=1.0
            ),
            "`import timesteps.runtime.session`": seconds([sys.executable, "-c", "import timesteps.runtime.session"]),
            "`timesteps train classify`, bundled sample, with its baselines and the report": train,
        }
    for name, figure in figures.items():
        print(f"{name}: {figure['median']:.3f} s")
    write("startup", figures)


if __name__ == "__main__":
    main()
