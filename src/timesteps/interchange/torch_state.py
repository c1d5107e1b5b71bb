"""A torch state dict, by its names and shapes, as a `PlainNetwork`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.interchange.files import shown
from timesteps.interchange.plain import Direction, Layer, PlainNetwork, assemble
from timesteps.runtime.spec import CellName, PoolName

__all__ = ["Form", "Parts", "recognise"]

Array = NDArray[Any]
_RECURRENT = re.compile(
    r"(?P<prefix>(?:.*\.)?)(?P<kind>(?:weight|bias)_\w\w)_l(?P<layer>\d{1,4})(?P<reverse>_reverse)?"
)
_OPTIONS = re.compile(r"(?:.*\.)?(?P<kind>norm_\w+|weight_ch|h0|c0)_l\d{1,4}(?:_reverse)?")
_KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_CELLS: dict[int, CellName] = {1: "rnn", 3: "gru", 4: "lstm"}  # by the number of gates


@dataclass(frozen=True)
class Form:
    """What the names and shapes of a module's tensors do not say about it."""

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    reset_after: bool = True


@dataclass(frozen=True)
class Parts:
    """A state dict taken apart; pooling has no tensors, except attention's."""

    layers: tuple[Layer, ...]
    head: tuple[Array, Array | None]
    embedding: Array | None
    attention: Array | None
    scaler: tuple[Array, Array] | None

    def pools(self) -> tuple[PoolName, ...]:
        """The poolings that the dense layer's size leaves open, the likeliest first."""
        if self.attention is not None:
            return ("attention",)
        return ("mean+max",) if self.head[0].shape[1] == 2 * _width(self.layers[-1]) else ("last", "mean", "max")

    def network(self, pool: PoolName, notes: tuple[str, ...] = ()) -> PlainNetwork:
        """The network with this pooling. `ModelError` where the parts do not fit each other."""
        return assemble(
            self.layers,
            self.head,
            embedding=self.embedding,
            pool=pool,
            attention=self.attention if pool == "attention" else None,
            scaler=self.scaler,
            notes=notes,
        )


def recognise(
    state: Mapping[str, Array], forms: Mapping[str, Form], default: Form, head: tuple[Array, Array | None] | None
) -> Parts:
    """Find the recurrent layers, the embedding and the dense layer of a state dict.

    Args:
        state: all its tensors.
        forms: what else is known, by the prefix of a recurrent layer's names.
        default: what is assumed where nothing is known.
        head: the dense layer, where it is not in the state dict.

    Raises:
        ModelError: a tensor that belongs to none of these, or a layer with a part missing; the message names it.
    """
    rest = dict(state)
    layers = _layers(rest, forms, default)
    if not layers:
        raise ModelError(
            "there is no weight_ih_l0 in it: no torch.nn.RNN, LSTM or GRU", mend="give a recurrent module's weights"
        )
    scaler = (rest.pop("mean"), rest.pop("scale")) if {"mean", "scale"} <= rest.keys() else None
    width, size = _width(layers[-1]), layers[0].directions[0].weight_ih.shape[1]
    attention = None
    for name in [name for name in rest if name.split(".")[-2:] == ["attention", "weight"]]:
        if rest[name].shape == (1, width):
            attention = rest.pop(name)
    if head is None:
        head = _head(rest, width, size)
    embedding = _embedding(rest, size)
    if rest:
        name = min(rest)
        raise ModelError(
            f"tensor {shown(name)} {rest[name].shape} belongs to no embedding, recurrent or dense layer "
            f"(the first recurrent layer reads {size} numbers, the last gives {width})",
            mend="convert a model of embedding, RNN, LSTM or GRU, and one dense layer",
        )
    return Parts(layers, head, embedding, attention, scaler)


def _width(layer: Layer) -> int:
    return int(layer.directions[0].weight_hh.shape[1]) * len(layer.directions)


def _layers(rest: dict[str, Array], forms: Mapping[str, Form], default: Form) -> tuple[Layer, ...]:
    """The recurrent layers, from the input on; their tensors are taken out of `rest`."""
    found: dict[str, dict[int, dict[str, dict[str, Array]]]] = {}
    for name in list(rest):
        if option := _OPTIONS.fullmatch(name):
            raise ModelError(f"{shown(name)}: {_option(option['kind'])} cannot be converted")
        match = _RECURRENT.fullmatch(name)
        if match is None:
            continue
        if match["kind"] == "weight_hr":
            raise ModelError(f"{shown(name)}: an LSTM with a projection (proj_size) has no place in a model file")
        if rest[name].ndim != (2 if match["kind"].startswith("weight") else 1) or not rest[name].size:
            raise ModelError(f"tensor {shown(name)} has shape {rest[name].shape}, as no recurrent layer has")
        by_layer = found.setdefault(match["prefix"], {}).setdefault(int(match["layer"]), {})
        by_layer.setdefault(match["reverse"] or "", {})[match["kind"]] = rest.pop(name)
    layers = []
    for prefix in sorted(found, key=_natural):
        numbers = sorted(found[prefix])
        if numbers != list(range(len(numbers))):
            raise ModelError(
                f"layer {min(set(range(numbers[-1])) - set(numbers))} of {shown(prefix or 'the module')} is missing"
            )
        form = forms.get(prefix, default)
        layers += [_layer(found[prefix][number], f"{prefix}l{number}", form) for number in numbers]
    return tuple(layers)


def _option(kind: str) -> str:
    """What in a layer has tensors of this name."""
    if kind == "weight_ch":
        return "an LSTM with peephole connections"
    return "layer norm" if kind.startswith("norm") else "a learned initial state"


def _natural(prefix: str) -> list[tuple[int, int | str]]:
    """Sorted by this, `rnn.10.` follows `rnn.9.`."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", prefix) if part]


def _layer(suffixes: dict[str, dict[str, Array]], name: str, form: Form) -> Layer:
    directions = []
    if "" not in suffixes:
        raise ModelError(f"{shown(name)} has a reverse direction only")
    for suffix in ("", "_reverse"):
        if suffix not in suffixes:
            continue
        parts = suffixes[suffix]
        if not {"bias_ih", "bias_hh"} & parts.keys() and "weight_ih" in parts:  # bias=False
            zeros = np.zeros(len(parts["weight_ih"]), np.float32)
            parts = parts | {"bias_ih": zeros, "bias_hh": zeros}
        if not {"weight_hh", "bias_hh"} & parts.keys() and "bias_ih" in parts:
            raise ModelError(
                f"{shown(name)} has no weight_hh: a linear recurrence (minGRU, minLSTM) cannot be converted",
                mend="convert a model of RNN, LSTM or GRU layers",
            )
        if missing := [kind for kind in _KINDS if kind not in parts]:
            raise ModelError(f"{missing[0]}{suffix} of {shown(name)} is missing")
        if extra := [kind for kind in parts if kind not in _KINDS]:
            raise ModelError(f"{extra[0]}{suffix} of {shown(name)} is not known")
        directions.append(Direction(*(parts[kind] for kind in _KINDS)))
    rows, hidden = directions[0].weight_hh.shape
    if rows % hidden or rows // hidden not in _CELLS:
        raise ModelError(f"weight_hh of {shown(name)} has shape {(rows, hidden)}, as no RNN, GRU or LSTM has")
    return Layer(_CELLS[rows // hidden], tuple(directions), form.nonlinearity, form.reset_after)


def _head(rest: dict[str, Array], width: int, size: int) -> tuple[Array, Array | None]:
    """The dense layer, taken out of `rest`: the one weight with a bias, or else the one that can be nothing else."""
    matrices = [name for name in sorted(rest) if name.split(".")[-1] == "weight" and rest[name].ndim == 2]
    fitting = [name for name in matrices if rest[name].shape[1] in (width, 2 * width)]
    biased = [name for name in fitting if _bias(name) in rest]
    if not biased and len(fitting) > 1:
        biased = [name for name in fitting if "emb" not in name.lower()]
    elif not biased and not (len(matrices) == 1 and rest[matrices[0]].shape[1] == size):
        biased = fitting
    if len(biased) > 1:
        raise ModelError(
            f"{' and '.join(map(shown, biased[:2]))} could both be the dense layer", mend="convert one with one"
        )
    if not biased:
        raise ModelError(
            f"there is no dense layer that reads {width} numbers, and a model answers with classes",
            mend=f"save a module that ends in torch.nn.Linear({width}, number of classes), or give one to "
            "timesteps.interchange.from_torch as head=",
        )
    return rest.pop(biased[0]), rest.pop(_bias(biased[0]), None)


def _bias(name: str) -> str:
    return name.removesuffix("weight") + "bias"


def _embedding(rest: dict[str, Array], size: int) -> Array | None:
    names = [name for name in rest if name.split(".")[-1] == "weight" and rest[name].ndim == 2]
    tables = [name for name in names if rest[name].shape[1] == size and _bias(name) not in rest]
    return rest.pop(tables[0]) if len(tables) == 1 else None
