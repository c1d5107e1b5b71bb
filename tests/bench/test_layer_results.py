"""bench/layers: results that grow case by case, and what is asked on the command line."""

from __future__ import annotations

import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench import record
from bench.layers import __main__ as command
from bench.layers import lengths, linear, plan, regularisers, step, store
from bench.layers.peers.contestant import Problem, gates_of

from timesteps.inspect import speed

ROOT = Path(__file__).parents[2]

torch.set_num_threads(1)


def provenance(commit: str = "abc1234", processor: str = "P", cores: int = 2) -> dict[str, Any]:
    machine = {"processor": processor, "cores": cores, "memory_gib": 4.0, "system": "Linux"}
    return {"commit": commit, "machine": machine, "versions": {"python": "3.11.0"}}


def entry(value: float, group: str = "grid", **case: Any) -> dict[str, Any]:
    return {"group": group, "case": {"cell": "LSTM", **case}, "measured": {"seconds": value}}


def merged(*steps: tuple[dict[str, Any], dict[str, Any]]) -> store.Content:
    content = None
    for each, source in steps:
        content = store.merge(content, each, source)
    assert content is not None
    return content


def test_cases_are_added_and_measured_again_in_their_place() -> None:
    here = provenance()
    content = merged((entry(1.0, hidden=8), here), (entry(2.0, hidden=16), here), (entry(3.0, hidden=8), here))
    assert [(each["case"]["hidden"], each["measured"]["seconds"]) for each in content["results"]] == [
        (8, 3.0),
        (16, 2.0),
    ]
    assert content["provenances"] == [here]


def test_equal_cases_of_other_groups_are_others() -> None:
    content = merged((entry(1.0, "step"), provenance()), (entry(2.0, "grid"), provenance()))
    assert [each["measured"]["seconds"] for each in content["results"]] == [1.0, 2.0]


def test_each_case_knows_what_gave_it_and_nothing_else_is_kept() -> None:
    old, new = provenance("old"), provenance("new")
    content = merged((entry(1.0, hidden=8), old), (entry(2.0, hidden=16), old), (entry(3.0, hidden=8), new))
    sources = [content["provenances"][each["provenance"]]["commit"] for each in content["results"]]
    assert sources == ["new", "old"]
    content = store.merge(content, entry(4.0, hidden=16), new)
    assert content["provenances"] == [new]
    assert [each["provenance"] for each in content["results"]] == [0, 0]


def test_merging_changes_no_content_that_was_given() -> None:
    content = merged((entry(1.0), provenance()))
    before = json.dumps(content)
    store.merge(content, entry(2.0), provenance("new"))
    assert json.dumps(content) == before


@pytest.mark.parametrize("other", [provenance(processor="Q"), provenance(cores=4)])
def test_machines_do_not_mix(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="another machine"):
        merged((entry(1.0, hidden=8), provenance()), (entry(1.0, hidden=16), other))


def test_file_is_json_with_a_case_a_line() -> None:
    content = merged((entry(1.0, hidden=8), provenance()), (entry(2.0, hidden=16), provenance("new")))
    text = store.text(content)
    assert json.loads(text) == content
    assert sum('"hidden"' in line for line in text.splitlines()) == 2


def test_what_was_measured_before_a_run_stops_is_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    store.add("x", "grid", {"hidden": 8}, {"seconds": 0.000123456})
    store.add("x", "grid", {"hidden": 16}, {"seconds": 2.0})
    content = record.read("x")
    assert content is not None
    assert [each["measured"]["seconds"] for each in content["results"]] == [0.0001235, 2.0]
    assert content["provenances"][0]["versions"]["torch"] == torch.__version__
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["x.json"]


def test_the_plan_is_of_layers_that_there_are() -> None:
    assert (tuple(speed.GATES), speed.WORKS) == (plan.CELLS, plan.WORKS)
    for peer in plan.PEERS:
        assert (ROOT / "bench" / "layers" / "peers" / f"{peer}.py").exists()


def test_everything_is_measured_unless_asked_otherwise() -> None:
    found = command.jobs(command.arguments([]))
    groups = [group for group, _, _ in found]
    assert groups.count("grid") == 126 * 2
    assert groups.count("call") == 6
    assert groups.count("linear") == 2 * 2 * 2 * 2
    assert (groups.count("step"), groups.count("lengths"), groups.count("regularisers")) == (3, 6, 6)
    cases = [json.dumps([group, case], sort_keys=True) for group, case, _ in found]
    assert len(set(cases)) == len(cases)


def test_quick_is_a_part_of_everything() -> None:
    everything = [(group, case) for group, case, _ in command.jobs(command.arguments([]))]
    quick = [(group, case) for group, case, _ in command.jobs(command.arguments(["--quick"]))]
    assert 20 < len(quick) < 60 and all(each in everything for each in quick)


def test_a_run_that_stopped_goes_on_with_what_is_missing() -> None:
    todo = command.jobs(command.arguments(["--cells", "GRU"]))
    assert command.missing(todo, None) == todo
    content = merged(*((entry(1.0, group) | {"case": case}, provenance()) for group, case, _ in todo[::2]))
    assert command.missing(todo, content) == todo[1::2]


def test_cells_can_be_picked() -> None:
    words = ["--cells", "LSTM", "--hidden", "8,64", "--batch", "32", "--threads", "1", "--quick"]
    found = command.jobs(command.arguments(words))
    assert {group for group, _, _ in found} == {"grid"}
    assert [(case["hidden"], case["work"]) for _, case, _ in found] == [
        (8, "forward"), (8, "training"), (64, "forward"), (64, "training"),
    ]  # fmt: skip
    found = command.jobs(command.arguments(["--cells", "GRU", "--parts", "lengths,step", "--work", "training"]))
    assert [(group, case) for group, case, _ in found] == [
        ("step", {"cell": "GRU"}),
        ("lengths", {"cell": "GRU", "work": "training"}),
    ]


@pytest.mark.parametrize("words", [["--cells", "LSTN"], ["--work", "backward"], ["--parts", "all"], ["--hidden", "x"]])
def test_what_cannot_be_measured(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.arguments(words)
    assert words[1] in capsys.readouterr().err


def test_a_case_that_is_wrong_fails_the_run_but_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["layers", "--to", "x"])
    errors = iter([{"output": 1e-7}, {"output": math.nan}])
    todo = [("step", {"cell": c}, lambda: {"seconds": {"a": 1e-6}, "errors": next(errors)}) for c in ("RNN", "GRU")]
    monkeypatch.setattr(command, "jobs", lambda asked: todo)
    with pytest.raises(SystemExit, match="1 of 2 cases are wrong"):
        command.main()
    content = record.read("x")
    assert content is not None and len(content["results"]) == 2
    first, second = capsys.readouterr().out.splitlines()
    assert first == "1/2 step: cell RNN: a 1 us" and second.endswith("output is off by nan")


def test_a_file_of_another_machine_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["layers", "--to", "x"])
    (tmp_path / "x.json").write_text(store.text(merged((entry(1.0), provenance(processor="another")))))
    with pytest.raises(SystemExit, match=r"x\.json: the results are of another machine"):
        command.main()


def test_lengths_are_those_that_were_asked_for() -> None:
    found = lengths.lengths()
    assert len(found) == lengths.ROWS and max(found) == lengths.CAP and min(found) > 0
    assert statistics.median(found) == pytest.approx(lengths.MEDIAN, rel=0.02)
    uncut = np.random.default_rng(0).lognormal(math.log(178), math.sqrt(2 * math.log(239 / 178)), 200_000)
    assert uncut.mean() == pytest.approx(239, rel=0.01)
    assert np.mean(found) == pytest.approx(np.minimum(uncut, 400).mean(), rel=0.02)
    assert found != sorted(found) and found == lengths.lengths()


@pytest.mark.parametrize("work", plan.WORKS)
def test_lengths_are_measured_and_right(work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "HIDDEN", 4)
    monkeypatch.setattr(lengths, "lengths", lambda: [1 + n % 5 for n in range(lengths.ROWS)])
    measured = lengths.measure("LSTM", work, 2)
    assert not command.faults(measured["errors"])
    assert (measured["tokens"], measured["padded_tokens"]) == (sum(1 + n % 5 for n in range(64)), 320)
    assert set(measured["ratio"]) == {"torch packed", "torch padded"}
    assert measured["times_arithmetic"]["torch packed"] > measured["times_arithmetic"]["timesteps"] > 0


@pytest.mark.parametrize(("cell", "count"), [("GRU", 5), ("LSTM", 6)])
def test_regularisers_are_measured_and_right(cell: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regularisers, "STEPS", 5)
    measured = regularisers.measure(cell, 4, 2)
    assert not command.faults(measured["errors"])
    assert list(measured["times_plain"]) == list(plan.regularisers(cell))
    assert len(measured["times_plain"]) == count + 1


@pytest.mark.parametrize("work", plan.WORKS)
@pytest.mark.parametrize("cell", plan.LINEAR_CELLS)
def test_linear_recurrences_are_measured_and_right(cell: str, work: str) -> None:
    measured = linear.measure(cell, 4, 5, work, 2)
    assert not command.faults(measured["errors"], measured["torch_errors"])
    assert set(measured["ratio"]) == {"loop", "torch GRU"} and min(measured["seconds"].values()) > 0


def test_both_models_take_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "STEPS", 7)
    measured = step.measure("LSTM", 2)
    assert not command.faults(measured["errors"]) and measured["ratio"]["median"] > 0
    train = step.trainer(step.pair("LSTM", step.EMBEDDED, step.HIDDEN)["timesteps"])
    losses = [float(train()) for _ in range(20)]
    assert losses[-1] < losses[0]


def test_gates_change_places() -> None:
    weights = {"weight_ih": np.arange(12.0, dtype=np.float32).reshape(6, 2)}
    problem = Problem("GRU", weights, np.zeros((1, 1, 2), np.float32), None, 1)
    assert gates_of(problem, "weight_ih", (1, 0, 2))[:, 0].tolist() == [4, 6, 0, 2, 8, 10]
