"""What a tensor of an ONNX graph may stand for, and what is found while its nodes are followed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.interchange.checking import Ending
from timesteps.interchange.files import shown
from timesteps.interchange.onnx_graph import Graph, Input, Node
from timesteps.interchange.plain import Layer
from timesteps.runtime.spec import PoolName

__all__ = ["Meaning", "Walk", "given", "is_size", "refused"]

Array = NDArray[Any]
Kind = Literal[
    "constant",  # `array`
    "input",  # as it came in
    "steps",  # outputs of a layer, or what the first one reads
    "state",  # last states of directions, `pieces`
    "sum",  # of steps over time
    "pooled",
    "logits",
    "scores",  # of attention
    "shares",
    "weighed",
    "size",  # made of shapes and lengths alone
]


@dataclass(frozen=True)
class Meaning:
    """What a tensor stands for. Axes are B, T, D (directions), F (features), 1; before they are known, "0" and "1"."""

    kind: Kind
    axes: tuple[str, ...] = ()
    array: Array | None = None
    source: Input | None = None
    layer: int = -1  # -1: what the first layer reads
    pieces: tuple[tuple[int, int], ...] = ()  # layer and direction
    pool: PoolName | None = None
    masked: float | None = None  # what stands behind the ends of rows
    zero: bool = False  # of a size: nothing but zeros


@dataclass
class Walk:
    """What was found on the way."""

    graph: Graph
    meanings: dict[str, Meaning] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    table: Array | None = None
    main: Input | None = None
    lengths: Input | None = None
    time: str = ""  # the axis of the input, "0" or "1", along which time runs
    states: dict[str, tuple[int, bool]] = field(default_factory=dict)  # inputs: layer, and whether rows come first
    mean: Array | None = None
    scale: Array | None = None
    attention: Array | None = None
    head: tuple[Array, Array | None] | None = None
    pool: PoolName | None = None
    ending: Ending = "none"
    output: str = ""

    def get(self, name: str) -> Meaning:
        """What a tensor stands for; an input that was left out is an empty constant."""
        if name == "":
            return Meaning("constant")
        if name not in self.meanings:
            raise ModelError(f"the graph uses {shown(name)} before it is defined")
        return self.meanings[name]


def refused(node: Node) -> ModelError:
    """What is raised for a node with no meaning here."""
    return ModelError(
        f"{node.where} has no place in a network of embedding, recurrent layers, pooling and one dense layer",
        mend="export a model of these alone",
    )


def is_size(found: Walk, meaning: Meaning) -> bool:
    """Whether a tensor is made of shapes, constants and the lengths; the first whole numbers (batch,) are these."""
    if meaning.kind == "input" and meaning.source is not None and len(meaning.axes) == 1 and meaning.source.integer:
        found.lengths = found.lengths or meaning.source
        return meaning.source == found.lengths
    return meaning.kind in ("constant", "size")


def given(node: Node, index: int) -> bool:
    """Whether a node has this optional input."""
    return len(node.inputs) > index and node.inputs[index] != ""
