"""`python -m bench.language.memory native|torch`: the most memory that a process held that trained a few steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.language import model

__all__ = ["peak_mib"]

_SHAPE, _STEPS = model.SHAPES["small"], 8


def peak_mib(name: str) -> float:
    """In a process of its own, from its start, imports included."""
    words = [sys.executable, "-m", "bench.language.memory", name]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def main(name: str) -> None:
    """Train, and say the peak in MiB."""
    step = model.by_torch(_SHAPE) if name == "torch" else model.by_engine(name, _SHAPE, 1)
    for window in model.text(_SHAPE, model.zipfian(_SHAPE, _STEPS)):
        step(window)
    # Not ru_maxrss, which a process has from its parent at first.
    status = Path("/proc/self/status").read_text()
    print(next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")))


if __name__ == "__main__":
    main(sys.argv[1])
