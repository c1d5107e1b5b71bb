"""Errors a person can act on: what happened, where, and how to mend it.

Every error that timesteps raises on purpose is one of these. The command line prints the message as one line and leaves
with the class's exit code; in Python they are ordinary exceptions (and `ValueError`, as scikit-learn's users expect).
"""

from __future__ import annotations

from os import PathLike


class TimestepsError(Exception):
    """Base of all errors raised on purpose. `exit_code` is what the command line leaves with."""

    exit_code = 1

    def __init__(
        self, what: str, *, path: str | PathLike[str] | None = None, line: int | None = None, mend: str | None = None
    ) -> None:
        self.what, self.path, self.line, self.mend = what, path, line, mend
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(f"{where}{what}" + (f"; {mend}" if mend else ""))


class UsageError(TimestepsError, ValueError):
    """An option or argument that makes no sense (exit code 2)."""

    exit_code = 2


class DataError(TimestepsError, ValueError):
    """Data that cannot be used as it is (exit code 3)."""

    exit_code = 3


class ModelError(TimestepsError, ValueError):
    """A model file that is missing, damaged, too new or not what was asked for (exit code 4)."""

    exit_code = 4
