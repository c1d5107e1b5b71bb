"""Text in columns: for terminals, tables and charts, where a Hangul syllable is two columns wide."""

from __future__ import annotations

import unicodedata

__all__ = ["columns_of", "fitted", "printable"]


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
