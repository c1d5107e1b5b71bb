"""A corpus on its way into counts: sentences, cut into units, in blocks of bytes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from timesteps.data.corpus import corpus_lines, corpus_name
from timesteps.errors import DataError
from timesteps.runtime.language.units import Units, UnitsSpec
from timesteps.runtime.text.normalize import canonical

__all__ = ["Corpus", "blocks", "sentences"]

Corpus = str | os.PathLike[str] | Iterable[str] | None
"""A file (plain or compressed), `-`, the name of a known data set, sentences, or None: the bundled sample."""

_BLOCK = 1 << 19  # characters


def sentences(corpus: Corpus, encoding: str | None = None) -> tuple[str, Iterator[tuple[int, str]]]:
    """What the corpus is called, and its sentences, numbered from 1: lines of a file, texts of a data set.

    Errors, as they are met: `DataError` for a missing file, undecodable bytes, NUL bytes, a line of more than 16 MiB,
    each with its line.
    """
    if corpus is not None and not isinstance(corpus, str | os.PathLike):
        return "sentences", enumerate(corpus, 1)
    return corpus_name(corpus), corpus_lines(corpus, encoding=encoding)


def blocks(name: str, numbered: Iterable[tuple[int, str]], spec: UnitsSpec) -> Iterator[tuple[bytes, bool]]:
    """Blocks of sentences as `NgramCounter.add` takes them: UTF-8, a line each; units between blanks, or NULs."""
    plain = spec.kind == "word" and not spec.apart  # the core splits at blanks by itself
    units = Units(spec)
    lines: list[str] = []
    size = 0
    for number, sentence in numbered:
        if "\0" in sentence or "\n" in sentence:
            what = "a NUL" if "\0" in sentence else "a line's end"
            raise DataError(f"{what} in a sentence", path=name, line=number, mend="remove it, or split the sentence")
        lines.append(sentence if plain else "\0".join(units.cut(sentence)))
        size += len(sentence)
        if size >= _BLOCK:
            yield _encoded(lines, spec, plain), not plain
            lines, size = [], 0
    if lines:
        yield _encoded(lines, spec, plain), not plain


def _encoded(lines: list[str], spec: UnitsSpec, plain: bool) -> bytes:
    text = "\n".join(lines) + "\n"
    return (canonical(text, lowercase=spec.lowercase) if plain else text).encode()
