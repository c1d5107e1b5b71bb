"""The report of a language model: curves of training, perplexity by position, and words coloured by their probability.

Of colours nothing depends: a word's shade is the darker, and the line below it the thicker, the less it was expected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Literal

from timesteps.runtime.display import fitted, printable
from timesteps.runtime.language.evaluation import Surprise, TextEvaluation, TokenLine
from timesteps.training.report_charts import Line, clean, line_chart
from timesteps.training.report_frame import frame, write_page
from timesteps.training.report_markup import facts, figure, section, table

__all__ = ["LanguageReport", "write_language_report"]

_SHADES = 6
_STEP = 2.5  # bits of surprise that make the next shade
_MOST_LINES = 24
_LONGEST_UNIT = 60

_LANGUAGE_STYLE = """
.words { margin-top: 14px; line-height: 2.05; max-width: 56em; }
.words p { max-width: none; padding: 5px 0; border-bottom: 1px solid var(--rule); }
.words span {
  padding: 1px 2px; border-bottom: 0 solid var(--b); border-radius: 2px; white-space: pre-wrap;
  background: color-mix(in srgb, var(--b) calc(var(--s) * 9%), transparent);
  border-bottom-width: calc(var(--s) * 0.6px); -webkit-box-decoration-break: clone; box-decoration-break: clone;
}
.key { margin-top: 10px; font-size: 14px; color: var(--muted); }
"""


@dataclass(frozen=True)
class LanguageReport:
    """What the page shows."""

    title: str
    source: str
    """What the model was judged on."""
    evaluation: TextEvaluation
    model: Sequence[tuple[str, str]] = ()
    """Facts about the model: names and values."""
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Perplexity by epoch, for models that are trained in epochs: "training", "validation"."""
    best_epoch: int | None = None
    """From 1."""


def write_language_report(path: str | PathLike[str], report: LanguageReport) -> Path:
    """Write the page, one file that loads nothing and runs nothing, and return its path.

    Raises:
        UsageError: the file cannot be written.

    >>> import tempfile
    >>> from timesteps.runtime.language.evaluation import evaluate_text
    >>> from timesteps.runtime.language.plain import PlainModel
    >>> evaluation = evaluate_text(PlainModel(["a b"]), ["a b", "b a"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = LanguageReport("Letters", "two lines", evaluation)
    ...     page = write_language_report(Path(folder) / "report.html", report)
    ...     "per token" in page.read_text(encoding="utf-8")
    True
    """
    return write_page(path, _page(report))


def _page(report: LanguageReport) -> str:
    found = report.evaluation
    headline = f"Perplexity {_number(found.perplexity)} per token"
    detail = (
        f"{_number(found.bits_per_character)} bits per character, on {found.tokens:,} tokens in {found.lines:,} "
        f"lines of {report.source}."
    )
    sections = [
        _figures(report),
        _learning(report),
        _positions(found),
        _surprises(found.surprises),
        _lines(found.shown),
    ]
    sections.append(section("The model", "", facts(report.model)))
    tone: Literal["", "bad"] = "bad" if found.impossible else ""
    return frame(report.title, headline, [detail], sections, tone=tone, style=_LANGUAGE_STYLE)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else "–"
    return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"


def _figures(report: LanguageReport) -> str:
    found = report.evaluation
    share = found.unknown / found.tokens
    said = "Perplexity is how many equally likely tokens would be as hard to guess. Ends of lines count as tokens."
    if found.impossible:
        named = ", ".join(fitted(printable(unit), 40) for unit in found.impossible[:10])
        said += f" It is infinite because the model holds these impossible: {named}."
    return section(
        "How well it predicts",
        said,
        facts(
            [
                ("per token", _number(found.perplexity)),
                ("per known token", _number(found.perplexity_known)),
                ("per word", _number(found.word_perplexity)),
                ("per character", _number(found.character_perplexity)),
                ("bits per character", _number(found.bits_per_character)),
                ("tokens", f"{found.tokens:,}"),
                ("unknown", f"{found.unknown:,} ({100 * share:.2f} %)"),
                ("words", f"{found.words:,}"),
                ("characters", f"{found.characters:,}"),
            ]
        ),
    )


def _learning(report: LanguageReport) -> str:
    lines = [
        Line(name, "b" if name == "training" else "a", [([float(at + 1) for at in range(len(values))], list(values))])
        for name, values in report.curves.items()
        if len(values)
    ]
    best = None if report.best_epoch is None else float(report.best_epoch)
    chart = line_chart("curves", "Perplexity by epoch", lines, "epoch", "perplexity", share=False, best=best)
    return section("How it learned", "", figure(chart, "Perplexity by epoch"))


def _positions(found: TextEvaluation) -> str:
    places = [(first, n, value) for first, n, value in found.by_position if math.isfinite(value) and n > 1]
    line = Line("perplexity", "a", [([float(first + 1) for first, *_ in places], [value for *_, value in places])])
    drawn = line_chart("places", "Perplexity by position", [line], "token of the line", "perplexity", share=False)
    note = "The first tokens of a line have little before them to be guessed by. The 11th and later are in bands."
    rows = [[str(first + 1), f"{n:,}", _number(value)] for first, n, value in found.by_position]
    pair = f'<div class="pair">{figure(drawn, "Perplexity by position")}'
    pair += f"{table(['from token', 'tokens', 'perplexity'], rows)}</div>"
    return section("Where in the line", note, pair if len(places) > 1 else "")


def _surprises(surprises: Sequence[Surprise]) -> str:
    rows = [
        [
            f"<b>{_shown(each.unit)}</b>",
            clean(fitted(printable(each.context), 70)),
            f"{each.line:,}",
            "impossible"
            if not math.isfinite(each.log_prob)
            else f"1 in {_number(math.exp(min(-each.log_prob, 700.0)))}",
        ]
        for each in surprises
    ]
    head = ["token", "after", "line", "probability"]
    shown = table(head, rows, texts=2) if rows else ""
    return section("What surprised it most", "The least probable tokens of the text that the vocabulary has.", shown)


def _lines(lines: Sequence[TokenLine]) -> str:
    blank = any(unit.isspace() for line in lines for unit in line.units)
    shown = "".join(f"<p>{_line(line, '' if blank else ' ')}</p>" for line in lines[:_MOST_LINES])
    key = "".join(f'<span style="--s:{shade}">{2 ** (shade * _STEP):,.0f}</span> ' for shade in range(_SHADES))
    body = f'<div class="words key">one in {key}or more</div><div class="words">{shown}</div>' if shown else ""
    return section("Word by word", "The darker, and the thicker the line below, the less the token was expected.", body)


def _line(line: TokenLine, between: str) -> str:
    spans = []
    for unit, log_prob in zip(line.units, line.log_probs.tolist(), strict=True):
        bits = -log_prob / math.log(2.0) if math.isfinite(log_prob) else math.inf
        shade = int(min(max(bits, 0.0) / _STEP, _SHADES - 1))
        chance = "impossible" if math.isinf(bits) else f"{bits:.1f} bits"
        spans.append(f'<span style="--s:{shade}" title="{chance}">{_shown(unit)}</span>')
    return between.join(spans)


def _shown(unit: str) -> str:
    return "↵" if unit == "\n" else clean(fitted(printable(unit), _LONGEST_UNIT)) or "␣"
