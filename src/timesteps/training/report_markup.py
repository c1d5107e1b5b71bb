"""Sections, figures and tables of the report, as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from timesteps.training.report_charts import clean

__all__ = ["facts", "figure", "section", "table"]


def section(title: str, about: str, *parts: str) -> str:
    """A section of the given parts (HTML) under a title, nothing if all of them are empty. `about` is plain text."""
    body = "\n".join(part for part in parts if part)
    said = f"<p>{clean(about)}</p>" if about else ""
    return f"<section>\n<h2>{clean(title)}</h2>\n{said}\n{body}\n</section>\n" if body else ""


def figure(chart: str, title: str, note: str = "") -> str:
    """A chart (HTML) between its title and a note (plain text); nothing if there is no chart."""
    said = f'<p class="note">{clean(note)}</p>' if note else ""
    return f"<figure><h3>{clean(title)}</h3>{chart}{said}</figure>" if chart else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[str] = (), texts: int = 1) -> str:
    """Cells are HTML; the first `texts` columns hold words, the others numbers. `classes` are of the rows."""

    def kind(column: int) -> str:
        return ' class="n"' if column >= texts else ""

    lines = ["<tr>" + "".join(f'<th scope="col"{kind(i)}>{clean(cell)}</th>' for i, cell in enumerate(head)) + "</tr>"]
    for number, row in enumerate(rows):
        style = f' class="{classes[number]}"' if number < len(classes) and classes[number] else ""
        lines.append(f"<tr{style}>" + "".join(f"<td{kind(i)}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>")
    return f'<div class="block scroll"><table>{lines[0]}{"".join(lines[1:])}</table></div>'


def facts(pairs: Sequence[tuple[str, str]], wide: bool = False) -> str:
    """Names with values (plain text), in columns, or one below the other if `wide`; empty values are left out."""
    rows = "".join(f"<div><dt>{clean(name)}</dt><dd>{clean(value)}</dd></div>" for name, value in pairs if value)
    return f'<dl class="block{" wide" if wide else ""}">{rows}</dl>' if rows else ""
