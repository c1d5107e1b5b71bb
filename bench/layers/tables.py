"""The tables of docs/speed.md, from bench/results/layers.json and layers-peers.json."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from bench.layers.asked import asked
from bench.layers.entries import Entry, entries, find, name_of, ratio_of, times_plain
from bench.layers.plan import BATCH, CELLS, HIDDEN, PEER_RESULTS, PEERS, RESULTS, WORKS
from bench.markdown import UNMEASURED, Read, machine_of, table

ABSENT = "–"
NOISY = 0.2
"""Quartiles further apart than this share of the median: the machine was not quiet."""


def shown(spread: dict[str, float], least: float = 1.0) -> str:
    """A ratio; bold below `least`, with ~ where it was noisy.

    >>> shown({"median": 0.974, "low": 0.8, "high": 1.1})
    '**0.97**~'
    """
    median = spread["median"]
    # Cut, not rounded: 0.996 is not 1.00. 1.15 is a little less in binary, and stays 1.15.
    text = f"{math.floor(median * 100 + 1e-6) / 100:.2f}" if median < 10 else f"{median:.1f}"
    noisy = (spread["high"] - spread["low"]) / median > NOISY
    return (f"**{text}**" if median < least else text) + "~" * noisy


def us(seconds: float) -> str:
    """Microseconds, three digits of them at least where there are so many."""
    return f"{1e6 * seconds:,.0f}" if seconds >= 1e-4 else f"{1e6 * seconds:.1f}"


def _grid(read: Read, work: str) -> str:
    """One thread: a row a size, for each batch torch's time to ours, our time, the share of the peak."""
    found = entries(read, RESULTS, "grid", work=work, threads=1)
    head = ["layer", "I = H"]
    for batch in BATCH:
        head += [f"B={batch}: torch ÷ ours", "ours, µs", "% of peak"]
    rows = []
    for cell in CELLS:
        for hidden in HIDDEN:
            here = [find(found, cell=cell, hidden=hidden, batch=batch) for batch in BATCH]
            if any(here):
                rows.append([cell, str(hidden), *(part for each in here for part in _grid_parts(each))])
    return table(head, rows or [[UNMEASURED, *[""] * (len(head) - 1)]])


def _grid_parts(entry: Entry | None) -> list[str]:
    if entry is None:
        return [ABSENT] * 3
    measured = entry["measured"]
    share = measured["peak_share"]
    return [
        shown(measured["ratio"]),
        us(measured["seconds"]["timesteps"]),
        ABSENT if share is None else f"{100 * share['median']:.0f}",
    ]


def forward(read: Read) -> str:
    """Inference."""
    return _grid(read, "forward")


def training(read: Read) -> str:
    """Forward and backward."""
    return _grid(read, "training")


def threads(read: Read) -> str:
    """Two threads: torch's time to ours, and our time on one thread to ours on two."""
    found = entries(read, RESULTS, "grid")
    head = ["layer", "work", "I = H"]
    for batch in BATCH:
        head += [f"B={batch}: torch ÷ ours", "one ÷ two threads"]
    rows = []
    for cell in CELLS:
        for work in WORKS:
            for hidden in HIDDEN:
                parts = []
                for batch in BATCH:
                    case = {"cell": cell, "work": work, "hidden": hidden, "batch": batch}
                    one, two = (find(found, **case, threads=count) for count in (1, 2))
                    parts += [ABSENT if two is None else shown(two["measured"]["ratio"]), _gain(one, two)]
                if set(parts) != {ABSENT}:
                    rows.append([cell, work, str(hidden), *parts])
    return table(head, rows or [[UNMEASURED, *[""] * (len(head) - 1)]])


def _gain(one: Entry | None, two: Entry | None) -> str:
    if one is None or two is None:
        return ABSENT
    return f"{one['measured']['seconds']['timesteps'] / two['measured']['seconds']['timesteps']:.2f}"


def behind(read: Read) -> str:
    """Every measured cell of the grid where torch is ahead."""
    found = entries(read, RESULTS, "grid")
    head = ["behind torch", "torch ÷ ours", "quartiles", "ours, µs", "torch, µs"]
    if not found:
        return table(head, [[UNMEASURED, "", "", "", ""]])
    rows = []
    for each in sorted((e for e in found if ratio_of(e) < 1), key=ratio_of):
        measured = each["measured"]
        seconds, ratio = measured["seconds"], measured["ratio"]
        quartiles = f"{ratio['low']:.2f} to {ratio['high']:.2f}"
        rows.append([name_of(each), shown(ratio), quartiles, us(seconds["timesteps"]), us(seconds["torch"])])
    return table(head, rows or [[f"none of {len(found)} cells measured", "", "", "", ""]])


def lengths(read: Read) -> str:
    """Rows of different lengths."""
    head = ["layer", "work", "ours, µs", "ours ÷ arithmetic", "torch packed ÷ arithmetic", "torch padded ÷ arithmetic"]
    head += ["torch packed ÷ ours", "torch padded ÷ ours"]
    rows = []
    for each in entries(read, RESULTS, "lengths"):
        case, measured = each["case"], each["measured"]
        multiples = [f"{measured['times_arithmetic'][name]:.2f}" for name in measured["seconds"]]
        ratios = [shown(measured["ratio"][name]) for name in ("torch packed", "torch padded")]
        rows.append([case["cell"], case["work"], us(measured["seconds"]["timesteps"]), *multiples, *ratios])
    return table(head, rows or [[UNMEASURED, *[""] * (len(head) - 1)]])


def regularisers(read: Read) -> str:
    """What each costs."""
    head = ["layer", "H", "plain, µs", "with", "× plain"]
    rows = []
    for each in entries(read, RESULTS, "regularisers"):
        case, measured = each["case"], each["measured"]
        plain = us(measured["seconds"]["plain"])
        for name, spread in times_plain(each).items():
            rows.append([case["cell"], str(case["hidden"]), plain, name, shown(spread, least=0.0)])
    return table(head, rows or [[UNMEASURED, *[""] * (len(head) - 1)]])


def linear(read: Read) -> str:
    """Layers whose recurrence is linear."""
    head = ["layer", "work", "T", "I = H", "ours, µs", "loop ÷ ours", "torch's GRU ÷ ours"]
    rows = []
    for each in entries(read, RESULTS, "linear"):
        case, measured = each["case"], each["measured"]
        ratios = [shown(measured["ratio"][name]) for name in ("loop", "torch GRU")]
        rows.append([case["cell"], case["work"], str(case["steps"]), str(case["hidden"]),
                     us(measured["seconds"]["timesteps"]), *ratios])  # fmt: skip
    return table(head, rows or [[UNMEASURED, *[""] * (len(head) - 1)]])


def call(read: Read) -> str:
    """What a call costs when there is next to nothing to compute."""
    head = ["layer", "work", "ours, µs", "torch's, µs", "torch ÷ ours"]
    rows = []
    for each in entries(read, RESULTS, "call"):
        case, measured = each["case"], each["measured"]
        times = [us(measured["seconds"][name]) for name in ("timesteps", "torch")]
        rows.append([case["cell"], case["work"], *times, shown(measured["ratio"])])
    return table(head, rows or [[UNMEASURED, *[""] * (len(head) - 1)]])


def overhead(read: Read) -> str:
    """What a call costs beside its kernels."""
    head = ["layer", "work", "a call, µs", "beyond its kernels, µs"]
    rows = []
    for each in entries(read, RESULTS, "overhead"):
        case, seconds = each["case"], each["measured"]["seconds"]
        rows.append([case["cell"], case["work"], us(seconds["call"]), us(seconds["beyond"])])
    return table(head, rows or [[UNMEASURED, *[""] * (len(head) - 1)]])


def memory(read: Read) -> str:
    """What is kept for backward, and what stays."""
    head = ["layer", "kept, MiB", "torch keeps, MiB", "recompute=20 keeps, MiB", "batches", "growth, MiB"]
    rows = []
    for each in entries(read, RESULTS, "memory"):
        measured = each["measured"]
        kept = [f"{measured['kept'][name] / 2**20:.2f}" for name in ("timesteps", "torch", "recompute")]
        rows.append([each["case"]["cell"], *kept, f"{measured['batches']:,}", f"{measured['growth'] / 2**20:.1f}"])
    return table(head, rows or [[UNMEASURED, *[""] * (len(head) - 1)]])


def step(read: Read) -> str:
    """A whole training step."""
    head = ["layer in the model", "ours, µs", "torch's, µs", "torch ÷ ours"]
    rows = []
    for each in entries(read, RESULTS, "step"):
        measured = each["measured"]
        times = [us(measured["seconds"][name]) for name in ("timesteps", "torch")]
        rows.append([each["case"]["cell"], *times, shown(measured["ratio"])])
    return table(head, rows or [[UNMEASURED, *[""] * (len(head) - 1)]])


def peers(read: Read) -> str:
    """Other libraries' time to ours."""
    head = ["layer", "work", "I = H", "threads", *(f"B={batch}: {peer}" for batch in BATCH for peer in PEERS)]
    found = entries(read, PEER_RESULTS, "peer")
    rows = []
    for cell, work, hidden, count in _keys(found, ("cell", "work", "hidden", "threads")):
        case = {"cell": cell, "work": work, "hidden": hidden, "threads": count}
        parts = []
        for batch in BATCH:
            for peer in PEERS:
                each = find(found, **case, batch=batch, peer=peer)
                parts.append(ABSENT if each is None else shown(each["measured"]["ratio"]))
        rows.append([cell, work, str(hidden), str(count), *parts])
    return table(head, rows or [[UNMEASURED, *[""] * (len(head) - 1)]])


def _keys(found: Sequence[Entry], names: Sequence[str]) -> list[tuple[Any, ...]]:
    keys = {tuple(each["case"][name] for name in names) for each in found}
    return sorted(keys, key=lambda key: (CELLS.index(key[0]), *key[1:]))


def sources(read: Read) -> str:
    """What gave the figures."""
    head = ["file in bench/results", "cases", "commit", "machine", "versions"]
    rows = []
    for name in (RESULTS, PEER_RESULTS):
        content = read(name)
        if content is None:
            rows.append([f"`{name}.json`", UNMEASURED, "", "", ""])
            continue
        for number, each in enumerate(content["provenances"]):
            count = sum(entry["provenance"] == number for entry in content["results"])
            versions = ", ".join(f"{package} {version}" for package, version in each["versions"].items())
            rows.append([f"`{name}.json`", str(count), each["commit"], machine_of(each), versions])
    return table(head, rows)


LAYER_TABLES: dict[str, Callable[[Read], str]] = {
    "speed-asked": asked,
    "speed-behind": behind,
    "speed-forward": forward,
    "speed-training": training,
    "speed-threads": threads,
    "speed-lengths": lengths,
    "speed-linear": linear,
    "speed-regularisers": regularisers,
    "speed-step": step,
    "speed-call": call,
    "speed-overhead": overhead,
    "speed-memory": memory,
    "speed-peers": peers,
    "speed-sources": sources,
}
