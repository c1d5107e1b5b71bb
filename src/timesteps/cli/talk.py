"""How the command line speaks: sentences on standard error, results on standard output."""

from __future__ import annotations

import json
import sys
from typing import Any

from timesteps.runtime.display import printable


def say(sentence: str) -> None:
    """A sentence for the person at the terminal."""
    print(printable(sentence), file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output, Korean as Korean."""
    print(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def percent(share: float) -> str:
    """0.8831 as '88.31 %'."""
    return f"{100 * share:.2f} %"
