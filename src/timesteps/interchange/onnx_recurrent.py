"""One recurrent layer as an ONNX node's weights, and back.

ONNX orders the gates of an LSTM i o f c and those of a GRU z r h; torch, and we, i f g o and r z n. W is (D, G * H, I),
R (D, G * H, H), and B (D, 2 * G * H) holds the input's biases and then the recurrent ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.interchange.files import shown
from timesteps.interchange.plain import Direction, Layer
from timesteps.runtime.layout import GATES
from timesteps.runtime.spec import CellName, Nonlinearity

__all__ = ["NODES", "activations", "from_node", "to_weights"]

Array = NDArray[Any]
NODES: dict[str, CellName] = {"RNN": "rnn", "LSTM": "lstm", "GRU": "gru"}
_ORDER = {"rnn": [0], "lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}  # ours, in the order of ONNX
_BACK = {"rnn": [0], "lstm": [0, 2, 3, 1], "gru": [1, 0, 2]}  # ONNX's, in our order
_ACTIVATIONS = {"rnn": ["tanh"], "lstm": ["sigmoid", "tanh", "tanh"], "gru": ["sigmoid", "tanh"]}
_KNOWN = {"hidden_size", "direction", "activations", "layout", "linear_before_reset", "input_forget"}
_IDENTITY = {"activation_alpha": 1.0, "activation_beta": 0.0}  # slope and shift of ONNX's affine function


def _reordered(array: Array, order: list[int]) -> Array:
    """The row blocks of an array in another order."""
    blocks = np.split(array, len(order))
    return np.concatenate([blocks[k] for k in order])


def to_weights(cell: CellName, directions: list[Direction]) -> tuple[Array, Array, Array]:
    """W, R and B of a node, from the weights of its directions."""
    order = _ORDER[cell]
    W = np.stack([_reordered(each.weight_ih, order) for each in directions])
    R = np.stack([_reordered(each.weight_hh, order) for each in directions])
    biases = [[_reordered(bias, order) for bias in (each.bias_ih, each.bias_hh)] for each in directions]
    return W, R, np.stack([np.concatenate(both) for both in biases])


def activations(nonlinearity: Nonlinearity, count: int) -> dict[str, Any]:
    """The attributes of an RNN of so many directions that say its activation."""
    if nonlinearity != "linear":
        return {"activations": [nonlinearity.capitalize()] * count}
    return {"activations": ["Affine"] * count, **{name: [value] * count for name, value in _IDENTITY.items()}}


def from_node(op: str, where: str, attributes: Mapping[str, Any], W: Array, R: Array, B: Array | None) -> Layer:
    """The layer of a node.

    Raises:
        ModelError: an attribute or a shape that no cell here has; `where` names the node.
    """
    cell = NODES[op]

    def refuse(what: str) -> ModelError:
        return ModelError(f"{where} {what}", mend="only the standard RNN, LSTM and GRU can be converted")

    if unknown := sorted(attributes.keys() - _KNOWN - _IDENTITY.keys()):
        raise refuse(f"has the attribute {shown(unknown[0])}")
    direction = attributes.get("direction", "forward")
    if direction not in ("forward", "bidirectional"):
        raise refuse(f"reads in direction {shown(direction)} alone")
    if attributes.get("input_forget", 0):
        raise refuse("couples its input and forget gates (input_forget)")
    count = 2 if direction == "bidirectional" else 1
    nonlinearity = _nonlinearity(cell, attributes, count)
    if nonlinearity is None:
        raise refuse(f"has activations {shown(attributes.get('activations', []))}")
    gates = GATES[cell]
    if R.ndim != 3 or W.ndim != 3 or not R.size or not W.size:
        raise refuse(f"has weights of shapes {W.shape} and {R.shape}")
    H = R.shape[2]
    if attributes.get("hidden_size", H) != H:
        raise refuse(f"has hidden_size {shown(attributes['hidden_size'])} and weights of {H}")
    B = np.zeros((count, 2 * gates * H), np.float32) if B is None else B
    if (W.shape[:2], R.shape, B.shape) != ((count, gates * H), (count, gates * H, H), (count, 2 * gates * H)):
        raise refuse(f"has weights of shapes {W.shape}, {R.shape} and {B.shape}")
    order = _BACK[cell]
    directions = tuple(
        Direction(
            _reordered(W[d], order),
            _reordered(R[d], order),
            _reordered(B[d, : gates * H], order),
            _reordered(B[d, gates * H :], order),
        )
        for d in range(count)
    )
    return Layer(cell, directions, nonlinearity, cell != "gru" or bool(attributes.get("linear_before_reset", 0)))


def _nonlinearity(cell: CellName, attributes: Mapping[str, Any], count: int) -> Nonlinearity | None:
    """That of an RNN ("tanh" for the others); None for activations that no cell here has."""
    names = [str(name).lower() for name in attributes.get("activations", [])]
    affine = {name: attributes[name] for name in _IDENTITY.keys() & attributes.keys()}
    if cell == "rnn" and names == ["affine"] * count:
        return "linear" if affine == {name: [value] * count for name, value in _IDENTITY.items()} else None
    if affine:
        return None
    if cell == "rnn" and names == ["relu"] * count:
        return "relu"
    return "tanh" if names in ([], _ACTIVATIONS[cell] * count) else None
