"""The seed of every step of a run."""

from __future__ import annotations

__all__ = ["step_seed"]

_64_BITS = (1 << 64) - 1


def step_seed(seed: int, step: int) -> int:
    """A seed of 64 bits, a function of (seed, step) alone: neighbouring steps get unrelated ones.

    >>> hex(step_seed(7, 100)), step_seed(7, 100) == step_seed(7, 101)
    ('0x30f988730d53e6f0', False)
    """
    # The two finalizing rounds of SplitMix64 (Steele, Lea and Flood 2014).
    return _mixed((_mixed(seed) + (step + 1) * 0x9E3779B97F4A7C15) & _64_BITS)


def _mixed(z: int) -> int:
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _64_BITS
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _64_BITS
    return z ^ (z >> 31)
