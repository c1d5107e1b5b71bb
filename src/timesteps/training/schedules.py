"""The factor on the learning rate as training goes on."""

from __future__ import annotations

import math

from timesteps.training.settings import ScheduleName

__all__ = ["factor"]


def factor(schedule: ScheduleName, warmup: float, step: int, steps: int) -> float:
    r"""Factor on the learning rate in a step of a run.

    With :math:`w = \lfloor` warmup × steps :math:`\rfloor` steps of warm-up, (step + 1) / w in step < w. After that,
    with :math:`p = (step - w) / (steps - w)`: 1 (constant), :math:`1 - p` (linear), or
    :math:`(1 + \cos \pi p) / 2` (cosine; Loshchilov and Hutter 2017, arXiv 1608.03983). No step has the factor 0.

    Args:
        schedule: constant, linear or cosine.
        warmup: share of the steps, in [0, 1).
        step: number of the step, from 0; behind the last one the factor stays that of the last.
        steps: steps of the whole run, at least 1.

    >>> [factor("linear", 0.25, step, 8) for step in range(0, 8, 2)]
    [0.5, 1.0, 0.6666666666666667, 0.33333333333333337]
    """
    warm = int(warmup * steps)
    if step < warm:
        return (step + 1) / warm
    if schedule == "constant":
        return 1.0
    progress = (min(step, steps - 1) - warm) / (steps - warm)
    return 1 - progress if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
