"""How much memory a run may take, and whether its data fit in it."""

from __future__ import annotations

import ctypes
import os
import re
from contextlib import suppress
from pathlib import Path

from timesteps.data.source import resolve
from timesteps.data.streams import COMPRESSED_SUFFIXES, is_stdin
from timesteps.errors import UsageError, option
from timesteps.tasks.classify.given import kind_of_request
from timesteps.tasks.classify.request import Request

__all__ = ["available", "bytes_of", "give_back", "memory_for", "too_large"]

LEAST = 64 << 20
"""Less than this would not hold a window of rows and a table worth training."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_EXPANSION = 4  # of compressed text, about
_FACTOR = 32  # bytes in memory for a byte of text: measured, with the default recipe's n-grams (bench/footprint.py)


def bytes_of(size: str | int) -> int:
    """A number of bytes as people write it.

    >>> bytes_of("512MB"), bytes_of("1.5 GiB"), bytes_of(1 << 30)
    (536870912, 1610612736, 1073741824)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?\s*", str(size), re.IGNORECASE)
    if found is None:
        raise UsageError(f"{option('memory')} is {size!r}", mend="give a size such as 512MB or 2GB")
    many = int(float(found[1]) * _UNITS[found[2].upper()])
    if many < LEAST:
        raise UsageError(f"{option('memory')} is {size}", mend=f"give at least {LEAST >> 20}MB")
    return many


def available() -> int:
    """Bytes of memory that this process may still take: what the machine has free, or its control group leaves."""
    free = _number(Path("/proc/meminfo"), r"MemAvailable:\s+(\d+) kB") * 1024
    if not free and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    group = Path("/sys/fs/cgroup")
    limit, used = (_number(group / name, r"(\d+)") for name in ("memory.max", "memory.current"))
    if limit:
        free = min(free or limit, max(limit - used, 0))
    return free or 1 << 62


def too_large(source: str | None, memory: str | int | None) -> int | None:
    """The memory to train in from the disk, if this file needs more; None if it fits.

    What may be used is what the user says, otherwise half of what is available. Standard input, whose size nobody
    knows, goes to the disk where a memory is given; known data sets fit.
    """
    found = resolve(source)
    limit = available() // 2 if memory is None else bytes_of(memory)
    if not isinstance(found, Path):
        return None
    if is_stdin(found):
        return None if memory is None else limit
    if not found.is_file():
        return None
    size = found.stat().st_size * (_EXPANSION if found.suffix.lower() in COMPRESSED_SUFFIXES else 1)
    return limit if size * _FACTOR > limit else None


def memory_for(request: Request) -> int | None:
    """The memory to train in from the disk; None: the data fit. Once decided, it is for good: see `Request`."""
    if kind_of_request(request) == "numeric":
        return None  # numbers take about the memory that they take in a file
    return None if request.memory == "none" else too_large(request.place(request.data), request.memory)


def give_back() -> None:
    """Return freed memory to the system: glibc keeps it in case, here hundreds of megabytes of pieces of texts."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _number(path: Path, pattern: str) -> int:
    """A number in a file of the system's; 0 where there is none."""
    try:
        found = re.search(pattern, path.read_text("ascii"))
    except OSError:
        return 0
    return 0 if found is None else int(found[1])
