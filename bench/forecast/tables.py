"""The tables of bench/results/forecast.json: forecasts beside baselines, epochs beside torch.nn, many series."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

from bench.layers.entries import Entry, entries
from bench.markdown import UNMEASURED, Read, machine_of, table

RESULTS = "forecast"
FASTER = 3.0  # times: asked of an epoch

#: Tasks: what they are, their figure, and the most that was asked of it, or the baselines that it was to beat.
TASKS: dict[str, tuple[str, str, float | tuple[str, ...]]] = {
    "etth1-24": ("ETTh1, 7 variables, 24 hours ahead", "mse", 0.35),
    "etth1-168": ("ETTh1, 168 hours ahead", "mse", 0.52),
    "case-shiller": ("Case-Shiller cities, 12 months ahead", "mase", ("drift", "seasonal naive", "AutoETS")),
    "bis": ("BIS real house prices, Korea and 20 countries, 4 quarters ahead", "mase", ("drift",)),
    "stocks": ("AAPL, GOOG, IBM, MSFT, 5 days ahead", "mae", ("last value",)),
}
SLACK = {"stocks": 1.01}  # times the baseline that is allowed
COVERED = {"bis": (75.0, 85.0), "stocks": (75.0, 85.0)}  # percent, asked of the intervals of 80 %
RULES = ("last value", "drift", "seasonal naive", "linear")


def _found(read: Read, group: str, **case: Any) -> list[dict[str, Any]]:
    return [each["measured"] for each in entries(read, RESULTS, group, **case)]


def forecasts(read: Read) -> str:
    """Each task: ours over the seeds, the rules, AutoETS, and what was asked."""
    head = ["what", "", "ours (lowest to highest)", "last value", "drift", "seasonal naive", "linear", "AutoETS"]
    rows = []
    for name, (what, figure, asked) in TASKS.items():
        seeds = _found(read, "quality", task=name)
        if not seeds:
            rows.append([what, figure.upper(), UNMEASURED, *[""] * 6])
            continue
        values = [each[figure] for each in seeds]
        bars = {key: each[figure] for key, each in _found(read, "rules", task=name)[0].items()}
        row = [what, figure.upper(), f"**{fmean(values):.3f}** ({min(values):.3f} to {max(values):.3f})"]
        row += [f"{bars[key]:.3f}" if key in bars else "" for key in RULES]
        ets, said = "", _said(_reached(name, fmean(values), bars, asked))
        if peers := _found(read, "peers", task=name):
            same = fmean(each["thinned"][figure] for each in seeds)
            theirs = peers[0]["AutoETS"][figure]
            ets = f"{theirs:.3f} (ours {same:.3f} at the same {peers[0]['windows']} origins)"
            if isinstance(asked, tuple) and "AutoETS" in asked:
                said = _said(_reached(name, fmean(values), bars, asked) and same <= theirs)
        elif isinstance(asked, tuple) and "AutoETS" in asked:
            ets = said = UNMEASURED
        words = f"< {asked:g}" if isinstance(asked, float) else "no worse than " + ", ".join(asked)
        words += " by more than 1 %" if name in SLACK else ""
        rows.append([*row, ets, f"{words}: {said}"])
    return table([*head, "asked"], rows) + _provenance(read, "quality")


def _said(reached: bool) -> str:
    return "reached" if reached else "**not reached**"


def _reached(name: str, value: float, bars: dict[str, float], asked: float | tuple[str, ...]) -> bool:
    if isinstance(asked, float):
        return value < asked
    return all(value <= SLACK.get(name, 1.0) * bars[bar] for bar in asked if bar in bars)


def intervals(read: Read) -> str:
    """What share of the truth the intervals hold, and what a run costs."""
    head = ["", "80 %: covered, by seed", "95 %: covered, by seed", "asked", "training, s", "windows judged"]
    rows = []
    for name, (what, _, _) in TASKS.items():
        seeds = _found(read, "quality", task=name)
        if not seeds:
            rows.append([what, UNMEASURED, *[""] * 4])
            continue
        covered = {level: [each["intervals"][level]["covered"] for each in seeds] for level in ("80", "95")}
        asked = ""
        if name in COVERED:
            low, high = COVERED[name]
            inside = all(low <= each <= high for each in covered["80"])
            asked = f"{low:g} to {high:g} %: {_said(inside)}"
        shown = [", ".join(f"{each:.1f}" for each in covered[level]) for level in ("80", "95")]
        seconds = fmean(each["training_seconds"] for each in seeds)
        rows.append([what, *shown, asked, f"{seconds:.0f}", f"{seeds[0]['windows']:,}"])
    return table(head, rows)


def speed(read: Read) -> str:
    """An epoch of ETTh1 beside torch.nn."""
    head = ["hidden 64, context 96 hours, one thread", "ours, s", "torch.nn, s", "ratio (quartiles)", "asked"]
    rows = []
    for each in entries(read, RESULTS, "speed"):
        found, ratio = each["measured"], each["measured"]["ratio"]
        scaled = {key: value * found["windows"] / found["rows"] for key, value in found["seconds"].items()}
        spread = f"{ratio['median']:.2f}× ({ratio['low']:.2f} to {ratio['high']:.2f})"
        row = [each["case"]["name"], f"{scaled['native']:.1f}", f"{scaled['torch.nn']:.1f}", spread]
        rows.append([*row, f"≥ {FASTER:g}×: {_said(ratio['median'] >= FASTER)}"])
    if not rows:
        rows.append(["an epoch of ETTh1", UNMEASURED, "", "", ""])
    return table(head, rows) + _provenance(read, "speed")


def many(read: Read) -> str:
    """Thousands of short series in one model."""
    head = [
        "series",
        "steps in all",
        "windows",
        "seconds of 2 epochs",
        "per 1,000 series",
        "peak memory, MiB",
        "of the data",
    ]
    rows = []
    for each in entries(read, RESULTS, "many"):
        count, found = each["case"]["series"], each["measured"]
        row = [f"{count:,}", f"{found['steps']:,}", f"{found['windows']:,}", f"{found['seconds']:.1f}"]
        row += [f"{1000 * found['seconds'] / count:.2f}", f"{found['peak_bytes'] / 2**20:,.0f}"]
        rows.append([*row, f"{found['data_bytes'] / 2**20:.1f}"])
    if not rows:
        rows.append([UNMEASURED, *[""] * 6])
    return table(head, rows) + _provenance(read, "many")


def _provenance(read: Read, group: str) -> str:
    """Which machine and commits gave the figures of a group."""
    found: list[Entry] = entries(read, RESULTS, group)
    if not found:
        return ""
    content = read(RESULTS)
    assert content is not None
    used = [content["provenances"][number] for number in sorted({each["provenance"] for each in found})]
    commits = ", ".join(dict.fromkeys(each["commit"] for each in used))
    return f"\n`python -m bench.forecast`, {machine_of(used[0])}; commit {commits}.\n"


FORECAST_TABLES: dict[str, Callable[[Read], str]] = {
    "forecasts": forecasts,
    "forecast-intervals": intervals,
    "forecast-speed": speed,
    "forecast-many": many,
}
