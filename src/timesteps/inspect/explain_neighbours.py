"""Rows of other data that a network's last vector is nearest to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timesteps.errors import DataError
from timesteps.inspect.explain_reading import Reading
from timesteps.runtime.network import Network
from timesteps.runtime.session import Session

__all__ = ["Neighbour", "nearest"]

_MOST_ROWS = 10_000
_SHOWN = 8


@dataclass(frozen=True)
class Neighbour:
    """A row, its place in the data from 0, its label if it has one, and the cosine of the angle between the vectors."""

    row: int
    text: str
    label: str | None
    similarity: float


def nearest(
    session: Session,
    network: Network,
    reading: Reading,
    explained: Any,
    rows: Sequence[Any],
    labels: Sequence[Any] | None,
    count: int = _SHOWN,
) -> tuple[Neighbour, ...]:
    """The rows that are most alike by what the dense layer reads, of the first 10,000; a row that is the explained one
    is none of them. `DataError` for rows that the model does not read.
    """
    rows = list(rows[:_MOST_ROWS])
    if labels is not None and len(labels) < len(rows):
        raise DataError(f"{len(rows)} rows and {len(labels)} labels", mend="give one label a row")
    own = network.pooled(reading.steps)[0].astype(np.float64)
    vectors = network.pooled(session.steps(rows)).astype(np.float64)
    sizes = np.linalg.norm(vectors, axis=1) * np.linalg.norm(own)
    cosines = np.divide(vectors @ own, sizes, out=np.full(len(rows), -1.0), where=sizes > 0)
    found: list[Neighbour] = []
    seen = {_shown(explained)}
    for place in np.argsort(-cosines, kind="stable").tolist():
        text = _shown(rows[place])
        if text in seen:
            continue
        seen.add(text)
        label = None if labels is None else str(labels[place])
        found.append(Neighbour(place, text, label, float(cosines[place])))
        if len(found) == count:
            break
    return tuple(found)


def _shown(row: Any) -> str:
    """A row as a line of text."""
    if isinstance(row, str):
        return row
    if len(row) and isinstance(row[0], str):
        return " ".join(row)
    values = np.asarray(row).ravel()
    shown = ", ".join(f"{value:.4g}" for value in values[:12].tolist())
    return shown + (f", … ({len(values)} numbers)" if len(values) > 12 else "")
