"""Everything of a run before the first training step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.sequences import Sequences
from timesteps.tasks.classify.fitting import member_settings
from timesteps.tasks.classify.given import kind_of_request
from timesteps.tasks.classify.large import prepare_spooled
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.prepare import Prepared, prepare
from timesteps.tasks.classify.recipes import choose
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.rows import Rows, read_rows, read_unlabeled
from timesteps.tasks.classify.spooling import spool_rows
from timesteps.tasks.classify.vectors import starting_table
from timesteps.training.examples import Examples
from timesteps.training.spool import SpooledExamples

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ready:
    """Everything before the first training step."""

    options: Options
    rows: Rows
    prepared: Prepared
    train: Examples | SpooledExamples
    valid: Examples
    vectors: NDArray[np.float32] | None


def make_ready(request: Request, say: Say, scratch: Scratch | None = None) -> Ready:
    """Read the rows, learn how texts become steps, and encode them; with `scratch`, on the disk."""
    if scratch is not None:
        return _ready_on_disk(request, say, scratch)
    given = {"vectors": request.vectors is not None, "unlabeled": request.unlabeled is not None}
    kind = kind_of_request(request)
    options = choose(request.recipe, kind, request.choices, None, **given)
    member_settings(options, threads=request.threads)  # an option that makes no sense is said before the data is read
    rows = read_rows(request, options.seed, say)
    if kind == "text":
        options = choose(request.recipe, kind, request.choices, rows.train.inputs, **given)
    weights = _weights(request, rows)
    prepared = prepare(
        kind,
        rows.train.inputs,
        options,
        rows.classes,
        targets=rows.train.targets,
        weights=weights,
        unlabeled=read_unlabeled(request, rows.valid.inputs, say),
    )
    assert isinstance(prepared.train, Sequences)
    return Ready(
        options,
        rows,
        prepared,
        Examples(prepared.train, rows.train.targets, weights),
        Examples(prepared.steps(rows.valid.inputs), rows.valid.targets),
        _vectors(request, prepared, say),
    )


def _ready_on_disk(request: Request, say: Say, scratch: Scratch) -> Ready:
    """The same for rows that memory has no room for."""
    given = request.vectors is not None
    if request.unlabeled is not None:
        raise UsageError(
            f"{option('unlabeled')} needs the data in memory, which they are too large for",
            mend=f"leave it away, or give a larger {option('memory')}",
        )
    options = choose(request.recipe, "text", request.choices, None, vectors=given)
    member_settings(options, threads=request.threads)
    rows, texts = spool_rows(request, options.seed, scratch, say)
    options = choose(request.recipe, "text", request.choices, texts, vectors=given)
    if request.class_weight is not None:
        counts = np.array([texts.counts[label] for label in rows.classes])
        texts.sort_classes(rows.classes, len(texts) / (len(rows.classes) * counts))
    prepared = prepare_spooled(texts, options, rows.classes, scratch, say)
    assert isinstance(prepared.train, SpooledExamples)
    valid = Examples(prepared.steps(rows.valid.inputs), rows.valid.targets)
    return Ready(options, rows, prepared, prepared.train, valid, _vectors(request, prepared, say))


def _vectors(request: Request, prepared: Prepared, say: Say) -> NDArray[np.float32] | None:
    """The vectors that the user gave, as the embedding takes them."""
    if request.vectors is None:
        return None
    vectors, said = starting_table(request.place(request.vectors) or "", prepared.spec)
    say(said)
    return vectors


def _weights(request: Request, rows: Rows) -> NDArray[np.float64]:
    """What each training row counts: 1, or such that every class counts the same in total."""
    if request.class_weight is None:
        return np.ones(len(rows.train))
    counts = np.bincount(rows.train.targets, minlength=len(rows.classes))
    factors: NDArray[np.float64] = len(rows.train) / (len(rows.classes) * counts)
    return factors[rows.train.targets]
