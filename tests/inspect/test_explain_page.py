"""The page of an explanation: sound HTML that loads nothing, read back from a browser."""

from __future__ import annotations

import re
import struct
import time
import zlib
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import random_models as models
from chromium import dom, needs_chromium, screenshot

from timesteps.inspect import explain
from timesteps.inspect.explain_maps import PALETTE, order_of_units, png
from timesteps.inspect.explain_script import colour
from timesteps.runtime.session import Session

EVIL = '<script>alert(1)</script> <img src=x onerror=alert(2)> "정말" & </script> 재미있는 영화'
VOID = {"meta", "line", "rect", "circle", "polyline", "image"}
NUMBERS = np.random.default_rng(3).normal(size=(9, 3))


class Reader(HTMLParser):
    """Tags that are balanced, steps with what they say, and options."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, Any]]:
        return [found for name, found in self.tags if name == tag]


def steps_of(page: str) -> list[tuple[str, str, str]]:
    """Name, value and style of each step."""
    found = re.findall(r'<span class="t" data-value="([^"]*)"[^>]*?style="([^"]*)">([^<]*)</span>', page)
    return [(unescape(name), value, style) for value, style, name in found]


def pixels(data: bytes) -> np.ndarray:
    """The colours of an indexed PNG (rows, columns), by its own palette."""
    place, chunks = 8, {}
    while place < len(data):
        (size,), kind = struct.unpack(">I", data[place : place + 4]), data[place + 4 : place + 8]
        chunks[kind] = data[place + 8 : place + 8 + size]
        (crc,) = struct.unpack(">I", data[place + 8 + size : place + 12 + size])
        assert crc == zlib.crc32(kind + chunks[kind])
        place += 12 + size
    columns, rows = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, columns + 1)
    assert (lines[:, 0] == 0).all()
    return np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(256, 3)[lines[:, 1:]]


CASES = {
    "guided": (models.guided_model(), "정말 재미있는 영화 정말"),
    "attention": (models.ids_model(), "너무 재미있는 영화"),
    "numbers": (models.numeric_model(cell="lstm"), NUMBERS),
    "two numbers": (models.numeric_model(2), NUMBERS[:, :2]),
    "vanilla": (models.numeric_model(cell="rnn"), NUMBERS),
    "linear": (models.numeric_model(cell="minlstm"), NUMBERS),
    "tags": (models.token_model(), ["the", "film", "was", "bad"]),
    "number": (models.regression_model("mse", ()), NUMBERS),
    "int8": (models.in_int8(models.text_model()), "정말 재미있는 영화"),
    "one step": (models.text_model(), "film"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_sound_and_complete(case) -> None:
    model, row = CASES[case]
    found = explain(Session(*model), row)
    page = found.to_html()
    reader = Reader(page)
    assert [name for name, *_ in steps_of(page)] == list(found.reading.names)
    titles = re.findall(r"<h2>([^<]+)</h2>", page)
    assert titles[:3] == ["Step by step", "What each step contributes", "Pooling"] and titles[-1] == "Saturation"
    maps = {found["id"] for found in reader.all("image")} - {"map-input", "map-features"}
    assert maps == {f"map-{part.name}-{name}" for part in found.trace for name in part.arrays}
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for chart in re.findall(r'<svg class="chart".*?</svg>', page, re.DOTALL):
        assert "<title" in chart and "<desc" in chart and 'class="name"' in chart  # the labels of both axes
    fetched = [value for _, a in reader.tags for name, value in a.items() if name in ("src", "href", "action")]
    assert all(value.startswith("data:image/png") for value in fetched if value)
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]+'\"", page) and "default-src 'none'" in page


def test_texts_are_texts_whatever_is_in_them() -> None:
    session = Session(*models.text_model())
    spec = msgspec.structs.replace(session.spec, classes=("<b>no</b>", "</script>yes"))
    found = explain(Session(spec, session.tensors), EVIL, data=([EVIL + "!"], None, "<i>"), title="<u>")
    page = found.to_html()
    Reader(page)
    assert page.count("<script") == 2 and "<img" not in page and "<b>no" not in page and "<u>" not in page
    assert page.count("</script>") == 2


def test_a_map_has_the_values() -> None:
    session = Session(*models.text_model(hidden_size=6))
    found = explain(session, "정말 재미있는 영화, so bad")
    import base64

    for part in found.trace:
        units = order_of_units(part, 100)
        assert sorted(units.tolist()) == list(range(6))
        for name, (low, high) in {"f": (0, 1), "g": (-1, 1), "h": (-1, 1)}.items():
            data = re.search(rf'id="map-{part.name}-{name}"[^>]*base64,([^"]+)"', found.to_html())
            shown = pixels(base64.b64decode(data[1]))
            values = np.clip((part[name][:, units].T - low) / (high - low), 0, 1)[::-1]
            np.testing.assert_array_equal(shown, PALETTE[np.rint(values * 255).astype(int)])


def test_the_palette_reads_in_grey_and_no_colour_occurs_twice() -> None:
    light = PALETTE @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(light) >= 0).all() and light[-1] - light[0] > 200
    assert len({tuple(each) for each in PALETTE.tolist()}) == 256
    np.testing.assert_array_equal(pixels(png(np.arange(256, dtype=np.uint8)[None])), PALETTE[None])


def test_four_hundred_tokens_are_small_and_quick() -> None:
    spec, tensors = models.text_model(hidden_size=128)
    tensors = {name: w * np.float32(0.15) if w.dtype == np.float32 else w for name, w in tensors.items()}
    text = msgspec.structs.replace(spec.text, max_length=400)
    session = Session(msgspec.structs.replace(spec, text=text), tensors)
    words = np.random.default_rng(0).choice(["정말", "재미있는", "영화", "bad", "film", "!!", "너무"], 420).tolist()
    begin = time.perf_counter()
    found = explain(session, " ".join(words))
    page = found.to_html()
    seconds = time.perf_counter() - begin
    assert len(found.reading) == 400 and len(page.encode()) <= 3e6
    assert seconds < 60  # 5 where nothing else runs: bench/trace.py has the figure


@needs_chromium
def test_chromium_colours_the_steps_by_the_chosen_unit(tmp_path: Path) -> None:
    session = Session(*models.guided_model(members=1, unguided=0))
    found = explain(session, "정말 재미있는 영화, 너무 지루했다 <b>", unit="f.2", layer="l0_reverse")
    path = found.save(tmp_path / "page.html")
    as_written = steps_of(path.read_text("utf-8"))
    wanted = found.trace["l0_reverse"]["f"][:, 2]
    np.testing.assert_allclose([float(value) for _, value, _ in as_written], wanted, atol=0.006)
    for hash_, values, low, high in (
        ("l0_reverse.f.2", wanted, 0, 1),
        ("l0.h.3", found.trace["l0"]["h"][:, 3], -1, 1),
        ("left-out", found.left_out, -np.abs(found.left_out).max(), np.abs(found.left_out).max()),
    ):
        drawn = dom(path, fragment=f"#{hash_}")
        shown = re.findall(r'<span class="t" data-value="([^"]*)"[^>]*style="([^"]*)">([^<]*)</span>', drawn)
        assert [unescape(name) for *_, name in shown] == list(found.reading.names)
        step = (high - low) / 255
        np.testing.assert_allclose([float(v) for v, *_ in shown], values, atol=step / 2 + 0.006 * high)
        for value, (given, style, _) in zip(values, shown, strict=True):
            said = re.search(r"rgb\((\d+), ?(\d+), ?(\d+)\)", style)
            here = re.search(r"rgb\((\d+),(\d+),(\d+)\)", colour(float(value), low, high))
            assert np.abs(np.array(said.groups(), int) - np.array(here.groups(), int)).max() <= 2, given


@needs_chromium
@pytest.mark.parametrize("case", ["guided", "numbers"])
def test_chromium_draws_it(tmp_path: Path, case) -> None:
    model, row = CASES[case]
    path = explain(Session(*model), row).save(tmp_path / "page.html")
    assert len(screenshot(path, (1100, 2400))) > 60_000  # a blank page of this size takes about 12 kB
