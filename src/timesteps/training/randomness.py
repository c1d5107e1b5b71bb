"""torch's generator and threads during a run: set by the run, given back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["reseed", "set_apart"]

_64_BITS = (1 << 64) - 1


def reseed(seed: int, step: int, device: torch.device | None = None) -> None:
    """Seed torch's generator for one step of a run, a function of (seed, step) alone.

    What is random in a step does not depend on the steps before, so a resumed run draws what the stopped one would
    have drawn.

    >>> with set_apart():
    ...     reseed(7, 100)
    ...     first = torch.rand(3)
    ...     reseed(7, 100)
    ...     bool((first == torch.rand(3)).all())
    True
    """
    # The two finalizing rounds of SplitMix64 (Steele, Lea and Flood 2014): neighbouring steps get unrelated seeds.
    z = (_mixed(seed) + (step + 1) * 0x9E3779B97F4A7C15) & _64_BITS
    if device is None:
        torch.default_generator.manual_seed(_mixed(z))  # a tenth of torch.manual_seed, which asks every accelerator
    else:
        torch.manual_seed(_mixed(z))


def _mixed(z: int) -> int:
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _64_BITS
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _64_BITS
    return z ^ (z >> 31)


@contextmanager
def set_apart(threads: int | None = None, device: torch.device | None = None) -> Iterator[None]:
    """A block whose threads and random numbers are its own: afterwards torch's are as they were before."""
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[] if device is None else [device]):
        try:
            if threads is not None:
                torch.set_num_threads(threads)
            yield
        finally:
            if threads is not None:
                torch.set_num_threads(before)
