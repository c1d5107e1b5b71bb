"""How many parameters a network has, layer by layer, without building it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from timesteps.errors import UsageError
from timesteps.runtime.layout import directions, network_tensors
from timesteps.runtime.spec import LayerSpec, NetworkSpec

__all__ = ["BIASES", "LayerCount", "count_layers", "count_parameters"]

BIASES = ("keras", "torch")

_KINDS = {"rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU", "mingru": "MinGRU", "minlstm": "MinLSTM"}


@dataclass(frozen=True)
class LayerCount:
    """A line of the summary: one layer, what comes out of it, and its parameters."""

    name: str
    kind: str
    output_shape: tuple[str | int, ...]  # "B" rows, "T" steps
    parameters: int


def count_layers(spec: NetworkSpec, biases: str = "torch") -> tuple[LayerCount, ...]:
    """The layers of a network from input to output, with their parameters.

    `biases` says how to count a recurrent layer: "torch", the tensors of the file, two biases a layer; "keras", one
    bias, except a GRU that resets after the product, which needs both.

    Raises:
        UsageError: another way of counting.

    >>> layer = LayerSpec(cell="lstm", input_size=16, hidden_size=8)
    >>> spec = NetworkSpec(input="ids", input_size=500, embedding_size=16, layers=(layer,), outputs=1)
    >>> for row in count_layers(spec, biases="keras"):
    ...     print(row.name, row.output_shape, row.parameters)
    embedding ('B', 'T', 16) 8000
    rnn.l0 ('B', 'T', 8) 800
    pool ('B', 8) 0
    head ('B', 1) 9
    """
    if biases not in BIASES:
        raise UsageError(f"biases is {biases!r}", mend=f"use one of {', '.join(BIASES)}")
    sizes = {name: math.prod(shape) for name, shape in network_tensors(spec).items()}
    rows: list[LayerCount] = []
    if spec.input in ("ids", "bag"):
        rows.append(
            LayerCount("embedding", _embedding_kind(spec), ("B", "T", spec.embedding_size), _sum(sizes, "embedding."))
        )
    for k, layer in enumerate(spec.layers):
        parameters = 0
        for suffix in directions(layer):
            for name, size in sizes.items():
                if (
                    name.startswith("rnn.")
                    and name.endswith(f"_l{k}{suffix}")
                    and not (biases == "keras" and not two_biases(layer) and name.startswith("rnn.bias_hh"))
                ):
                    parameters += size
        width = layer.hidden_size * len(directions(layer))
        rows.append(LayerCount(f"rnn.l{k}", _kind(layer), ("B", "T", width), parameters))
    batch: tuple[str | int, ...] = ("B", "T") if spec.pool == "none" else ("B",)
    if spec.pool != "none":
        rows.append(LayerCount("pool", spec.pool, (*batch, spec.width), _sum(sizes, "attention.")))
    rows.append(LayerCount("head", "Dense", (*batch, spec.outputs), _sum(sizes, "head.")))
    return tuple(rows)


def count_parameters(spec: NetworkSpec, biases: str = "torch") -> int:
    """All parameters of a network, counted as `count_layers` does.

    >>> layer = LayerSpec(cell="rnn", input_size=500, hidden_size=8)
    >>> count_parameters(NetworkSpec(input="one_hot", input_size=500, layers=(layer,), outputs=1), biases="keras")
    4081
    """
    return sum(row.parameters for row in count_layers(spec, biases))


def two_biases(layer: LayerSpec) -> bool:
    """Whether the equation needs both biases, so that their sum would not do."""
    return layer.cell == "gru" and layer.reset_after


def _sum(sizes: dict[str, int], prefix: str) -> int:
    return sum(size for name, size in sizes.items() if name.startswith(prefix))


def _embedding_kind(spec: NetworkSpec) -> str:
    if spec.input == "ids":
        return "Embedding"
    return "BagEmbedding + wide" if spec.wide else "BagEmbedding"


def _kind(layer: LayerSpec) -> str:
    kind = _KINDS[layer.cell]
    return f"Bidirectional {kind}" if layer.bidirectional else kind
