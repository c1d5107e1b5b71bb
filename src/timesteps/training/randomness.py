"""torch's generator and threads during a run: set by the run, given back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from timesteps.training.seeds import step_seed

__all__ = ["reseed", "set_apart"]


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
    if device is None:
        # A tenth of torch.manual_seed, which asks every accelerator.
        torch.default_generator.manual_seed(step_seed(seed, step))
    else:
        torch.manual_seed(step_seed(seed, step))


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
