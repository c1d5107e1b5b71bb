"""The compiled core, where there is one: `core` is the module `timesteps._core`, or None.

Whatever the core does, plain Python or numpy does too, with the same results; it is slower, never different. An
installation on a machine without a C++ compiler has no core, and `TIMESTEPS_NATIVE=0` in the environment leaves it
aside.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

left_aside = os.environ.get("TIMESTEPS_NATIVE", "1") == "0"
"""Whether the core is not used because someone said so."""


def _load() -> tuple[ModuleType | None, str]:
    if left_aside:
        return None, "TIMESTEPS_NATIVE=0 is set"
    try:
        module = importlib.import_module("timesteps._core")
    except ImportError as error:
        return None, f"{error}; install timesteps where a C++20 compiler is found to have it"
    return module, f"timesteps._core, built by {module.compiler}, {module.instructions} instructions"


core, _why = _load()


@contextmanager
def without_core() -> Iterator[None]:
    """Leave the core aside within a `with` block, in all threads: what is made and called there runs in plain numpy.

    >>> with without_core():
    ...     explain()
    'no native core: it is left aside for now'
    """
    global core, left_aside, _why
    kept = core, left_aside, _why
    core, left_aside, _why = None, True, "it is left aside for now"
    try:
        yield
    finally:
        core, left_aside, _why = kept


def explained(why_not: str | None) -> str:
    """What runs a computation that is in the core unless there is a reason against it.

    >>> explained(None), explained("layer rnn.l0 has zoneout")
    ('native', 'numpy; not native: layer rnn.l0 has zoneout')
    """
    return "native" if why_not is None else f"numpy; not native: {why_not}"


def explain() -> str:
    """One line: which implementation runs, and why.

    >>> explain().split(":")[0] in ("native core", "no native core")
    True
    """
    return f"native core: {_why}" if core is not None else f"no native core: {_why}"
