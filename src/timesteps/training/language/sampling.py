"""Which classes stand for all in the softmax of a step, where the vocabulary is large."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.training.seeds import step_seed

__all__ = ["Sampler"]


class Sampler:
    r"""Classes drawn for each step, by how often they occur, to the power 3/4; one draw for all of its tokens.

    The softmax is over a token's own class and those drawn, each score less the logarithm of how many times its class
    is expected among n draws, :math:`1 - (1 - q)^n`, so that its gradient tends to that of all classes. Bengio and
    Senécal (2008, doi 10.1109/TNN.2007.912312); Jean et al. (2015, arXiv 1412.2007). Measured over all classes.

    Args:
        counts: (V,) how often each class occurs.
        samples: n, draws a step.
        seed: of the run.

    >>> sampler = Sampler(np.array([0, 1, 100, 10_000]), 2, seed=0)
    >>> sampler.draw(0).tolist(), sampler.log_expected.round(2).tolist()[1:]
    ([3], [-6.23, -2.79, -0.29])
    """

    def __init__(self, counts: NDArray[np.int64], samples: int, seed: int) -> None:
        powers = np.maximum(counts, 0).astype(np.float64) ** 0.75
        shares = powers / powers.sum()
        self._samples, self._seed = samples, seed
        self._sums: NDArray[np.float64] = shares.cumsum()
        self._sums /= self._sums[-1]
        self.log_expected: NDArray[Any] = np.log(-np.expm1(samples * np.log1p(-shares.clip(1e-12, 0.5))))
        """(V,) logarithms of how many times each class is expected."""

    def draw(self, number: int) -> NDArray[np.int64]:
        """The classes of a step, sorted, no two alike: a function of the seed and the step's number."""
        random = np.random.default_rng([step_seed(self._seed, number)])
        places = self._sums.searchsorted(random.random(self._samples), side="right")
        found: NDArray[np.int64] = np.unique(places).astype(np.int64)
        return found
