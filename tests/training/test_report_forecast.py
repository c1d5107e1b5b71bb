"""The report of a forecaster: whole, self-contained, true to the numbers, and readable without colours."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from chromium import needs_chromium, screenshot

from timesteps.runtime.series.backtested import Autocorrelation
from timesteps.runtime.series.series import Series
from timesteps.tasks.forecast.backtest import backtest
from timesteps.tasks.forecast.baselines import LastValue, NaiveForecast, SeasonalNaive, naive_baselines
from timesteps.training.report_forecast import ForecastReport, write_forecast_report

EVIL = '<script>alert(1)</script>"&'


def made(
    series: int = 2, targets: int = 1, levels: tuple[float, ...] = (50, 80, 95), horizon: int = 6
) -> ForecastReport:
    generator = np.random.default_rng(1)
    times = np.datetime64("2020-01-01", "us") + np.arange(200) * np.timedelta64(1, "h")
    season = 10 * np.sin(np.arange(200) * np.pi / 6)[:, None]
    given = [Series(f"{EVIL} {n}", times, season + generator.normal(size=(200, targets))) for n in range(series)]
    ours = NaiveForecast(SeasonalNaive(12))
    found = backtest([ours], given, horizon=horizon, baselines=naive_baselines()[:2], season=12, levels=levels)
    return ForecastReport(
        f"Forecasts {EVIL}",
        "a.csv",
        found,
        Autocorrelation((0.5, -0.1, 0.02), 100, series),
        curves={"training": [1.0, 0.5], "validation": [1.1, 0.6]},
        best_epoch=2,
        data=[("series", "2")],
        model=[("cell", "GRU")],
        settings=[("epochs", "2")],
        command=f"timesteps train forecast {EVIL}",
    )


class Sound(HTMLParser):
    """Every tag that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in ("meta", "line", "polyline", "circle", "rect", "polygon"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(report: ForecastReport, folder: Path) -> str:
    return write_forecast_report(folder / "report.html", report).read_text("utf-8")


@pytest.mark.parametrize(
    "report",
    [made(), made(1, 3), made(30, levels=()), made(1, horizon=1, levels=(80,))],
    ids=["two series", "three targets", "many series, no intervals", "one step"],
)
def test_the_page_is_sound_and_loads_nothing(report: ForecastReport, tmp_path: Path) -> None:
    page = page_of(report, tmp_path)
    parser = Sound()
    parser.feed(page)
    assert not parser.open and len(parser.ids) == len(set(parser.ids))
    assert "<script" not in page and "http" not in page.replace("http-equiv", "") and "url(" not in page
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.S).replace("Finance", "")
    assert len(page) < 1_000_000


def test_it_says_what_the_backtest_found(tmp_path: Path) -> None:
    report = made()
    page = html.unescape(page_of(report, tmp_path))
    assert report.backtest.verdict.headline in page and report.backtest.detail in page
    for row in report.backtest.rows()[1:]:
        assert all(cell in page for cell in row)
    for title in ("Beside the baselines", "Forecasts and what came", "How far ahead", "Intervals", "Window by window",
                  "What is left in the errors", "Series", "How it learned", "Data", "Model", "Settings"):  # fmt: skip
        assert f"<h2>{title}</h2>" in page, title
    assert "1 of 3 lags are outside" in page and "They are 1." in page


def test_colour_carries_nothing_alone(tmp_path: Path) -> None:
    """Ours is solid, the best baseline dashed, and the table beside a chart has its numbers."""
    page = page_of(made(), tmp_path)
    assert ".chart .line.b { stroke: var(--b); stroke-dasharray" in page
    assert ".chart .line.c { stroke: var(--muted); stroke-dasharray" in page
    assert page.count('class="line truth"') > 2 and page.count('class="band"') == 3 * 5
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.S):
        assert "<title" in svg or 'aria-hidden="true"' in svg


def test_the_banner_is_good_only_where_a_baseline_is_beaten(tmp_path: Path) -> None:
    assert '<header class="banner good">' in page_of(made(), tmp_path)
    walk = Series(None, np.arange(300), np.random.default_rng(0).normal(size=(300, 1)).cumsum(axis=0))
    found = backtest([NaiveForecast(LastValue())], [walk], horizon=5, baselines=naive_baselines()[:1])
    page = page_of(ForecastReport("Walk", "a.csv", found), tmp_path)
    assert '<header class="banner bad">' in page and "does not beat last value, the random walk" in page


def test_missing_numbers_interrupt_lines(tmp_path: Path) -> None:
    targets = np.random.default_rng(0).normal(size=(120, 1))
    targets[110:112] = np.nan
    series = Series(None, np.arange(120), targets)
    found = backtest([NaiveForecast(LastValue())], [series], horizon=30, windows=1)
    page = page_of(ForecastReport("Holes", "a.csv", found), tmp_path)
    assert "nan" not in page.lower().replace("finance", "") or "NaN" not in page
    assert page.count('class="line truth"') >= 2 * 3, "the past, and the truth in two parts, in both windows shown"


@needs_chromium
@pytest.mark.parametrize("width", [1100, 390])
def test_chromium_renders_it(tmp_path: Path, width: int) -> None:
    path = write_forecast_report(tmp_path / "report.html", made(3))
    assert len(screenshot(path, (width, 2400))) > 20_000
