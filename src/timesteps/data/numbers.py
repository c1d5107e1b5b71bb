"""A sequence of numbers as a user types it or keeps it in a file: a step a line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError

__all__ = ["read_numbers"]

_APART = re.compile(r"[,;\s]+")


def read_numbers(given: str, path: str | None, features: int) -> NDArray[np.float64]:
    """Numbers (T, features), or (T,) where there is one feature.

    Args:
        given: the numbers of each step, parted by blanks or commas; steps by lines or semicolons.
        path: where they are instead, if such a file exists; a first line without numbers is a heading.
        features: numbers of a step. Where there is one, blanks and commas part steps, too.

    Raises:
        DataError: something else than numbers, steps of different width, or nothing.

    >>> read_numbers("1 2; 3 4", None, 2).tolist(), read_numbers("1, 2, 3", None, 1).tolist()
    ([[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0, 3.0])
    """
    file = None if path is None else Path(path)
    here = file is not None and file.is_file()
    if here and file is not None:
        try:
            lines = file.read_text("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise DataError("is no text in UTF-8", path=file, mend="give numbers, a step a line") from error
    else:
        file, lines = None, [line for part in given.splitlines() for line in part.split(";")]
    steps: list[list[float]] = []
    for number, line in enumerate(lines, 1):
        words = [word for word in _APART.split(line.strip()) if word]
        try:
            step = [float(word) for word in words]
        except ValueError as error:
            if number == 1 and here:
                continue
            what = f"{line.strip()[:60]!r} is no line of numbers"
            mend = "give numbers, a step a line" if here else "give numbers, or the file that has them"
            raise DataError(what, path=file, line=number if here else None, mend=mend) from error
        if step:
            steps.append(step)
            if len(step) != len(steps[0]):
                what = f"{len(step)} numbers, where the first step has {len(steps[0])}"
                raise DataError(what, path=file, line=number, mend="give every step the same numbers")
    if not steps:
        raise DataError("there are no numbers", path=file, mend="give a step a line")
    values = np.array(steps)
    return values.ravel() if features == 1 and 1 in values.shape else values
