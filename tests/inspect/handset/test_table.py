"""Tables and equations of what a network does."""

from __future__ import annotations

import numpy as np
import pytest

from timesteps.inspect.handset import HANDSETS, handset
from timesteps.inspect.handset.equations import equations, packed, plain
from timesteps.inspect.handset.follow import follow
from timesteps.inspect.lab import lab
from timesteps.runtime.display import columns_of


@pytest.mark.parametrize("name", HANDSETS)
def test_lines_are_aligned_within_80_columns(name: str) -> None:
    head, *lines = lab(name).lines()
    assert len({columns_of(line) for line in [head, *lines]}) == 1 and columns_of(head) <= 80
    assert len(lines) == len(handset(name).read(handset(name).example))
    assert [line.split()[0] for line in lines] == [str(t) for t in range(1, len(lines) + 1)]


def test_the_numbers_of_a_table_are_those_of_the_network() -> None:
    head, *lines = lab("count", "1100").lines()
    names = head.split()
    assert names == ["step", "x", "i", "f", "g", "o", "c", "h", "answer"]
    rows = [dict(zip(names, line.split(), strict=True)) for line in lines]
    assert [row["c"] for row in rows] == ["1", "2", "1", "0"]
    assert [row["g"] for row in rows] == ["1", "1", "-1", "-1"]
    assert [float(row["h"]) for row in rows] == pytest.approx(np.tanh([1, 2, 1, 0]), abs=5e-5)
    assert [row["answer"] for row in rows] == ["more", "more", "more", "equal"]


def test_wide_letters_keep_the_columns() -> None:
    lines = lab("brackets", "(가)b").lines()
    assert [columns_of(line) for line in lines] == 5 * [columns_of(lines[0])]


@pytest.mark.parametrize(
    ("name", "x", "previous", "wanted"),
    [("parity", [1.0], [1.0, -1.0], {"either": 1.0, "both": 1.0}), ("compare", [3.0, 1.0], [-5.0], {"lead": -3.0})],
)
def test_equations_say_what_the_network_computes(
    name: str, x: list[float], previous: list[float], wanted: dict[str, float]
) -> None:
    """Evaluated as they are printed."""
    network = handset(name)
    values = dict(zip((*network.inputs, *network.units), x + previous, strict=True)) | {"tanh": np.tanh}
    for line in equations(network.session(), network.inputs, network.units)[: len(wanted)]:
        left, right = line.split("' = ")
        assert eval(right.replace("·", "*"), {}, values) == wanted[left]


def test_equations_of_every_network_name_only_what_there_is() -> None:
    for network in HANDSETS.values():
        lines = equations(network.session(), network.inputs, network.units)
        assert all(" = " in line for line in lines) and len(lines) >= 2
        assert all(len(line) <= 80 for line in packed(lines, 80))


def test_numbers_are_plain() -> None:
    assert [plain(value) for value in (0.0, -0.0, 1.0, -0.5, 2 / 3, 12345.678912, 1e-9)] == [
        "0", "0", "1", "-0.5", "0.6667", "12345.6789", "0"
    ]  # fmt: skip


def test_following_gives_every_value_of_the_equations() -> None:
    copy = handset("copy")
    found = follow(copy.session(per_step=True), copy.read("1..0"))
    assert found.gates["f"][:, 0].round(6).tolist() == [0, 1, 1, 0]
    assert found.states["c"][:, 0].tolist() == [1, 1, 1, -1]
    assert found.to_dict()["steps"][3]["answer"] == 0 and found.to_dict()["steps"][3]["x"] == [1.0, 0.0]
    assert len(found) == 4
