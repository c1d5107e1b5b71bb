"""Thousands of short series in one model: peak memory and time, each number of series in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

COUNTS = (1_000, 3_000, 10_000)
STEPS, HORIZON, CONTEXT, EPOCHS = 60, 6, 24, 2


def measure(count: int) -> dict[str, Any]:
    """Seconds and peak memory of a fit."""
    command = [sys.executable, "-m", "bench.forecast.many", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return 1024 * int(re.findall(r"VmHWM:\s+([0-9]+)", Path("/proc/self/status").read_text())[0])


def main() -> None:
    """Fit on so many series of a season of 12 steps, of different lengths, sizes and slopes."""
    import numpy as np

    from timesteps.runtime.series.frequency import Frequency
    from timesteps.runtime.series.series import Columns, Series
    from timesteps.tasks.forecast.choices import choose
    from timesteps.tasks.forecast.fitting import fit_series

    count, numbers = int(sys.argv[1]), np.random.default_rng(0)
    series = []
    for place in range(count):
        length = int(numbers.integers(STEPS // 2 + HORIZON + CONTEXT, STEPS + HORIZON + CONTEXT))
        size, phase = np.exp(numbers.normal(3, 2)), numbers.uniform(0, 12)
        season = 1 + 0.3 * np.sin(2 * np.pi * (np.arange(length) + phase) / 12)
        wandering = np.exp(np.cumsum(numbers.normal(0, 0.03, length)))
        months = np.datetime64("2000-01", "M") + np.arange(length)
        series.append(Series(f"s{place}", months.astype("datetime64[us]"), (size * season * wandering)[:, None]))
    before = peak_bytes()
    choices = choose(
        horizon=HORIZON, context_length=CONTEXT, epochs=EPOCHS, hidden_size=64, max_windows=10**9, patience=EPOCHS
    )
    wall, begin = time.perf_counter(), time.process_time()
    fitted = fit_series(series, Columns(targets=("value",), group="series"), Frequency("month"), choices)
    found = {
        "seconds": time.process_time() - begin,
        "wall_seconds": time.perf_counter() - wall,
        "peak_bytes": peak_bytes(),
        "peak_before_bytes": before,
        "data_bytes": sum(each.targets.nbytes + each.times.nbytes for each in series),
        "steps": sum(map(len, series)),
        "windows": fitted.figures["train_windows"],
        "epochs": EPOCHS,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
