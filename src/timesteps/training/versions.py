"""Which software and what kind of machine a run used, without names or paths of the machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from timesteps.version import __version__

__all__ = ["versions"]

_PACKAGES = ("torch", "numpy", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of timesteps, torch, numpy, scikit-learn and Python; system, processor family and number of cores.

    A package that is not installed is left out. Nothing is imported to find out.

    >>> list(versions())[0]
    'timesteps'
    """
    found = {"timesteps": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found["Python"] = f"{platform.python_implementation()} {platform.python_version()}"
    found["system"] = f"{platform.system()} {platform.machine()}".strip()
    found["CPU cores"] = str(os.cpu_count() or "unknown")
    return found
