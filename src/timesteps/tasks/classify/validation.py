"""The rows that a finished run was judged on, read again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from timesteps.data.catalogue import Dataset
from timesteps.data.source import open_source, resolve
from timesteps.tasks.classify.folder import REQUEST
from timesteps.tasks.classify.ready import Say
from timesteps.tasks.classify.recipes import choose
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.rows import check_labels, read_rows

__all__ = ["Judged", "rows_to_judge"]


@dataclass(frozen=True)
class Judged:
    """Labelled rows, and where they come from."""

    texts: list[str]
    labels: list[str]
    source: str


def rows_to_judge(run: str, data: str | None, classes: tuple[object, ...], say: Say) -> Judged | None:
    """Rows to judge a run's model on: those of `data`, or the run's own validation rows; None where nobody knows any.

    `data` is a file or a known data set, whose test part is taken if it has one; its columns are those that the run
    was trained with.

    Raises:
        DataError: data that cannot be used, or labels that the model does not know.
    """
    folder = Path(run) if Path(run).is_dir() else Path(run).parent
    request = Request.read(folder) if (folder / REQUEST).is_file() else None
    if data is None:
        if request is None:
            return None
        given = {"vectors": request.vectors is not None, "unlabeled": request.unlabeled is not None}
        seed = choose(request.recipe, "text", request.choices, None, **given).seed
        rows = read_rows(request, seed, say)
        labels = [rows.classes[target] for target in rows.valid.targets.tolist()]
        return Judged(rows.valid.texts, labels, rows.valid_source)
    found = resolve(data)
    split = "test" if isinstance(found, Dataset) and "test" in found.parts else "train"
    columns = request or Request()
    table = open_source(
        data,
        split=split,
        text_column=columns.text_column,
        label_column=columns.label_column,
        encoding=columns.encoding,
    )
    check_labels(table, classes)
    return Judged(table.texts, [str(label) for label in table.labels or []], table.source)
