"""From the tokens of a text to the steps of a row: truncation, the start step, padding where there is no mask."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option
from timesteps.runtime.spec import TextSpec
from timesteps.runtime.text.bags import check_bag
from timesteps.runtime.text.grams import check_guide

T = TypeVar("T")

#: Tokenizers whose tokens are pieces of the text, in its order.
OF_PIECES = ("word", "syllable", "char")


def check_text(spec: TextSpec) -> None:
    """Raises `UsageError` for a specification that contradicts itself."""
    length, head = spec.max_length, spec.head_length
    if length is not None and length < 1:
        raise UsageError(f"max_length is {length}", mend="give 1 or more, or none")
    if not spec.mask and length is None:
        raise UsageError("without a mask every row is padded to max_length, which is not given", mend="give max_length")
    if spec.truncating == "middle" and (length is None or not 0 <= head <= length - spec.start):
        raise UsageError(
            f'truncating is "middle" with head_length {head} and max_length {length}',
            mend="give a max_length, and a head_length that it has room for",
        )
    pieces = spec.bag is not None and spec.bag.piece is not None
    if spec.tokenizer == "tokens" and (length is not None or not spec.mask or spec.start or pieces):
        mend = "give no max_length, no start step, mask true and no piece"
        raise UsageError("tokens are steps as they are given, one each", mend=mend)
    if spec.squeeze < 0:
        raise UsageError(f"squeeze is {spec.squeeze}", mend="give 0 or more")
    if spec.guide is not None:
        check_guide(spec.guide)
        if spec.start or not spec.mask:
            raise UsageError("start steps and padding have no n-grams for a guide", mend="leave the guide out")
        if spec.guide.unit == "character" and spec.tokenizer not in OF_PIECES:
            raise UsageError(
                f"the tokens of {spec.tokenizer} are not pieces of the text, which a guide of characters needs",
                mend=f"give {option('guide', 'token')}",
            )
    if spec.bag is not None:
        check_bag(spec.bag)
        if spec.tokenizer == "byte" or spec.start:
            what = "bytes have no n-grams" if spec.tokenizer == "byte" else "the start step has no n-grams"
            raise UsageError(
                f"{what} for bag input", mend="choose another tokenizer, or no start step, or ids as input"
            )
        if spec.num_words is not None and spec.num_words < 1:
            raise UsageError(f"num_words is {spec.num_words}", mend="give the largest number of features")
    elif spec.tokenizer in ("subword", "byte") and spec.words:
        raise UsageError(f"the tokenizer {spec.tokenizer} takes no words", mend="leave words empty")
    elif spec.tokenizer == "subword" and spec.index_from != 3:
        raise UsageError(f"index_from is {spec.index_from}", mend="subwords always begin at id 3")
    elif spec.tokenizer == "byte" and spec.num_words is not None:
        raise UsageError("the tokenizer byte has 256 words", mend="leave num_words out")


def kept(length: int, spec: TextSpec) -> tuple[int, int]:
    """What truncation leaves of a text of so many tokens: those before the first number, and from the second on.

    >>> kept(7, TextSpec(max_length=4, truncating="middle", head_length=1)), kept(3, TextSpec(max_length=4))
    ((1, 4), (3, 3))
    """
    room = length if spec.max_length is None else spec.max_length - spec.start
    if length <= room:
        return length, length
    head = {"pre": 0, "post": room, "middle": spec.head_length}[spec.truncating]
    return head, length - (room - head)


def kept_steps(offsets: NDArray[np.int64], spec: TextSpec) -> NDArray[np.int64]:
    """Numbers of the steps that truncation leaves, where row r has the steps from offsets[r] to offsets[r + 1].

    >>> kept_steps(np.array([0, 3, 5]), TextSpec(max_length=2))
    array([1, 2, 3, 4])
    """
    if spec.max_length is None or np.diff(offsets).max(initial=0) <= spec.max_length - spec.start:
        return np.arange(offsets[-1])
    parts = [np.zeros(0, np.int64)]
    for start, end in pairwise(offsets.tolist()):
        head, tail = kept(end - start, spec)
        parts += [np.arange(start, start + head), np.arange(start + tail, end)]
    return np.concatenate(parts)


def frame(tokens: list[T], spec: TextSpec, start: T, filler: T) -> tuple[list[T], int]:
    """One entry a step, and the number of steps before a cut in the middle (0 without one).

    The start step, if there is one, stays whatever is cut, and `max_length` counts it.

    >>> frame(list("abcdefg"), TextSpec(max_length=4, truncating="middle", head_length=1), "<", "-")
    (['a', 'e', 'f', 'g'], 1)
    >>> frame(list("ab"), TextSpec(max_length=4, start=True, mask=False), "<", "-")
    (['-', '<', 'a', 'b'], 0)
    """
    head, tail = kept(len(tokens), spec)
    cut = head + spec.start if 0 < head < tail < len(tokens) else 0
    if head < tail:
        tokens = tokens[:head] + tokens[tail:]
    if spec.start:
        tokens = [start, *tokens]
    if not spec.mask and spec.max_length is not None and len(tokens) < spec.max_length:
        padding = [filler] * (spec.max_length - len(tokens))
        tokens = padding + tokens if spec.padding == "pre" else tokens + padding
    return tokens, cut
