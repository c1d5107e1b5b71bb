"""fastText's `__label__x text` lines, and plain lines of text."""

from __future__ import annotations

from collections.abc import Iterable

from timesteps.data.rows import Rows
from timesteps.errors import DataError

PREFIX = "__label__"


def read_fasttext(lines: Iterable[tuple[int, str]], name: str) -> Rows:
    """Text and label of each line; the label comes first. Two labels on a line are an error: a text has one class."""
    texts: list[str | None] = []
    labels: list[str | None] = []
    numbers: list[int] = []
    for number, line in lines:
        label, text = None, line.strip()
        if text.startswith(PREFIX):
            label, _, text = text.removeprefix(PREFIX).partition(" ")
            if "\t" in label:
                label, _, text = f"{label} {text}".partition("\t")
            if text.lstrip().startswith(PREFIX):
                raise DataError(
                    "two labels on one line", path=name, line=number, mend="keep one, each text has one class"
                )
        texts.append(text.lstrip())
        labels.append(label)
        numbers.append(number)
    return Rows([texts, labels], numbers, ["text", "label"], fixed=(0, 1))


def read_plain(lines: Iterable[tuple[int, str]]) -> Rows:
    """One text a line, no labels."""
    texts: list[str | None] = []
    numbers: list[int] = []
    for number, line in lines:
        texts.append(line)
        numbers.append(number)
    return Rows([texts], numbers, ["text"], fixed=(0, None))
