"""The steps of a sequence as a table of at most 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timesteps.inspect.handset.equations import plain
from timesteps.inspect.handset.follow import Followed
from timesteps.runtime.display import columns_of, printable
from timesteps.runtime.metrics import probabilities

__all__ = ["table"]

_WIDTH, _BETWEEN, _DECIMALS = 80, "  ", 4


def table(
    followed: Followed,
    inputs: Sequence[str],
    units: Sequence[str],
    classes: Sequence[str | int | float | bool],
    signs: Sequence[str] | None = None,
) -> list[str]:
    """A line a step behind a line of names: inputs, gates and states, output, answer.

    Gates are shown of a layer of one unit; of more units, each one's output, as many as fit.

    Args:
        followed: the values.
        inputs: names of the numbers of a step.
        units: names of the units.
        classes: the answers; none where the answer is the output.
        signs: what was typed for each step, if that says more than the numbers.
    """
    left: list[list[str]] = [["step", *(str(t) for t in range(1, len(followed) + 1))]]
    if signs is not None:
        left.append(["input", *map(printable, signs)])
    left += [_column(name, followed.inputs[:, k]) for k, name in enumerate(inputs)]
    right = []
    if len(classes) == 2:
        right.append(_column(f"P({classes[1]})", probabilities(followed.outputs)[:, 1]))
    answers = ["answer", *(plain(answer) if isinstance(answer, float) else str(answer) for answer in followed.answers)]
    right.append(answers)
    room = _WIDTH - _taken(left) - _taken(right)
    middle = []
    for column in _middle(followed, units):
        room -= _taken([column])
        if room < 0:
            break
        middle.append(column)
    columns = [*left, *middle, *right]
    widths = [max(map(columns_of, column)) for column in columns]
    padded = [
        [" " * (width - columns_of(cell)) + cell for cell in column]
        for column, width in zip(columns, widths, strict=True)
    ]
    return [_BETWEEN.join(row) for row in zip(*padded, strict=True)]


def _middle(followed: Followed, units: Sequence[str]) -> list[list[str]]:
    output = next(iter(followed.states.values()))
    if output.shape[1] > 1 or not followed.gates:
        return [_column(name, output[:, k]) for k, name in enumerate(units)]
    states = dict(reversed(followed.states.items()))  # c is what h is made of
    return [_column(name, part[:, 0]) for name, part in {**followed.gates, **states}.items()]


def _taken(columns: Sequence[Sequence[str]]) -> int:
    return sum(max(map(columns_of, column)) + len(_BETWEEN) for column in columns)


def _column(name: str, values: NDArray[np.float64]) -> list[str]:
    """Numbers with as many decimals as they need, at most four, all alike."""
    if np.abs(values).max() >= 1e6:
        return [name, *(f"{value:.6g}" for value in values.tolist())]
    shown = [plain(value) for value in values.tolist()]
    decimals = max(len(text.partition(".")[2]) for text in shown)
    return [name, *(f"{float(text):.{decimals}f}" for text in shown)]
