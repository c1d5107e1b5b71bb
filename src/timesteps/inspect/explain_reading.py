"""One row as a model reads it: its steps with names to show, and what the guide's linear model makes of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.session import Session
from timesteps.runtime.spec import GuideSpec, TextSpec
from timesteps.runtime.text.framing import OF_PIECES, kept, kept_steps
from timesteps.runtime.text.grams import Found
from timesteps.runtime.text.processor import TextProcessor

__all__ = ["Reading", "read_row"]

_MARKS = str.maketrans("", "", "\x02\x03")  # of the guide, before a text and behind it


@dataclass(frozen=True)
class Reading:
    """A row of T steps.

    Args:
        names: (T,) what each step is: a token, or the number of a step of a sequence of numbers.
        glued: (T,) whether a step follows the one before it without a blank.
        steps: the row for the networks.
        cut: what truncation left out, as a sentence; empty if nothing.
        linear: (T, outputs) what the guide's linear model adds at each step, its n-grams' weights shared out among the
            steps where they end; None without a guide.
        alone: (T, outputs) what it would lose without the step; None likewise.
        elsewhere: (outputs,) what it adds at steps that were cut off.
    """

    names: tuple[str, ...]
    glued: tuple[bool, ...]
    steps: Sequences
    cut: str = ""
    linear: NDArray[np.float64] | None = None
    alone: NDArray[np.float64] | None = None
    elsewhere: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.names)


def read_row(session: Session, row: Any) -> Reading:
    """A row as `Session.logits` takes them.

    Raises:
        DataError: not what the model reads, or without any step.
    """
    steps = session.steps([row])
    count = int(steps.lengths[0])
    if count == 0:
        what = "a text without any token" if isinstance(row, str) else "a sequence without any step"
        raise DataError(f"{what} has nothing to explain", mend="give one with at least one")
    text = session.spec.text
    if text is None:
        return Reading(tuple(str(number + 1) for number in range(count)), (False,) * count, steps)
    if text.tokenizer == "ids":
        ids, before = [str(number) for number in steps.values.tolist()], len(row)
        return Reading(tuple(ids), (False,) * count, steps, _said(text, [str(each) for each in row], before))
    whole = msgspec.structs.replace(text, max_length=None, truncating="pre", head_length=0, mask=True, start=False)
    uncut = TextProcessor.load(msgspec.structs.replace(whole, guide=None), session.tensors)
    processor = TextProcessor.load(text, session.tensors)
    names, all_names = processor.tokens([row])[0], uncut.tokens([row])[0]
    reading = Reading(tuple(names), _glued(uncut, text, row, count), steps, _said(text, all_names, len(all_names)))
    if processor.guide is None or text.guide is None:
        return reading
    found = processor.guide.find(processor.units([row], text.guide))
    linear, alone = _by_step(found, processor.guide.weight)
    places = kept_steps(found.offsets, text)
    elsewhere = linear.sum(axis=0) - linear[places].sum(axis=0)
    return replace(reading, linear=linear[places], alone=alone[places], elsewhere=elsewhere)


def _glued(uncut: TextProcessor, text: TextSpec, row: Any, count: int) -> tuple[bool, ...]:
    """Whether there is no blank before a step, where that can be known; in the middle of a cut there is one."""
    if text.tokenizer not in OF_PIECES or text.start or not text.mask:
        return (text.tokenizer in ("char", "jamo", "byte"),) * count
    units = uncut.units([row], GuideSpec(unit="character"))[0]
    bare = [unit.translate(_MARKS) for unit in units]
    glued = [bool(unit) and not unit[0].isspace() for unit in bare]
    head, tail = kept(len(glued), text)
    return (*glued[:head], *glued[tail:])


def _said(text: TextSpec, names: list[str], count: int) -> str:
    """What truncation leaves out of so many tokens."""
    head, tail = kept(count, text)
    if head == tail:
        return ""
    lost = names[head:tail]
    shown = " ".join(lost) if len(lost) <= 6 else f"{' '.join(lost[:3])} … {' '.join(lost[-3:])}"
    place = "first" if head == 0 else "last" if tail == count else "middle"
    return (
        f"The text has {count:,} tokens and the model reads {text.max_length:,}: "
        f"the {place} {len(lost):,} are left out (“{shown}”)."
    )


def _by_step(found: Found, weight: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each step adds to the linear logits, and what they lose without it: (N, outputs) each, before truncation.

    An n-gram counts once, however often it occurs: it is shared out among its occurrences, and it is lost with a step
    only where all of them end there.
    """
    steps = int(found.offsets[-1])
    counts = np.diff(found.bags.offsets).reshape(steps, found.longest).sum(axis=1)
    place, grams = np.repeat(np.arange(steps), counts), found.bags.ids
    pairs, occurrences = np.unique(np.stack([place, grams]), axis=1, return_counts=True)
    distinct, number = np.unique(pairs[1], return_inverse=True)
    in_all = np.bincount(number, weights=occurrences, minlength=len(distinct))
    in_steps = np.bincount(number, minlength=len(distinct))
    weights = weight[pairs[1]].astype(np.float64)
    linear, alone = np.zeros((steps, weight.shape[1])), np.zeros((steps, weight.shape[1]))
    np.add.at(linear, pairs[0], weights * (occurrences / in_all[number])[:, None])
    np.add.at(alone, pairs[0], weights * (in_steps[number] == 1)[:, None])
    return linear, alone
