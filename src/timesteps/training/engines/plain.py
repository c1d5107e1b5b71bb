"""`PlainNetwork`: a network as the native engine trains it, numbers and a specification, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.spec import NetworkSpec
from timesteps.training.initial import initial_weights

__all__ = ["PlainNetwork"]


@dataclass(frozen=True)
class PlainNetwork:
    """A specification, what acts in training, and weights by name (float32), which training changes in place.

    >>> from timesteps.runtime.spec import LayerSpec
    >>> layer = LayerSpec(cell="gru", input_size=3, hidden_size=2)
    >>> network = PlainNetwork.untrained(NetworkSpec(input="numeric", input_size=3, layers=(layer,), outputs=1))
    >>> network.state_dict()["head.weight"].shape
    (1, 2)
    """

    spec: NetworkSpec
    regularization: Regularization
    weights: Mapping[str, NDArray[np.float32]]

    @classmethod
    def untrained(
        cls,
        spec: NetworkSpec,
        regularization: Regularization | None = None,
        *,
        seed: int = 0,
        chrono: int | None = None,
    ) -> PlainNetwork:
        """What `timesteps.nn.build` gives for the same seed, up to rounding."""
        return cls(spec, regularization or Regularization(), initial_weights(spec, seed, chrono))

    def state_dict(self) -> dict[str, NDArray[np.float32]]:
        """The weights by name; not copies."""
        return dict(self.weights)

    def set_vectors(self, vectors: NDArray[np.floating[Any]]) -> int:
        """Take pretrained vectors (input_size, embedding_size); rows with NaN are left. How many were taken.

        Raises:
            UsageError: another shape, or a network without an embedding.
        """
        table = self.weights.get("embedding.weight")
        if table is None:
            raise UsageError(f"a network of {self.spec.input} has no embedding", mend="use input ids")
        if vectors.shape != table.shape:
            raise UsageError(f"vectors have shape {vectors.shape}", mend=f"give {table.shape}")
        found = ~np.isnan(vectors).any(axis=1)
        table[found] = vectors[found]
        return int(found.sum())
