"""Pretrained word vectors from word2vec, GloVe and fastText files."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError

__all__ = ["WordVectors", "load_vectors"]

FORMATS = ("auto", "text", "binary")
MAX_DIMENSION = 4096
MAX_WORD = 65_536  # bytes
_MAX_NUMBER = 40  # bytes of a number in a text file, its blank included

FormatName = Literal["auto", "text", "binary"]


@dataclass(frozen=True)
class WordVectors:
    """Vectors of a list of words: row k of `vectors` (len(words), D) is words[k]'s where `found[k]`, else NaN."""

    path: Path
    vectors: NDArray[np.float32]
    found: NDArray[np.bool_]

    @property
    def coverage(self) -> float:
        """The part of the words that have a vector, 0 to 1."""
        return float(self.found.mean()) if len(self.found) else 0.0

    def rows(self, index_from: int = 0) -> NDArray[np.float32]:
        """The table of an embedding whose id `index_from` is the first word, (index_from + len(words), D); else NaN."""
        reserved = np.full((index_from, self.vectors.shape[1]), np.nan, np.float32)
        return np.concatenate([reserved, self.vectors])

    def __str__(self) -> str:
        count, total = int(self.found.sum()), len(self.found)
        size = self.vectors.shape[1]
        return f"{self.path.name}: vectors of {size} numbers for {count:,} of {total:,} words ({self.coverage:.1%})"


def load_vectors(path: str | PathLike[str], words: Sequence[str], *, format: FormatName = "auto") -> WordVectors:
    """Read the vectors of some words from a file of word vectors, plain or gzip.

    Formats: word2vec text and fastText `.vec` (a first line "count dimension", then "word number number …"), GloVe (the
    same without the first line; words may contain blanks), word2vec binary (the first line, then each word, a blank
    and its float32 numbers). The file is read once, a line at a time; only the wanted vectors are kept. Of a word that
    occurs twice, the first vector counts.

    Args:
        path: the file.
        words: which words.
        format: "text" or "binary", if it should not be guessed.

    Raises:
        UsageError: an unknown format.
        DataError: the file cannot be read, a line does not have as many numbers as the first, a wanted vector holds
            something that is not a finite number, or there are fewer vectors than the first line says.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "small.vec")
    ...     _ = path.write_text("2 3\\ngood 1 0 0.5\\nbad -1 0 0.5\\n")
    ...     found = load_vectors(path, ["bad", "worse"])
    >>> print(found)
    small.vec: vectors of 3 numbers for 1 of 2 words (50.0%)
    >>> found.rows(index_from=1)
    array([[ nan,  nan,  nan],
           [-1. ,  0. ,  0.5],
           [ nan,  nan,  nan]], dtype=float32)
    """
    if format not in FORMATS:
        raise UsageError(f"format of vectors is {format!r}", mend=f"use one of {', '.join(FORMATS)}")
    path = Path(path)
    wanted: dict[bytes, int] = {}
    for k, word in enumerate(words):
        wanted.setdefault(word.encode("utf-8", "surrogatepass"), k)
    try:
        with _opened(path) as file:
            vectors = _read(path, file, wanted, len(words), format)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"cannot be read ({error})", path=path, mend="check the path, or download the file again"
        ) from error
    for k, word in enumerate(words):  # a word given twice has one vector
        vectors[k] = vectors[wanted[word.encode("utf-8", "surrogatepass")]]
    return WordVectors(path, vectors, np.logical_not(np.isnan(vectors).any(1)))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if compressed:
            with gzip.GzipFile(fileobj=raw) as file:
                yield cast(BinaryIO, file)
        else:
            yield raw


def _read(
    path: Path, file: BinaryIO, wanted: Mapping[bytes, int], count: int, format: FormatName
) -> NDArray[np.float32]:
    first = file.readline(MAX_WORD + _MAX_NUMBER * MAX_DIMENSION)
    if not first.strip():
        raise DataError("holds no vectors", path=path, line=1, mend="give a word2vec, GloVe or fastText file")
    header = first.split()
    if len(header) == 2 and all(part.isdigit() for part in header):
        total, size = int(header[0]), int(header[1])
        _check_size(path, size)
        second = file.readline(MAX_WORD + _MAX_NUMBER * size)
        vectors = np.full((count, size), np.nan, np.float32)
        if format == "binary" or (format == "auto" and not _is_text(second, size)):
            _read_binary(path, file, second, total, wanted, vectors)
        else:
            _read_text(path, file, second, 2, total, wanted, vectors)
        return vectors
    if format == "binary":
        raise DataError("no first line with count and dimension", path=path, line=1, mend="give a word2vec binary file")
    size = len(first.rstrip().split(b" ")) - 1
    _check_size(path, size)
    if not _is_text(first, size):
        raise DataError("not a word and its numbers", path=path, line=1, mend="give a word2vec, GloVe or fastText file")
    vectors = np.full((count, size), np.nan, np.float32)
    _read_text(path, file, first, 1, None, wanted, vectors)
    return vectors


def _check_size(path: Path, size: int) -> None:
    if not 1 <= size <= MAX_DIMENSION:
        raise DataError(f"vectors of {size} numbers", path=path, line=1, mend=f"1 to {MAX_DIMENSION} are read")


def _is_text(line: bytes, size: int) -> bool:
    """Whether a line is a word and `size` numbers."""
    try:
        return len([float(number) for number in line.rstrip().rsplit(b" ", size)[1:]]) == size
    except ValueError:
        return False


def _read_text(
    path: Path,
    file: BinaryIO,
    line: bytes,
    number: int,
    total: int | None,
    wanted: Mapping[bytes, int],
    vectors: NDArray[np.float32],
) -> None:
    size, start = vectors.shape[1], number
    limit = MAX_WORD + _MAX_NUMBER * size
    seen = np.zeros(len(vectors), np.bool_)
    while line:
        text = line.rstrip()
        if text.count(b" ") < size or (len(line) >= limit and not line.endswith(b"\n")):
            raise DataError(f"not a word and {size} numbers", path=path, line=number, mend="remove the line")
        word, rest = text.split(b" ", 1) if text.count(b" ") == size else _from_the_right(text, size)
        k = wanted.get(word)
        if k is not None and not seen[k]:
            vectors[k] = _numbers(path, number, rest, size)
            seen[k] = True
        line = file.readline(limit)
        number += 1
    if total is not None and number - start < total:
        raise DataError(
            f"the first line says {total} vectors, there are {number - start}",
            path=path,
            mend="download the file again",
        )


def _from_the_right(text: bytes, size: int) -> tuple[bytes, bytes]:
    """A word that has blanks in it, and its numbers."""
    word, *numbers = text.rsplit(b" ", size)
    return word.rstrip(b" "), b" ".join(numbers)


def _numbers(path: Path, line: int, text: bytes, size: int) -> NDArray[np.float32]:
    try:
        vector = np.array([float(number) for number in text.split(b" ")], np.float64)
    except ValueError:
        vector = np.full(size, np.nan)
    with np.errstate(over="ignore"):
        small = vector.astype(np.float32)
    if len(small) != size or not np.isfinite(small).all():
        raise DataError(f"not a word and {size} finite numbers", path=path, line=line, mend="remove the line")
    return small


def _read_binary(
    path: Path,
    file: BinaryIO,
    buffer: bytes,
    total: int,
    wanted: Mapping[bytes, int],
    vectors: NDArray[np.float32],
) -> None:
    width = 4 * vectors.shape[1]
    seen = np.zeros(len(vectors), np.bool_)
    start = 0
    for entry in range(1, total + 1):
        while (blank := buffer.find(b" ", start, start + MAX_WORD)) < 0 or len(buffer) < blank + 1 + width:
            if blank < 0 and len(buffer) - start >= MAX_WORD:
                raise DataError(f"vector {entry} has no word", path=path, mend="check that this is a word2vec file")
            more = file.read(1 << 20)
            if not more:
                raise DataError(f"ends in vector {entry} of {total}", path=path, mend="download the file again")
            buffer, start = buffer[start:] + more, 0
        word, begin = buffer[start:blank].lstrip(b"\n"), blank + 1
        k = wanted.get(word)
        if k is not None and not seen[k]:
            vectors[k] = np.frombuffer(buffer, "<f4", vectors.shape[1], begin)
            seen[k] = True
            if not np.isfinite(vectors[k]).all():
                raise DataError(f"vector {entry} holds NaN or infinite numbers", path=path, mend="use another file")
        start = begin + width
