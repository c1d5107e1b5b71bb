"""PyTorch's own threads, lent to the compiled core: native/crew.h says why."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch

from timesteps.runtime import native

ENTRY = "GOMP_parallel"
"""What GCC's libgomp and LLVM's libomp (as GCC's code calls it) both have; other OpenMP libraries do not."""


def team() -> int:
    """The address of ENTRY in the OpenMP library that PyTorch's operators run on, or 0.

    The dynamic linker prefers what is global in the process, as PyTorch's own libraries did when they were loaded.
    """
    if not torch.backends.openmp.is_available():  # type: ignore[no-untyped-call]
        return 0
    libraries = (None, *sorted(Path(torch.__file__).with_name("lib").glob("libtorch_cpu.*")))
    for library in libraries:
        try:
            entry = ctypes.CDLL(None if library is None else str(library))[ENTRY]
        except (OSError, TypeError, AttributeError):  # no such library, no such function
            continue
        return ctypes.cast(entry, ctypes.c_void_p).value or 0
    return 0


def lend() -> bool:
    """Have the core work on PyTorch's threads, where they can be had; else it has helpers of its own."""
    address = 0 if native.core is None else team()
    if address:
        assert native.core is not None
        native.core.lend_team(address)
    return bool(address)
