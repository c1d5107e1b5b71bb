"""The model card: `ReportContent` as a page of Markdown that travels with the model (Mitchell et al. 2019)."""

from __future__ import annotations

import re

from timesteps.runtime.display import fitted, printable
from timesteps.training.report_content import ReportContent, calibration, calibration_error, percent

__all__ = ["card"]

_MARKS = re.compile(r"([\\`*_{}\[\]<>()#|~!&])")


def card(content: ReportContent) -> str:
    """The whole of `card.md`."""
    e = content.evaluation
    paragraphs = [
        f"# {plain(content.title)}",
        f"**{plain(content.verdict.headline)}.** {plain(content.verdict.detail)}",
        "## What it is",
        _what(content),
        "## Data",
        _data(content),
        "## Figures",
        f"On {e.n:,} validation rows that nothing was trained on:",
        _figures(content),
        "## Intended use and limits",
        _limits(content),
        "## How to run it",
        _run(content),
    ]
    return "\n\n".join(paragraphs) + "\n"


def plain(text: str, columns: int = 300) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _MARKS.sub(r"\\\1", fitted(printable(" ".join(text.split())), columns))


def _what(content: ReportContent) -> str:
    classes = [plain(str(each), 40) for each in content.evaluation.classes]
    listed = ", ".join(classes[:20]) + (f" and {len(classes) - 20:,} more" if len(classes) > 20 else "")
    lines = [f"A recurrent network that gives each input one of {len(classes):,} classes: {listed}."]
    if content.model:
        model = content.model
        layers = " → ".join(f"{row['name']} {row['kind']}" for row in model["layers"])
        members = f" {model['members']} such networks answer by their mean logit." if model["members"] > 1 else ""
        lines.append(f"Layers: {plain(layers)}.{members}")
        size = f"{model['parameters']['torch']:,} parameters a network, {model['bytes'] / 2**20:.2f} MiB of weights"
        lines.append(f"{size}. Input: {plain(model['reads'])}." if model["reads"] else f"{size}.")
        lines += [f"Guide: {plain(model['guide'])}."] if model["guide"] else []
    lines += [f"Engine of the training: {plain(content.engine)}."] if content.engine else []
    return " ".join(lines)


def _data(content: ReportContent) -> str:
    lines = [
        f"- Trained on: {plain(content.source) or 'not recorded'}",
        f"- Judged on: {plain(content.valid_source) or 'not recorded'}",
        f"- Licence of the data: {plain(content.licence) or 'not known; find out before you pass the model on'}",
    ]
    if content.rows is not None:
        out = ", ".join(f"{count:,} {plain(reason)}" for reason, count in content.rows.left_out.items())
        lines.append(
            f"- Rows: {content.rows.read:,} read, {content.rows.train:,} for training, {content.rows.valid:,} for "
            f"validation, left out: {out or 'none'}"
        )
    if content.sha256:
        lines.append(f"- SHA-256: `{re.sub(r'[^0-9a-zA-Z:, ]', '', content.sha256)}`")
    return "\n".join(lines)


def _figures(content: ReportContent) -> str:
    rows = [("this model", content.evaluation)]
    rows += [
        (f"baseline: {plain(each.name)} ({plain(each.description)})", each.evaluation) for each in content.baselines
    ]
    lines = ["| | accuracy | 95 % interval | macro-F1 | log loss |", "|---|---:|---:|---:|---:|"]
    for name, e in rows:
        low, high = e.accuracy_interval
        interval = f"{100 * low:.2f} – {100 * high:.2f}"
        lines.append(f"| {name} | {percent(e.accuracy)} | {interval} | {e.macro_f1:.4f} | {e.log_loss:.4f} |")
    return "\n".join(lines)


def _limits(content: ReportContent) -> str:
    e = content.evaluation
    error = percent(calibration_error(calibration(content.targets, content.probabilities)), 1)
    lines = ["- For inputs like those it was trained on. The figures hold for rows drawn as the validation rows were."]
    met = [scores for scores in e.per_class if scores.support]
    if met:
        weakest = min(met, key=lambda scores: scores.recall)
        lines.append(
            f"- Weakest class: {plain(str(weakest.label), 40)}, of whose rows {percent(weakest.recall, 1)} are found."
        )
    lines.append(f"- Stated probabilities are off by {error} on average (expected calibration error).")
    if content.max_length is not None:
        share = "" if content.truncated is None else f" ({percent(content.truncated, 1)} of the training rows were)"
        lines.append(f"- Inputs of more than {content.max_length:,} steps are truncated{share}.")
    if content.verdict.loses and content.best_baseline is not None:
        lines.append(
            f"- A cheaper model, {plain(content.best_baseline.name)}, is more accurate: prefer it to this one."
        )
    lines.append(
        "- It repeats the habits and prejudices of its training data. Do not let it decide about people by itself."
    )
    return "\n".join(lines)


def _run(content: ReportContent) -> str:
    example = "text" if content.texts else "row"
    return f"""`RUN` is the folder of this card, or the `model.safetensors` in it. PyTorch is not needed.

```
timesteps predict RUN FILE        # a line in, a line out: label <tab> probability
timesteps evaluate RUN DATA
```

```python
import timesteps

model = timesteps.load("RUN")
labels = model.predict([{example}])
probabilities = model.predict_proba([{example}])  # columns in the order of model.classes
```"""
