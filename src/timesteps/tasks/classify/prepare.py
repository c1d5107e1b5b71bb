"""From what the user gave to what the network is trained on: read by the very code that will read it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError
from timesteps.runtime.reading import reader
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import ModelSpec, NumericSpec, TextSpec
from timesteps.runtime.text.processor import TextProcessor
from timesteps.tasks.classify.inputs import Kind
from timesteps.tasks.classify.options import Options


@dataclass(frozen=True)
class Prepared:
    """What was learned from the training rows before training: the model's specification and its fixed tensors."""

    spec: ModelSpec
    tensors: dict[str, NDArray[Any]]

    def steps(self, rows: Sequence[Any]) -> Sequences:
        """The rows as the network sees them."""
        return reader(self.spec, self.tensors)(rows, 0)


def prepare(
    kind: Kind, rows: Sequence[Any], options: Options, classes: Sequence[Any], flat_steps: int | None = None
) -> Prepared:
    """Learn the vocabulary, the features or the scale from the training rows.

    `flat_steps` is set when every row was one flat vector of so many numbers.
    """
    text: TextSpec | None = None
    numeric: NumericSpec | None = None
    tensors: dict[str, NDArray[Any]] = {}
    if kind == "text":
        if options.input == "numeric":
            raise UsageError("the recipe 'numeric' was given texts", mend="leave --recipe away")
        processor = TextProcessor.fit(list(rows), options.text_spec())
        text, tensors, size = processor.spec, processor.tensors(), processor.input_size
    elif kind == "ids":
        if options.input not in ("ids", "one_hot"):
            raise UsageError(f"token ids cannot be the input {options.input!r}", mend="use input='ids' or 'one_hot'")
        largest = max((int(np.max(row)) for row in rows if len(row)), default=0)
        text = msgspec.structs.replace(options.text_spec(), tokenizer="ids", num_words=None, lowercase=False, squeeze=0)
        size = max(min(largest + 1, options.num_words or largest + 1), text.index_from)
    else:
        if options.input != "numeric":
            raise UsageError(f"numbers cannot be the input {options.input!r}", mend="leave recipe and input away")
        everything = np.concatenate(list(rows))
        size = everything.shape[1]
        scale = everything.std(axis=0)
        tensors = {"scaler.mean": everything.mean(axis=0), "scaler.scale": np.where(scale > 0, scale, 1.0)}
        numeric = NumericSpec(features=size, steps=flat_steps)
    spec = ModelSpec(
        task="classify",
        classes=tuple(classes),
        text=text,
        numeric=numeric,
        network=options.network_spec(size, len(classes)),
        members=options.members,
        training={name: value for name, value in options.as_dict().items() if not isinstance(value, tuple)},
    )
    return Prepared(spec, tensors)
