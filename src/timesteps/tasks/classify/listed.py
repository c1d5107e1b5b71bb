"""Rows in memory, as `fit` takes them: which are trained on, which are judged, and how both become steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.multiclass import check_classification_targets

from timesteps.data.split import without
from timesteps.errors import DataError
from timesteps.runtime.sequences import Sequences
from timesteps.tasks.classify import inputs
from timesteps.tasks.classify.flowing import Judged, Ready, Wish
from timesteps.tasks.classify.labelled import counted, examples, validation
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.prepare import class_factors, hold_out, prepare

__all__ = ["Labelled", "prepare_listed"]


class Labelled(NamedTuple):
    """What `fit` was given: rows of a kind, labels, weights, and whether the rows were a table."""

    kind: inputs.Kind
    rows: list[Any]
    y: Any
    sample_weight: ArrayLike | None
    table: bool


def prepare_listed(given: Labelled, options: Options, wish: Wish, unlabeled: Any) -> Ready:
    """Check labels and weights, hold rows out, and make steps of them all."""
    kind, rows = given.kind, given.rows
    labels = inputs.labels(given.y, len(rows))
    check_classification_targets(labels)
    classes, targets = np.unique(labels, return_inverse=True)
    index, weights = counted(kind, rows, targets, given.sample_weight)
    rows, targets = [rows[i] for i in index], targets[index]
    if len(np.unique(targets)) < 2:
        which = "" if len(classes) < 2 else " that counts (weight above 0)"
        raise DataError(f"there is only one class{which}: {labels[0]}", mend="give rows of at least two classes")
    plain = classes.tolist()
    factors = class_factors(wish.class_weight, plain, targets, weights)
    judged: Judged
    if wish.validation_data is None:
        share = wish.validation_split
        if share is None:
            share = 0.0 if options.patience is None else 0.1
        train, held = hold_out(kind, rows, targets, share, options.seed)
        judged = [rows[i] for i in held], targets[held], weights[held]
    else:
        train, judged = np.arange(len(rows)), validation(wish.validation_data, kind, rows, classes)
    flat = len(rows[0]) if kind == "numeric" and given.table else None
    rows, targets, weights = [rows[i] for i in train], targets[train], weights[train]
    shares = weights * factors[targets]
    further = [] if unlabeled is None else without(inputs.read(inputs.listed(unlabeled), kind), judged[0])
    prepared = prepare(kind, rows, options, plain, flat, targets=targets, weights=shares, unlabeled=further)
    assert isinstance(prepared.train, Sequences)
    return Ready(prepared, examples(prepared.train, targets, shares), judged, classes)
