"""`frame`: what every report and picture of a model has around its sections."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

from timesteps.runtime.atomic import atomic_write
from timesteps.training.report_charts import clean
from timesteps.training.report_style import STYLE
from timesteps.version import __version__

__all__ = ["frame", "write_page"]

_WRITTEN = f"Written by timesteps {__version__}. This page loads nothing from elsewhere."


def frame(
    over: str,
    headline: str,
    details: Sequence[str],
    sections: Sequence[str],
    *,
    title: str | None = None,
    tone: Literal["", "good", "bad"] = "",
    style: str = "",
    footer: str = _WRITTEN,
    allowed: str = "",
    script: str = "",
) -> str:
    """One HTML page that loads nothing.

    Args:
        over: above the headline, small; `headline`; `details`: paragraphs below it; `footer`: all plain text.
        sections: HTML, in order.
        title: of the window, plain text; `over` and the headline where it is left out.
        tone: of the banner.
        style: CSS beside that of all pages.
        allowed: what the policy allows besides styles, such as "img-src data:".
        script: HTML before the end of the body.
    """
    paragraphs = "".join(f'\n<p class="verdict">{clean(each)}</p>' for each in details)
    # The policy forbids the page to fetch anything and to run what is not named, whatever texts it shows.
    policy = "; ".join(["default-src 'none'", "style-src 'unsafe-inline'", *([allowed] if allowed else [])])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{clean(f"{over}: {headline}" if title is None else title)}</title>
<style>{STYLE}{style}</style>
</head>
<body>
<main>
<header class="banner{f" {tone}" if tone else ""}">
<p class="over">{clean(over)}</p>
<h1>{clean(headline)}</h1>{paragraphs}
</header>
{"".join(sections)}
</main>
<footer>{clean(footer)}</footer>{script}
</body>
</html>
"""


def write_page(path: str | PathLike[str], html: str) -> Path:
    """Write a page, whole or not at all, and return its path. `UsageError` if it cannot be written."""
    path = Path(path)
    with atomic_write(path) as file:
        file.write(html.encode("utf-8", "replace"))
    return path
