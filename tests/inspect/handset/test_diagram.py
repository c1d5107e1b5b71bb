"""Drawings: well-formed, complete, and seen by a browser."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from chromium import needs_chromium, screenshot

from timesteps.inspect.handset import HANDSETS, handset
from timesteps.inspect.handset.diagram import diagram
from timesteps.inspect.handset.follow import follow
from timesteps.inspect.lab import Lab, lab

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_values_weights_and_times_are_in_the_drawing() -> None:
    found = texts(lab("parity", "0110").svg())
    assert found[0].startswith("parity: ")
    assert {"time, steps", "either", "both", "x", "answer", "1", "2", "3", "4"} <= set(found)
    assert [found.count(weight) for weight in ("40", "20", "-20", "5", "-5")] == [2, 2, 2, 1, 1]
    assert sum(text in ("-1", "1") for text in found) >= 8  # the values of two units at four steps


def test_a_weight_stands_where_its_connection_begins() -> None:
    """What leaves `either`, above, weighs 20, whichever unit it goes to; what leaves `both`, below, -20."""
    nodes = ElementTree.fromstring(lab("parity", "0110").svg()).iter(f"{SVG}text")
    heights: dict[str | None, list[float]] = {}
    for node in nodes:
        heights.setdefault(node.text, []).append(float(node.attrib["y"]))
    assert max(heights["20"]) < min(heights["-20"])
    assert heights["either"][0] < heights["both"][0]


def test_an_lstm_shows_its_gates_at_every_step() -> None:
    found = texts(lab("count", "110").svg())
    assert [found.count(name) for name in ("i", "f", "g", "o", "h", "c")] == 6 * [3]
    assert {"more", "0.76", "0.96", "2"} <= set(found)


@pytest.mark.parametrize("name", HANDSETS)
def test_everything_lies_within_the_picture(name: str) -> None:
    root = ElementTree.fromstring(lab(name).svg())
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for node in root.iter():
        for key, limit in (("x", width), ("cx", width), ("y", height), ("cy", height)):
            if key in node.attrib:
                assert 0 <= float(node.attrib[key]) <= limit
    for path in (node.attrib["d"] for node in root.iter(f"{SVG}path") if "class" in node.attrib):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", path)]
        assert all(0 <= x <= width for x in numbers[::2]) and all(0 <= y <= height for y in numbers[1::2])
    assert root.find(f"{SVG}title") is not None and root.find(f"{SVG}desc") is not None


def test_greys_only() -> None:
    for name in HANDSETS:
        for colour in re.findall(r"#([0-9a-f]{6})\b", lab(name).svg()):
            assert colour[:2] == colour[2:4] == colour[4:]


def test_of_a_long_sequence_both_ends_are_drawn() -> None:
    svg = lab("copy", "1" + 999 * ".").svg()
    found = texts(svg)
    assert {"1", "9", "998", "1000", "…"} <= set(found) and "500" not in found
    assert "1000 steps, of which 12 are drawn" in svg and len(svg) < 30_000


def test_what_is_typed_cannot_break_the_drawing() -> None:
    svg = lab("brackets", "(<b>&\"' \x1b)").svg()
    assert "<b>" not in svg and "\x1b" not in svg
    ElementTree.fromstring(svg)


def test_a_learned_network_of_many_units_is_drawn_in_greys() -> None:
    network = handset("parity")
    trained = lab("parity", "0101", "lstm")
    root = ElementTree.fromstring(trained.svg())
    boxes = [node for node in root.iter(f"{SVG}rect") if node.attrib.get("height") == "14"]
    assert len(boxes) == 4 * 16 and len({node.attrib["fill"] for node in boxes}) > 8
    followed = follow(trained.session, network.read("0101"))
    named = diagram(trained.session, followed, "홀짝 & 학습", network.inputs, trained.units)
    assert texts(named)[0] == "홀짝 & 학습"


@needs_chromium
def test_chromium_draws_it(tmp_path: Path) -> None:
    shown: Lab = lab("parity")
    path = tmp_path / "parity.svg"
    shown.draw(path)
    assert len(screenshot(path, (1400, 420))) > 25_000  # a blank page takes about 4 kB
