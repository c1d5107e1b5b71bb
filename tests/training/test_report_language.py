"""The page of a language model: every figure of the evaluation, no script, shades that follow the surprise."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from timesteps.errors import UsageError
from timesteps.runtime.language.evaluation import TextEvaluation, TokenLine, evaluate_text
from timesteps.runtime.language.plain import PlainModel
from timesteps.runtime.language.units import UnitsSpec
from timesteps.training.report_language import LanguageReport, write_language_report

TEXTS = ["나는 버스를 탔다", "그는 <i>버스를</i> 탔다", "나는 버스를 기다렸다"]


class Tags(HTMLParser):
    """Which tags there are, and whether they close."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.seen.add(tag)
        if tag not in ("meta", "line", "circle", "polyline", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "line", "circle", "polyline", "rect"):
            assert self.open.pop() == tag


def written(tmp_path: Path, report: LanguageReport) -> str:
    page = write_language_report(tmp_path / "report.html", report).read_text("utf-8")
    tags = Tags()
    tags.feed(page)
    assert tags.open == [] and not tags.seen & {"script", "img", "link", "iframe", "b>"}
    assert "http" not in re.sub(r'http-equiv="Content-Security-Policy"', "", page)
    return page


@pytest.mark.parametrize("kind", ["word", "char"])
def test_a_page_shows_what_was_found(tmp_path: Path, kind: str) -> None:
    found = evaluate_text(PlainModel(TEXTS, UnitsSpec(kind)), [*TEXTS, "나는 택시를 탔다"])  # type: ignore[arg-type]
    curves = {"training": [30.0, 20.0, 15.0], "validation": [35.0, 30.0, 31.0]}
    page = written(tmp_path, LanguageReport("Buses", "four lines", found, [("order", "3")], curves, best_epoch=2))
    assert f"Perplexity {found.perplexity:.2f} per token" in page and f"{found.bits_per_character:.2f}" in page
    assert "How it learned" in page and "Perplexity by position" in page and ">best<" in page
    assert "What surprised it most" in page and found.surprises[0].unit in page
    assert "<i>버스를</i>" not in page, "texts are escaped"


def test_what_was_not_trained_in_epochs_has_no_curves(tmp_path: Path) -> None:
    found = evaluate_text(PlainModel(TEXTS), TEXTS)
    assert "How it learned" not in written(tmp_path, LanguageReport("Buses", "lines", found))


def test_shades_follow_the_surprise_and_are_said_in_bits(tmp_path: Path) -> None:
    logs = np.array([0.0, -1.0, -4.0, -9.0, -30.0, -np.inf])
    units = ["never", "seldom", "so", "less", "least", "not"]
    found = TextEvaluation(tokens=6, lines=1, log_prob=-math.inf, impossible=["not"], characters=9, words=6)
    found.shown = [TokenLine(1, units, logs)]
    page = written(tmp_path, LanguageReport("Shades", "a line", found))
    shades = [int(re.search(rf'--s:(\d)" title="[^"]*">{unit}<', page)[1]) for unit in units]  # type: ignore[index]
    assert shades == sorted(shades) and shades[0] == 0 and shades[-1] == 5
    assert 'title="5.8 bits">so<' in page and 'title="impossible">not<' in page
    assert "Perplexity ∞ per token" in page and "holds these impossible: not" in page


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    found = evaluate_text(PlainModel(TEXTS), TEXTS)
    with pytest.raises(UsageError):
        write_language_report(tmp_path / "none" / "report.html", LanguageReport("a", "b", found))
