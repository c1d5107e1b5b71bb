"""The tables of docs/speed.md hide nothing: what is behind, noisy, missing or not reached can be seen."""

from __future__ import annotations

import math
from typing import Any

import pytest
from bench.layers.asked import ALL, Asked, asked, verdict
from bench.layers.plan import ALL_REGULARISERS, BATCH, CELLS, HIDDEN, PEERS, WORKS, regularisers
from bench.layers.tables import LAYER_TABLES, shown, us
from bench.markdown import UNMEASURED, Read

MACHINE = {"processor": "P", "cores": 2, "memory_gib": 4.0, "system": "Linux"}


def spread(median: float, width: float = 0.02) -> dict[str, float]:
    return {"median": median, "low": median * (1 - width / 2), "high": median * (1 + width / 2)}


def cell(ratio: float, share: float = 0.9, seconds: float = 1e-3, **case: Any) -> dict[str, Any]:
    case = {"cell": "LSTM", "hidden": 128, "batch": 32, "work": "forward", "threads": 1, "steps": 100} | case
    measured = {
        "seconds": {"timesteps": seconds, "torch": seconds * ratio},
        "ratio": spread(ratio),
        "peak_share": spread(share) if case["threads"] == 1 else None,
    }
    return {"group": "grid", "case": case, "measured": measured, "provenance": 0}


def of(*entries: dict[str, Any], name: str = "layers") -> Read:
    provenance = {"commit": "abc1234", "machine": MACHINE, "versions": {"python": "3.11.0"}}
    content = {"provenances": [provenance], "results": list(entries)}
    return {name: content}.get


def rows(name: str, read: Read) -> list[list[str]]:
    return [[part.strip() for part in line.split("|")[1:-1]] for line in LAYER_TABLES[name](read).splitlines()[2:]]


def bound(what: str, read: Read) -> list[str]:
    (row,) = [row for row in rows("speed-asked", read) if row[0] == what]
    return row


def test_a_cell_behind_torch_is_bold_and_in_the_list_of_those() -> None:
    read = of(cell(1.5, hidden=8), cell(0.996, seconds=2e-3), cell(0.5, threads=2))
    (small, large) = rows("speed-forward", read)
    assert small[:5] == ["LSTM", "8", "–", "–", "–"] and small[5:8] == ["1.50", "1,000", "90"]
    assert large[5:8] == ["**0.99**", "2,000", "90"]
    behind = rows("speed-behind", read)
    assert [row[0] for row in behind] == [
        "LSTM, H=128, B=32, forward, 2 threads",
        "LSTM, H=128, B=32, forward, 1 thread",
    ]
    assert behind[1][1:] == ["**0.99**", "0.99 to 1.01", "2,000", "1,992"]


def test_where_torch_is_never_ahead_the_list_says_of_how_many() -> None:
    assert rows("speed-behind", of(cell(1.5), cell(1.0, hidden=8)))[0][0] == "none of 2 cells measured"


def test_work_and_threads_do_not_mix() -> None:
    read = of(cell(4.0, threads=2, seconds=5e-4), cell(2.0), cell(3.0, work="training"))
    assert [row[5] for row in rows("speed-forward", read)] == ["2.00"]
    assert [row[5] for row in rows("speed-training", read)] == ["3.00"]
    (row,) = rows("speed-threads", read)
    assert row == ["LSTM", "forward", "128", "–", "–", "4.00", "2.00", "–", "–"]


def test_ratios_are_cut_and_noise_is_marked() -> None:
    assert shown(spread(1.999)) == "1.99" and shown(spread(0.999)) == "**0.99**" and shown(spread(23.46)) == "23.5"
    assert shown(spread(1.15)) == "1.15" and shown(spread(0.29)) == "**0.29**"
    assert shown(spread(1.5, 0.3)) == "1.50~" and shown(spread(0.9, 0.3)) == "**0.90**~"
    assert us(1.234e-5) == "12.3" and us(1.2345) == "1,234,500"


def test_the_worst_figure_decides() -> None:
    read = of(cell(1.5), cell(0.9, hidden=8), cell(1.2, hidden=16), cell(0.1, threads=2))
    row = bound("torch.nn ÷ ours, one thread", read)
    assert row[2:] == [
        "0.9",
        "LSTM, H=8, B=32, forward, 1 thread",
        f"**not reached** by 1 of 3; 123 {UNMEASURED}",
    ]


def test_the_peak_counts_only_large_cells_of_its_work() -> None:
    read = of(cell(2, 0.9), cell(2, 0.1, hidden=64), cell(2, 0.1, batch=1), cell(2, 0.79, work="training"))
    assert bound("forward, H ≥ 128, B ≥ 32", read)[2:] == [
        "90 %",
        "LSTM, H=128, B=32, forward, 1 thread",
        f"reached by 1; 17 {UNMEASURED}",
    ]
    assert "**not reached** by 1 of 1" in bound("training, H ≥ 128, B ≥ 32", read)[4]


def test_two_threads_are_compared_with_one_of_the_same_case() -> None:
    read = of(cell(2), cell(2, threads=2, seconds=6e-4), cell(2, hidden=64, threads=2), cell(2, work="training"))
    row = bound("one ÷ two threads, H ≥ 64, B ≥ 32", read)
    assert row[2] == "1.67" and row[4].startswith("**not reached** by 1 of 1")


def lengths_entry(work: str, arithmetic: float, packed: float) -> dict[str, Any]:
    measured = {
        "seconds": {"timesteps": 1e-3, "torch packed": 1e-2, "torch padded": 5e-3},
        "times_arithmetic": {"timesteps": arithmetic, "torch packed": 10.0, "torch padded": 5.0},
        "ratio": {"torch packed": spread(packed), "torch padded": spread(5.0)},
    }
    return {"group": "lengths", "case": {"cell": "GRU", "work": work}, "measured": measured, "provenance": 0}


def test_lengths() -> None:
    read = of(lengths_entry("forward", 9.0, 2.0), lengths_entry("training", 1.4, 11.0))
    assert rows("speed-lengths", read)[1] == ["GRU", "training", "1,000", "1.40", "10.00", "5.00", "11.0", "5.00"]
    assert bound("training, lengths: ours ÷ arithmetic of the real tokens", read)[2:4] == ["1.4", "GRU, training"]
    assert bound("training, lengths: torch packed ÷ ours", read)[4] == f"reached by 1; 2 {UNMEASURED}"


def test_linear_recurrences() -> None:
    measured = {"seconds": {"timesteps": 5e-4}, "ratio": {"loop": spread(3.2), "torch GRU": spread(0.9)}}
    case = {"cell": "MinGRU", "hidden": 64, "steps": 100, "work": "forward"}
    read = of({"group": "linear", "case": case, "measured": measured, "provenance": 0})
    assert rows("speed-linear", read) == [["MinGRU", "forward", "100", "64", "500", "3.20", "**0.90**"]]


def test_regularisers_one_by_one_and_together() -> None:
    times = dict.fromkeys(regularisers("LSTM"), spread(1.1)) | {"zoneout": spread(1.4), ALL_REGULARISERS: spread(1.5)}
    measured = {"seconds": {"plain": 1e-3}, "times_plain": times}
    entry = {"group": "regularisers", "case": {"cell": "LSTM", "hidden": 64}, "measured": measured, "provenance": 0}
    assert sorted(row[4] for row in rows("speed-regularisers", of(entry))) == ["1.10"] * 5 + ["1.40", "1.50"]
    assert bound("one regulariser ÷ plain", of(entry))[2:4] == ["1.4", "LSTM, H=64, zoneout"]
    assert "**not reached** by 1 of 6" in bound("one regulariser ÷ plain", of(entry))[4]
    assert bound("all regularisers ÷ plain", of(entry))[4] == f"reached by 1; 5 {UNMEASURED}"
    del times["peephole"]  # measured before there was that one: "all together" were others
    assert sorted(row[4] for row in rows("speed-regularisers", of(entry))) == ["1.10"] * 4 + ["1.40"]
    assert bound("all regularisers ÷ plain", of(entry))[2] == UNMEASURED


def test_steps_are_judged_by_their_layer() -> None:
    measured = {"seconds": {"timesteps": 1e-3, "torch": 3e-3}, "ratio": spread(3.0)}
    read = of(*({"group": "step", "case": {"cell": c}, "measured": measured, "provenance": 0} for c in ("LSTM", "GRU")))
    assert bound("training step, LSTM: torch ÷ ours", read)[4] == "reached by 1"
    assert bound("training step, GRU: torch ÷ ours", read)[4] == "**not reached** by 1 of 1"


def test_calls_are_a_table_of_their_own() -> None:
    read = of({**cell(0.9, hidden=8, batch=1, steps=1, seconds=2e-5), "group": "call"})
    assert rows("speed-call", read) == [["LSTM", "forward", "20.0", "18.0", "**0.90**"]]
    assert rows("speed-forward", read)[0][0] == UNMEASURED


def test_peers_have_a_column_each() -> None:
    entries = [{**cell(ratio, peer=peer), "group": "peer"} for peer, ratio in zip(PEERS, (0.8, 2.0, 3.0), strict=True)]
    read = of(*entries, name="layers-peers")
    (row,) = rows("speed-peers", read)
    assert row[:4] == ["LSTM", "forward", "128", "1"]
    assert row[4:] == ["–", "–", "–", "**0.80**", "2.00", "3.00", "–", "–", "–"]
    assert "**not reached** by 1 of 1" in bound("JAX ÷ ours, inference", read)[4]
    assert "reached by 1;" in bound("ONNX Runtime ÷ ours, inference", read)[4]


def test_sources_count_their_cases() -> None:
    (ours, peers) = rows("speed-sources", of(cell(1.0), cell(2.0, hidden=8)))
    assert ours[:3] == ["`layers.json`", "2", "abc1234"] and peers[1] == UNMEASURED


def test_every_bound_knows_how_many_figures_it_needs() -> None:
    read = of(
        *(
            cell(2.0, cell=c, hidden=h, batch=b, work=w, threads=t, seconds=1e-3 / t)
            for c in CELLS for h in HIDDEN for b in BATCH for w in WORKS for t in (1, 2)
        )
    )  # fmt: skip
    for each in ALL[:4]:
        figures = each.figures(read)
        assert len(figures) == each.count, each.what
        assert verdict(each, figures) == f"reached by {each.count}"
    assert ALL[0].count == 126


@pytest.mark.parametrize("limits", [{"least": 1.0}, {"most": 1.0}])
def test_nan_reaches_nothing(limits: dict[str, float]) -> None:
    each = Asked("", "", lambda read: [], 1, **limits)
    assert each.holds(1.0) and not each.holds(math.nan)


def test_nothing_measured_is_said_of_every_bound() -> None:
    assert asked({}.get).count(UNMEASURED) == len(ALL)
