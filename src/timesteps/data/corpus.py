"""Running text on its way in: the lines of a file, of standard input, or of a known data set."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike

from timesteps.data.catalogue import Dataset, locate, parts_in
from timesteps.data.lines import MAX_LINE_BYTES, iter_lines
from timesteps.data.source import load, resolve
from timesteps.errors import DataError, UsageError

__all__ = ["corpus_lines", "corpus_name"]


def corpus_name(source: str | PathLike[str] | None) -> str:
    """What a report calls the corpus."""
    found = resolve(source)
    return found.name if isinstance(found, Dataset) else str(found)


def corpus_lines(
    source: str | PathLike[str] | None,
    *,
    split: str = "train",
    encoding: str | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> Iterator[tuple[int, str]]:
    """Numbered lines of a text, one sentence a line, each as soon as it is there.

    A file may be compressed; `-` is standard input; of a known data set of texts with labels (`nsmc`, `sample`), the
    texts alone; None is the bundled sample. Memory stays constant for files.

    Raises:
        DataError: a missing file, undecodable bytes, or a line of more than `max_line_bytes`: with the line's number;
            there is no line at all.
        UsageError: a known data set has no such part.

    >>> next(corpus_lines("shakespeare"))
    (1, 'First Citizen:')
    >>> len(list(corpus_lines(None)))
    4000
    """
    found = resolve(source)
    number = 0
    if isinstance(found, Dataset):
        if split not in found.parts:
            raise UsageError(f"{found.name} has no part {split!r}", mend=f"it has {', '.join(found.parts)}")
        folder = locate(found.name)
        form = None if folder is None else parts_in(found, folder).get(split)
        if folder is not None and form is not None and form.running:
            yield from iter_lines(folder / form.path, encoding, max_line_bytes)
            return
        for text in load(found.name, split, labelled=None).texts:
            for line in text.splitlines():
                number += 1
                yield number, line
        return
    for number, line in iter_lines(found, encoding, max_line_bytes):
        yield number, line
    if number == 0:
        raise DataError("is empty", path=found, mend="give a text, one sentence a line")
