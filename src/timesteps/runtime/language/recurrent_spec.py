"""The model file of a recurrent language model: its specification, its tensors, and what makes the two sound."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.runtime.language.vocabulary import UnitVocabulary, VocabularySpec, check_vocabulary
from timesteps.runtime.layout import GATES, all_finite, shorten
from timesteps.runtime.modelfile import Form
from timesteps.runtime.spec import FORMAT_VERSION, LayerSpec
from timesteps.runtime.text.subword import SubwordModel

__all__ = ["CELLS", "LANGUAGE", "LanguageSpec", "language_tensors", "layers_of", "vocabulary_of"]

CELLS = ("rnn", "lstm", "gru")
MAX_LAYERS, MAX_SIZE = 16, 1 << 20


class LanguageSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Embedding → recurrent layers → softmax over the vocabulary.

    Tensors, in torch's names: `embedding.weight` (V, embedding_size); `rnn.weight_ih_l0` … `rnn.bias_hh_l2`;
    `head.weight` (V, hidden size of the last layer), absent where it is `tied`, the embedding itself; `head.bias` (V,);
    `vocabulary.subword`, sentencepiece's model, where the units are subwords.
    """

    format: Literal["timesteps"] = "timesteps"
    version: int = FORMAT_VERSION
    task: Literal["language"] = "language"
    vocabulary: VocabularySpec
    embedding_size: int
    layers: tuple[LayerSpec, ...]
    tied: bool = False
    training: dict[str, str | int | float | bool | None] = {}  # for the reader of the card; nothing runs from it


def layers_of(cell: str, embedding_size: int, hidden_size: int, num_layers: int, tied: bool) -> tuple[LayerSpec, ...]:
    """Layers on top of each other. Where the softmax is tied to the embedding, the last one is of its size.

    >>> [(layer.input_size, layer.hidden_size) for layer in layers_of("lstm", 400, 1150, 3, tied=True)]
    [(400, 1150), (1150, 1150), (1150, 400)]
    """
    sizes = [embedding_size, *[hidden_size] * num_layers]
    if tied:
        sizes[-1] = embedding_size
    return tuple(
        LayerSpec(cell=cell, input_size=below, hidden_size=here)  # type: ignore[arg-type]
        for below, here in pairwise(sizes)
    )


def language_tensors(spec: LanguageSpec, tokens: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor but the subword model, for a vocabulary of so many tokens."""
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (tokens, spec.embedding_size)}
    for number, layer in enumerate(spec.layers):
        rows = GATES[layer.cell] * layer.hidden_size
        shapes[f"rnn.weight_ih_l{number}"] = (rows, layer.input_size)
        shapes[f"rnn.weight_hh_l{number}"] = (rows, layer.hidden_size)
        shapes[f"rnn.bias_ih_l{number}"] = shapes[f"rnn.bias_hh_l{number}"] = (rows,)
    if not spec.tied:
        shapes["head.weight"] = (tokens, spec.layers[-1].hidden_size)
    shapes["head.bias"] = (tokens,)
    return shapes


def vocabulary_of(spec: LanguageSpec, tensors: Mapping[str, NDArray[Any]]) -> UnitVocabulary:
    """The vocabulary of a model; `ModelError` if its model of subwords is none or numbers other units."""
    subword = None
    if spec.vocabulary.units.kind == "subword":
        subword = SubwordModel(tensors["vocabulary.subword"].tobytes())
    return UnitVocabulary(spec.vocabulary, subword)


def _check(spec: LanguageSpec, tensors: Mapping[str, NDArray[Any]]) -> None:
    """`ModelError` unless the specification is sound and the tensors are exactly those it calls for, all finite."""
    check_vocabulary(spec.vocabulary)
    for wrong, what in _contradictions(spec):
        if wrong:
            raise ModelError(f"the specification contradicts itself: {what}")
    subword = ("vocabulary.subword",) if spec.vocabulary.units.kind == "subword" else ()
    for name in subword:
        if name not in tensors or tensors[name].dtype != np.uint8 or tensors[name].ndim != 1:
            raise ModelError(f"tensor {name} is missing or no row of bytes")
    expected = language_tensors(spec, len(vocabulary_of(spec, tensors).words))
    if missing := sorted(expected.keys() - tensors.keys()):
        raise ModelError(f"tensor {missing[0]} is missing")
    if extra := sorted(tensors.keys() - expected.keys() - {*subword}):
        raise ModelError(f"tensor {shorten(extra[0])} does not belong to this model")
    for name, shape in expected.items():
        tensor = tensors[name]
        if tensor.dtype != np.float32:
            raise ModelError(f"tensor {name} is {tensor.dtype.name}, not float32")
        if tensor.shape != shape:
            raise ModelError(f"tensor {name} has shape {tensor.shape}, the specification calls for {shape}")
        if not all_finite(tensor):
            raise ModelError(f"tensor {name} holds NaN or infinite numbers", mend="train the model again")


def _contradictions(spec: LanguageSpec) -> list[tuple[bool, str]]:
    layers = spec.layers
    if not 1 <= len(layers) <= MAX_LAYERS:
        return [(True, f"{len(layers)} layers")]
    sizes = [spec.embedding_size, *(layer.hidden_size for layer in layers)]
    inputs = [layer.input_size for layer in layers]
    plain = all(
        layer == LayerSpec(
            cell=layer.cell, input_size=layer.input_size, hidden_size=layer.hidden_size,
            nonlinearity=layer.nonlinearity, reset_after=layer.reset_after,
        )
        for layer in layers
    )  # fmt: skip
    return [
        (spec.version != FORMAT_VERSION, f"format version {spec.version}"),
        (any(not 1 <= size <= MAX_SIZE for size in sizes), f"a size is not between 1 and {MAX_SIZE}"),
        (inputs != sizes[:-1], f"the layers' input sizes {inputs} do not follow from what is below them"),
        (any(layer.nonlinearity == "linear" for layer in layers), "a linear layer"),
        (any(layer.cell not in CELLS for layer in layers), f"cells other than {', '.join(CELLS)}"),
        (not plain, "a layer that is bidirectional, normalised, or with zoneout or a learned state"),
        (spec.tied and sizes[-1] != spec.embedding_size, f"tied with {sizes[-1]} outputs of {spec.embedding_size}"),
    ]


LANGUAGE = Form(("language",), LanguageSpec, _check)
"""A recurrent language model: what `RecurrentModel` runs."""
