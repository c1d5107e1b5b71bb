"""From what the user gave to what the network is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import NumericSpec, TextSpec
from timesteps.runtime.text.processor import TextProcessor, cut
from timesteps.tasks.classify.inputs import Kind
from timesteps.tasks.classify.options import Options


@dataclass(frozen=True)
class Prepared:
    """How inputs become steps, learned from the training rows: the parts of a model file that are not the network."""

    kind: Kind
    input_size: int
    text: TextSpec | None
    numeric: NumericSpec | None
    tensors: dict[str, NDArray[Any]]
    processor: TextProcessor | None

    def steps(self, rows: Sequence[Any]) -> Sequences:
        """The rows as the network sees them."""
        if self.kind == "text":
            assert self.processor is not None
            return self.processor.steps(rows)
        if self.kind == "ids":
            assert self.text is not None
            return cut_ids(rows, self.text, self.input_size)
        scaled = [(row - self.tensors["scaler.mean"]) / self.tensors["scaler.scale"] for row in rows]
        return Sequences.of(scaled, np.float32) if scaled else Sequences(np.zeros((0, 1), np.float32), np.zeros(1, int))


def prepare(kind: Kind, rows: Sequence[Any], options: Options, flat_steps: int | None = None) -> Prepared:
    """Learn the vocabulary, the features or the scale from the training rows.

    `flat_steps` is set when every row was one flat vector of so many numbers.
    """
    if kind == "text":
        if options.input == "numeric":
            raise UsageError("the recipe 'numeric' was given texts", mend="leave --recipe away")
        processor = TextProcessor.fit(list(rows), options.text_spec())
        if processor.input_size == 0:
            raise DataError(
                f"no n-gram occurs {options.min_count} times in the training texts",
                mend="lower --min-count or give more texts",
            )
        return Prepared(kind, processor.input_size, processor.spec, None, processor.tensors(), processor)
    if kind == "ids":
        if options.input not in ("ids", "one_hot"):
            raise UsageError(f"token ids cannot be the input {options.input!r}", mend="use input='ids' or 'one_hot'")
        largest = max((int(np.max(row)) for row in rows if len(row)), default=0)
        size = min(largest + 1, options.num_words or largest + 1)
        spec = msgspec.structs.replace(options.text_spec(), tokenizer="ids", num_words=size, lowercase=False, squeeze=0)
        return Prepared(kind, max(size, spec.index_from), spec, None, {}, None)
    if options.input != "numeric":
        raise UsageError(f"numbers cannot be the input {options.input!r}", mend="leave the recipe and input away")
    everything = np.concatenate(list(rows))
    scale = everything.std(axis=0)
    tensors = {"scaler.mean": everything.mean(axis=0), "scaler.scale": np.where(scale > 0, scale, 1.0)}
    numeric = NumericSpec(features=everything.shape[1], steps=flat_steps)
    return Prepared(kind, everything.shape[1], None, numeric, tensors, None)


def cut_ids(rows: Sequence[Any], spec: TextSpec, size: int) -> Sequences:
    """Rows of given token ids, truncated as the spec says; ids the model does not know become 2 (out of vocabulary)."""
    known = [np.where(row < size, row, 2) for row in rows]
    return Sequences.of([cut(row, spec) for row in known])
