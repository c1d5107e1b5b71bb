"""Tagged sentences as the CoNLL tasks write them: a token and its tag a line, a blank line between sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike

from timesteps.data.lines import LineReader
from timesteps.errors import DataError

__all__ = ["TaggedSentences", "read_tagged", "sentences"]

_DOCUMENT = "-DOCSTART-"  # a line that begins a document, in the files of CoNLL 2002 and 2003


@dataclass(frozen=True)
class TaggedSentences:
    """Tokens and tags of each sentence, and the line that each begins in."""

    tokens: list[list[str]]
    tags: list[list[str]]
    lines: list[int]
    sha256: str

    def __len__(self) -> int:
        return len(self.tokens)


def read_tagged(source: str | PathLike[str], encoding: str | None = None) -> TaggedSentences:
    """Sentences of a file, plain or compressed, or of standard input (`-`).

    A line has columns, between tabs or, where it has no tab, blanks: the token first and the tag last. Lines that begin
    with "-DOCSTART-", and those with "# " that have no tab, are comments.

    Raises:
        DataError: a line without a tag, by its number; a file without sentences; one that cannot be read.
    """
    reader = LineReader(source, encoding)
    tokens: list[list[str]] = []
    tags: list[list[str]] = []
    lines: list[int] = []
    for found in sentences(reader):
        lines.append(found[0][0])
        for number, columns in found:
            if len(columns) < 2:
                raise DataError(
                    f"the token {columns[0]!r} has no tag", path=reader.name, line=number, mend="write token<TAB>tag"
                )
        tokens.append([columns[0] for _, columns in found])
        tags.append([columns[-1] for _, columns in found])
    if not tokens:
        raise DataError("there is no sentence", path=reader.name, mend="write token<TAB>tag, a line for each token")
    return TaggedSentences(tokens, tags, lines, reader.sha256)


def sentences(lines: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, list[str]]]]:
    """Numbered lines as sentences: of each line that is a token, its number and its columns.

    >>> list(sentences([(1, "the D"), (2, ""), (3, "dog N")]))
    [[(1, ['the', 'D'])], [(3, ['dog', 'N'])]]
    """
    found: list[tuple[int, list[str]]] = []
    for number, line in lines:
        if not line.strip():
            if found:
                yield found
            found = []
        elif not line.startswith(_DOCUMENT) and (not line.startswith("# ") or "\t" in line):
            found.append((number, line.strip("\t ").split("\t") if "\t" in line else line.split()))
    if found:
        yield found
