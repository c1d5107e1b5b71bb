"""The tables in the texts are what the result files give, and a figure below what was asked says so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from bench.quality.__main__ import averaged
from bench.quality.recipes import BEST, RECIPES, Owed
from bench.tables import PAGES, TABLES, UNMEASURED, fill, reaches

from timesteps.tasks.classify.recipes import RECIPES as KNOWN


def nothing(name: str) -> None:
    return None


def content(results: dict[str, Any]) -> dict[str, Any]:
    machine = {"processor": "P", "cores": 2, "memory_gib": 4.0, "system": "Linux"}
    return {"commit": "abc1234", "machine": machine, "versions": {"python": "3.11.0"}, "results": results}


def result(accuracy: float, *baselines: tuple[str, float]) -> dict[str, Any]:
    rows = [
        {
            "name": name,
            "seconds": 1.0,
            "accuracy": score,
            "accuracy_interval": [score - 0.01, score + 0.01],
            "macro_f1": score,
            "log_loss": 0.5,
        }
        for name, score in baselines
    ]
    return {
        "seeds": [0, 1],
        "seeds_planned": [0, 1, 2],
        "trained_on": 3000,
        "judged_on": 1000,
        "accuracy": {"mean": accuracy, "stdev": 0.002, "lowest": accuracy - 0.001, "highest": accuracy + 0.002},
        "log_loss": {"mean": 0.3, "stdev": 0.0, "lowest": 0.3, "highest": 0.3},
        "training_seconds": {"mean": 61.2, "stdev": 0.0, "lowest": 61.2, "highest": 61.2},
        "model_bytes": 2**23,
        "peak_memory_bytes": 2**30,
        "baselines": rows,
    }


def line_of(table: str, start: str) -> str:
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {start}")]
    return line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_committed_tables_are_those_of_the_result_files(page: Path) -> None:
    text = page.read_text("utf-8")
    assert fill(text) == text, "run `python -m bench.tables`"


def test_readme_has_a_line_for_every_recipe_and_every_table_is_used() -> None:
    readme = PAGES[0].read_text("utf-8")
    for recipe in RECIPES:
        assert f"| `{recipe.command}` |" in readme
    used = re.findall(r"<!-- table: ([\w-]+) -->", "".join(page.read_text("utf-8") for page in PAGES))
    assert set(used) == set(TABLES)


def test_what_was_not_measured_is_shown_as_such() -> None:
    for name, table in TABLES.items():
        rows = table(nothing).splitlines()[2:]
        assert rows, name
        assert all(UNMEASURED in row for row in rows), name
        assert "reached" not in table(nothing)


def test_the_command_knows_every_recipe_that_is_measured() -> None:
    named = {recipe.arguments[1] for recipe in RECIPES if recipe.arguments[:1] == ("--recipe",)}
    assert named and named <= set(KNOWN)


def test_every_table_is_rectangular() -> None:
    files = {
        "quality-sample": content(result(0.82, ("majority", 0.5), ("TF-IDF", 0.80), ("NBSVM", 0.81))),
        "startup": content({"a": {"median": 0.123, "limit": 0.4}, "b": {"median": 2.0, "limit": None}}),
    }
    for name, table in TABLES.items():
        rows = [line for line in table(files.get).splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1, name


@pytest.mark.parametrize(
    ("accuracy", "says"), [(0.8201, ": reached"), (0.82, ": **not reached**"), (0.79, ": **not reached**")]
)
def test_a_result_below_what_was_asked_says_so(accuracy: float, says: str) -> None:
    files = {"quality-sample": content(result(accuracy, ("majority", 0.9), ("TF-IDF", 0.80), ("NBSVM", 0.82)))}
    line = line_of(TABLES["tasks"](files.get), "`timesteps train classify` ")
    assert line.endswith(f"{says} |")
    assert f"**{100 * accuracy:.2f} %** (2 of 3 seeds: " in line
    assert "TF-IDF 80.00 %, NBSVM 82.00 %" in line
    assert "majority" not in line


def test_a_recipe_is_judged_beside_the_baselines_of_its_own_rows() -> None:
    files = {
        "quality-nsmc": content(result(0.879, ("TF-IDF", 0.872))),
        "quality-nsmc-ensemble": content(result(0.8849)),
        "quality-imdb-no-ngrams": content(result(0.92)),
    }
    table = TABLES["tasks"](files.get)
    assert line_of(table, "`timesteps train classify nsmc` ").endswith("TF-IDF: reached |")
    ensemble = line_of(table, "`timesteps train classify nsmc --members 5 --unguided 2` ")
    assert "TF-IDF 87.20 %" in ensemble
    assert ensemble.endswith("TF-IDF: **not reached** |")
    imdb = line_of(table, "`timesteps train classify imdb --unlabeled imdb --guide-longest 1 ")
    assert "TF-IDF" not in imdb
    assert UNMEASURED in imdb


def test_reaches() -> None:
    points = Owed("", above="TF-IDF", points=0.7)
    assert reaches(points, 88.0, {"TF-IDF": 87.3}) is True
    assert reaches(points, 87.99, {"TF-IDF": 87.3}) is False
    assert reaches(points, 99.0, {}) is None
    both = Owed("", least=92.5, above="NBSVM")
    assert reaches(both, 92.5, {"NBSVM": 92.1}) is True
    assert reaches(both, 92.4, {}) is False
    assert reaches(both, 92.6, {"NBSVM": 92.6}) is False
    best = Owed("", above=BEST)
    assert reaches(best, 81.0, {"TF-IDF": 80.0, "NBSVM": 82.0}) is False
    assert reaches(best, 81.0, {}) is None
    assert reaches(Owed("", least=79.0), 79.0, {}) is True


def test_start_up_times_beside_their_limits() -> None:
    results = {"quick": {"median": 0.4, "limit": 0.4}, "slow": {"median": 1.01, "limit": 1.0}, "free": {"median": 9.0}}
    table = TABLES["startup"]({"startup": content(results)}.get)
    assert line_of(table, "quick").endswith("| 0.40 | ≤ 0.4: reached |")
    assert line_of(table, "slow").endswith("| 1.01 | ≤ 1: **not reached** |")
    assert line_of(table, "free").endswith("| 9.00 |  |")
    assert "2 cores of P, 4 GiB; commit abc1234" in table


def test_fill_replaces_only_what_stands_between_the_marks() -> None:
    page = "before\n<!-- table: startup -->\nold\n<!-- end -->\nafter\n"
    filled = fill(page, nothing)
    assert filled.startswith("before\n<!-- table: startup -->\n| ")
    assert filled.endswith("|\n<!-- end -->\nafter\n")
    assert "old" not in filled
    assert fill(filled, nothing) == filled
    assert fill("no table", nothing) == "no table"


@pytest.mark.parametrize(
    "page",
    [
        "<!-- table: wrong -->\n<!-- end -->",
        "<!-- table: startup -->\n",
        "<!-- table: startup -->\n<!-- table: tasks -->\n<!-- end -->",
    ],
)
def test_broken_marks_are_errors(page: str) -> None:
    with pytest.raises(ValueError, match="table"):
        fill(page, nothing)


def test_figures_of_baselines_are_means_over_the_splits() -> None:
    one, other = ({"name": "NBSVM", "accuracy": a, "macro_f1": a, "log_loss": 0.5, "seconds": 1.0,
                   "accuracy_interval": [a - 0.1, a + 0.1]} for a in (0.7, 0.9))  # fmt: skip
    (mean,) = averaged([one, other])
    assert (mean["name"], mean["splits"]) == ("NBSVM", 2)
    assert mean["accuracy"] == pytest.approx(0.8)
    assert mean["accuracy_interval"] == pytest.approx([0.7, 0.9])
    several = {**result(0.81, ("NBSVM", 0.8)), "splits": [7, 8]}
    assert "on each of 2 splits" in TABLES["tasks"]({"quality-sample": content(several)}.get)
