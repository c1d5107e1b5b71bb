"""Everything of a run before the first training step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesteps.tasks.classify.fitting import settings_of
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.prepare import Prepared, prepare
from timesteps.tasks.classify.recipes import choose
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.rows import Rows, read_rows, read_unlabeled
from timesteps.tasks.classify.vectors import starting_table
from timesteps.training.examples import Examples

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ready:
    """Everything before the first training step."""

    options: Options
    rows: Rows
    prepared: Prepared
    train: Examples
    valid: Examples
    vectors: NDArray[np.float32] | None


def make_ready(request: Request, say: Say) -> Ready:
    """Read the rows, learn how texts become steps, and encode them."""
    given = {"vectors": request.vectors is not None, "unlabeled": request.unlabeled is not None}
    options = choose(request.recipe, "text", request.choices, None, **given)
    settings_of(options, threads=request.threads)  # an option that makes no sense is said before the data is read
    rows = read_rows(request, options.seed, say)
    options = choose(request.recipe, "text", request.choices, rows.train.texts, **given)
    weights = _weights(request, rows)
    prepared = prepare(
        "text",
        rows.train.texts,
        options,
        rows.classes,
        targets=rows.train.targets,
        weights=weights,
        unlabeled=read_unlabeled(request, rows.valid.texts, say),
    )
    vectors = None
    if request.vectors is not None:
        vectors, said = starting_table(request.place(request.vectors) or "", prepared.spec)
        say(said)
    return Ready(
        options,
        rows,
        prepared,
        Examples(prepared.train, rows.train.targets, weights),
        Examples(prepared.steps(rows.valid.texts), rows.valid.targets),
        vectors,
    )


def _weights(request: Request, rows: Rows) -> NDArray[np.float64]:
    """What each training row counts: 1, or such that every class counts the same in total."""
    if request.class_weight is None:
        return np.ones(len(rows.train))
    counts = np.bincount(rows.train.targets, minlength=len(rows.classes))
    factors: NDArray[np.float64] = len(rows.train) / (len(rows.classes) * counts)
    return factors[rows.train.targets]
