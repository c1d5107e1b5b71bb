"""The page: `ReportContent` as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from timesteps.runtime.display import fitted
from timesteps.training.report_charts import Line, clean, line_chart, reliability_chart
from timesteps.training.report_content import ReportContent, calibration, calibration_error, duration, percent, signed
from timesteps.training.report_figures import accuracy_chart, confusion_chart
from timesteps.training.report_frame import frame
from timesteps.training.report_markup import facts, figure, section, table
from timesteps.training.report_run import data_section, model_section, settings_section

__all__ = ["page"]

_MOST_CLASSES_IN_MATRIX = 20
_MOST_CLASSES = 100
_MOST_CONFUSIONS = 30
_MOST_ERRORS = 20
_OFF_THE_CHART = 0.15  # a baseline so far below the best is only in the table
_MOST_MEMBERS = 8
_LONGEST_TEXT = 600


def page(content: ReportContent) -> str:
    """The whole of `report.html`."""
    sections = [
        _comparison(content),
        _learning(content),
        _confusion(content),
        _calibration(content),
        _errors(content),
        data_section(content),
        model_section(content),
        settings_section(content),
    ]
    verdict = content.verdict
    tone: Literal["", "good", "bad"] = "bad" if verdict.loses else "good" if verdict.wins else ""
    return frame(content.title, verdict.headline, [verdict.detail], sections, tone=tone, footer=_footer(content))


def _footer(content: ReportContent) -> str:
    made = f"timesteps {content.versions['timesteps']}" if "timesteps" in content.versions else "timesteps"
    return (
        f"Written by {made}{f', {content.written}' if content.written else ''}. This page loads nothing from elsewhere."
    )


def _comparison(content: ReportContent) -> str:
    ours = ("timesteps", "the trained network", content.evaluation, content.seconds.get("training"))
    rows = [ours, *((each.name, each.description, each.evaluation, each.seconds) for each in content.baselines)]
    top = max(e.accuracy for _, _, e, _ in rows)
    points = [
        (name, e.accuracy, *e.accuracy_interval)
        for number, (name, _, e, _) in enumerate(rows)
        if number == 0 or e.accuracy >= top - _OFF_THE_CHART
    ]
    cells = [
        [
            f"{clean(name)}<small>{clean(about)}</small>",
            percent(e.accuracy),
            f"{100 * e.accuracy_interval[0]:.2f} – {100 * e.accuracy_interval[1]:.2f}",
            f"{e.macro_f1:.4f}",
            f"{e.log_loss:.4f}",
            "" if seconds is None else duration(seconds),
        ]
        for name, about, e, seconds in rows
    ]
    chart = accuracy_chart("accuracies", "Accuracy of the network and of the baselines", points)
    head = ["", "accuracy", "95 % interval, %", "macro-F1", "log loss, nats", "time"]
    about = f"All judged on the same {content.evaluation.n:,} validation rows, which none of them was trained on."
    if not content.baselines:
        about = f"Judged on {content.evaluation.n:,} validation rows, which it was not trained on."
    left_out = [name for name, *_ in rows if name not in [point[0] for point in points]]
    note = f"Off the chart to the left: {', '.join(left_out)}." if left_out else ""
    drawn = figure(chart, "Accuracy on the validation rows", note)
    pair = f'<div class="pair">{drawn}{_row_by_row(content)}</div>'
    return section(
        "Beside the baselines" if content.baselines else "Accuracy", about, pair, table(head, cells, ["ours"])
    )


def _row_by_row(content: ReportContent) -> str:
    compared, best = content.comparison, content.best_baseline
    if compared is None or best is None:
        return ""
    low, high = compared.interval
    wrong = round(compared.n * (1 - content.evaluation.accuracy)) - compared.only_second
    p = compared.p_value
    outcomes = [
        ("both right", f"{compared.n - compared.only_first - compared.only_second - wrong:,} rows"),
        ("only the network right", f"{compared.only_first:,} rows"),
        ("only the baseline right", f"{compared.only_second:,} rows"),
        ("both wrong", f"{wrong:,} rows"),
        ("difference", signed(compared.difference) + " points"),
        ("its 95 % interval", f"{signed(low)} to {signed(high)}"),
        ("McNemar’s exact test", "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"),
    ]
    return f"<div><h3>Row by row against {clean(best.name)}</h3>{facts(outcomes)}</div>"


def _learning(content: ReportContent) -> str:
    runs = [list(history) for history in content.histories if history][:_MOST_MEMBERS]
    if not runs:
        return ""

    def line(name: str, style: str, key: str) -> Line:
        members = [
            ([row["epoch"] for row in run if key in row], [row[key] for row in run if key in row]) for run in runs
        ]
        return Line(name, style, members)

    scored = [(row["val_loss"], row["epoch"]) for row in runs[0] if "val_loss" in row]
    best = min(scored)[1] if len(scored) > 1 and len(runs) == 1 else None
    loss = [line("training", "a", "loss"), line("validation", "b", "val_loss")]
    accuracy = [line("training", "a", "accuracy"), line("validation", "b", "val_accuracy")]
    charts = [
        figure(line_chart("loss", "Loss by epoch", loss, "epoch", "loss, nats", share=False, best=best), "Loss"),
        figure(
            line_chart("accuracy", "Accuracy by epoch", accuracy, "epoch", "accuracy, %", share=True, best=best),
            "Accuracy",
        ),
    ]
    about = "Training figures are taken during the epoch, with dropout on, validation figures after it, without."
    if best is not None:
        about += f" The lowest validation loss came with epoch {best:g}."
    if len(content.histories) > 1:
        shown = f", the first {len(runs)} of them shown" if len(content.histories) > len(runs) else ""
        about += f" One line for each of the {len(content.histories)} members{shown}."
    return section("Learning curves", about, f'<div class="pair">{"".join(charts)}</div>')


def _confusion(content: ReportContent) -> str:
    e = content.evaluation
    classes = [str(each) for each in e.classes]
    order = list(range(len(classes)))
    left_out = ""
    if len(classes) > _MOST_CLASSES:
        order = sorted(order, key=lambda i: -e.per_class[i].support)[:_MOST_CLASSES]
        left_out = f" The {_MOST_CLASSES} most frequent of {len(classes):,} classes are listed."
    rows = [
        [clean(fitted(classes[i], 60)), *(percent(v, 1) for v in (s.precision, s.recall, s.f1)), f"{s.support:,.6g}"]
        for i in order
        for s in (e.per_class[i],)
    ]
    scores = table(["class", "precision", "recall", "F1", "rows"], rows)
    if len(classes) <= _MOST_CLASSES_IN_MATRIX:
        chart = confusion_chart("confusion", "Confusion matrix", classes, e.confusion)
        note = "A cell: rows, and their share of the label’s rows."
        if len(classes) <= 4:
            figures = (
                f'<div class="pair">{figure(chart, "Confusion matrix", note)}<div><h3>Classes</h3>{scores}</div></div>'
            )
        else:
            wide = f'<div class="scroll">{chart}</div>'
            figures = f'<div class="block">{figure(wide, "Confusion matrix", note)}</div>{scores}'
    else:
        figures = _frequent_confusions(classes, e.confusion) + scores
    about = (
        "Precision: of the rows given this answer, the share that has this label. Recall: of the rows with this label, "
        f"the share given this answer. F1: their harmonic mean.{left_out}"
    )
    return section("Which classes are confused", about, figures)


def _frequent_confusions(classes: Sequence[str], counts: Sequence[Sequence[float]]) -> str:
    pairs = [(count, i, j) for i, row in enumerate(counts) for j, count in enumerate(row) if i != j and count]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    rows = [
        [
            clean(fitted(classes[i], 60)),
            clean(fitted(classes[j], 60)),
            f"{count:,.6g}",
            percent(count / sum(counts[i]), 1),
        ]
        for count, i, j in pairs[:_MOST_CONFUSIONS]
    ]
    return table(["label", "taken for", "rows", "of the label’s rows"], rows, texts=2) if rows else ""


def _calibration(content: ReportContent) -> str:
    bins = calibration(content.targets, content.probabilities)
    if not bins:
        return ""
    two = content.probabilities.shape[1] == 2
    what = f"“{fitted(str(content.evaluation.classes[1]), 24)}”" if two else "the answer"
    points = [(b.predicted, b.observed, *b.interval, b.rows) for b in bins]
    chart = reliability_chart(
        "calibration", "Calibration", points, f"predicted probability of {what}, %", "came true, %"
    )
    rows = [
        [
            f"{100 * b.low:.0f} – {100 * b.high:.0f} %",
            f"{b.rows:,}",
            percent(b.predicted, 1),
            percent(b.observed, 1),
        ]
        for b in bins
    ]
    binned = table(["predicted", "rows", "mean", "came true"], rows)
    about = (
        "Do probabilities mean what they say? On the dashed diagonal they do. Expected calibration error "
        f"{percent(calibration_error(bins))}, log loss {content.evaluation.log_loss:.4f} nats."
    )
    note = "Larger points stand for more rows; lines are 95 % intervals."
    return section(
        "Calibration",
        about,
        f'<div class="pair">{figure(chart, "Predicted and observed", note)}<div><h3>Bins</h3>{binned}</div></div>',
    )


def _errors(content: ReportContent) -> str:
    wrong = int((content.probabilities.argmax(axis=1) != content.targets).sum())
    hard = content.hardest(_MOST_ERRORS)
    items = []
    for each in hard:
        text = content.texts[each.row] if content.texts else f"validation row {each.row + 1}"
        shown = (
            text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT * 2 // 3]} … {text[-_LONGEST_TEXT // 3 :]}"
        )
        place = f" · {clean(content.places[each.row])}" if content.places else ""
        items.append(
            f"<li><q>{clean(shown)}</q><span>label <b>{clean(fitted(each.label, 60))}</b> "
            f"({percent(each.label_probability, 1)}), answer <b>{clean(fitted(each.answer, 60))}</b> "
            f"({percent(each.answer_probability, 1)}){place}</span></li>"
        )
    about = (
        f"{wrong:,} of {content.evaluation.n:,} validation rows are wrong; these are the {len(hard)} whose label got "
        "the least probability. Wrong labels in the data gather here: it is the first place to look for them."
    )
    return section("Hardest errors", about, f'<ol class="errors">{"".join(items)}</ol>' if items else "")
