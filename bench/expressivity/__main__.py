"""`python -m bench.expressivity`: every cell on every task, five seeds; some four minutes."""

from __future__ import annotations

import sys
from typing import Any

from bench.record import write
from timesteps.inspect.expressivity import CELLS, TASKS, expressivity

SEEDS = (0, 1, 2, 3, 4)


def main() -> None:
    """Train and judge all of them, and write bench/results/expressivity.json."""
    figures: dict[str, Any] = {}
    for task in TASKS:
        figures[task] = {}
        for cell in CELLS:
            runs = [expressivity(cell, task, seed=seed) for seed in SEEDS]
            figures[task][cell] = {"trained_to": runs[0].trained_to, "runs": [_run(run.to_dict()) for run in runs]}
            print(task, cell, *(f"{run.accuracy[max(run.accuracy)]:.4f}" for run in runs), file=sys.stderr, flush=True)
    write("expressivity", figures)


def _run(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("seed", "accuracy", "chance", "seconds")}


if __name__ == "__main__":
    main()
