"""From what the user gave to what the network is trained on: read by the very code that will read it afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.data.split import split_groups, split_rows
from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.reading import reader
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import ModelSpec, NumericSpec, TextSpec
from timesteps.runtime.text.processor import TextProcessor
from timesteps.runtime.text.vocabulary import UNKNOWN
from timesteps.tasks.classify.guide import MOST_CLASSES, guide_spec, learn_guide
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.source import Listed
from timesteps.training.spool import SpooledExamples

if TYPE_CHECKING:
    from timesteps.tasks.classify.inputs import Kind


@dataclass(frozen=True)
class Prepared:
    """What was learned from the training rows before training: the model's specification and its fixed tensors."""

    spec: ModelSpec
    tensors: dict[str, NDArray[Any]]
    train: Sequences | SpooledExamples  # the training rows
    corpus: Sequences | None = None  # ids of whole texts to pretrain vectors on, where the options ask for that

    def steps(self, rows: Sequence[Any]) -> Sequences:
        """Other rows as the network sees them."""
        return reader(self.spec, self.tensors)(rows, 0)


def prepare(
    kind: Kind,
    rows: Sequence[Any],
    options: Options,
    classes: Sequence[Any],
    flat_steps: int | None = None,
    *,
    targets: NDArray[np.int64] | None = None,
    weights: NDArray[np.float64] | None = None,
    unlabeled: Sequence[Any] = (),
) -> Prepared:
    """Learn the vocabulary, the features, the guide or the scale from the training rows, and encode them.

    `flat_steps` is set when every row was one flat vector of so many numbers. Class numbers and weights of the rows are
    what a guide is learned from; without weights each row counts once. Where vectors are to be pretrained, the
    vocabulary is that of the training rows and the `unlabeled` together, and so is the corpus.
    """
    corpus: Sequences | None = None
    train: Sequences | None = None
    text: TextSpec | None = None
    numeric: NumericSpec | None = None
    tensors: dict[str, NDArray[Any]] = {}
    if kind == "text":
        if options.input == "numeric":
            raise UsageError("the recipe 'numeric' was given texts", mend="choose another recipe, or none")
        if options.pretrain:
            processor, corpus = TextProcessor.fit_whole([*rows, *unlabeled], options.text_spec())
        else:
            processor = TextProcessor.fit(list(rows), options.text_spec())
        if wants_guide(options, len(classes)):
            if targets is None:
                raise UsageError("a guide needs the rows' classes", mend="pass targets")
            weights = np.ones(len(rows)) if weights is None else weights
            guide = guide_spec(options.guide, options.guide_longest, rows, options.tokenizer)
            train = processor.steps(rows)
            guided = learn_guide(processor, Listed(rows, targets, weights), len(classes), guide, options.seed)
            if guided is not None:
                processor, heard = guided
                channels, linear = heard.whole(len(train.values))
                train = replace(train, channels=channels, linear=linear)
        text, tensors, size = processor.spec, processor.tensors(), processor.input_size
    elif kind == "ids":
        if options.input not in ("ids", "one_hot"):
            raise UsageError(f"token ids cannot be the input {options.input!r}", mend="use input='ids' or 'one_hot'")
        if options.guide != "none":
            raise UsageError("a guide reads texts, not token ids", mend=f"give {option('guide', 'none')}")
        together = [*rows, *unlabeled]
        largest = max((int(np.max(row)) for row in together if len(row)), default=0)
        text = msgspec.structs.replace(options.text_spec(), tokenizer="ids", num_words=None, lowercase=False, squeeze=0)
        size = max(min(largest + 1, options.num_words or largest + 1), text.index_from)
        if options.pretrain:
            corpus = Sequences.of([np.where(row < size, row, UNKNOWN) for row in map(np.asarray, together)])
    else:
        if options.input != "numeric":
            raise UsageError(f"numbers cannot be the input {options.input!r}", mend="leave recipe and input away")
        if options.max_length is not None:
            raise UsageError(f"max_length is {options.max_length}", mend="cut numeric rows before; it is for texts")
        tensors = scaler(rows)
        size = len(tensors["scaler.mean"])
        numeric = NumericSpec(features=size, steps=flat_steps)
    spec = model_spec(options, classes, size, text, numeric)
    return Prepared(spec, tensors, reader(spec, tensors)(rows, 0) if train is None else train, corpus)


def wants_guide(options: Options, classes: int) -> bool:
    """Whether there shall be a guide. `UsageError` where one was asked for by name and there are too many classes."""
    if options.guide not in ("none", "auto") and classes > MOST_CLASSES:
        raise UsageError(
            f"{option('guide')} is {options.guide!r}, but there are {classes} classes, at most {MOST_CLASSES}",
            mend=f"give {option('guide', 'none')}",
        )
    return options.guide != "none" and classes <= MOST_CLASSES


def model_spec(
    options: Options, classes: Sequence[Any], size: int, text: TextSpec | None, numeric: NumericSpec | None = None
) -> ModelSpec:
    """The specification of a model whose network has inputs of this size."""
    told = None if text is None else text.guide
    return ModelSpec(
        task="classify",
        classes=tuple(classes),
        text=text,
        numeric=numeric,
        network=options.network_spec(size, len(classes), told),
        members=options.members,
        unguided=0 if told is None else min(options.unguided, options.members),
        training={name: value for name, value in options.as_dict().items() if not isinstance(value, tuple)},
    )


def scaler(rows: Sequence[NDArray[np.float64]]) -> dict[str, NDArray[Any]]:
    """Mean and standard deviation of every feature over all steps."""
    steps = np.concatenate(list(rows))
    if len(steps) == 0:
        raise DataError("no row has a step", mend="give rows of numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = steps.mean(axis=0), steps.std(axis=0)
    for feature in np.flatnonzero(~np.isfinite(deviation)):
        largest = np.abs(steps[:, feature]).max()
        raise DataError(f"feature {feature} reaches {largest:g}, too large to scale", mend="divide it first")
    # A constant feature's deviation may be a rounding error, by which nothing should be divided.
    constant = (steps == steps[0]).all(axis=0) | (deviation == 0)
    return {"scaler.mean": mean, "scaler.scale": np.where(constant, 1.0, deviation)}


def hold_out(
    kind: Kind, rows: Sequence[Any], targets: NDArray[np.int64], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the rows to train on and to validate on; equal rows stay together. Nothing is held out for share 0."""
    if not 0 <= share < 1:
        raise UsageError(f"validation_split is {share}", mend="give a share of at least 0 and less than 1")
    if share == 0:
        return np.arange(len(rows)), np.zeros(0, np.int64)
    if kind == "text":
        return split_rows(rows, targets, share, seed)
    return split_groups([np.ascontiguousarray(row).tobytes() for row in rows], targets, share, seed)


def class_factors(
    class_weight: Literal["balanced"] | Mapping[Any, float] | None,
    classes: Sequence[Any],
    targets: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(K,) factor on the weights of each class: 1, as given, or such that all classes weigh the same in total.

    "balanced" is total weight / (K · the class's weight), which for weights of 1 is scikit-learn's. A class that is not
    in the mapping has factor 1.

    >>> class_factors("balanced", ["a", "b"], np.array([0, 0, 0, 1]), np.ones(4))
    array([0.66666667, 2.        ])
    """
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise UsageError(f"class_weight is {class_weight!r}", mend="give 'balanced', {class: weight} or None")
        totals = np.bincount(targets, weights, len(classes))
        return np.asarray(totals.sum() / (len(classes) * np.where(totals > 0, totals, 1.0)))
    if unknown := [label for label in class_weight if label not in classes]:
        raise UsageError(f"class_weight has {unknown[0]!r}, which is no class", mend=f"the classes: {list(classes)}")
    factors = np.array([float(class_weight.get(label, 1.0)) for label in classes])
    if not (np.isfinite(factors) & (factors > 0)).all():
        raise UsageError(f"class_weight is {dict(class_weight)}", mend="give weights above 0")
    return factors
