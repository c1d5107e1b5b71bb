"""`python -m bench.forecast NAME … [--seeds N]`: measure, and merge each case into bench/results/forecast.json.

Names are those of the tasks (quality), `speed` (an epoch beside torch.nn) and `many` (thousands of short series in one
model). The data are found through TIMESTEPS_DATA. `python -m bench.forecast.peers` adds AutoETS.
"""

from __future__ import annotations

import argparse

from bench.forecast import linear, many, quality, speed
from bench.forecast.sets import TASKS
from bench.layers import store

RESULTS = "forecast"


def main() -> None:
    """Measure what was asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.forecast", description=__doc__)
    parser.add_argument("names", nargs="+", choices=[*TASKS, "speed", "many"], metavar="NAME", help=", ".join(TASKS))
    parser.add_argument("--seeds", type=int, default=3, help="%(default)s without")
    parser.add_argument("--first-seed", type=int, default=0, help="to go on where a run has stopped")
    parser.add_argument("--rounds", type=int, default=5, help="of the speed, %(default)s without")
    parser.add_argument("--to", default=RESULTS, metavar="NAME", help="bench/results/NAME.json")
    asked = parser.parse_args()
    for name in asked.names:
        if name == "speed":
            for case in speed.CASES:
                measured = speed.measure(case, asked.rounds)
                store.add(asked.to, "speed", {"name": case}, measured)
                print(f"{case}: {measured['ratio']['median']:.2f} times as fast as torch.nn", flush=True)
        elif name == "many":
            for count in many.COUNTS:
                measured = many.measure(count)
                store.add(asked.to, "many", {"series": count}, measured)
                print(f"{count} series: {measured}", flush=True)
        else:
            task = TASKS[name]()
            rules = quality.rules(task)
            if task.figure == "mse":
                rules["linear"] = linear.measure(task)
            store.add(asked.to, "rules", {"task": name}, rules)
            for seed in range(asked.first_seed, asked.seeds):
                measured = quality.measure(task, seed)
                store.add(asked.to, "quality", {"task": name, "seed": seed}, measured)
                print(f"{name}, seed {seed}: {task.figure} {measured[task.figure]:.4f}", flush=True)


if __name__ == "__main__":
    main()
