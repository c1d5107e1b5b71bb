"""`Guide`: what single n-grams say about the classes, told to a recurrent network at the step where each ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.runtime.embedding import bag_sums
from timesteps.runtime.sequences import Bags
from timesteps.runtime.spec import GuideSpec
from timesteps.runtime.text.bags import Features
from timesteps.runtime.text.grams import Found, look_up_grams
from timesteps.runtime.text.numbered import Numbered

_FLOAT = np.dtype(np.float32)


class Guide:
    r"""n-grams with a number for each class: naive Bayes log-count ratios, and a linear model.

    For a step t, an order n and an output k, with the known n-grams G of that order that end at the step,

    .. math:: x_{t,n,k} = \sum_{g \in G} r_{g,k}, \qquad z_k = b_k + \sum_{g \in \text{text}} w_{g,k}

    are the step's channels, in the order (n, k), and the text's linear logits, where each n-gram counts once.
    The ratios are those of Sida Wang and Christopher D. Manning, "Baselines and Bigrams: Simple, Good Sentiment and
    Topic Classification" (ACL 2012): a network that learns vectors of millions of rare n-grams from few texts
    overfits, ratios need no training. How they are learned is said in `timesteps.tasks.classify.guide`.

    Args:
        spec: which n-grams.
        features: (F,) their sorted hashes.
        ratio: (F, outputs) r.
        weight: (F, outputs) w.
        bias: (outputs,) b.
    """

    def __init__(
        self, spec: GuideSpec, features: Features, ratio: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any]
    ) -> None:
        self.spec, self.features = spec, features
        self.ratio, self.weight, self.bias = ratio, weight, bias

    @classmethod
    def load(cls, spec: GuideSpec, tensors: Mapping[str, NDArray[Any]]) -> Guide:
        """From the tensors of a model file, whose shapes its reader has checked."""
        features = np.ascontiguousarray(tensors["guide.features"]).view(np.uint64)
        if np.any(features[1:] <= features[:-1]):
            raise ModelError("the tensor guide.features is not sorted", mend="train the model again")
        return cls(spec, features, tensors["guide.ratio"], tensors["guide.weight"], tensors["guide.bias"])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """For the model file."""
        return {
            "guide.features": self.features.view(np.int64),
            "guide.ratio": self.ratio,
            "guide.weight": self.weight,
            "guide.bias": self.bias,
        }

    def find(self, rows: Sequence[Sequence[str]] | Numbered) -> Found:
        """The known n-grams of rows, as `TextProcessor.units` gives them."""
        return look_up_grams(rows, self.spec, self.features)

    def channels(self, found: Found) -> NDArray[np.float32]:
        """(N, longest * outputs): for every step, before truncation."""
        return channels(found, self.ratio)

    def linear(self, found: Found) -> NDArray[np.float32]:
        """(R, outputs): the linear model's logits."""
        return self.linear_of(found.distinct())

    def linear_of(self, distinct: Bags) -> NDArray[np.float32]:
        """The same from the distinct n-grams of each row."""
        logits: NDArray[np.float64] = bag_sums(self.weight, distinct, np.dtype(np.float64)) + self.bias
        return logits.astype(np.float32)


def channels(found: Found, ratio: NDArray[Any]) -> NDArray[np.float32]:
    """Sums of the ratios (F, outputs) of the n-grams of each step and order.

    >>> from timesteps.runtime.sequences import Bags
    >>> found = Found(Bags(np.array([0, 1, 1], np.int32), np.array([0, 1, 1, 1, 3])), np.array([0, 2]), longest=2)
    >>> channels(found, np.array([[0.5], [1.0]])).tolist()
    [[0.5, 0.0], [0.0, 2.0]]
    """
    sums: NDArray[np.float32] = bag_sums(ratio, found.bags, _FLOAT)
    return sums.reshape(int(found.offsets[-1]), found.longest * ratio.shape[1])
