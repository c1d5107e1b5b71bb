"""How the command line speaks: sentences on standard error, results on standard output."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from timesteps.runtime.display import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray


def say(sentence: str) -> None:
    """A sentence for the person at the terminal."""
    print(printable(sentence), file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output, Korean as Korean."""
    print(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def flag(name: str, value: str | int | bool | None) -> str:
    """An option as the command line spells it.

    >>> flag("clip_norm", 1.0), flag("max_length", None)
    ('--clip-norm 1.0', '--max-length')
    """
    from timesteps.tasks.classify.request import flag_words

    return shlex.join(flag_words(name, value))


def percent(share: float) -> str:
    """0.8831 as '88.31 %'."""
    return f"{100 * share:.2f} %"


def answers(classes: Sequence[str | int | float | bool], as_json: bool) -> Callable[[NDArray[Any]], str]:
    """What says a row of probabilities in one line: `label <tab> probability`, or a JSON object with every class."""
    names = [str(label) for label in classes]
    shown = [printable(name) for name in names]  # a label with a tab or a line's end in it would break the columns

    def line(row: NDArray[Any]) -> str:
        best = int(row.argmax())
        if not as_json:
            return f"{shown[best]}\t{row[best]:.4f}"
        probabilities = dict(zip(names, map(float, row), strict=True))
        answer = {"label": names[best], "probability": float(row[best]), "probabilities": probabilities}
        return json.dumps(answer, ensure_ascii=False)

    return line
