"""From the tokens of a text to the steps of a row: truncation, the start step, padding where there is no mask."""

from __future__ import annotations

from typing import TypeVar

from timesteps.errors import UsageError
from timesteps.runtime.spec import TextSpec
from timesteps.runtime.text.bags import check_bag

T = TypeVar("T")


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
    if spec.squeeze < 0:
        raise UsageError(f"squeeze is {spec.squeeze}", mend="give 0 or more")
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


def frame(tokens: list[T], spec: TextSpec, start: T, filler: T) -> tuple[list[T], int]:
    """One entry a step, and the number of steps before a cut in the middle (0 without one).

    The start step, if there is one, stays whatever is cut, and `max_length` counts it.

    >>> frame(list("abcdefg"), TextSpec(max_length=4, truncating="middle", head_length=1), "<", "-")
    (['a', 'e', 'f', 'g'], 1)
    >>> frame(list("ab"), TextSpec(max_length=4, start=True, mask=False), "<", "-")
    (['-', '<', 'a', 'b'], 0)
    """
    cut = 0
    if spec.max_length is not None:
        room = spec.max_length - spec.start
        if len(tokens) > room:
            cut = {"pre": 0, "post": room, "middle": spec.head_length}[spec.truncating]
            tokens = tokens[:cut] + tokens[len(tokens) - (room - cut) :]
            cut = cut + spec.start if 0 < cut < room else 0
    if spec.start:
        tokens = [start, *tokens]
    if not spec.mask and spec.max_length is not None and len(tokens) < spec.max_length:
        padding = [filler] * (spec.max_length - len(tokens))
        tokens = padding + tokens if spec.padding == "pre" else tokens + padding
    return tokens, cut
