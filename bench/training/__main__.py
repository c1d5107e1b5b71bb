"""`python -m bench.training`: measure, and merge each case into bench/results/training.json as soon as it is done.

Without options: all models on one thread and two, and the epochs, whose data are found through TIMESTEPS_DATA.
`--parts` and `--threads` pick some; `python -m bench.training.peers` adds other libraries.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from bench import record
from bench.layers import store
from bench.layers.options import numbers, some_of
from bench.training import epochs, steps
from bench.training.plan import GROUPS, PARTS, RESULTS, THREADS

Job = tuple[str, dict[str, Any], Callable[[], dict[str, Any]]]
"""Group, case, and the measurement."""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked, defaults filled in."""
    parser = argparse.ArgumentParser(prog="python -m bench.training", description=__doc__)
    parser.add_argument("--parts", type=some_of(PARTS), default=PARTS, help=",".join(PARTS))
    parser.add_argument("--threads", type=numbers, default=THREADS, help=",".join(map(str, THREADS)))
    parser.add_argument("--rounds", type=int, default=9, help="at least so many, %(default)s without; epochs: a third")
    parser.add_argument("--to", default=RESULTS, metavar="NAME", help="bench/results/NAME.json")
    return parser.parse_args(words)


def jobs(asked: argparse.Namespace) -> list[Job]:
    """The measurements, cheap ones first."""
    found: list[Job] = []
    for part, models in GROUPS.items():
        for model in models if part in asked.parts else []:
            for threads in asked.threads:
                case = {**asdict(model), "threads": threads}
                found.append((part, case, lambda m=model, t=threads: steps.measure(m, t, asked.rounds)))
    for name in epochs.EPOCHS if "epochs" in asked.parts else []:
        for threads in asked.threads:
            rounds = max(2, asked.rounds // 3)
            case = {"name": name, "threads": threads}
            found.append(("epochs", case, lambda n=name, t=threads, r=rounds: epochs.measure(n, t, r)))
    return found


def main() -> None:
    """Measure; exit 1 where the engines and torch disagree."""
    asked = arguments()
    try:
        store.check_machine(record.read(asked.to), store.provenance())
    except ValueError as error:
        sys.exit(f"bench/results/{asked.to}.json: {error}")
    todo, disagree = jobs(asked), 0
    for number, (group, case, run) in enumerate(todo, 1):
        measured = run()
        store.add(asked.to, group, case, measured)
        tolerance = epochs.TOLERANCE if group == "epochs" else steps.TOLERANCE
        wrong = [f"; {name} is off by {error:.2g}" for name, error in measured["errors"].items() if error > tolerance]
        disagree += bool(wrong)
        name = " ".join(f"{key} {value}" for key, value in case.items())
        times = ", ".join(f"{each} {1e3 * seconds:,.2f} ms" for each, seconds in measured["seconds"].items())
        print(f"{number}/{len(todo)} {group}: {name}: {times}{''.join(wrong)}", flush=True)
    if disagree:
        sys.exit(f"{disagree} of {len(todo)} cases are wrong")


if __name__ == "__main__":
    main()
