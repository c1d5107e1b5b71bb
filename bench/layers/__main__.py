"""`python -m bench.layers`: measure, and merge each case into bench/results/layers.json as soon as it is done.

Without options: everything (docs/speed.md says how long that takes). `--quick`: what takes little. `--cells`, `--work`
and `--threads` pick from all parts that have them; where `--hidden` or `--batch` picks cells of the grid, the grid
alone is measured unless `--parts` asks for more.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from bench import record
from bench.layers import lengths, linear, memory, regularisers, step, store
from bench.layers.options import numbers, some_of
from bench.layers.plan import (
    BATCH,
    CELLS,
    HIDDEN,
    LINEAR_CELLS,
    LINEAR_HIDDEN,
    LINEAR_STEPS,
    PARTS,
    QUICK,
    REGULARISED_HIDDEN,
    RESULTS,
    THREADS,
    WORKS,
)
from timesteps.inspect.overhead import measure_overhead
from timesteps.inspect.speed import Case, faults, grid, measure
from timesteps.inspect.timing import ROUNDS

Job = tuple[str, dict[str, Any], Callable[[], dict[str, Any]]]
"""Group, case, and the measurement."""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked, defaults filled in."""
    parser = argparse.ArgumentParser(prog="python -m bench.layers", description=__doc__)
    parser.add_argument("--cells", type=some_of(CELLS), help="RNN,LSTM,GRU")
    parser.add_argument("--hidden", type=numbers, help=",".join(map(str, HIDDEN)))
    parser.add_argument("--batch", type=numbers, help=",".join(map(str, BATCH)))
    parser.add_argument("--work", type=some_of(WORKS), help=",".join(WORKS))
    parser.add_argument("--threads", type=numbers, help=",".join(map(str, THREADS)))
    parser.add_argument("--parts", type=some_of(PARTS), help=",".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="the cells that take little")
    parser.add_argument("--missing", action="store_true", help="only what the result file does not have")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="at least so many, %(default)s without")
    parser.add_argument("--to", default=RESULTS, metavar="NAME", help="bench/results/NAME.json")
    asked = parser.parse_args(words)
    full = {"cells": CELLS, "hidden": HIDDEN, "batch": BATCH, "work": WORKS, "threads": THREADS, "parts": PARTS}
    defaults = full | (QUICK if asked.quick else {})
    if asked.hidden is not None or asked.batch is not None:
        defaults["parts"] = ("grid",)
    for name, default in defaults.items():
        if getattr(asked, name) is None:
            setattr(asked, name, default)
    return asked


def jobs(asked: argparse.Namespace) -> list[Job]:
    """The measurements, cheap ones first."""
    found: list[Job] = []
    if "call" in asked.parts:
        found += [
            _of_grid("call", each, asked.rounds) for each in grid(asked.cells, [8], [1], asked.work, [1], steps=1)
        ]
    if "overhead" in asked.parts:
        for cell in asked.cells:
            for work in asked.work:
                found.append(
                    ("overhead", {"cell": cell, "work": work}, lambda c=cell, w=work: _overhead(c, w, asked.rounds))
                )
    if "memory" in asked.parts:
        found += [("memory", {"cell": cell}, lambda cell=cell: memory.measure(cell)) for cell in asked.cells]
    if "step" in asked.parts:
        found += [("step", {"cell": cell}, lambda cell=cell: step.measure(cell, asked.rounds)) for cell in asked.cells]
    if "regularisers" in asked.parts:
        for cell in asked.cells:
            for hidden in REGULARISED_HIDDEN:
                case = {"cell": cell, "hidden": hidden}
                found.append(("regularisers", case, lambda c=case: regularisers.measure(**c, rounds=asked.rounds)))
    if "linear" in asked.parts:
        for steps, hidden, cell, work in itertools.product(LINEAR_STEPS, LINEAR_HIDDEN, LINEAR_CELLS, asked.work):
            case = {"cell": cell, "hidden": hidden, "steps": steps, "work": work}
            found.append(("linear", case, lambda c=case: linear.measure(**c, rounds=asked.rounds)))
    if "grid" in asked.parts:
        cases = grid(asked.cells, asked.hidden, asked.batch, asked.work, asked.threads)
        found += [_of_grid("grid", each, asked.rounds) for each in sorted(cases, key=lambda case: case.operations)]
    if "lengths" in asked.parts:
        for cell in asked.cells:
            for work in asked.work:
                case = {"cell": cell, "work": work}
                found.append(("lengths", case, lambda c=case: lengths.measure(**c, rounds=asked.rounds)))
    return found


def _of_grid(group: str, case: Case, rounds: int) -> Job:
    return group, asdict(case), lambda: measure(case, rounds).to_dict()


def _overhead(cell: str, work: str, rounds: int) -> dict[str, Any]:
    found = measure_overhead(cell, work, rounds)
    return {
        "seconds": {"call": found.call, "beyond": found.beyond.median},
        "beyond": asdict(found.beyond),
        "errors": {},
    }


def missing(todo: Sequence[Job], content: store.Content | None) -> list[Job]:
    """Those that a result file does not have."""
    have = [(each["group"], each["case"]) for each in (content or {"results": []})["results"]]
    return [job for job in todo if job[:2] not in have]


def main() -> None:
    """Measure; exit 1 where ours and theirs disagree."""
    asked = arguments()
    try:
        store.check_machine(record.read(asked.to), store.provenance())
    except ValueError as error:
        sys.exit(f"bench/results/{asked.to}.json: {error}")
    todo, disagree = jobs(asked), 0
    if asked.missing:
        todo = missing(todo, record.read(asked.to))
    for number, (group, case, run) in enumerate(todo, 1):
        measured = run()
        store.add(asked.to, group, case, measured)
        found = faults(measured["errors"], measured.get("torch_errors"))
        disagree += bool(found)
        name = " ".join(f"{key} {value}" for key, value in case.items())
        print(f"{number}/{len(todo)} {group}: {name}: {summary(measured)}{''.join(f'; {each}' for each in found)}")
        sys.stdout.flush()
    if disagree:
        sys.exit(f"{disagree} of {len(todo)} cases are wrong")


def summary(measured: dict[str, Any]) -> str:
    """Microseconds by contestant, or bytes."""
    if "growth" in measured:
        return f"{measured['growth']:,} bytes more after {measured['batches']:,} batches"
    return ", ".join(f"{name} {1e6 * seconds:,.0f} us" for name, seconds in measured["seconds"].items())


if __name__ == "__main__":
    main()
