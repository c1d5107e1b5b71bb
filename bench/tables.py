"""`python -m bench.tables`: write the tables of README.md and docs/*.md anew from bench/results.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. What was not measured is shown as such, and a figure
below what was asked says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.expressivity.tables import expressivity
from bench.forecast.tables import FORECAST_TABLES
from bench.int8.tables import int8
from bench.language.tables import language
from bench.layers.tables import LAYER_TABLES
from bench.markdown import UNMEASURED, Read, machine_of, table
from bench.quality.recipes import BEST, RECIPES, Owed, Recipe
from bench.record import read
from bench.sensors.tables import sensors
from bench.spelling.tables import spelling
from bench.streaming.tables import streaming
from bench.training.tables import TRAINING_TABLES

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n)(?P<body>.*?)(<!-- end -->)", re.S)


def _result(recipe: Recipe, read: Read) -> dict[str, Any] | None:
    content = read(f"quality-{recipe.name}")
    return None if content is None else content["results"]


def _baselines(recipe: Recipe, read: Read) -> dict[str, dict[str, Any]]:
    """Baselines on the rows of the recipe, without the most frequent class; measured once a data set."""
    for other in RECIPES:
        if other.baselines and (other.dataset, other.held_out) == (recipe.dataset, recipe.held_out):
            found = (_result(other, read) or {}).get("baselines", [])
            return {each["name"]: each for each in found if each["name"] != "majority"}
    return {}


def reaches(owed: Owed, accuracy: float, baselines: dict[str, float]) -> bool | None:
    """Whether an accuracy is what was asked; None where the baseline was not measured. All in percent."""
    if owed.least is not None and accuracy < owed.least:
        return False
    if owed.above is None:
        return True
    bar = max(baselines.values(), default=None) if owed.above == BEST else baselines.get(owed.above)
    if bar is None:
        return None
    difference = round(accuracy - bar, 6)  # 88.0 - 87.3 is not quite 0.7 in binary
    return difference >= owed.points if owed.points else difference > 0


def tasks(read: Read) -> str:
    """What a user can do, and how good it is."""
    rows = []
    for recipe in RECIPES:
        result, baselines = _result(recipe, read), _baselines(recipe, read)
        theirs = {name: 100 * each["accuracy"] for name, each in baselines.items()}
        score, asked = UNMEASURED, recipe.owed.words
        if result is not None:
            accuracy = {name: 100 * value for name, value in result["accuracy"].items()}
            spread = f"{accuracy['lowest']:.2f} to {accuracy['highest']:.2f}"
            score = f"**{accuracy['mean']:.2f} %** ({_seeds(result)}: {spread})"
            reached = reaches(recipe.owed, accuracy["mean"], theirs)
            asked += {True: ": reached", False: ": **not reached**", None: ": baseline not measured yet"}[reached]
        bars = ", ".join(f"{name} {value:.2f} %" for name, value in theirs.items()) or UNMEASURED
        rows.append([f"`{recipe.command}`", f"`{recipe.python}`", recipe.what, score, bars, asked])
    return table(["command", "class", "real data", "accuracy", "baselines, same rows", "asked"], rows)


def startup(read: Read) -> str:
    """How long a user waits."""
    content = read("startup")
    head = ["", "seconds", "asked"]
    if content is None:
        return table(head, [["start-up times", UNMEASURED, ""]])
    rows = []
    for name, figure in content["results"].items():
        limit = figure.get("limit")
        asked = ""
        if limit is not None:
            asked = f"≤ {limit:g}: " + ("reached" if figure["median"] <= limit else "**not reached**")
        rows.append([name, f"{figure['median']:.2f}", asked])
    return table(head, rows) + f"\nMedian of fresh processes on {machine_of(content)}; commit {content['commit']}.\n"


def quality(read: Read) -> str:
    """Every recipe in detail."""
    head = ["recipe", "trained on", "judged on", "accuracy, %", "lowest to highest", "log loss"]
    head += ["training, s", "model, MiB", "peak memory, MiB", "seeds"]
    rows = []
    for recipe in RECIPES:
        result = _result(recipe, read)
        if result is None:
            rows.append([f"`{recipe.name}`", UNMEASURED, *[""] * (len(head) - 2)])
            continue
        accuracy = {name: 100 * value for name, value in result["accuracy"].items()}
        rows.append(
            [
                f"`{recipe.name}`",
                f"{result['trained_on']:,}",
                f"{result['judged_on']:,}",
                f"{accuracy['mean']:.2f} ± {accuracy['stdev']:.2f}",
                f"{accuracy['lowest']:.2f} to {accuracy['highest']:.2f}",
                f"{result['log_loss']['mean']:.4f}",
                f"{result['training_seconds']['mean']:.0f}",
                f"{result['model_bytes'] / 2**20:.0f}",
                f"{result['peak_memory_bytes'] / 2**20:,.0f}",
                _seeds(result),
            ]
        )
    return table(head, rows)


def baselines(read: Read) -> str:
    """The baselines in detail."""
    rows = []
    for recipe in RECIPES:
        if not recipe.baselines:
            continue
        found = _baselines(recipe, read)
        for name, each in found.items():
            low, high = (100 * bound for bound in each["accuracy_interval"])
            figures = [f"{100 * each['accuracy']:.2f}", f"{low:.2f} to {high:.2f}", f"{each['macro_f1']:.4f}"]
            rows.append([recipe.what, name, *figures, f"{each['log_loss']:.4f}", f"{each['seconds']:.1f}"])
        if not found:
            rows.append([recipe.what, UNMEASURED, "", "", "", "", ""])
    head = ["data", "baseline", "accuracy, %", "95 % interval", "macro-F1", "log loss", "seconds"]
    return table(head, rows)


def provenance(read: Read) -> str:
    """Which machine, versions and commit gave which result."""
    rows = []
    for name in [*(f"quality-{recipe.name}" for recipe in RECIPES), "startup"]:
        content = read(name)
        if content is None:
            rows.append([f"`{name}.json`", UNMEASURED, "", ""])
            continue
        versions = ", ".join(f"{package} {version}" for package, version in content["versions"].items())
        rows.append([f"`{name}.json`", content["commit"], machine_of(content), versions])
    return table(["file in bench/results", "commit", "machine", "versions"], rows)


def footprint(read: Read) -> str:
    """What training takes beside its steps."""
    content = read("footprint")
    head = ["", "measured", "asked"]
    if content is None:
        return table(head, [["memory, extraction, start-up", UNMEASURED, ""]])
    found, rows = content["results"], []

    def row(what: str, value: str, asked: str, reached: bool) -> None:
        rows.append([what, value, f"{asked}: " + ("reached" if reached else "**not reached**")])

    if nsmc := found.get("nsmc"):
        mib = nsmc["peak"] / 2**20
        least = nsmc["table_and_moments"] / 2**20
        what = (
            f"peak memory, recipe `default`, of which table and moments of {nsmc['features']:,} n-grams {least:.0f} MiB"
        )
        row(what, f"{mib:,.0f} MiB", "≤ 400 MB", nsmc["peak"] <= 400e6)
        first = nsmc["imported"] + nsmc["first_step"]
        row(
            "start of the process to the first step, reading and extraction aside",
            f"{first:.2f} s",
            "≤ 1 s",
            first <= 1,
        )
        rows.append(["reading 150,000 reviews", f"{nsmc['reading']:.1f} s", ""])
        rows.append(["vocabulary, guide and steps of them, recipe `default`", f"{nsmc['extraction_cpu']:.1f} s", ""])
    if wk := found.get("wk"):
        seconds = wk["extraction_cpu"] + wk["training_cpu"]
        extraction, accuracy = wk["extraction_cpu"], 100 * wk["accuracy"]
        what = f"the trial's recipe, accuracy {accuracy:.2f} %: extraction {extraction:.1f} s and training"
        row(what, f"{seconds:.1f} s", "≤ 131 / 3 = 43.7 s", seconds <= 131 / 3)
    grown = sorted((each["bytes"], each["peak"]) for name, each in found.items() if name.startswith("rows-"))
    if len(grown) == 2:
        (small, low), (large, high) = grown
        sizes = f"a file of {small / 2**20:.0f} MiB and one of {large / 2**20:.0f}"
        what = f"peak memory from the disk (`--memory 128MB`), {sizes}"
        row(what, f"{low / 2**20:.0f} and {high / 2**20:.0f} MiB", "constant", high <= 1.1 * low)
    machine = f"{machine_of(content)}; commit {content['commit']}"
    return table(head, rows) + f"\nExtraction and training in processor time of one core: {machine}.\n"


def engines(read: Read) -> str:
    """Both training engines on the same rows and seeds."""
    content = read("engines")
    head = ["data set", "recipe", "seeds", "native", "torch", "largest difference of a seed"]
    if content is None:
        return table(head, [[UNMEASURED] + [""] * 5])
    rows = []
    for name, found in content["results"].items():
        seeds = sorted(found.get("native", {}).keys() & found.get("torch", {}).keys())
        if not seeds:
            continue
        ours, theirs = ([found[engine][seed]["accuracy"] for seed in seeds] for engine in ("native", "torch"))
        spans = [
            f"{100 * fmean(each):.2f} % ({100 * min(each):.2f} to {100 * max(each):.2f})" for each in (ours, theirs)
        ]
        apart = 100 * max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
        recipe = found["recipe"] or "default"
        rows.append([name, recipe, str(len(seeds)), *spans, f"{apart:.2f} points"])
    where = f"{machine_of(content)}; commit {content['commit']}"
    return table(head, rows) + f"\n`python -m bench.engines`, one thread: {where}.\n"


def _seeds(result: dict[str, Any]) -> str:
    done, planned = len(result["seeds"]), len(result["seeds_planned"])
    seeds = f"{done} seeds" if done == planned else f"{done} of {planned} seeds"
    splits = len(result.get("splits", [0]))
    return f"{seeds} on each of {splits} splits" if splits > 1 else seeds


TABLES: dict[str, Callable[[Read], str]] = {
    "tasks": tasks,
    "language": language,
    "spelling": spelling,
    "startup": startup,
    "footprint": footprint,
    "engines": engines,
    "sensors": sensors,
    "streaming": streaming,
    "int8": int8,
    "expressivity": expressivity,
    "quality": quality,
    "baselines": baselines,
    "provenance": provenance,
    **LAYER_TABLES,
    **TRAINING_TABLES,
    **FORECAST_TABLES,
}


def fill(page: str, read: Read = read) -> str:
    """The page with every table made anew. ValueError: a table without end or of an unknown name."""

    def replace(match: re.Match[str]) -> str:
        if match["name"] not in TABLES:
            raise ValueError(f"no table {match['name']!r}; there are {', '.join(TABLES)}")
        if "<!-- table:" in match["body"]:
            raise ValueError(f"the table {match['name']!r} has no end")
        return f"{match[1]}{TABLES[match['name']](read)}{match[4]}"

    filled, found = _BLOCK.subn(replace, page)
    if found != page.count("<!-- table:"):
        raise ValueError("a table has no end, or a name that cannot be read")
    return filled


def main() -> None:
    """Write the pages that have changed."""
    for path in PAGES:
        old = path.read_text("utf-8")
        new = fill(old)
        if new != old:
            path.write_text(new, "utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
