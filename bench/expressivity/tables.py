"""The table of bench/results/expressivity.json."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from bench.markdown import UNMEASURED, Read, machine_of, table


def expressivity(read: Read) -> str:
    """The share of right steps by length, and how many seeds are right at every step of the longest sequences."""
    content = read("expressivity")
    if content is None:
        return table(["task", "cell"], [["accuracy by length", UNMEASURED]])
    results = content["results"]
    first = next(iter(next(iter(results.values())).values()))["runs"][0]
    lengths = list(first["accuracy"])
    longest = max(lengths, key=int)
    rows, seconds = [], []
    for task, cells in results.items():
        every = [run for found in cells.values() for run in found["runs"]]
        rows.append([task, "guess", *(_percent([run["chance"][n] for run in every]) for n in lengths), ""])
        for cell, found in cells.items():
            runs = found["runs"]
            right = sum(run["accuracy"][longest] == 1 for run in runs)
            shares = [_percent([run["accuracy"][n] for run in runs]) for n in lengths]
            rows.append([task, f"`{cell}`", *shares, f"{right} of {len(runs)}"])
            seconds += [run["seconds"] for run in runs]
    head = ["task", "cell", *(f"{int(n):,} steps" for n in lengths), f"seeds with no error in {int(longest):,} steps"]
    said = f"Mean of the seeds, in percent. Training takes {min(seconds):.1f} to {max(seconds):.1f} s"
    return table(head, rows) + f"\n{said} on {machine_of(content)}; commit {content['commit']}.\n"


def _percent(shares: Sequence[Any]) -> str:
    """Only what is exact is 100."""
    mean = fmean(shares)
    return "100" if mean == 1 else f"{int(1000 * mean) / 10:.1f}"
