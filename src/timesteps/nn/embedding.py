"""`Embedding`: a vector for each id."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from timesteps.errors import UsageError


class Embedding(nn.Embedding):
    """torch.nn.Embedding with Keras' `mask_zero` and with pretrained vectors.

    Args:
        num_embeddings: ids are 0 … num_embeddings - 1.
        embedding_dim: size of a vector.
        mask_zero: id 0 is padding: `compute_mask` says where it stands. Its vector is trained like any other, as in
            Keras; with torch's `padding_idx=0` it stays zero instead.
        options: further arguments of torch.nn.Embedding.

    Example:
        >>> import torch
        >>> from timesteps.nn import Embedding
        >>> embedding = Embedding(500, 16, mask_zero=True)
        >>> ids = torch.tensor([[7, 5, 0]])
        >>> embedding(ids).shape, embedding.compute_mask(ids)
        (torch.Size([1, 3, 16]), tensor([[ True,  True, False]]))
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, mask_zero: bool = False, **options: Any) -> None:
        super().__init__(num_embeddings, embedding_dim, **options)
        self.mask_zero = mask_zero

    def compute_mask(self, ids: Tensor) -> Tensor:
        """Where ids (B, T) are real steps, (B, T) booleans: not 0, or everywhere without `mask_zero`."""
        return ids != 0 if self.mask_zero else torch.ones_like(ids, dtype=torch.bool)

    def set_vectors(self, vectors: NDArray[np.floating[Any]] | Tensor) -> int:
        """Take pretrained vectors (num_embeddings, embedding_dim); rows that hold NaN leave the present vector.

        Returns:
            How many rows were taken.

        Raises:
            UsageError: another shape.

        Example:
            >>> import numpy as np
            >>> Embedding(2, 3).set_vectors(np.array([[np.nan] * 3, [1.0, 2.0, 3.0]]))
            1
        """
        return set_rows(self.weight, vectors)


def set_rows(weight: Tensor, vectors: NDArray[np.floating[Any]] | Tensor) -> int:
    """Copy the rows of `vectors` that have no NaN into `weight`; how many they are."""
    rows = torch.as_tensor(vectors)
    if rows.shape != weight.shape:
        raise UsageError(f"vectors have shape {tuple(rows.shape)}", mend=f"give {tuple(weight.shape)}")
    found = ~rows.isnan().any(1)
    with torch.no_grad():
        weight[found.to(weight.device)] = rows[found].to(weight)
    return int(found.sum())
