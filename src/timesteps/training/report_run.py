"""The sections about the run: data, model, settings."""

from __future__ import annotations

from typing import Any

from timesteps.runtime.display import fitted
from timesteps.training.report_charts import clean, histogram
from timesteps.training.report_content import ReportContent, duration, percent
from timesteps.training.report_markup import facts, figure, section, table

__all__ = ["data_section", "model_section", "settings_section"]

_LONGEST_VALUE = 200


def data_section(content: ReportContent) -> str:
    """Lengths, where the rows went, where they came from."""
    account, lengths = content.rows, content.lengths
    rows = ""
    if account is not None:
        lines = [("read", account.read), ("used for training", account.train), ("used for validation", account.valid)]
        lines += [(f"left out: {reason}", count) for reason, count in account.left_out.items()]
        if account.duplicates is not None:
            lines.append(("texts both in training and validation", account.duplicates))
        notes = "".join(f"<li>{clean(fitted(note, 400))}</li>" for note in list(account.notes)[:20])
        listed = f'<ul class="note">{notes}</ul>' if notes else ""
        rows = f"<div><h3>Rows</h3>{facts([(name, f'{count:,}') for name, count in lines])}{listed}</div>"
    chart = ""
    if lengths is not None and len(lengths) and lengths.max() > 0:
        title = "Length of the training rows"
        drawn = histogram("lengths", title, lengths, content.max_length, "length, steps", "rows")
        said = [f"Median {_median(lengths):g} steps, longest {int(lengths.max()):,}."]
        if content.truncated is not None and content.max_length is not None:
            said.append(
                f"{percent(content.truncated)} are longer than {content.max_length:,} steps and were truncated."
            )
        if content.padding_waste is not None:
            said.append(f"{percent(content.padding_waste, 1)} of the computed steps were padding.")
        chart = figure(drawn, title, " ".join(said))
    origin = [
        ("training data", content.source),
        ("validation data", content.valid_source),
        ("licence", content.licence),
    ]
    origin.append(("SHA-256 of the data", content.sha256))
    body = f'<div class="pair">{chart}{rows}</div>' if chart or rows else ""
    return section("Data", "", body, facts([(name, fitted(value, 300)) for name, value in origin], wide=True))


def _median(lengths: Any) -> float:
    ordered = sorted(lengths.tolist())
    return float(ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2


def model_section(content: ReportContent) -> str:
    """Layers with shapes and parameters."""
    model = content.model
    if not model:
        return ""
    rows = [
        [
            f"{clean(row['name'])}<small>{clean(row['kind'])}</small>",
            clean("(" + ", ".join(map(str, row["output_shape"])) + ")"),
            f"{row['parameters']['keras']:,}",
            f"{row['parameters']['torch']:,}",
        ]
        for row in model["layers"]
    ]
    total = model["parameters"]
    rows.append(
        ["total of one member" if model["members"] > 1 else "total", "", f"{total['keras']:,}", f"{total['torch']:,}"]
    )
    marks = [""] * (len(rows) - 1) + ["total"]
    properties = [
        ("reads", model["reads"]),
        ("guide", model["guide"]),
        ("members", f"{model['members']}, which answer by their mean logit" if model["members"] > 1 else ""),
        ("size", f"{model['bytes'] / 2**20:.2f} MiB of weights"),
        ("streams", f"{'yes' if model['streams'] else 'no'}: {model['streams_because']}"),
    ]
    about = "B rows, T steps. Keras counts one bias a recurrent layer where one will do; torch stores two."
    layers = table(["layer", "output shape", "Keras parameters", "torch parameters"], rows, marks, texts=2)
    return section("Model", about, layers, facts(properties, wide=True))


def settings_section(content: ReportContent) -> str:
    """What it takes to do it again: settings, times, versions, command."""
    times = [(name, duration(seconds)) for name, seconds in content.seconds.items()]
    parts = [
        ("Settings", [(name, _shown(value)) for name, value in content.settings.items()]),
        ("Time", times),
        ("Engine", [("trained by", content.engine)] if content.engine else []),
        ("Versions", list(content.versions.items())),
    ]
    found = [f'<div class="block"><h3>{title}</h3>{facts(pairs)}</div>' for title, pairs in parts if pairs]
    for each in content.baselines:
        if each.settings:
            pairs = [(name, _shown(value)) for name, value in each.settings.items()]
            found.append(f'<div class="block"><h3>Baseline {clean(each.name)}</h3>{facts(pairs)}</div>')
    if content.command:
        found.append(f'<div class="block"><h3>Command</h3><code>{clean(fitted(content.command, 2000))}</code></div>')
    return section("To do it again", "", *found)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return fitted(", ".join(_shown(each) for each in value[:50]), _LONGEST_VALUE)
    return fitted(str(value), _LONGEST_VALUE)
