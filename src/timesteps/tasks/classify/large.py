"""Training rows that memory has no room for: on the disk as texts, then on the disk as steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.text.processor import TextProcessor
from timesteps.tasks.classify.guide import guide_spec, learn_guide, room_for_grams
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.prepare import Prepared, model_spec, wants_guide
from timesteps.tasks.classify.texts import SpooledTexts
from timesteps.training.examples import Examples
from timesteps.training.spool import SpooledExamples

__all__ = ["MOST_HELD_OUT", "SAMPLE", "prepare_spooled", "split_spooled"]

MOST_HELD_OUT = 20_000
"""Rows held out for validation, about, however many there are: they are judged in memory."""

SAMPLE = 100_000
"""Training rows that what needs them in memory sees: baselines, the report's lengths."""

_STATES = 3  # arrays of a table: its weights, and two moments of them


def split_spooled(texts: SpooledTexts, scratch: Scratch, share: float, seed: int) -> tuple[SpooledTexts, SpooledTexts]:
    """Rows to train on and rows to validate on: this share, but about `MOST_HELD_OUT` at most.

    Raises:
        DataError: nothing is left on one side.
    """
    share = min(share, MOST_HELD_OUT / max(len(texts), 1))
    train, valid = texts.split(scratch, share, seed)
    if not (len(train) and len(valid)):
        raise DataError(f"{len(texts)} rows are too few to hold out {share:.0%} of them", mend="give more rows")
    return train, valid


def prepare_spooled(
    texts: SpooledTexts,
    options: Options,
    classes: Sequence[Any],
    scratch: Scratch,
    say: Callable[[str], None] | None = None,
) -> Prepared:
    """What `prepare` does, for texts on the disk and in the memory that `scratch` allows.

    The results are the same, but that the tables of n-grams have at most as many rows as leave half of the memory free,
    a guide at most as many n-grams as take a quarter of it to learn, and that word vectors are pretrained on as many of
    the training rows' steps as fit in a quarter of it.
    """
    if options.input not in ("bag", "ids", "one_hot"):
        raise UsageError(f"texts cannot be the input {options.input!r}", mend=f"give {option('input', 'bag')}")
    most = max(scratch.memory // 2 // (4 * _STATES * (options.embedding_size + 1)), 1000)
    processor = TextProcessor.fit_chunks(texts.chunks, options.text_spec(), scratch, most)
    if say is not None and options.input == "bag" and processor.input_size == most:
        say(f"the {most:,} most frequent n-grams are kept: their table takes half of the memory")
    plain, heard = processor, None
    if wants_guide(options, len(classes)):
        spec = guide_spec(options.guide, options.guide_longest, texts, options.tokenizer)
        room = room_for_grams(scratch.memory, len(classes))
        guided = learn_guide(processor, texts, len(classes), spec, options.seed, scratch, room)
        if guided is not None:
            processor, heard = guided
            if say is not None and processor.guide is not None and len(processor.guide.features) == room:
                say(f"the guide has the {room:,} most frequent of its n-grams: more take too much memory")
    train = SpooledExamples(scratch)
    said = None if heard is None else heard.parts()
    for part in texts.parts():
        steps = plain.steps(part.texts)
        if said is not None:
            channels, linear = next(said)
            steps = replace(steps, channels=channels, linear=linear)
        train.append(Examples(steps, part.targets, (part.weights / texts.mean_weight).astype(np.float32)))
    found = model_spec(options, classes, processor.input_size, processor.spec)
    return Prepared(found, processor.tensors(), train, _corpus(train, scratch, say) if options.pretrain else None)


def _corpus(train: SpooledExamples, scratch: Scratch, say: Callable[[str], None] | None) -> Sequences:
    """As many rows of ids as there is room for, evenly spaced."""
    room = scratch.memory // 4 // 4
    blocks = np.linspace(0, train.blocks - 1, min(train.blocks, max(1, train.blocks * room // max(train.steps, 1))))
    numbers: NDArray[np.int64] = np.unique(blocks.astype(np.int64))
    if say is not None and len(numbers) < train.blocks:
        say(
            f"word vectors are pretrained on {len(numbers) / train.blocks:.0%} of the rows: the memory has no more room"
        )
    rows = train.read(numbers.tolist()).sequences
    return Sequences(rows.values, rows.offsets)
