"""What goes out: a file for another library, with what its reader should know."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timesteps.errors import UsageError
from timesteps.interchange.checking import Check

__all__ = ["Exported", "checked_ending"]


@dataclass(frozen=True)
class Exported:
    """A file for another library: where it is, what the measurement found, what its reader should know."""

    path: Path
    check: Check
    notes: tuple[str, ...]
    python: str | None = None  # the lines that rebuild the module, for torch

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        found = {"file": str(self.path), **self.check.to_dict(), "notes": list(self.notes)}
        return found if self.python is None else found | {"python": self.python}


def checked_ending(path: str | os.PathLike[str], *endings: str) -> Path:
    """The path. `UsageError` if its name does not end as files of this kind do."""
    if Path(path).suffix not in endings:
        raise UsageError(
            "has another ending than its kind of file", path=path, mend=f"name it …{' or …'.join(endings)}"
        )
    return Path(path)
