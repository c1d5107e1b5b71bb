"""`Network`: the torch side of a `NetworkSpec`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from timesteps.errors import UsageError
from timesteps.nn.bags import BagEmbedding
from timesteps.nn.cells import CELLS
from timesteps.nn.dropout import Dropout, WordDropout, draw_keys
from timesteps.nn.embedding import Embedding, set_rows
from timesteps.nn.initialization import initialize
from timesteps.nn.padding import Steps, mask_of, read_steps
from timesteps.nn.pooling import AttentionPool, last_pool, max_pool, mean_pool
from timesteps.nn.stack import Layer, RecurrentStack
from timesteps.runtime.layout import LINEAR
from timesteps.runtime.regularization import Regularization as Regularization
from timesteps.runtime.spec import LayerSpec, NetworkSpec
from timesteps.runtime.summary import Summary, summary

_WORD_STREAM, _HEAD_STREAM, _FEATURE_STREAM = -1, -2, -3  # the layers' streams are 0 and up


class Batch(NamedTuple):
    """Rows of a batch, padded on the right.

    `values` are (B, T) int64 ids or (B, T, I) floats; a network of bags takes `bag_ids` (N,) and `bag_offsets` (U + 1,)
    instead: the bags of all real steps in row order, U = lengths.sum(). With a guide there are also its `channels`
    (B, T, C) and the logits of its `linear` model (B, outputs).
    """

    lengths: Tensor
    values: Tensor | None = None
    bag_ids: Tensor | None = None
    bag_offsets: Tensor | None = None
    channels: Tensor | None = None
    linear: Tensor | None = None


class Network(nn.Module):
    """input → (embedding) → recurrent layers → [pooling] → dense [+ wide term], as a `NetworkSpec` says.

    A guide's channels follow the embedding, and no dropout touches them. Its linear model answers with the network in
    evaluation mode only: the network learns to answer alone, and the two then make different errors.

    The names of its tensors are those of the specification. Built by `build`.

    Example:
        >>> import torch
        >>> from timesteps.nn import Batch, build
        >>> from timesteps.runtime.spec import LayerSpec, NetworkSpec
        >>> layer = LayerSpec(cell="lstm", input_size=16, hidden_size=8)
        >>> network = build(NetworkSpec(input="ids", input_size=500, embedding_size=16, layers=(layer,), outputs=1))
        >>> network(Batch(torch.tensor([3, 2]), torch.tensor([[4, 5, 6], [7, 8, 0]]))).shape
        torch.Size([2, 1])
    """

    def __init__(self, spec: NetworkSpec, regularization: Regularization | None = None) -> None:
        super().__init__()
        self.spec, self.regularization = spec, regularization or Regularization()
        rates = self.regularization
        if spec.wide and (spec.input != "bag" or spec.pool == "none"):
            what = f"a wide term with input {spec.input!r} and pool {spec.pool!r}"
            raise UsageError(what, mend="use it with bags and with pooling")
        if spec.share and spec.pool == "none":
            raise UsageError("a guide's linear model with pool 'none'", mend="it answers for whole rows: pool them")
        if spec.input == "ids":
            self.embedding: nn.Module = Embedding(spec.input_size, spec.embedding_size)
        elif spec.input == "bag":
            self.embedding = BagEmbedding(
                spec.input_size,
                spec.embedding_size,
                num_outputs=spec.outputs,
                wide=spec.wide,
                feature_dropout=rates.feature_dropout,
                stream=_FEATURE_STREAM,
            )
        first = spec.embedding_size + spec.channels if spec.input in ("ids", "bag") else spec.input_size
        if not spec.layers or spec.layers[0].input_size != first:
            raise UsageError(f"the first layer must read {first} features", mend="mend layers[0].input_size")
        self.rnn = RecurrentStack(
            [_layer(layer) for layer in spec.layers],
            dropout=rates.dropout,
            input_dropout=rates.input_dropout,
            recurrent_dropout=rates.recurrent_dropout,
            initial_state_noise=rates.initial_state_noise,
            weight_drop=rates.weight_drop,
        )
        if spec.pool == "attention":
            self.attention = AttentionPool(spec.width)
        self.word_dropout = WordDropout(rates.word_dropout, stream=_WORD_STREAM)
        self.head_dropout = Dropout(rates.head_dropout, stream=_HEAD_STREAM)
        self.head = nn.Linear(spec.width, spec.outputs)

    def summary(self) -> Summary:
        """The layers with their shapes, parameters and costs; `print` it."""
        return summary(self.spec)

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Logits (B, outputs) or, without pooling, (N, outputs): of all steps, row after row.

        `generator` is of dropout's random numbers; None is torch's default.

        Raises:
            UsageError: a batch of another kind than the network reads.
        """
        lengths = batch.lengths
        keys = draw_keys(len(lengths), device=self.head.weight.device, generator=generator) if self.draws else None
        weight_key = self.rnn.draw_weight_key(generator)
        x, steps, wide = self._input(batch, keys)
        x = self._drop_words(x, keys)
        if self.spec.channels:
            x = torch.cat([x, _given(batch.channels, "channels").to(x.dtype)], 2)
        y, _ = self.rnn.run(x, steps, keys=keys, weight_key=weight_key, spared=self.spec.channels)
        mask = mask_of(lengths, y.shape[1])
        if self.spec.pool == "none":
            at_steps: Tensor = self.head(self.head_dropout(y, keys)[mask])
            return at_steps
        logits: Tensor = self.head(self.head_dropout(self._pool(y, mask), keys))
        if wide is not None:
            logits = logits + wide
        if self.spec.share and not self.training:
            logits = logits.lerp(_given(batch.linear, "linear logits").to(logits.dtype), self.spec.share)
        return logits

    @property
    def draws(self) -> bool:
        """Whether the next call needs random keys."""
        rates = self.regularization
        features = self.spec.input == "bag" and rates.feature_dropout > 0
        return self.training and (self.rnn.draws or features or self.word_dropout.p > 0 or self.head_dropout.p > 0)

    def _input(self, batch: Batch, keys: Tensor | None) -> tuple[Tensor, Steps, Tensor | None]:
        """What the first layer reads, which steps are real, and the wide term of each row."""
        lengths, kind = batch.lengths, self.spec.input
        if kind == "bag":
            if batch.bag_ids is None or batch.bag_offsets is None:
                raise UsageError("the batch has no bags", mend="give bag_ids and bag_offsets")
            ends = F.pad(torch.cumsum(lengths, 0), (1, 0))
            bags = len(batch.bag_offsets) - 1
            if bags != int(ends[-1]):
                raise UsageError(f"{bags} bags for {int(ends[-1])} steps", mend="give one bag a step")
            units, scalars = self.embedding(batch.bag_ids, batch.bag_offsets, ends, keys)
            longest = max(1, int(lengths.max())) if len(lengths) else 1  # as `collate` pads ids, numbers and channels
            steps = read_steps(len(lengths), longest, lengths, None, lengths.device)
            real = mask_of(lengths, longest).flatten().nonzero().squeeze(1)
            x = units.new_zeros(len(lengths) * longest, units.shape[1]).index_copy(0, real, units)
            wide = None
            if self.spec.wide:
                rows = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
                sums = scalars.new_zeros(len(lengths), self.spec.outputs).index_add(0, rows, scalars)
                features = batch.bag_offsets[ends].diff().clamp(min=1)
                wide = sums * features.to(sums.dtype).rsqrt().unsqueeze(1)
            return x.view(len(lengths), longest, units.shape[1]), steps, wide
        values = batch.values
        if values is None or values.dim() != (3 if kind == "numeric" else 2):
            raise UsageError(f"the batch does not have the values of a network of {kind}")
        steps = read_steps(len(lengths), values.shape[1], lengths, None, values.device)
        if kind == "numeric":
            return values.to(self.head.weight.dtype), steps, None
        return (self.embedding(values) if kind == "ids" else values), steps, None

    def _drop_words(self, x: Tensor, keys: Tensor | None) -> Tensor:
        if x.is_floating_point():
            dropped: Tensor = self.word_dropout(x, keys)
            return dropped
        if not self.training or self.word_dropout.p == 0 or keys is None:
            return x
        return x.masked_fill(~self.word_dropout.kept(keys, x.shape[1]), -1)  # a negative id is the zero vector

    def _pool(self, y: Tensor, mask: Tensor) -> Tensor:
        pool = self.spec.pool
        if pool == "last":
            return last_pool(y, mask, self.spec.layers[-1].bidirectional)
        if pool == "mean":
            return mean_pool(y, mask)
        if pool == "max":
            return max_pool(y, mask)
        if pool == "mean+max":
            return torch.cat([mean_pool(y, mask), max_pool(y, mask)], 1)
        pooled: Tensor = self.attention(y, mask)
        return pooled

    def set_vectors(self, vectors: NDArray[np.floating[Any]] | Tensor) -> int:
        """Take pretrained vectors (input_size, embedding_size); rows with NaN are left. How many were taken.

        Raises:
            UsageError: another shape, or a network without an embedding.
        """
        if self.spec.input not in ("ids", "bag"):
            raise UsageError(f"a network of {self.spec.input} has no embedding", mend="use input ids")
        return set_rows(self.embedding.weight, vectors)  # type: ignore[arg-type]


def _given(part: Tensor | None, name: str) -> Tensor:
    if part is None:
        raise UsageError(f"the batch has no {name}", mend="encode the rows with the model's guide")
    return part


def _layer(spec: LayerSpec) -> Layer:
    options: dict[str, Any] = {} if spec.cell in LINEAR else {"layer_norm": spec.layer_norm}
    if spec.cell == "rnn":
        options["nonlinearity"] = spec.nonlinearity
    elif spec.cell == "gru":
        options["reset_after"] = spec.reset_after
    elif spec.cell == "lstm":
        options["peephole"] = spec.peephole
    return Layer(
        CELLS[spec.cell],
        spec.input_size,
        spec.hidden_size,
        spec.bidirectional,
        spec.initial_state == "learned",
        options,
        spec.zoneout,
        spec.zoneout_cell,
    )


def build(
    spec: NetworkSpec,
    regularization: Regularization | None = None,
    *,
    seed: int = 0,
    initialization: str = "keras",
    chrono: int | None = None,
) -> Network:
    """An untrained network. The same seed gives the same weights; torch's own random state is left alone.

    Args:
        spec: what to build.
        regularization: what acts in training.
        seed: of the weights.
        initialization, chrono: see `initialize`.

    Raises:
        UsageError: a specification that contradicts itself, or an unknown initialization.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(spec, regularization)
        initialize(network, initialization, chrono=chrono)
    return network
