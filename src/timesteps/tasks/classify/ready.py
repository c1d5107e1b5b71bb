"""Everything of a run before the first training step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesteps.data.vectors import load_vectors
from timesteps.errors import UsageError
from timesteps.tasks.classify.fitting import settings_of
from timesteps.tasks.classify.options import Options, choose
from timesteps.tasks.classify.prepare import Prepared, prepare
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.rows import Part, Rows, read_rows
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
    options = choose(request.recipe, "text", request.choices)
    settings_of(options)  # an option that makes no sense is said before the data is read
    rows = read_rows(request, options.seed, say)
    options = choose(request.recipe, "text", request.choices, len(rows.train))
    prepared = prepare("text", rows.train.texts, options, rows.classes)
    vectors = None
    if request.vectors is not None:
        vectors = _vectors(request.vectors, prepared, options, say)
    return Ready(
        options,
        rows,
        prepared,
        _examples(prepared, rows.train, _class_weights(request, rows)),
        _examples(prepared, rows.valid, None),
        vectors,
    )


def _examples(prepared: Prepared, part: Part, class_weights: NDArray[np.float64] | None) -> Examples:
    weights = np.ones(len(part), np.float32)
    if class_weights is not None:
        weights = class_weights[part.targets].astype(np.float32)
    return Examples(prepared.steps(part.texts), part.targets, weights)


def _class_weights(request: Request, rows: Rows) -> NDArray[np.float64] | None:
    """Weights that make every class count the same in total: rows / (classes · rows of the class)."""
    if request.class_weight is None:
        return None
    counts = np.bincount(rows.train.targets, minlength=len(rows.classes))
    return np.asarray(len(rows.train) / (len(rows.classes) * counts))


def _vectors(path: str, prepared: Prepared, options: Options, say: Say) -> NDArray[np.float32]:
    text = prepared.spec.text
    if options.input != "ids" or text is None or not text.words:
        raise UsageError("--vectors needs word ids as input", mend="add --input ids")
    found = load_vectors(path, text.words)
    say(str(found))
    return found.rows(text.index_from)
