"""ARPA files of n-gram models, in and out: the format that SRILM, KenLM and others share.

`\\data\\`, a line `ngram N=count` an order, then a section an order: `\\N-grams:` and lines of log10 P, a tab, N words
with blanks between, and, unless the order is the highest, a tab and log10 of the back-off weight; last `\\end\\`.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError, option
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.language.arpa_tables import Section, Wrong, tables_of
from timesteps.runtime.language.ngram import Ngram
from timesteps.runtime.language.ngram_spec import MAX_ORDER, NGRAM, NgramSpec, table_name
from timesteps.runtime.language.ngram_table import EMPTY, logarithms
from timesteps.runtime.language.units import BEGIN, END, KINDS, MARKS, UNKNOWN, UnitsSpec, spelled, unspelled
from timesteps.runtime.language.vocabulary import MAX_WORDS, VocabularySpec
from timesteps.runtime.layout import shorten

__all__ = ["read_arpa", "write_arpa"]

_MAX_LINE = 1 << 20  # bytes
_MAX_COUNT = 1 << 31
_COUNT = re.compile(r"ngram\s+([0-9]{1,3})\s*=\s*([0-9]{1,18})")
_MISSING = -100.0  # log10 P of <unk> where a file has none; KenLM's
_BLOCK = 1 << 15  # lines


class _Lines:
    """Lines that say something, with their numbers."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(_MAX_LINE + 1):
            self.number += 1
            if len(line) > _MAX_LINE:
                raise Wrong(f"a line of more than {_MAX_LINE:,} bytes", self.number)
            try:
                text = line.decode().strip(" \t\r\n")
            except UnicodeDecodeError as error:
                raise Wrong(f"byte 0x{line[error.start]:02x} is not UTF-8", self.number) from error
            if text:
                yield text


class _Header(NamedTuple):
    counts: list[int]
    first: str  # the line after it


def read_arpa(path: str | os.PathLike[str], *, units: str = "word") -> Ngram:
    """The model of an ARPA file, compressed or not, whose words are units of this kind.

    An n-gram whose shorter end is not in the file (SRILM prunes so) gets one, with the probability that it has by
    backing off: no answer changes. A file without <unk> gets one of probability 10^-100.

    Raises:
        ModelError: a missing or damaged file: counts that are not those of the sections, orders out of order, n-grams
            that occur twice or go on from what is not there, numbers that are none, probabilities above 1; with the
            line.
        UsageError: no such kind of units.
    """
    if units not in KINDS or units == "subword":
        raise UsageError(f"{option('units', units)} is unknown", mend="give word, syllable, jamo, char or byte")
    try:
        extra: list[set[tuple[int, ...]]] = []
        while True:  # once more for each order in which ends were missing: hardly ever
            model, extra = _read(Path(path), units, extra)
            if model is not None:
                return model
    except Wrong as error:
        raise ModelError(error.what, path=path, line=error.line, mend="mend the file, or write it again") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ModelError("this gz file is damaged or cut off", path=path, mend="fetch or write it again") from error
    except OSError as error:
        raise ModelError(f"cannot be read: {(error.strerror or str(error)).lower()}", path=path) from error


def _read(path: Path, units: str, extra: list[set[tuple[int, ...]]]) -> tuple[Ngram | None, list[set[tuple[int, ...]]]]:
    """The model; or None, and the n-grams by order that have to be added first."""
    with ExitStack() as stack:
        file = cast(IO[bytes], stack.enter_context(path.open("rb")))
        if file.peek(2)[:2] == b"\x1f\x8b":  # type: ignore[attr-defined]  # it is buffered
            file = cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=file)))
        lines = _Lines(file)
        rows = iter(lines)
        header = _header(lines, rows)
        order = len(header.counts)
        extra = extra or [set() for _ in range(order)]
        numbers, words, unigrams = _unigrams(lines, rows, header, units)
        sections = _sections(lines, rows, header.counts, numbers)
        tensors, counts, missing = tables_of(unigrams, sections, order, extra)
        if tensors is None:
            return None, missing
        if (rest := next(rows, None)) is not None:
            raise Wrong(f"{shorten(rest)} behind \\end\\", lines.number)
    spec = NgramSpec(
        vocabulary=VocabularySpec(UnitsSpec(units), tuple(words)),  # type: ignore[arg-type]  # it is one of KINDS
        counts=tuple(counts),
        smoothing="imported",
        training={
            "imported_from": "arpa",
            "source": path.name[:200],
            "added": sum(map(len, extra)),
            "without_unknown": bool(unigrams.lines[numbers[UNKNOWN]] == 0) if UNKNOWN in numbers else False,
        },
    )
    NGRAM.check(spec, tensors)
    return Ngram(spec, tensors), []


def _header(lines: _Lines, rows: Iterator[str]) -> _Header:
    first = next(rows, "nothing")
    if first != "\\data\\":
        raise Wrong(f"begins with {shorten(first)}, not with \\data\\", max(lines.number, 1))
    counts: list[int] = []
    for row in rows:
        found = _COUNT.fullmatch(row)
        if found is None:
            if not counts:
                raise Wrong(f"{shorten(row)} where `ngram 1=…` should be", lines.number)
            return _Header(counts, row)
        if int(found[1]) != len(counts) + 1:
            raise Wrong(f"counts {found[1]}-grams where {len(counts) + 1}-grams should be", lines.number)
        if len(counts) == MAX_ORDER:
            raise Wrong(f"is of an order above {MAX_ORDER}", lines.number)
        if int(found[2]) > _MAX_COUNT:
            raise Wrong(f"says that it has {found[2]} {found[1]}-grams, too many to be true", lines.number)
        counts.append(int(found[2]))
    raise Wrong("ends within its header", lines.number)


def _unigrams(
    lines: _Lines, rows: Iterator[str], header: _Header, units: str
) -> tuple[dict[str, int], list[str], Section]:
    """The numbers of all words, those that are no marks, and what the section says."""
    marks = [mark for mark in MARKS if units != "byte" or mark != UNKNOWN]
    _expect(lines, header.first, "\\1-grams:")
    if header.counts[0] > MAX_WORDS:
        raise Wrong(f"has {header.counts[0]} words, at most {MAX_WORDS} are read", lines.number)
    numbers = {mark: number for number, mark in enumerate(marks)}
    if units == "byte":
        numbers |= {f"{byte:02x}": len(marks) + byte for byte in range(256)}
    fixed = len(numbers)
    found: dict[int, tuple[float, float]] = {}
    at: dict[int, int] = {}
    highest = len(header.counts) == 1
    for row in islice(rows, header.counts[0]):
        fields = row.split()
        log, weight = _logs(fields, 1, highest, lines)
        if units == "byte" and fields[1] not in numbers:
            raise Wrong(f"{shorten(fields[1])} is no byte in two hexadecimal digits", lines.number)
        number = numbers.setdefault(fields[1], len(numbers))
        if number in found:
            raise Wrong(f"{shorten(fields[1])} occurs twice among the 1-grams", lines.number)
        found[number], at[number] = (log, weight), lines.number
    if len(found) < header.counts[0]:
        raise Wrong(f"ends after {len(found)} of {header.counts[0]} 1-grams", lines.number)
    for mark in (BEGIN, END):
        if numbers[mark] not in found:
            raise Wrong(f"has no {mark} among its 1-grams", lines.number)
    logs = np.full(len(numbers), _MISSING)
    weights = np.zeros(len(numbers))
    which = list(found)
    logs[which], weights[which] = zip(*found.values(), strict=True)
    where = np.zeros(len(numbers), np.int64)
    where[which] = list(at.values())
    words = (
        [] if units == "byte" else [_word(word, at[number]) for word, number in islice(numbers.items(), fixed, None)]
    )
    if len(set(words)) != len(words):
        raise Wrong("two words are spellings of the same", lines.number)
    identity = np.arange(len(numbers), dtype=np.uint32)[:, None]
    return numbers, words, Section(identity, logs, weights, where)


def _word(word: str, line: int) -> str:
    try:
        unit = unspelled(word)
    except ModelError as error:
        raise Wrong(error.what, line) from error
    if unit in MARKS:
        raise Wrong(f"{shorten(word)} is a spelling of a mark", line)
    return unit


def _as_written(row: str) -> str:
    """A row of a stranger's file, shortened, with the backslashes that it has."""
    return shorten(row).replace("\\\\", "\\")


def _expect(lines: _Lines, row: str | None, expected: str) -> None:
    if row != expected:
        what = "the file ends" if row is None else _as_written(row)
        raise Wrong(f"{what} where {expected} should be: wrong counts, or orders out of order", lines.number)


def _logs(fields: list[str], n: int, highest: bool, lines: _Lines) -> tuple[float, float]:
    """log10 P, and log10 of the back-off weight: NaN where the line has none."""
    if len(fields) == n + 2 and not highest:
        weight = _number(fields[-1], lines)
    elif len(fields) == n + 1:
        weight = 0.0 if highest else math.nan
    else:
        most = n + 1 if highest else n + 2
        what = _as_written(" ".join(fields)) if fields[0][:1] == "\\" else f"{len(fields)} fields"
        raise Wrong(f"{what} in the section of {n}-grams, whose lines have {most}", lines.number)
    log = _number(fields[0], lines)
    if log > 0:
        raise Wrong(f"the probability 10^{fields[0]} is above 1", lines.number)
    return log, weight


def _number(text: str, lines: _Lines) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise Wrong(f"{shorten(text)} is no number", lines.number) from error
    if not abs(value) < 3e38:
        raise Wrong(f"the logarithm {shorten(text)} is not finite", lines.number)
    return value


def _sections(lines: _Lines, rows: Iterator[str], counts: list[int], numbers: dict[str, int]) -> Iterator[Section]:
    """The sections of 2-grams and longer ones."""
    for n, count in enumerate(counts[1:], 2):
        _expect(lines, next(rows, None), f"\\{n}-grams:")
        highest = n == len(counts)
        parts: list[tuple[NDArray[np.uint32], NDArray[np.float64], NDArray[np.int64]]] = []
        left = count
        while left:
            ids: list[int] = []
            logs: list[tuple[float, float]] = []
            where: list[int] = []
            for row in islice(rows, min(left, _BLOCK)):
                fields = row.split()
                logs.append(_logs(fields, n, highest, lines))
                try:
                    ids += [numbers[word] for word in fields[1 : n + 1]]
                except KeyError as error:
                    raise Wrong(f"{shorten(error.args[0])} is not among the 1-grams", lines.number) from error
                where.append(lines.number)
            if len(logs) < min(left, _BLOCK):
                raise Wrong(f"ends after {count - left + len(logs)} of {count} {n}-grams", lines.number)
            parts.append((np.array(ids, np.uint32).reshape(-1, n), np.array(logs), np.array(where)))
            left -= len(logs)
        if parts:
            table, values, places = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        else:
            table, values, places = np.zeros((0, n), np.uint32), np.zeros((0, 2)), np.zeros(0, np.int64)
        if (wrong := np.flatnonzero((table[:, 1:] == numbers[BEGIN]).any(axis=1))).size:
            raise Wrong(f"{BEGIN} in the midst of an n-gram", int(places[wrong[0]]))
        yield Section(table, values[:, 0], values[:, 1], places)
    _expect(lines, next(rows, None), "\\end\\")


def write_arpa(model: Ngram, path: str | os.PathLike[str]) -> None:
    """Write a model as an ARPA file, compressed if `path` ends in .gz; n-grams in the order of their words.

    Logarithms have nine digits, as many as float32 needs: what is read back answers with the same bits. Words are
    spelled as `units.spelled` does.

    Raises:
        UsageError: a full disk or an unwritable folder.
    """
    compressed = Path(path).suffix == ".gz"
    with ExitStack() as stack:
        file: Any = stack.enter_context(atomic_write(path))
        if compressed:  # no name and no time: the same model, the same bytes
            file = stack.enter_context(gzip.GzipFile("", "wb", 6, file, 0))
        lines = ["\\data\\", *(f"ngram {n}={count}" for n, count in enumerate(model.counts, 1))]
        file.write(("\n".join(lines) + "\n").encode())
        names = [word if word in MARKS else spelled(word) for word in model.words]
        for n, (ids, logs) in enumerate(_levels(model), 1):
            file.write(f"\n\\{n}-grams:\n".encode())
            for begin in range(0, len(ids), _BLOCK):
                part = slice(begin, begin + _BLOCK)
                file.write(_written(ids[part], logs[part], names, n == len(model.counts)).encode())
        file.write(b"\n\\end\\\n")


def _written(ids: NDArray[np.uint32], logs: NDArray[np.float32], names: list[str], highest: bool) -> str:
    words = [" ".join([names[word] for word in row]) for row in ids.tolist()]
    values = logs.tolist()
    if highest:
        return "".join([f"{value[0]:.9g}\t{gram}\n" for value, gram in zip(values, words, strict=True)])
    return "".join([f"{p:.9g}\t{gram}\t{b:.9g}\n" for (p, b), gram in zip(values, words, strict=True)])


def _levels(model: Ngram) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.float32]]]:
    """Words (N, n) and logarithms of the n-grams of each order, sorted by their words."""
    unigrams = model.tensors["unigrams"]
    ids = np.arange(len(unigrams), dtype=np.uint32)[:, None]
    yield ids, unigrams
    rows = ids[:, 0]  # of `ids`, by slot
    for n in range(2, len(model.counts) + 1):
        table = model.tensors[table_name(n)]
        slots = np.flatnonzero(table[:, 1] != EMPTY)
        ids = np.concatenate([table[slots, 1:2], ids[rows[table[slots, 0]]]], axis=1)
        rows = np.zeros(len(table), np.uint32)
        rows[slots] = np.arange(len(slots), dtype=np.uint32)
        order = np.lexsort(ids.T[::-1])
        yield ids[order], logarithms(table)[slots[order]]
