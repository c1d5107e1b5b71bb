"""What a person sees after training: `report.html` and `card.md`."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from timesteps.runtime.atomic import atomic_write
from timesteps.training.report_card import card
from timesteps.training.report_content import Baseline, ReportContent, RowAccount
from timesteps.training.report_page import page

__all__ = ["CARD", "REPORT", "Baseline", "ReportContent", "RowAccount", "write_card", "write_report"]

REPORT = "report.html"
CARD = "card.md"


def write_report(folder: str | PathLike[str], content: ReportContent) -> Path:
    """Write `report.html` into a folder that exists, and return its path.

    The page is one file of at most 1 MB that loads nothing, runs nothing and can be printed.

    Raises:
        UsageError: the folder cannot be written.

    >>> import numpy as np, tempfile
    >>> from timesteps.runtime.metrics import evaluate
    >>> targets, shares = np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]])
    >>> content = ReportContent("Reviews", evaluate(targets, shares, ("bad", "good")), targets, shares)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(folder, content).name, write_card(folder, content).name
    ('report.html', 'card.md')
    """
    return _write(Path(folder) / REPORT, page(content))


def write_card(folder: str | PathLike[str], content: ReportContent) -> Path:
    """Write `card.md`, a model card of one page, into a folder that exists, and return its path. Errors as above."""
    return _write(Path(folder) / CARD, card(content))


def _write(path: Path, text: str) -> Path:
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "replace"))
    return path
