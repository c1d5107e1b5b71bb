"""A small layer's equations with their numbers, such as `lead' = a - b + lead`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.session import Session

__all__ = ["equations", "packed", "plain"]

_GATES = ("i", "f", "g", "o")


def equations(session: Session, inputs: Sequence[str], units: Sequence[str]) -> list[str]:
    """What one step of a vanilla network, or of an LSTM of one unit, computes; a prime marks values behind the step.

    >>> from timesteps.inspect.handset import handset
    >>> count = handset("count")
    >>> print(*equations(count.session(), count.inputs, count.units)[:6], sep=chr(10))
    i = σ(40)
    f = σ(40)
    g = tanh(40·x - 20)
    o = σ(40)
    c' = f·c + i·g
    h' = o·tanh(c')
    """
    layer, tensors = session.spec.network.layers[0], session.tensors
    gated = layer.cell == "lstm"
    states = ["h"] if gated else list(units)
    sums = [
        _sum(row_ih, inputs, row_hh, states, bias)
        for row_ih, row_hh, bias in zip(
            tensors["rnn.weight_ih_l0"],
            tensors["rnn.weight_hh_l0"],
            tensors["rnn.bias_ih_l0"] + tensors["rnn.bias_hh_l0"],
            strict=True,
        )
    ]
    if gated:
        functions = {"g": "tanh"}
        lines = [f"{gate} = {functions.get(gate, 'σ')}({total})" for gate, total in zip(_GATES, sums, strict=True)]
        lines += ["c' = f·c + i·g", "h' = o·tanh(c')"]
    else:
        form = "{}" if layer.nonlinearity == "linear" else layer.nonlinearity + "({})"
        lines = [f"{unit}' = {form.format(total)}" for unit, total in zip(units, sums, strict=True)]
    return lines + _answers(session, [f"{state}'" for state in states])


def _answers(session: Session, states: Sequence[str]) -> list[str]:
    weights: Mapping[str, NDArray[Any]] = session.tensors
    head = zip(weights["head.weight"], weights["head.bias"], strict=True)
    totals = [_sum(row, states, (), (), bias) for row, bias in head]
    if not session.classes:
        return [f"answer = {totals[0]}"]
    if len(totals) == 1:
        return [f"P({session.classes[1]}) = σ({totals[0]})"]
    return [f"logit({name}) = {total}" for name, total in zip(session.classes, totals, strict=True)]


def _sum(
    first: Sequence[float] | NDArray[Any],
    first_names: Sequence[str],
    second: Sequence[float] | NDArray[Any],
    second_names: Sequence[str],
    constant: float,
) -> str:
    """Products and a constant, without what is zero."""
    pairs = [*zip(first, first_names, strict=True), *zip(second, second_names, strict=True), (constant, "")]
    text = ""
    for weight, name in pairs:
        if weight == 0:
            continue
        size = plain(abs(float(weight)))
        term = name if name and size == "1" else f"{size}·{name}" if name else size
        text += f" {'-' if weight < 0 else '+'} {term}" if text else f"{'-' if weight < 0 else ''}{term}"
    return text or "0"


def packed(lines: Sequence[str], width: int) -> list[str]:
    """Short lines side by side, in lines of at most so many columns.

    >>> packed(["i = σ(40)", "f = σ(40)", "c' = f·c + i·g"], 24)
    ['i = σ(40)   f = σ(40)', "c' = f·c + i·g"]
    """
    found: list[str] = []
    for line in lines:
        if found and len(found[-1]) + len(line) + 3 <= width:
            found[-1] += f"   {line}"
        else:
            found.append(line)
    return found


def plain(value: float) -> str:
    """A number with at most four decimals, without trailing zeros.

    >>> plain(-0.0), plain(2.5), plain(1 / 3), plain(1234567.5)
    ('0', '2.5', '0.3333', '1.23457e+06')
    """
    if abs(value) >= 1e6:
        return f"{value:g}"
    return str(np.format_float_positional(round(value, 4) + 0.0, trim="-"))
