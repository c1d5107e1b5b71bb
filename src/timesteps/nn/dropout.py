"""Dropout in all the forms that recurrent networks use, reproducible row by row.

Each row of a batch gets a key from the random generator, and every mask is a function of the row's key: the same seed
gives a row the same masks however the rows are split into batches, padded, or spread over threads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from timesteps.runtime import native
from timesteps.runtime.regularization import check_probability as check_probability

# Constants of SplitMix64 (Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators), as int64.
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX_1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX_2 = 0x94D049BB133111EB - (1 << 64)
_BITS = 31


def draw_keys(rows: int, *, device: torch.device | str = "cpu", generator: torch.Generator | None = None) -> Tensor:
    """One key a row, (rows,) int64. `generator` must live on `device`; None is torch's default one."""
    if generator is None:  # torch.compile takes no generator where the number of rows is dynamic
        return torch.randint(-(1 << 62), 1 << 62, (rows,), device=device)
    return torch.randint(-(1 << 62), 1 << 62, (rows,), device=device, generator=generator)


def random_bits(keys: Tensor, stream: int, counters: Tensor) -> Tensor:
    """31 random bits for each counter, a function of (key, stream, counter) alone: keys (B,), counters (B or 1, N)."""
    start = _mix(keys + _signed((2 * stream + 1) * _GOLDEN))
    return _mix(start.unsqueeze(1) + counters * _GOLDEN) & ((1 << _BITS) - 1)


def _signed(number: int) -> int:
    """A number modulo 2^64, as int64 holds it."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _mix(z: Tensor) -> Tensor:
    for shift, factor in ((30, _MIX_1), (27, _MIX_2)):
        z = (z ^ ((z >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return z ^ ((z >> 31) & ((1 << 33) - 1))


def mask_at(keys: Tensor, counters: Tensor, p: float, stream: int, dtype: torch.dtype) -> Tensor:
    """The dropout factors of single elements: counters (B or 1, N) -> (B, N): 0 with probability p, else 1/(1-p)."""
    return (~chosen_at(keys, counters, p, stream)).to(dtype) * (0.0 if p == 1 else 1 / (1 - p))


def chosen_at(keys: Tensor, counters: Tensor, p: float, stream: int) -> Tensor:
    """Which single elements chance picks: counters (B or 1, N) -> (B, N) booleans, True with probability p."""
    return random_bits(keys, stream, counters) < round(check_probability(p) * (1 << _BITS))


def kept_features(keys: Tensor, starts: Tensor, p: float, stream: int) -> Tensor:
    """Which of N features stay, (N,) booleans, False with probability p.

    Features of row b are those from starts[b] to starts[b + 1] (B + 1,); their counters are their places in the row.
    """
    threshold = round(check_probability(p) * (1 << _BITS))
    if native.core is not None and keys.device.type == "cpu" and not torch.compiler.is_compiling():
        kept = torch.empty(int(starts[-1]), dtype=torch.bool)
        keys, starts = keys.contiguous(), starts.contiguous()
        native.core.keep_features(
            keys.data_ptr(), starts.data_ptr(), len(keys), stream, threshold, kept.data_ptr(), torch.get_num_threads()
        )
        return kept
    counts = starts.diff()
    counters = torch.arange(int(starts[-1]), device=keys.device) - starts[:-1].repeat_interleave(counts)
    return random_bits(keys.repeat_interleave(counts), stream, counters.unsqueeze(1)).squeeze(1) >= threshold


def dropout_mask(keys: Tensor, size: int, p: float, stream: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The dropout factors of `size` elements a row, (B, size)."""
    return mask_at(keys, torch.arange(size, device=keys.device).unsqueeze(0), p, stream, dtype)


def random_normal(keys: Tensor, size: int, stream: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal numbers (B, size), by the Box-Muller transform."""
    bits = random_bits(keys, stream, torch.arange(2 * size, device=keys.device).unsqueeze(0))
    uniform = ((bits.to(torch.float64) + 0.5) / (1 << _BITS)).view(len(keys), size, 2)
    radius, angle = (-2 * uniform[..., 0].log()).sqrt(), 2 * math.pi * uniform[..., 1]
    return (radius * angle.cos()).to(dtype)


class _Dropout(nn.Module):
    """What the forms share: a probability, nothing done in evaluation, keys given or drawn."""

    def __init__(self, p: float = 0.5, *, stream: int = 0) -> None:
        super().__init__()
        self.p, self.stream = check_probability(p), stream

    def forward(self, x: Tensor, keys: Tensor | None = None) -> Tensor:
        """x with elements dropped in training, x itself in evaluation. `keys` (B,), drawn when None."""
        if not self.training or self.p == 0:
            return x
        if keys is None:
            keys = draw_keys(len(x), device=x.device)
        return x * self.mask(x, keys)

    def mask(self, x: Tensor, keys: Tensor) -> Tensor:
        """The factors that multiply x, broadcast to its shape."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Probability, for print."""
        return f"p={self.p}"


class Dropout(_Dropout):
    """Ordinary dropout: each element of x (B, ...) is zero with probability p, else divided by 1 - p.

    torch's `dropout` between the layers of a stack is this. Srivastava et al. (2014), JMLR 15. Differs from
    torch.nn.Dropout in where its random numbers come from: a row's mask does not depend on the batch around it.

    Example:
        >>> import torch
        >>> from timesteps.nn import Dropout
        >>> sorted(set(Dropout(0.5)(torch.ones(4, 64)).flatten().tolist()))
        [0.0, 2.0]
    """

    def mask(self, x: Tensor, keys: Tensor) -> Tensor:
        """Factors of x's shape."""
        return dropout_mask(keys, x[0].numel() if len(x) else 0, self.p, self.stream, x.dtype).view(x.shape)


class VariationalDropout(_Dropout):
    """Dropout fixed over time: x (B, T, D) is multiplied by one mask (B, 1, D) for all steps of a row.

    Keras' `dropout` argument of recurrent layers is this, on the layer's input. Gal and Ghahramani (2016),
    arXiv:1512.05287.

    Example:
        >>> import torch
        >>> from timesteps.nn import VariationalDropout
        >>> y = VariationalDropout(0.5)(torch.ones(2, 10, 8))
        >>> bool((y == y[:, :1]).all())
        True
    """

    def mask(self, x: Tensor, keys: Tensor) -> Tensor:
        """Factors (B, 1, D)."""
        return dropout_mask(keys, x.shape[-1], self.p, self.stream, x.dtype).unsqueeze(1)


class WordDropout(_Dropout):
    """Whole steps of x (B, T, D) become zero vectors with probability p; the others stay as they are.

    The step remains: time goes on over a word without meaning. Iyyer et al. (2015), Deep unordered composition, ACL.
    Deviation: they leave the word out of an average; a recurrent network sees a zero vector.

    Example:
        >>> import torch
        >>> from timesteps.nn import WordDropout
        >>> y = WordDropout(0.5)(torch.ones(2, 10, 8))
        >>> bool((y == y[..., :1]).all())
        True
    """

    def mask(self, x: Tensor, keys: Tensor) -> Tensor:
        """Factors (B, T, 1), 0 or 1."""
        return self.kept(keys, x.shape[1]).to(x.dtype).unsqueeze(2)

    def kept(self, keys: Tensor, steps: int) -> Tensor:
        """The steps that stay, (B, T) booleans."""
        return dropout_mask(keys, steps, self.p, self.stream).ne(0)


class EmbeddingDropout(nn.Module):
    """Words dropped from the embedding: all occurrences of a word in a row vanish, the others are divided by 1 - p.

    Called with the looked-up vectors and their ids. Gal and Ghahramani (2016), arXiv:1512.05287; Merity, Keskar and
    Socher (2017), arXiv:1708.02182. Deviation: the dropped words are drawn anew for each row, not for each batch.

    Example:
        >>> import torch
        >>> from timesteps.nn import EmbeddingDropout
        >>> y = EmbeddingDropout(0.5)(torch.ones(1, 4, 2), torch.tensor([[7, 5, 7, 7]]))
        >>> bool((y[0, 0] == y[0, 2]).all() and (y[0, 0] == y[0, 3]).all())
        True
    """

    def __init__(self, p: float = 0.5, *, stream: int = 0) -> None:
        super().__init__()
        self.p, self.stream = check_probability(p), stream

    def forward(self, x: Tensor, ids: Tensor, keys: Tensor | None = None) -> Tensor:
        """Vectors x (B, T, D) of ids (B, T), with words dropped in training; `keys` (B,), drawn when None."""
        if not self.training or self.p == 0:
            return x
        if keys is None:
            keys = draw_keys(len(x), device=x.device)
        return x * mask_at(keys, ids, self.p, self.stream, x.dtype).unsqueeze(2)

    def extra_repr(self) -> str:
        """Probability, for print."""
        return f"p={self.p}"
