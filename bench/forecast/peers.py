"""`python -m bench.forecast.peers NAME …`: AutoETS of statsforecast on the tasks, in an interpreter that has it.

`make bench-peers` makes one. A model is fitted anew at every origin, so only some of them are judged (`Task.thinned`),
and the rules beside it on the same ones.
"""

from __future__ import annotations

import argparse
import time

from bench.forecast.quality import by_rule, figures, judged
from bench.forecast.sets import TASKS
from bench.layers import store
from timesteps.tasks.forecast.baselines import Drift, LastValue, SeasonalNaive
from timesteps.tasks.forecast.baselines_classical import Classical


def main() -> None:
    """Judge AutoETS on each task."""
    parser = argparse.ArgumentParser(prog="python -m bench.forecast.peers", description=__doc__)
    parser.add_argument("names", nargs="+", choices=TASKS, metavar="NAME", help=", ".join(TASKS))
    parser.add_argument("--to", default="forecast", metavar="NAME", help="bench/results/NAME.json")
    asked = parser.parse_args()
    for name in asked.names:
        task = TASKS[name]()
        windows = task.windows[:: task.thinned]
        begin = time.perf_counter()
        found = figures(judged(task, Classical("ets", task.season, task.frequency), windows))
        measured = {
            "AutoETS": found | {"seconds": time.perf_counter() - begin},
            "windows": len(windows),
            "thinned": task.thinned,
        }
        for rule in (LastValue(), Drift(), SeasonalNaive(task.season)):
            measured[rule.name] = figures(by_rule(task, rule, windows))
        store.add(asked.to, "peers", {"task": name}, measured, ("statsforecast",))
        print(f"{name}: AutoETS {task.figure} {found[task.figure]:.4f} at {len(windows)} origins", flush=True)


if __name__ == "__main__":
    main()
