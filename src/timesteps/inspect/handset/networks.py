"""The hand-set networks, each with the idea behind its weights.

Gates and threshold units are sigmoids and tanhs with weights so large that no float can tell their values from 0 and 1,
or -1 and 1: σ(40) and tanh(20) are 1 in double precision. So states are exact, over any number of steps.
"""

from __future__ import annotations

import difflib
from typing import Literal

from timesteps.errors import UsageError
from timesteps.inspect.handset.network import Handset
from timesteps.inspect.handset.reading import BITS, BRACKETS, MARKS, NUMBERS, PAIRS
from timesteps.runtime.spec import LayerSpec, Nonlinearity

__all__ = ["HANDSETS", "handset"]


def _rnn(inputs: int, units: int, nonlinearity: Nonlinearity) -> LayerSpec:
    return LayerSpec(cell="rnn", input_size=inputs, hidden_size=units, nonlinearity=nonlinearity)


def _cell(name: Literal["lstm"], inputs: int) -> LayerSpec:
    return LayerSpec(cell=name, input_size=inputs, hidden_size=1)


_SUM = Handset(
    name="sum",
    what="running sum: one linear unit, all weights 1",
    layer=_rnn(1, 1, "linear"),
    weights={"weight_ih": [[1]], "weight_hh": [[1]], "head": [[1]]},
    inputs=("x",),
    units=("sum",),
    classes=(),
    notation=NUMBERS,
    example="2 -0.5 1 1 -3",
)

# The unit keeps by how much the first input leads. The logistic function of five times that is a soft threshold.
_COMPARE = Handset(
    name="compare",
    what="is the total of a larger than that of b? one linear unit",
    layer=_rnn(2, 1, "linear"),
    weights={"weight_ih": [[1, -1]], "weight_hh": [[1]], "head": [[5]]},
    inputs=("a", "b"),
    units=("lead",),
    classes=("no", "yes"),
    notation=PAIRS,
    example="2,-2 0,3.5 1,2.2 5,0 0,-1",
)

# XOR of the input and the parity so far is: one of them and not both. With units of -1 and 1, the parity so far is
# (either - both) / 2, also before the first step, where both are 0. So the output unit's way back to the hidden units
# is in the recurrent weights: 40 · (x + (either - both) / 2 - 0.5), and - 1.5 for both.
_PARITY = Handset(
    name="parity",
    what="has there been an odd number of ones? XOR by two threshold units",
    layer=_rnn(1, 2, "tanh"),
    weights={
        "weight_ih": [[40], [40]],
        "weight_hh": [[20, -20], [20, -20]],
        "bias": [-20, -60],
        "head": [[5, -5]],
        "head_bias": [-5],
    },
    inputs=("x",),
    units=("either", "both"),
    classes=(0, 1),
    notation=BITS,
    example="0101101011",
)

# A cell that forgets nothing (f = 1) and adds 1 or -1 counts without a bound; what it lets out, tanh(c), says whether
# the count is below, at or above zero. Weiss, Goldberg and Yahav (2018), arXiv:1805.04908.
_COUNT = Handset(
    name="count",
    what="fewer, as many or more ones than zeros? an LSTM whose cell counts",
    layer=_cell("lstm", 1),
    weights={
        "weight_ih": [[0], [0], [40], [0]],
        "weight_hh": [[0]] * 4,
        "bias": [40, 40, -20, 40],
        "head": [[-8], [0], [8]],
        "head_bias": [-3, 0, -3],
    },
    inputs=("x",),
    units=("c",),
    classes=("fewer", "equal", "more"),
    notation=BITS,
    example="1100011101",
)

_BRACKETS = Handset(
    name="brackets",
    what="how many brackets are open? one rectified linear unit",
    layer=_rnn(1, 1, "relu"),
    weights={"weight_ih": [[1]], "weight_hh": [[1]], "head": [[1]]},
    inputs=("x",),
    units=("depth",),
    classes=(),
    notation=BRACKETS,
    example="f(a(b)(c(d)))",
)

# The forget gate closes when a bit comes in, and stays open for as long as none does.
_COPY = Handset(
    name="copy",
    what="the last bit given, however long ago: an LSTM",
    layer=_cell("lstm", 2),
    weights={
        "weight_ih": [[0, 0], [-80, -80], [-40, 40], [0, 0]],
        "weight_hh": [[0]] * 4,
        "bias": [40, 40, 0, 40],
        "head": [[8]],
    },
    inputs=("zero", "one"),
    units=("bit",),
    classes=(0, 1),
    notation=MARKS,
    example="1......0....1..",
)

HANDSETS: dict[str, Handset] = {each.name: each for each in (_SUM, _COMPARE, _PARITY, _COUNT, _BRACKETS, _COPY)}
"""By name, in the order of `timesteps lab`."""


def handset(name: str) -> Handset:
    """The hand-set network of that name.

    Raises:
        UsageError: there is none; the message has the nearest name.

    >>> handset("party")
    Traceback (most recent call last):
    timesteps.errors.UsageError: no hand-set network 'party'; did you mean parity?
    """
    if name not in HANDSETS:
        near = difflib.get_close_matches(name, HANDSETS, 1)
        mend = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(HANDSETS)}"
        raise UsageError(f"no hand-set network {name!r}", mend=mend)
    return HANDSETS[name]
