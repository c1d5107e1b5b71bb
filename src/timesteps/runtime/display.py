"""Text in columns: for terminals, tables and charts, where a Hangul syllable is two columns wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["aligned", "columns_of", "fitted", "printable"]


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a table as lines: the first column to the left, the others, numbers, to the right.

    >>> aligned([["", "MAE"], ["drift", "1.5"]])
    ['       MAE', 'drift  1.5']
    """
    widths = [max(columns_of(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for row in table:
        blanks = [" " * (width - columns_of(cell)) for cell, width in zip(row, widths, strict=True)]
        first, *others = zip(row, blanks, strict=True)
        lines.append("  ".join([first[0] + first[1], *(blank + cell for cell, blank in others)]).rstrip())
    return lines


def columns_of(text: str) -> int:
    """How many columns a text takes.

    >>> columns_of("ab"), columns_of("긍정")
    (2, 4)
    """
    return sum(_width(letter) for letter in text)


def fitted(text: str, columns: int) -> str:
    """Text cut to so many columns.

    >>> fitted("positive", 5), fitted("긍정적", 5)
    ('posi…', '긍정…')
    """
    used = 0
    for place, letter in enumerate(text):
        used += _width(letter)
        # One column is kept for the mark, unless the rest fits.
        if used > columns - 1 and (used > columns or used + columns_of(text[place + 1 :]) > columns):
            return text[:place] + "…"
    return text


def printable(text: str) -> str:
    r"""Text with its control, format and unassigned characters written out, so that it cannot move the cursor.

    >>> printable("good\x1b[2J\n")
    'good\\x1b[2J\\n'
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def _width(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
