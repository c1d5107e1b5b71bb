"""How lists are written on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence


def numbers(words: str) -> tuple[int, ...]:
    """'8,64' -> (8, 64)."""
    return tuple(int(word) for word in words.split(","))


def some_of(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A reader of comma-separated names."""

    def read(words: str) -> tuple[str, ...]:
        names = tuple(words.split(","))
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return names

    return read
