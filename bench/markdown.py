"""What all tables share: how they look, and how they say that something was not measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

UNMEASURED = "not measured yet"

Read = Callable[[str], dict[str, Any] | None]
"""The content of a result file by name; None when there is none."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def machine_of(provenance: dict[str, Any]) -> str:
    """'2 cores of X, 4 GiB'."""
    machine = provenance["machine"]
    return f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']:g} GiB"
