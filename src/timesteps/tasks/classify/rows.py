"""The rows of a run: read, split, and accounted for one by one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.data.sequence_table import SequenceTable
from timesteps.data.source import open_source
from timesteps.data.split import split_groups, without
from timesteps.data.tables import TextTable
from timesteps.errors import DataError
from timesteps.tasks.classify.given import Table, inputs_of, keys_of, open_rows, test_part
from timesteps.tasks.classify.request import Request

DEFAULT_SPLIT = 0.2


@dataclass(frozen=True)
class Part:
    """Texts, or sequences of numbers (T, I), with their class numbers and the lines they came from."""

    inputs: list[Any]
    targets: NDArray[np.int64]
    lines: list[int]
    rows: int | None = None  # how many there are, where memory holds but a sample of them

    def __len__(self) -> int:
        return len(self.inputs) if self.rows is None else self.rows


@dataclass(frozen=True)
class Rows:
    """Training and validation rows of one run. `read == len(train) + len(valid) + sum(left_out.values())`."""

    train: Part
    valid: Part
    classes: tuple[str, ...]
    source: str
    valid_source: str
    valid_name: str  # the file that the validation rows' lines count in
    sha256: str
    read: int
    left_out: dict[str, int]  # reason -> rows
    notes: list[str] = field(default_factory=list)
    features: tuple[str, ...] = ()  # of each step of numbers, where they have names

    def to_dict(self) -> dict[str, Any]:
        """What became of every row that was read, as plain values for --json: read = used + all left out."""
        train, valid = len(self.train), len(self.valid)
        return {
            "read": self.read,
            "used": train + valid,
            "train": train,
            "valid": valid,
            "left_out": self.left_out,
            "sha256": self.sha256,
        }


def read_rows(request: Request, seed: int, say: Callable[[str], None]) -> Rows:
    """Read the data that the request names and split it, saying what was guessed and what was left out."""
    table = open_rows(request, request.data)
    keys = keys_of(table)
    classes = classes_of(Counter(table.labels or []), len(table), table.source)
    numbers = {label: number for number, label in enumerate(classes)}
    targets = np.array([numbers[label] for label in table.labels or []], np.int64)
    left_out = Counter(skipped.reason for skipped in table.skipped)
    notes = list(table.notes)
    read = table.rows_read

    def part(of: Table, labels: NDArray[np.int64], rows: NDArray[np.int64]) -> Part:
        inputs = inputs_of(of)
        return Part([inputs[i] for i in rows], labels[rows], [of.lines[i] for i in rows])

    judged_on_test = test_part(request) and not request.validation_split and request.choices.get("patience") is None
    if request.valid is None and not judged_on_test:
        share = request.validation_split or DEFAULT_SPLIT
        what = "the text" if isinstance(table, TextTable) else "the numbers"
        train_rows, valid_rows = split_groups(keys, targets, share, seed)
        if len(valid_rows) == 0:
            raise DataError(
                f"{len(table)} rows are too few to hold out {share:.0%} of them for validation",
                path=table.source,
                mend="give more rows, or --valid FILE",
            )
        train, valid = part(table, targets, train_rows), part(table, targets, valid_rows)
        valid_source = f"{share:.0%} of {table.source}, held out by a hash of {what}"
        valid_name = table.source
    else:
        if request.valid is None:
            other = open_rows(request, request.data, split="test")
        else:
            other = open_rows(request, request.valid)
        read += other.rows_read
        left_out.update(skipped.reason for skipped in other.skipped)
        check_labels(other, classes)
        valid = part(other, np.array([numbers[label] for label in other.labels or []], np.int64), np.arange(len(other)))
        held, judged = set(keys_of(other)), "validation file" if request.valid is not None else "test part"
        twice = np.array([row for row, key in enumerate(keys) if key in held], np.int64)
        if len(twice):
            lines = ", ".join(str(table.lines[i]) for i in twice[:3]) + (", …" if len(twice) > 3 else "")
            notes.append(f"{len(twice)} training rows are in the {judged}, too, and were left out (lines {lines})")
            left_out[f"also in the {judged}"] += len(twice)
        train = part(table, targets, np.setdiff1d(np.arange(len(table)), twice))
        valid_source = other.source if request.valid is not None else f"the test part of {other.source}"
        valid_name = other.source
    missing = [label for number, label in enumerate(classes) if number not in train.targets]
    if missing:
        raise DataError(
            f"no training row is left of class {missing[0]!r}", path=table.source, mend="give more rows of it"
        )
    for note in notes:
        say(note)
    say_left_out(left_out, read, table.skipped[0].line if table.skipped else None, say)
    return Rows(
        train,
        valid,
        classes,
        table.source,
        valid_source,
        valid_name,
        table.sha256,
        read,
        dict(left_out),
        notes,
        () if isinstance(table, TextTable) else table.features,
    )


def read_unlabeled(request: Request, held_out: Sequence[str], say: Callable[[str], None]) -> list[str]:
    """The texts without labels that the request names, but for those that are among the validation texts `held_out`.

    Of a known data set they are its unlabelled part. Labels that a file has are not looked at.
    """
    if request.unlabeled is None:
        return []
    table = open_source(request.place(request.unlabeled), split="unsup", labelled=False, encoding=request.encoding)
    used = without(table.texts, held_out)
    for note in table.notes:
        say(f"{request.unlabeled}: {note}")
    left_out = Counter(skipped.reason for skipped in table.skipped)
    left_out["also a validation text"] += len(table.texts) - len(used)
    reasons = "".join(f", {count:,} left out: {reason}" for reason, count in left_out.items() if count)
    say(f"{request.unlabeled}: {table.rows_read:,} rows read, {len(used):,} used without labels{reasons}")
    return used


def classes_of(counts: Mapping[str, int], rows: int, source: str) -> tuple[str, ...]:
    """The labels in their order. `DataError` where they are no classes."""
    if len(counts) < 2:
        only = next(iter(counts), None)
        what = "there are no labelled rows" if only is None else f"every row has the same label, {only!r}"
        raise DataError(what, path=source, mend="a classifier needs at least two classes; see --label-column")
    if len(counts) > max(2, rows // 2):
        raise DataError(
            f"{len(counts)} different labels in {rows} rows look like texts or numbers, not classes",
            path=source,
            mend="name the right column with --label-column",
        )
    return tuple(sorted(counts, key=_natural))


def _natural(label: str) -> tuple[int, float, str]:
    """Numbers by value, then words by spelling, so that '10' comes after '9'."""
    try:
        value = float(label)
    except ValueError:
        value = math.nan
    return (0, value, label) if math.isfinite(value) else (1, 0.0, label)


def check_labels(table: Table, classes: Iterable[object]) -> None:
    """`DataError`, with its line, for the first label that is none of the classes that a model was trained on."""
    known = dict.fromkeys(map(str, classes))
    for row, label in enumerate(table.labels or []):
        if label not in known:
            shown = ", ".join(map(repr, list(known)[:10])) + (", …" if len(known) > 10 else "")
            inside = isinstance(table, SequenceTable) or table.paths is None
            raise DataError(
                f"label {label!r} does not occur in the training data (it has {shown})",
                path=table.source if inside or isinstance(table, SequenceTable) else table.where(row),
                line=table.lines[row] if inside else None,
                mend="mend the label, or train with rows of that class",
            )


def say_left_out(left_out: Counter[str], read: int, first: int | None, say: Callable[[str], None]) -> None:
    """What became of the rows; `first` is the line of the first that was left out."""
    if not left_out:
        say(f"{read:,} rows read, all used")
        return
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common())
    where = "" if first is None else f" (first at line {first})"
    say(f"{read:,} rows read, {read - sum(left_out.values()):,} used, left out: {reasons}{where}")
