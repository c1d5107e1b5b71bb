"""A line of text as steps of a stream: the numbers of one, token ids, or a piece of text."""

from __future__ import annotations

import json
import math
import re

from timesteps.errors import DataError
from timesteps.runtime.layout import reads_texts
from timesteps.runtime.stepping import Single
from timesteps.runtime.stream import Stream

__all__ = ["step_line"]

_BETWEEN = re.compile(r"\s*[,;\t]\s*|\s+")
_SHOWN = 40  # characters of a wrong line in a message


def step_line(stream: Stream, line: str) -> Single:
    """The logits (outputs,) of a single stream after one line: one step of numbers, some ids, a token, or a text.

    Numbers and ids stand in columns (commas, semicolons, tabs or blanks between them) or in a JSON list.

    Raises:
        DataError: something else; the message says what was expected. The stream has not moved.

    >>> import numpy as np
    >>> from timesteps.runtime.layout import model_tensors
    >>> from timesteps.runtime.spec import LayerSpec, ModelSpec, NetworkSpec, NumericSpec
    >>> layer = LayerSpec(cell="gru", input_size=2, hidden_size=4)
    >>> network = NetworkSpec(input="numeric", input_size=2, layers=(layer,), outputs=1)
    >>> spec = ModelSpec(task="classify", classes=(0, 1), numeric=NumericSpec(features=2), network=network)
    >>> stream = Stream(spec, {name: np.ones(shape) for name, (_, shape) in model_tensors(spec).items()})
    >>> step_line(stream, "0.5, 1").round(2), step_line(stream, "[2, 0]").round(2)
    (array([1.63], dtype=float32), array([1.85], dtype=float32))
    """
    spec = stream.spec
    if spec.numeric is not None:
        return stream.step(_numbers(line, spec.numeric.features))
    if spec.text is not None and spec.text.tokenizer == "tokens":
        return stream.step(line.strip())
    stream.run(line if reads_texts(spec) else _ids(line))
    return stream.logits()


def _ids(line: str) -> list[int]:
    words = _words(line.strip())
    if not words or not all(re.fullmatch("[0-9]+", word) for word in words):
        raise DataError(f"{_shown(line)} is no line of token ids", mend="give whole numbers from 0")
    return [int(word[:18]) for word in words]  # longer ones are unknown, too


def _numbers(line: str, features: int) -> list[float]:
    words = _words(line.strip())
    expected = f"give the {features} numbers of one step, with commas between them"
    if len(words) != features:
        raise DataError(f"{len(words)} columns, this model reads {features}", mend=expected)
    numbers = []
    for column, word in enumerate(words, 1):
        try:
            numbers.append(float(word))
        except ValueError as error:
            raise DataError(f"column {column} is {_shown(word)}, which is no number", mend=expected) from error
        if not math.isfinite(numbers[-1]):
            raise DataError(f"column {column} is {_shown(word)}", mend="fill or drop missing values first")
    return numbers


def _words(line: str) -> list[str]:
    if not line:
        return []
    if line[0] != "[":
        return _BETWEEN.split(line)
    try:
        items = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{_shown(line)} is no JSON list", mend="give one list of numbers a line") from error
    return [json.dumps(item) for item in items]


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
