from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import dom, needs_chromium, screenshot
from hypothesis import example, given
from hypothesis import strategies as st

from timesteps.errors import UsageError
from timesteps.runtime.metrics import compare, evaluate
from timesteps.runtime.spec import BagSpec, LayerSpec, ModelSpec, NetworkSpec, TextSpec
from timesteps.runtime.summary import summary
from timesteps.training.report import Baseline, ReportContent, RowAccount, write_card, write_report
from timesteps.training.report_card import card
from timesteps.training.report_charts import Line, clean, histogram, line_chart, ticks
from timesteps.training.report_content import calibration, calibration_error
from timesteps.training.report_page import page
from timesteps.training.versions import versions

EVIL = '<script>alert(1)</script><img src=x onerror=alert(2)> "quoted" & \x00 \u202e \ud800'
VOID = {"meta"}


def probabilities_of(targets: np.ndarray, classes: int, right: float, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(targets), classes))
    logits[np.arange(len(targets)), targets] += right
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def content(
    *, classes: int = 2, size: int = 300, ours: float = 2.0, baseline: float | None = 1.0, **changes: Any
) -> ReportContent:
    names = tuple(f"class {number}" for number in range(classes))
    targets = np.random.default_rng(0).integers(0, classes, size)
    p = probabilities_of(targets, classes, ours, 1)
    baselines, comparison = [], None
    if baseline is not None:
        theirs = probabilities_of(targets, classes, baseline, 2)
        baselines = [Baseline("TF-IDF", "logistic regression", evaluate(targets, theirs, names), 1.5, {"C": 4.0})]
        comparison = compare(targets, p.argmax(axis=1), theirs.argmax(axis=1))
    layer = LayerSpec(cell="lstm", input_size=16, hidden_size=8)
    network = NetworkSpec(input="bag", input_size=50, embedding_size=16, layers=(layer,), outputs=1)
    spec = ModelSpec(task="classify", classes=("0", "1"), text=TextSpec(bag=BagSpec()), network=network)
    epochs = [
        {"epoch": e, "loss": 1 / e, "accuracy": 0.5, "val_loss": abs(e - 3) + 0.5, "val_accuracy": 0.6}
        for e in range(1, 6)
    ]
    made = ReportContent(
        title="Reviews",
        evaluation=evaluate(targets, p, names),
        targets=targets,
        probabilities=p,
        baselines=baselines,
        comparison=comparison,
        texts=[f"한국어 text {row}" for row in range(size)],
        places=[f"reviews.csv:{row + 2}" for row in range(size)],
        histories=[epochs],
        lengths=np.arange(1, 101),
        max_length=90,
        padding_waste=0.043,
        rows=RowAccount(1003, 700, 300, {"empty text": 3}, 0, ["column guessed"]),
        source="reviews.csv",
        valid_source="30 % of reviews.csv",
        sha256="ab" * 32,
        licence="CC0",
        settings={"cell": "lstm", "dropout": 0.3, "syllable": (1, 4), "patience": None},
        model=summary(spec).to_dict(),
        seconds={"training": 75.0},
        versions=versions(),
        command="timesteps train classify reviews.csv",
        written="2026-11-21 05:40 UTC",
    )
    return dataclasses.replace(made, **changes)


class Reader(HTMLParser):
    """Tags that are balanced, and what stands between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
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
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] != "style":
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_says_all_there_is_to_say() -> None:
    given = content()
    text = Reader(page(given)).text
    low, high = given.evaluation.accuracy_interval
    for part in [
        "Reviews", given.verdict.headline, given.verdict.detail, "TF-IDF", f"{100 * given.evaluation.accuracy:.2f} %",
        f"{100 * low:.2f} – {100 * high:.2f}", "Learning curves", "The lowest validation loss came with epoch 3.",
        "Confusion matrix", "precision", "Calibration",
        "Hardest errors", "reviews.csv:", "read 1,003", "used for training 700", "used for validation 300",
        "left out: empty text 3", "texts both in training and validation 0", "column guessed", "CC0", "ab" * 32,
        "Median 50.5 steps, longest 100. 10.00 % are longer than 90 steps and were truncated.",
        "4.3 % of the computed steps were padding.", "limit 90", "rnn.l0", "(B, T, 16)", "syllable 1, 4", "patience –",
        "1 min 15 s", "numpy", "timesteps train classify", "2026-11-21 05:40 UTC",
    ]:  # fmt: skip
        assert part in text, part


def test_confusion_counts_and_row_shares_are_drawn() -> None:
    given = content(classes=3)
    text = Reader(page(given)).text
    for i, row in enumerate(given.evaluation.confusion):
        for j, count in enumerate(row):
            assert f"class {i} taken for class {j}: {count} rows, {100 * count / sum(row):.1f} %" in text


def test_row_by_row_adds_up() -> None:
    given = content()
    text = Reader(page(given)).text
    found = [
        int(re.search(f"{name} ([\\d,]+) rows", text)[1])
        for name in ("both right", "network right", "baseline right", "both wrong")
    ]
    assert sum(found) == 300
    assert found[0] + found[1] == round(300 * given.evaluation.accuracy)


@pytest.mark.parametrize(
    ("ours", "baseline", "begins", "tone"),
    [
        (3.0, 0.5, r"\d\d\.\d\d % accuracy, \d+\.\d\d points more than the best baseline, TF-IDF$", "banner good"),
        (0.5, 3.0, r"Worse than the baseline TF-IDF: \d\d\.\d\d % accuracy, \d+\.\d\d points less$", "banner bad"),
        (2.0, None, r"\d\d\.\d\d % accuracy; no baseline was trained beside it$", "banner"),
    ],
)
def test_first_line(ours: float, baseline: float | None, begins: str, tone: str) -> None:
    given = content(ours=ours, baseline=baseline)
    html = page(given)
    assert re.match(begins, given.verdict.headline)
    reader = Reader(html)
    assert reader.words[1:3] == ["Reviews", given.verdict.headline]  # after the page's title
    assert f'class="{tone}"' in html
    assert re.search(begins.rstrip("$"), card(given).splitlines()[2].replace("\\", ""))


def test_a_lead_within_chance_says_so() -> None:
    given = content(ours=1.05, baseline=1.0)
    assert given.comparison is not None and given.comparison.interval[0] <= 0 <= given.comparison.interval[1]
    assert given.verdict.headline.endswith("which may be chance")


def test_a_baseline_that_equals_us_is_no_win() -> None:
    given = content()
    same = Baseline("NBSVM", "", given.evaluation, 1.0)
    given = dataclasses.replace(given, baselines=[*given.baselines, same])
    assert given.verdict.headline.endswith("no better than the baseline NBSVM")
    assert not given.verdict.loses and 'class="banner"' in page(given)


def test_nothing_from_the_data_becomes_markup() -> None:
    given = content(
        title=EVIL, texts=[EVIL] * 300, places=[EVIL] * 300, source=EVIL, valid_source=EVIL, licence=EVIL,
        sha256=EVIL, settings={EVIL: EVIL, "list": [EVIL]}, seconds={EVIL: 1.0}, versions={EVIL: EVIL}, command=EVIL,
        written=EVIL, rows=RowAccount(3, 1, 1, {EVIL: 1}, 0, [EVIL]),
    )  # fmt: skip
    names = (EVIL, "</svg><script>")
    evaluation = evaluate(given.targets, given.probabilities, names)
    baselines = [Baseline(EVIL, EVIL, evaluation, 1.0, {EVIL: EVIL})]
    given = dataclasses.replace(given, evaluation=evaluation, baselines=baselines)
    html = page(given)
    reader = Reader(html)
    assert {tag for tag, _ in reader.tags} <= {
        "html", "head", "meta", "title", "style", "body", "main", "header", "section", "footer", "div", "figure", "p",
        "span", "small", "h1", "h2", "h3", "table", "tr", "th", "td", "dl", "dt", "dd", "ul", "ol", "li", "q", "b",
        "code", "svg", "desc", "g", "text", "line", "circle", "rect", "polyline",
    }  # fmt: skip
    assert not any(
        name.startswith("on") or name in ("src", "href") for _, attributes in reader.tags for name in attributes
    )
    assert "\x00" not in html and "alert(1)" in reader.text
    html.encode("utf-8")  # no lone surrogate is left
    text = card(given).partition("## How to run it")[0]
    assert not re.search(r"(?<!\\)[<|]\w", text) and not any(letter in text for letter in "\x00\u202e\ud800")


@given(st.text())
def test_clean_text_comes_back_as_it_was(text: str) -> None:
    reader = Reader(f"<p>{clean(text)}</p>")
    assert "<" not in clean(text) and '"' not in clean(text) and len(reader.tags) == 1


def test_loads_nothing_from_elsewhere() -> None:
    html = page(content())
    assert not re.search(r"https?:|//[a-z]|url\(|@import|@font-face|<link|<script|<img|<iframe", html)
    assert "default-src 'none'" in html


@pytest.mark.parametrize("classes", [2, 3, 9, 25])
def test_charts_are_sound_and_named(classes: int) -> None:
    html = page(content(classes=classes))
    charts = re.findall(r"<svg.*?</svg>", html, re.S)
    assert len(charts) == (6 if classes <= 20 else 5)
    ids = re.findall(r'id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    for chart in charts:
        root = ET.fromstring(chart)
        title, description = root[0], root[1]
        assert (title.tag, description.tag) == ("title", "desc") and title.text and description.text
        assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        width, height = (float(part) for part in root.get("viewBox", "").split()[2:])
        for element in root.iter():
            for name in ("x", "x1", "x2", "cx", "y", "y1", "y2", "cy"):
                place, limit = float(element.get(name, "0")), height if "y" in name else width
                assert -1 <= place <= limit + 1, (title.text, element.tag, name, place)


def test_axes_have_names_with_units() -> None:
    text = Reader(page(content())).text
    for name in (
        "epoch",
        "loss, nats",
        "accuracy, %",
        "length, steps",
        "rows",
        "predicted probability of “class 1”, %",
        "came true, %",
    ):
        assert name in text


def test_lines_end_where_the_numbers_end() -> None:
    line = Line("validation", "b", [([1, 2, 3], [0.5, float("nan"), 0.25])])
    root = ET.fromstring(line_chart("n", "t", [line], "epoch", "loss", share=False, best=3))
    points = [tuple(map(float, p.split(","))) for p in root.find("polyline").get("points").split()]
    assert len(points) == 2 and points[0][0] < points[1][0] and points[0][1] < points[1][1]  # SVG's y points down
    mark = next(e for e in root.iter("line") if e.get("class") == "mark")
    assert float(mark.get("x1")) == pytest.approx(points[1][0], abs=0.1)
    assert "validation: 0.25" in root[1].text


def test_histogram_counts_every_row() -> None:
    lengths = np.r_[np.full(10, 1), np.full(30, 5), np.full(5, 9)]
    root = ET.fromstring(histogram("n", "t", lengths, 9, "steps", "rows"))
    heights = [float(bar.get("height")) for bar in root.iter("rect")]
    assert len(heights) == 10 and heights[5] == pytest.approx(3 * heights[1], rel=0.01)
    assert heights[1] == pytest.approx(2 * heights[9], rel=0.01)
    assert [bar for bar in heights if bar] == [heights[1], heights[5], heights[9]]
    assert any(e.text == "limit 9" for e in root.iter("text"))


def test_histogram_says_what_it_cuts_off() -> None:
    lengths = np.r_[np.full(999, 10), [5000]]
    text = "".join(ET.fromstring(histogram("n", "t", lengths, None, "steps", "rows")).itertext())
    assert "1 longer, up to 5,000" in text and "1,000 rows, median 10, longest 5,000 steps." in text


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e6), st.integers(2, 10), st.booleans())
@example(low=0.5, width=0.015625, most=2, whole=True)  # where there is no whole number
def test_ticks_are_few_ordered_and_inside(low: float, width: float, most: int, whole: bool) -> None:
    found = ticks(low, low + width, most, whole)
    assert len(found) <= most and found == sorted(set(found))
    assert all(low - 1e-6 * width - 1e-6 <= tick <= low + width * (1 + 1e-6) + 1e-6 for tick in found)
    assert not whole or low + width == low or all(tick == round(tick) for tick in found)


def test_calibration_agrees_with_scikit_learn() -> None:
    from sklearn.calibration import calibration_curve

    random = np.random.default_rng(0)
    p = random.random(5000)
    targets = (random.random(5000) < p**1.5).astype(np.int64)
    observed, predicted = calibration_curve(targets, p, n_bins=10)
    bins = calibration(targets, np.stack([1 - p, p], axis=1))
    np.testing.assert_allclose([b.observed for b in bins], observed)
    np.testing.assert_allclose([b.predicted for b in bins], predicted)
    assert sum(b.rows for b in bins) == 5000
    assert all(b.interval[0] <= b.observed <= b.interval[1] for b in bins)


def test_calibration_of_many_classes_is_of_the_answer() -> None:
    targets = np.array([0, 1, 2, 2])
    p = np.array([[0.82, 0.09, 0.09], [0.85, 0.1, 0.05], [0.1, 0.3, 0.6], [0.0, 0.0, 1.0]])
    bins = calibration(targets, p)
    assert [(b.rows, b.observed) for b in bins] == [(1, 1.0), (2, 0.5), (1, 1.0)]
    assert calibration_error(bins) == pytest.approx((0.4 * 1 + 2 * abs(0.835 - 0.5) + 0) / 4)


def test_hardest_errors_are_wrong_and_sorted() -> None:
    given = content(classes=3, size=200)
    hard = given.hardest(10)
    answers = given.probabilities.argmax(axis=1)
    assert len(hard) == 10
    for each in hard:
        assert each.label == f"class {given.targets[each.row]}" != each.answer == f"class {answers[each.row]}"
    of_label = [each.label_probability for each in hard]
    wrong = answers != given.targets
    assert of_label == sorted(given.probabilities[np.arange(200), given.targets][wrong])[:10]


def test_truncation_counts_rows_above_the_limit() -> None:
    assert content(lengths=np.array([5, 10, 11, 12]), max_length=10).truncated == 0.5
    assert content(max_length=None).truncated is None


def test_a_page_stays_below_one_megabyte() -> None:
    big = content(
        classes=400,
        size=4000,
        texts=["긴 글 " * 20_000] * 4000,
        lengths=np.random.default_rng(0).integers(1, 1_000_000, 100_000),
        histories=[[{"epoch": e, "loss": 1 / e, "val_loss": 1.0} for e in range(1, 20_001)]] * 12,
        settings={f"setting {i}": "x" * 10_000 for i in range(60)},
    )
    assert len(page(big).encode()) < 1_000_000


def test_little_content_makes_a_page_too() -> None:
    targets = np.array([0, 1])
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    bare = ReportContent("t", evaluate(targets, p, (0, 1)), targets, p)
    text = Reader(page(bare)).text
    assert "Hardest errors" not in text and "Learning curves" not in text and "nan" not in text.lower()
    assert "## How to run it" in card(bare)
    one = dataclasses.replace(bare, histories=[[{"epoch": 1, "loss": 0.5}]], lengths=np.zeros(3, np.int64))
    assert "Learning curves" in Reader(page(one)).text


def test_card_has_figures_limits_and_how_to_run() -> None:
    text = card(content(ours=0.5, baseline=3.0))
    for part in (
        "# Reviews", "| this model |", "| baseline: TF-IDF", "CC0", "timesteps predict RUN", "timesteps.load",
        "prefer it", "Weakest class", "10.0 % of the training rows were",
        "1,003 read, 700 for training, 300 for validation",
    ):  # fmt: skip
        assert part in text, part
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") - line.count("\\|") for line in table}) == 1


def test_written_files(tmp_path: Path) -> None:
    given = content()
    assert write_report(tmp_path, given).read_text("utf-8") == page(given)
    assert write_card(tmp_path, given).read_text("utf-8") == card(given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.md", "report.html"]
    with pytest.raises(UsageError, match=r"report\.html"):
        write_report(tmp_path / "missing", given)


def test_versions_name_no_place() -> None:
    found = versions()
    assert {"timesteps", "numpy", "Python", "system"} <= set(found)
    assert not any("/" in value or str(Path.home()) in value for value in found.values())


@needs_chromium
@pytest.mark.parametrize("width", [1100, 500])
def test_chromium_renders_it(tmp_path: Path, width: int) -> None:
    path = write_report(tmp_path, content(texts=[EVIL] * 300))
    shown = dom(path, (width, 2000))
    assert shown.count("<svg") == 6 and shown.count("<section") == 8
    assert "<script" not in shown and "<img" not in shown
    assert len(screenshot(path, (width, 2000))) > 60_000  # a blank page of this size takes about 10 kB
