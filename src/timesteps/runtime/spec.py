"""The specification of a trained model: everything that its file says besides the weights.

A specification is plain data (msgspec structs, JSON in the file). It names no code: every word in it is looked up in a
table that the reader has, and an unknown field, word or version is an error.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from timesteps.runtime.series.frequency import Unit

FORMAT_VERSION = 1

# "ids": rows come as token ids; "tokens": as lists of tokens, one a step
TokenizerName = Literal["word", "char", "syllable", "jamo", "byte", "subword", "ids", "tokens"]
PoolName = Literal["last", "mean", "max", "mean+max", "attention", "none"]  # "none": an answer at every step
LossName = Literal[
    "cross_entropy", "mse", "mae", "quantile", "gaussian", "student_t", "negative_binomial"
]  # see `runtime.losses`
TaskName = Literal["classify", "tag", "regress", "forecast"]
CellName = Literal["rnn", "lstm", "gru", "mingru", "minlstm"]
Nonlinearity = Literal["tanh", "relu", "linear"]
InputKind = Literal["ids", "one_hot", "bag", "numeric"]
ForecastModelName = Literal["direct", "autoregressive"]
BaseName = Literal["last", "seasonal", "drift", "mean", "none"]  # see `runtime.forecast.base`
TransformName = Literal["none", "log", "log1p", "return"]  # see `runtime.forecast.scaling`
ScalingName = Literal["window", "series", "all", "none"]
CentreName = Literal["last", "mean"]
CalendarName = Literal["minute", "hour", "weekday", "day", "year"]  # see `runtime.forecast.calendar`


class _Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Unknown fields are errors, values do not change."""


class BagSpec(_Strict, frozen=True, kw_only=True):
    """Which n-grams of a unit (a word, a run of punctuation, …) make up its bag of features.

    A range is (smallest, largest) n, both included; None leaves that family out.
    """

    word: bool = True  # the unit itself
    syllable: tuple[int, int] | None = (1, 4)  # n-grams of code points, with boundary marks
    jamo: tuple[int, int] | None = (4, 6)  # n-grams after Hangul syllables are taken apart, with boundary marks
    phrase: int = 1  # n-grams of whole units ending at the step, up to this order; 1 means none
    min_count: int = 4  # a feature must occur so often in the training texts
    piece: int | None = None  # units of Hangul are cut into steps of about so many syllables


class GuideSpec(_Strict, frozen=True, kw_only=True):
    """n-grams of a whole text whose naive Bayes log-count ratios guide the network; see `runtime.text.guide`.

    Tensors: `guide.features` (F,) the n-grams' sorted hashes; `guide.ratio` (F, outputs) their scaled log-count ratios;
    `guide.weight` (F, outputs) and `guide.bias` (outputs,), the linear model.
    """

    unit: Literal["token", "character"] = "token"
    longest: int = 3  # n-grams of 1 … longest units
    min_count: int = 2  # an n-gram must occur in so many training texts


class TextSpec(_Strict, frozen=True, kw_only=True):
    """How a text becomes a sequence of steps."""

    tokenizer: TokenizerName = "word"
    lowercase: bool = True
    squeeze: int = 0  # runs of one character are cut to this length; 0 leaves them
    max_length: int | None = None  # steps; longer texts are truncated
    padding: Literal["pre", "post"] = "pre"  # only seen when mask is False: see the next line
    mask: bool = True  # False feeds zeros up to max_length to the network, as many textbooks do
    truncating: Literal["pre", "post", "middle"] = "pre"  # where steps are dropped
    head_length: int = 0  # truncating="middle" keeps the first head_length steps and the last max_length - head_length
    num_words: int | None = None  # size of the vocabulary, reserved ids included
    index_from: int = 3  # id of the most frequent word; 0 padding, 1 start, 2 out of vocabulary
    start: bool = False  # every sequence begins with id 1
    words: tuple[str, ...] = ()  # vocabulary by rank (input "ids" and "one_hot"; empty for "byte" and "bag")
    bag: BagSpec | None = None  # for input "bag"
    guide: GuideSpec | None = None


class NumericSpec(_Strict, frozen=True, kw_only=True):
    """Numeric sequences: x is scaled to (x - mean) / scale per feature; tensors `scaler.mean` and `scaler.scale`."""

    features: int
    steps: int | None = None  # set when the training rows all had this many steps and a row is one flat vector


class TargetSpec(_Strict, frozen=True, kw_only=True):
    """Numbers that a model predicts: targets are scaled to (y - mean) / scale, and answers back again.

    What the network's outputs say of the numbers follows from the loss that it was trained by; `runtime.losses` has the
    table. Tensors: `target.mean` and `target.scale`, float64, (D,): one for each of the last dimension of `shape`.
    """

    loss: LossName
    quantiles: tuple[float, ...] = ()  # rising, between 0 and 1; for the loss "quantile" only
    shape: tuple[int, ...] = ()  # of what is predicted of a row, or of a step: () one number, (D,), or (horizon, D)

    @property
    def size(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)

    @property
    def width(self) -> int:
        """Numbers of the last dimension, each with a scale of its own."""
        return self.shape[-1] if self.shape else 1


class ForecastSpec(_Strict, frozen=True, kw_only=True):
    """How series become the network's rows, and its answers forecasts; the columns are those of `Columns`.

    Tensors, float64, of `horizon` steps, D targets and L levels: `forecast.share` (horizon, D), how much of the
    network's correction of the base is taken, from 0 to 1; `forecast.lower` and `forecast.upper` (L, horizon, D), what
    conformal calibration adds to the ends of the intervals, in units of the scale; and `forecast.centre` and
    `forecast.scale`, (N, D) of the N series that it was trained on with the scaling "series", (1, D) with "all".
    """

    model: ForecastModelName = "direct"
    horizon: int
    context: int  # steps that the network reads
    segment: int = 1  # so many of them at a time
    season: int = 1
    time: str | None = None
    group: str | None = None
    targets: tuple[str, ...]
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    vocabularies: tuple[tuple[str, ...], ...] = ()  # of each static column: its words, or none of numbers
    unit: Unit
    every: int = 1
    regular: bool = True
    independent: bool = True  # every target is a row of its own, with the same weights
    base: BaseName = "last"
    transform: TransformName = "none"
    differences: bool = False  # the network reads each number's difference from the one before it, too
    scaling: ScalingName = "window"
    centre: CentreName = "last"
    calendar: tuple[CalendarName, ...] = ()
    missing: bool = False  # whether numbers may be missing; then each has a feature that says whether it is there
    means: tuple[float, ...] = ()  # of past and future covariates, what missing ones decay to
    rates: tuple[float, ...] = ()  # of targets, past and future covariates: how fast, a step
    series: tuple[str, ...] = ()  # with the scaling "series": whose scales the tensors hold
    levels: tuple[float, ...] = ()  # of intervals, in percent, rising
    until: str = ""  # the last time that training has seen

    @property
    def width(self) -> int:
        """Targets of a row."""
        return 1 if self.independent else len(self.targets)


class LayerSpec(_Strict, frozen=True, kw_only=True):
    """One recurrent layer."""

    cell: CellName
    input_size: int
    hidden_size: int
    bidirectional: bool = False
    nonlinearity: Nonlinearity = "tanh"  # rnn only; linear is the identity
    reset_after: bool = True  # gru only: r is applied after (torch, cuDNN) or before (Cho et al. 2014) the product
    initial_state: Literal["zero", "learned"] = "zero"
    layer_norm: bool = False  # of the products with the weights, and of an LSTM's c on its way to h
    peephole: bool = False  # lstm only: the gates see c
    zoneout: float = 0.0  # h' = zoneout h + (1 - zoneout) ĥ', the expectation of what training draws; from 0 to 1
    zoneout_cell: float = 0.0  # lstm only: the same for c


class NetworkSpec(_Strict, frozen=True, kw_only=True):
    """input → (embedding) → recurrent layers → pooling → dense [+ wide term].

    Without pooling (`pool="none"`) the dense layer answers at every step.

    With a guide, each step's vector is followed by `channels` numbers, what the n-grams that end there say, by order
    and output; and the trained network's logits are (1 − share) · its own + share · those of the guide's linear model.

    Tensors, in torch's names: `embedding.weight`, `embedding.wide` (bag with wide), `rnn.weight_ih_l0`,
    `rnn.weight_hh_l0_reverse`, `rnn.bias_ih_l0`, … (no `_hh` for mingru and minlstm), `rnn.norm_ih_l0`,
    `rnn.norm_hh_l0`, `rnn.norm_c_l0`, `rnn.norm_c_bias_l0` (layer norm), `rnn.weight_ch_l0` (peephole), `rnn.h0_l0`,
    `rnn.c0_l0` (learned initial state; the reverse direction's with `_reverse`), `attention.weight`, `head.weight`
    (outputs, features), `head.bias`.

    With `weights` "int8", `embedding.weight` and all `rnn.weight_ih`, `rnn.weight_hh` are whole numbers from -127 to
    127, and `embedding.scale`, `rnn.scale_ih_l0`, … (rows,) what to multiply their rows by; see `runtime.int8`.
    """

    input: InputKind
    input_size: int  # rows of the embedding, width of the one-hot vector, or number of features
    embedding_size: int = 0  # 0 for one_hot and numeric
    layers: tuple[LayerSpec, ...]
    pool: PoolName = "last"
    outputs: int  # 1 logit for two classes, else one a class; of numbers, the parameters of each, one after the other
    channels: int = 0  # of the guide; the first layer reads embedding_size + channels numbers
    share: float = 0.0  # of the guide's linear model in the logits, from 0 to 1
    weights: Literal["float", "int8"] = "float"
    wide: bool = False  # bag: a scalar weight a feature, summed into the logits, by the root of the number of features

    @property
    def width(self) -> int:
        """Size of the vector that the dense layer reads."""
        last = self.layers[-1]
        size = last.hidden_size * (2 if last.bidirectional else 1)
        return 2 * size if self.pool == "mean+max" else size


class Golden(_Strict, frozen=True, kw_only=True):
    """An input with the logits that the model gave when it was written; of tokens, the input has one a line."""

    input: str | tuple[tuple[float, ...], ...]
    logits: tuple[float, ...]  # of an answer at every step, those of the first step first


class ModelSpec(_Strict, frozen=True, kw_only=True):
    """All of it. `members` networks answer together by their mean logit. The last `unguided` of them read no channels,
    for networks that read the same hints make the same errors; those of bags have a wide term instead."""

    format: Literal["timesteps"] = "timesteps"
    version: int = FORMAT_VERSION
    task: TaskName
    classes: tuple[str | int | float | bool, ...]  # labels, in the order of the outputs; none of numbers
    targets: TargetSpec | None = None  # to regress and to forecast
    forecast: ForecastSpec | None = None
    text: TextSpec | None = None
    numeric: NumericSpec | None = None
    network: NetworkSpec
    members: int = 1
    unguided: int = 0
    golden: tuple[Golden, ...] = ()
    training: dict[str, str | int | float | bool | None] = {}  # for the reader of the card; nothing runs from it
