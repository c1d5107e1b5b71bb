"""What one step of one row costs, layer by layer: products, weights that are read, state that is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

from timesteps.runtime.layout import GATES, LINEAR, directions, network_tensors
from timesteps.runtime.spec import NetworkSpec

__all__ = ["LayerCost", "layer_costs"]

_FLOAT32 = 4  # bytes
#: What pooling carries along a stream: bytes a unit (sums in double, maxima in single precision) and beside them.
_POOLED = {"mean": (8, 0), "max": (4, 0), "mean+max": (12, 0), "attention": (8, 16)}


@dataclass(frozen=True)
class LayerCost:
    """A layer's cost.

    Args:
        name: as in the summary.
        flops: of its products with weight matrices, a multiplication and an addition each; what is done number by
            number (activations, norms, sums) is not counted, nor is what is looked up.
        weight_bytes: of the weights that are read, each once.
        state_bytes: of the state that a stream carries to the next step.
        often: "step" or, of what is done once for a row, "answer".
    """

    name: str
    flops: int
    weight_bytes: int
    state_bytes: int
    often: str = "step"


def layer_costs(spec: NetworkSpec) -> tuple[LayerCost, ...]:
    """The costs of a network's layers, from input to output.

    >>> from timesteps.runtime.spec import LayerSpec
    >>> layer = LayerSpec(cell="lstm", input_size=16, hidden_size=8)
    >>> spec = NetworkSpec(input="ids", input_size=500, embedding_size=16, layers=(layer,), outputs=1)
    >>> for cost in layer_costs(spec):
    ...     print(cost.name, cost.flops, cost.weight_bytes, cost.state_bytes, cost.often)
    embedding 0 64 0 step
    rnn.l0 1536 3328 64 step
    head 16 36 0 answer
    """
    sizes = {name: math.prod(shape) for name, shape in network_tensors(spec).items()}
    item = _FLOAT32 if spec.weights == "float" else 1
    costs: list[LayerCost] = []
    if spec.embedding_size:
        costs.append(LayerCost("embedding", 0, spec.embedding_size * item, 0))
    for number, layer in enumerate(spec.layers):
        rows, looked_up = GATES[layer.cell] * layer.hidden_size, spec.input == "one_hot" and number == 0
        flops = size = 0
        for suffix in directions(layer):
            products = [0 if looked_up else layer.input_size, 0 if layer.cell in LINEAR else layer.hidden_size]
            flops += 2 * rows * sum(products)
            for name, count in sizes.items():
                if name.startswith("rnn.") and name.endswith(f"_l{number}{suffix}"):
                    if looked_up and "weight_ih" in name:
                        count = rows  # one column of it
                    size += count * (item if name.startswith(("rnn.weight_ih", "rnn.weight_hh")) else _FLOAT32)
        states = layer.hidden_size * len(directions(layer)) * (2 if layer.cell == "lstm" else 1)
        costs.append(LayerCost(f"rnn.l{number}", flops, size, states * _FLOAT32))
    last = spec.layers[-1]
    pooled = _POOLED.get(spec.pool, (0, 0))
    if pooled != (0, 0):
        width, scored = last.hidden_size * len(directions(last)), spec.pool == "attention"
        read = width if scored else 0
        costs.append(LayerCost("pool", 2 * read, read * _FLOAT32, pooled[0] * width + pooled[1]))
    head = sizes["head.weight"] + sizes["head.bias"]
    often = "step" if spec.pool == "none" else "answer"
    costs.append(LayerCost("head", 2 * sizes["head.weight"], head * _FLOAT32, 0, often))
    return tuple(costs)
