"""Errors a person can act on: what happened, where, and how to mend it.

Every error that timesteps raises on purpose is one of these. The command line prints the message as one line and leaves
with the class's exit code; in Python they are ordinary exceptions (and `ValueError`, as scikit-learn's users expect).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from os import PathLike

# Marks of an option within a message: noncharacters, which Unicode reserves for use inside a program.
_OPTION = re.compile("\ufdd0(\\w+)(?:=([^\ufdd1]*))?\ufdd1")


def option(name: str, value: str | int | bool | None = None) -> str:
    """An option within a message, perhaps with the value that is meant.

    Python reads its bare name; the command line spells it as a flag (`TimestepsError.spelled`).

    >>> error = UsageError(f"{option('batch_size')} is 0", mend=f"or choose {option('cell', 'gru')}")
    >>> print(error)
    batch_size is 0; or choose cell='gru'
    >>> error.spelled(lambda name, value: f"--{name.replace('_', '-')}" + (f" {value}" if value else ""))
    '--batch-size is 0; or choose --cell gru'
    """
    return f"\ufdd0{name}\ufdd1" if value is None else f"\ufdd0{name}={value!r}\ufdd1"


def spelled(text: str, spell: Callable[[str, str | int | bool | None], str] | None = None) -> str:
    """A text with every marked option in it as `spell` writes its name and value (None: only the name is meant).

    Without `spell`, as Python reads it.

    >>> spelled(f"try {option('cell', 'gru')}"), spelled(option("cell"), lambda name, value: f"--{name}")
    ("try cell='gru'", '--cell')
    """
    if spell is None:
        return _OPTION.sub(lambda found: found[0][1:-1], text)
    return _OPTION.sub(lambda found: spell(found[1], None if found[2] is None else ast.literal_eval(found[2])), text)


class TimestepsError(Exception):
    """Base of all errors raised on purpose. `exit_code` is what the command line leaves with."""

    exit_code = 1

    def __init__(
        self, what: str, *, path: str | PathLike[str] | None = None, line: int | None = None, mend: str | None = None
    ) -> None:
        self.what, self.path, self.line, self.mend = what, path, line, mend
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        self._marked = f"{where}{what}" + (f"; {mend}" if mend else "")
        super().__init__(spelled(self._marked))

    def spelled(self, spell: Callable[[str, str | int | bool | None], str]) -> str:
        """The message with every option in it as `spell` writes its name and value (None: only the name is meant)."""
        return spelled(self._marked, spell)


class UsageError(TimestepsError, ValueError):
    """An option or argument that makes no sense (exit code 2)."""

    exit_code = 2


class DataError(TimestepsError, ValueError):
    """Data that cannot be used as it is (exit code 3)."""

    exit_code = 3


class ModelError(TimestepsError, ValueError):
    """A model file that is missing, damaged, too new or not what was asked for (exit code 4)."""

    exit_code = 4
