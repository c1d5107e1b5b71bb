"""The rows of a run whose data memory has no room for: read once, split by a hash, accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from timesteps.data.flow import Flow, Lines
from timesteps.data.source import open_source, resolve
from timesteps.data.split import text_key
from timesteps.data.tables import TextTable
from timesteps.errors import DataError
from timesteps.runtime.scratch import Scratch
from timesteps.tasks.classify.large import MOST_HELD_OUT, SAMPLE, split_spooled
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.rows import DEFAULT_SPLIT, Part, Rows, check_labels, classes_of, say_left_out
from timesteps.tasks.classify.texts import SpooledTexts

__all__ = ["spool_rows"]


def spool_rows(request: Request, seed: int, scratch: Scratch, say: Callable[[str], None]) -> tuple[Rows, SpooledTexts]:
    """The account of all rows, with a sample of the training rows; and the training rows themselves, on the disk."""
    source = resolve(request.place(request.data))
    assert isinstance(source, Path)  # known data sets fit in memory
    named: dict[str, Any] = {
        "text_column": request.text_column,
        "label_column": request.label_column,
        "encoding": request.encoding,
    }
    flow = Flow(source, **named)
    held, held_rows, left_out = _given(request, named, say)
    known = {text_key(text) for text in held.inputs}
    texts = SpooledTexts(scratch)
    for block in flow:
        kept = [row for row, text in enumerate(block.texts) if not known or text_key(text) not in known]
        if len(kept) < len(block.texts):
            left_out["also in the validation file"] += len(block.texts) - len(kept)
        found = _chosen(block, kept)
        texts.extend(found.texts, found.labels, None, found.lines)
    name = str(request.data) if request.data is not None else flow.name
    classes = classes_of(texts.counts, len(texts), name)
    left_out.update(flow.left_out)
    if request.valid is None:
        share = request.validation_split or DEFAULT_SPLIT
        texts, side = split_spooled(texts, scratch, share, seed)
        side.sort_classes(classes)
        judged = side.sample(len(side))
        held = Part(judged.texts, judged.targets, side.lines().tolist())
        valid_source = f"{len(side):,} rows of {name}, held out by a hash of the text"
        valid_name = name
    else:
        assert held_rows is not None
        check_labels(held_rows, classes)
        numbers = {label: number for number, label in enumerate(classes)}
        held = Part(held.inputs, np.array([numbers[label] for label in held_rows.labels or []], np.int64), held.lines)
        valid_source = valid_name = held_rows.source
    texts.sort_classes(classes)
    for label in classes:
        if not texts.counts.get(label):
            raise DataError(f"no training row is left of class {label!r}", path=name, mend="give more rows of it")
    read = flow.rows_read + (0 if held_rows is None else held_rows.rows_read)
    for note in flow.notes:
        say(note)
    say_left_out(left_out, read, flow.first_left_out, say)
    sample = texts.sample(SAMPLE)
    train = Part(sample.texts, sample.targets, [], rows=len(texts))
    notes = [*flow.notes, f"trained from the disk; at most about {MOST_HELD_OUT:,} rows are held out"]
    rows = Rows(train, held, classes, name, valid_source, valid_name, flow.sha256, read, dict(left_out), notes)
    return rows, texts


def _chosen(block: Lines, rows: list[int]) -> Lines:
    """These rows of a block."""
    texts, labels, lines = block
    return Lines([texts[row] for row in rows], [labels[row] for row in rows], [lines[row] for row in rows])


def _given(
    request: Request, named: dict[str, Any], say: Callable[[str], None]
) -> tuple[Part, TextTable | None, Counter[str]]:
    """The validation file, in memory; without its class numbers, which nobody knows yet."""
    none = np.zeros(0, np.int64)
    if request.valid is None:
        return Part([], none, []), None, Counter()
    table = replace(open_source(request.place(request.valid), **named), source=request.valid)
    for note in table.notes:
        say(f"{request.valid}: {note}")
    return Part(table.texts, none, table.lines), table, Counter(skipped.reason for skipped in table.skipped)
