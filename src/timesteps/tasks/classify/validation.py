"""The rows that a finished run was judged on, read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timesteps.data.catalogue import Dataset
from timesteps.data.source import resolve
from timesteps.tasks.classify.given import inputs_of, kind_of_request, open_rows, request_of
from timesteps.tasks.classify.ready import Say
from timesteps.tasks.classify.recipes import choose
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.rows import check_labels, read_rows

__all__ = ["Judged", "rows_to_judge"]


@dataclass(frozen=True)
class Judged:
    """Labelled rows, texts or sequences of numbers, and where they come from."""

    inputs: list[Any]
    labels: list[str]
    source: str


def rows_to_judge(run: str, data: str | None, classes: tuple[object, ...], say: Say) -> Judged | None:
    """Rows to judge a run's model on: those of `data`, or the run's own validation rows; None where nobody knows any.

    `data` is a file or a known data set, whose test part is taken if it has one; its columns are those that the run
    was trained with.

    Raises:
        DataError: data that cannot be used, or labels that the model does not know.
    """
    request = request_of(run)
    if data is None:
        if request is None:
            return None
        given = {"vectors": request.vectors is not None, "unlabeled": request.unlabeled is not None}
        seed = choose(request.recipe, kind_of_request(request), request.choices, None, **given).seed
        rows = read_rows(request, seed, say)
        labels = [rows.classes[target] for target in rows.valid.targets.tolist()]
        return Judged(rows.valid.inputs, labels, rows.valid_source)
    found = resolve(data)
    split = "test" if isinstance(found, Dataset) and "test" in found.parts else "train"
    table = open_rows(request or Request(), data, split=split)
    check_labels(table, classes)
    return Judged(inputs_of(table), [str(label) for label in table.labels or []], table.source)
