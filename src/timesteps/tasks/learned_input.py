"""What taggers and regressors learn of their input before training: a vocabulary, features of tokens, or a scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.reading import reader
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import CellName, InputKind, LayerSpec, ModelSpec, NumericSpec, TextSpec
from timesteps.runtime.text.processor import TextProcessor
from timesteps.tasks.classify.prepare import scaler

__all__ = ["LearnedInput", "RowKind", "encode", "layers", "learn_input"]

RowKind = Literal["text", "tokens", "ids", "numeric"]


@dataclass(frozen=True)
class LearnedInput:
    """The input's part of a model: what its network reads, and the tensors that go with it."""

    input: InputKind
    size: int
    text: TextSpec | None
    numeric: NumericSpec | None
    tensors: dict[str, NDArray[Any]]


def learn_input(kind: RowKind, rows: Sequence[Any], text: TextSpec, flat_steps: int | None = None) -> LearnedInput:
    """From the training rows.

    Args:
        kind: of the rows: texts, lists of tokens, rows of token ids, or numeric rows (T, I).
        rows: checked.
        text: how texts and tokens become steps; of ids, its truncation.
        flat_steps: set where every row was one flat vector of so many numbers.

    Raises:
        DataError: rows without steps, words or features.

    >>> learned = learn_input("tokens", [["a", "b", "a"]], TextSpec(tokenizer="tokens"))
    >>> learned.input, learned.size, learned.text.words
    ('ids', 5, ('a', 'b'))
    """
    if kind == "numeric":
        tensors = scaler(rows)
        features = len(tensors["scaler.mean"])
        return LearnedInput("numeric", features, None, NumericSpec(features=features, steps=flat_steps), tensors)
    if kind == "ids":
        largest = max((int(np.max(row)) for row in rows if len(row)), default=0)
        spec = msgspec.structs.replace(text, tokenizer="ids", lowercase=False, squeeze=0, bag=None)
        return LearnedInput("ids", max(largest + 1, spec.index_from), spec, None, {})
    processor = TextProcessor.fit(list(rows), text)
    found: InputKind = "ids" if text.bag is None else "bag"
    return LearnedInput(found, processor.input_size, processor.spec, None, processor.tensors())


def encode(spec: ModelSpec, tensors: dict[str, NDArray[Any]], rows: Sequence[Any]) -> Sequences:
    """Rows as the network sees them, by the very code that will read them afterwards."""
    return reader(spec, tensors)(rows, 0)


def layers(
    input_size: int, cell: CellName, hidden_size: int, num_layers: int, bidirectional: bool
) -> tuple[LayerSpec, ...]:
    """A stack of equal layers.

    >>> [layer.input_size for layer in layers(3, "gru", 4, 2, True)]
    [3, 8]
    """
    sizes = [input_size] + [hidden_size * (2 if bidirectional else 1)] * (num_layers - 1)
    return tuple(
        LayerSpec(cell=cell, input_size=size, hidden_size=hidden_size, bidirectional=bidirectional) for size in sizes
    )
