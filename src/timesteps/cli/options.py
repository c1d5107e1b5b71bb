"""The options of `timesteps train classify`, in the order and the panels of its help.

Each is named after its parameter: `--hidden-size` is `hidden_size` in Python, in `Options` and in `Request`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

_DATA, _TEXT, _NET, _REG, _FIT, _RUN = "Data", "Text to steps", "Network", "Regularisation", "Training", "Run"


def _option(panel: str, help: str, value: str = "", *names: str, callback: Callable[..., Any] | None = None) -> Any:
    """An option; `value` stands for its value in the help, nothing for a flag. Without names it has the parameter's."""
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, metavar=value, callback=callback)


def _or_none(kind: type[int] | type[float], name: str) -> Callable[[str | None], int | float | str | None]:
    def read(text: str | None) -> int | float | str | None:
        if text is None or text == "none":
            return text
        try:
            return kind(text)
        except ValueError as error:
            raise typer.BadParameter(f"{text!r} is neither {name} nor none") from error

    return read


def _range(text: str | None) -> list[int] | str | None:
    """`2-5` as [2, 5], `3` as [3, 3]."""
    if text is None or text == "none":
        return text
    ends = text.split("-")
    if len(ends) > 2 or not all(end.isascii() and end.isdigit() for end in ends):
        raise typer.BadParameter(f"{text!r} is neither a range such as 2-5 nor none")
    return [int(ends[0]), int(ends[-1])]


def _names(text: str | None) -> list[str] | None:
    """`x,y` as two names."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


_whole, _number = _or_none(int, "a whole number"), _or_none(float, "a number")

Data = Annotated[
    str | None,
    typer.Argument(
        help="Texts: csv, tsv, jsonl, fastText lines, parquet (also .gz, .xz, .bz2) or a folder of folders. Sequences "
        "of numbers: aeon's .ts, or a table with --group. Or the name of a known data set (see `timesteps data`). "
        "None: the bundled Korean reviews.",
        show_default=False,
        metavar="DATA",
    ),
]
TextColumn = Annotated[str | None, _option(_DATA, "Name or number of the column of texts.", "NAME")]
LabelColumn = Annotated[
    str | None, _option(_DATA, "Name or number of the column of labels.", "NAME", "--label-column", "--label")
]
Group = Annotated[
    str | None,
    _option(
        _DATA, "For tables of numbers with a row for each step: the column that tells the sequences apart.", "NAME"
    ),
]
Time = Annotated[str | None, _option(_DATA, "Of such a table: the column of times. None: rows come in order.", "NAME")]
Features = Annotated[
    str | None,
    _option(
        _DATA,
        "Of such a table: the columns of numbers, separated by commas. Default: all that hold numbers.",
        "NAMES",
        callback=_names,
    ),
]
Missing = Annotated[
    Literal["error", "interpolate"] | None,
    _option(_DATA, "Numbers that are missing in a sequence: error (default) or interpolate.", "NAME"),
]
Window = Annotated[
    int | None,
    _option(_DATA, "Of sequences of numbers: so many steps become one, their mean and standard deviation.", "N"),
]
Encoding = Annotated[str | None, _option(_DATA, "Encoding of the file. Default: UTF-8.", "NAME")]
Valid = Annotated[str | None, _option(_DATA, "Validation file; never trained on.", "FILE")]
ValidationSplit = Annotated[
    float | None, _option(_DATA, "Share of rows held out when there is no --valid. Default: 0.2.", "X")
]
Unlabeled = Annotated[
    str | None,
    _option(
        _DATA,
        "Further texts, their labels unread, to pretrain word vectors on: a file, a folder of .txt files, or the name "
        "of a known data set for its unlabelled part. Calls for --recipe words.",
        "FILE",
    ),
]
Baselines = Annotated[bool, _option(_DATA, "Train the n-gram baselines on the same rows, too.")]

Recipe = Annotated[
    str | None,
    _option(
        _TEXT,
        "Where all options start from: default, small, words, ids, textbook. Default: what suits the texts.",
        "NAME",
    ),
]
OneHot = Annotated[bool, _option(_TEXT, "One-hot vectors of words, no embedding.", "", "--one-hot")]
Input = Annotated[
    Literal["bag", "ids"] | None,
    _option(_TEXT, "bag: each word is the sum of its n-grams; ids: each word one vector.", "NAME"),
]
Tokenizer = Annotated[
    Literal["word", "char", "syllable", "jamo", "byte", "subword"] | None,
    _option(_TEXT, "What makes one step: word, char, syllable, jamo, byte, subword.", "NAME"),
]
Lowercase = Annotated[bool | None, _option(_TEXT, "Lower case first, or letters as they are.")]
Squeeze = Annotated[int | None, _option(_TEXT, "Cut runs of one character to this length; 0: not.", "N")]
NumWords = Annotated[int | None, _option(_TEXT, "Vocabulary size, 3 reserved ids included.", "N")]
Syllable = Annotated[
    str | None, _option(_TEXT, "Bags hold n-grams of characters, from LO to HI.", "LO-HI|none", callback=_range)
]
Jamo = Annotated[
    str | None,
    _option(_TEXT, "Bags hold n-grams of jamo (letters), from LO to HI.", "LO-HI|none", callback=_range),
]
Phrase = Annotated[int | None, _option(_TEXT, "Bags also hold n-grams of words up to this n.", "N")]
MinCount = Annotated[int | None, _option(_TEXT, "Rarer n-grams are left out of bags.", "N")]
Piece = Annotated[
    str | None,
    _option(_TEXT, "With bags, a Hangul word makes a step every N syllables or so.", "N|none", callback=_whole),
]
Guide = Annotated[
    Literal["none", "auto", "token", "character"] | None,
    _option(
        _TEXT,
        "Tell the network at each step which class its n-grams speak for: those of token, of character, auto (which "
        "suits the texts), none.",
        "NAME",
    ),
]
GuideLongest = Annotated[int | None, _option(_TEXT, "Longest n-grams of --guide, in tokens or characters.", "N")]
GuideShare = Annotated[float | None, _option(_TEXT, "Share of the guide's linear model in the answer, 0 to 1.", "X")]
MaxLength = Annotated[str | None, _option(_TEXT, "Longer texts lose steps.", "N|none", callback=_whole)]
Truncating = Annotated[
    Literal["pre", "post", "middle"] | None, _option(_TEXT, "Where they lose them: pre, post, middle.", "NAME")
]
HeadLength = Annotated[int | None, _option(_TEXT, "Steps kept at the beginning with --truncating middle.", "N")]
Padding = Annotated[
    Literal["pre", "post"] | None, _option(_TEXT, "Side of the padding; seen only with --no-mask: pre, post.", "NAME")
]
Mask = Annotated[bool | None, _option(_TEXT, "Hide padding from the network, or feed it as textbooks do.")]

Vectors = Annotated[
    str | None, _option(_NET, "Pretrained word vectors (word2vec, GloVe, fastText) for --input ids.", "FILE")
]
Pretrain = Annotated[
    int | None,
    _option(_NET, "Epochs of word vectors before training, for ids. Default: the recipe's; 5 with --unlabeled.", "N"),
]
EmbeddingSize = Annotated[int | None, _option(_NET, "Size of a step's vector.", "N")]
Cell = Annotated[
    Literal["rnn", "lstm", "gru", "mingru", "minlstm"] | None,
    _option(_NET, "Recurrent cell: rnn, lstm, gru, mingru, minlstm.", "NAME"),
]
HiddenSize = Annotated[int | None, _option(_NET, "Hidden units a direction.", "N")]
NumLayers = Annotated[int | None, _option(_NET, "Recurrent layers.", "N")]
Bidirectional = Annotated[
    bool | None, _option(_NET, "Read both ways, or forward only.", "", "--bidirectional/--forward-only")
]
Nonlinearity = Annotated[Literal["tanh", "relu"] | None, _option(_NET, "For --cell rnn: tanh, relu.", "NAME")]
ResetAfter = Annotated[
    bool | None, _option(_NET, "For --cell gru: where the reset gate acts.", "", "--reset-after/--reset-before")
]
InitialState = Annotated[
    Literal["zero", "learned"] | None, _option(_NET, "State before the first step: zero, learned.", "NAME")
]
Chrono = Annotated[
    str | None,
    _option(
        _NET,
        "Begin with time scales of up to N steps in the gates' biases, for what is long ago.",
        "N|none",
        callback=_whole,
    ),
]
LayerNorm = Annotated[bool | None, _option(_NET, "Layer norm inside the cell.")]
Peephole = Annotated[bool | None, _option(_NET, "For --cell lstm: let the gates see c.")]
Pool = Annotated[
    Literal["last", "mean", "max", "mean+max", "attention"] | None,
    _option(_NET, "From the outputs of all steps to one vector: last, mean, max, mean+max, attention.", "NAME"),
]
Wide = Annotated[bool | None, _option(_NET, "Add a linear model over the n-grams (--input bag).")]

InputDropout = Annotated[float | None, _option(_REG, "Keras' `dropout`: on layer inputs, fixed over time.", "X")]
Dropout = Annotated[float | None, _option(_REG, "torch's: between layers, and before the dense layer.", "X")]
RecurrentDropout = Annotated[float | None, _option(_REG, "On the state, fixed over time.", "X")]
Zoneout = Annotated[float | None, _option(_REG, "Share of the state's units that keep their value over a step.", "X")]
ZoneoutCell = Annotated[float | None, _option(_REG, "For --cell lstm: the same for c.", "X")]
WeightDrop = Annotated[float | None, _option(_REG, "On the recurrent weights.", "X")]
FeatureDropout = Annotated[float | None, _option(_REG, "On the n-grams of a bag.", "X")]
WordDropout = Annotated[float | None, _option(_REG, "On whole steps, whose vectors become zero.", "X")]
LabelSmoothing = Annotated[float | None, _option(_REG, "Soften the targets.", "X")]
Consistency = Annotated[float | None, _option(_REG, "R-Drop: two passes should agree; weight of it. 0: off.", "X")]
WeightDecay = Annotated[float | None, _option(_REG, "Of the weights, not of biases and n-gram tables.", "X")]
ClassWeight = Annotated[Literal["balanced"] | None, _option(_REG, "balanced: rare classes count more.", "NAME")]

Epochs = Annotated[int | None, _option(_FIT, "Times through the training rows.", "N")]
BatchSize = Annotated[int | None, _option(_FIT, "Rows a step.", "N")]
Optimizer = Annotated[
    Literal["adam", "adamw", "rmsprop", "sgd"] | None, _option(_FIT, "Optimiser: adam, adamw, rmsprop, sgd.", "NAME")
]
LearningRate = Annotated[float | None, _option(_FIT, "Peak learning rate.", "X")]
TableLearningRate = Annotated[float | None, _option(_FIT, "Peak rate of the n-gram tables.", "X")]
WideLearningRate = Annotated[float | None, _option(_FIT, "Peak rate of the linear model (--wide).", "X")]
Schedule = Annotated[
    Literal["constant", "linear", "cosine"] | None,
    _option(_FIT, "How the rates fall after the warm-up: constant, linear, cosine.", "NAME"),
]
Warmup = Annotated[float | None, _option(_FIT, "Share of all steps in which the rates rise from 0.", "X")]
ClipNorm = Annotated[str | None, _option(_FIT, "Largest norm of the gradient.", "X|none", callback=_number)]
Ema = Annotated[float | None, _option(_FIT, "Average the weights over steps with this decay. 0: off.", "X")]
Patience = Annotated[
    str | None,
    _option(_FIT, "Stop after so many epochs without a better validation loss.", "N|none", callback=_whole),
]
Nonfinite = Annotated[
    Literal["stop", "skip"] | None,
    _option(_FIT, "When a loss or gradient is NaN or infinite: stop, or skip the step. Default: stop.", "NAME"),
]
Members = Annotated[int | None, _option(_FIT, "Networks that answer together, in one file.", "N")]
Unguided = Annotated[int | None, _option(_FIT, "Members that do without what --guide says, to make other errors.", "N")]
Seed = Annotated[int | None, _option(_FIT, "The same seed gives the same bits.", "N")]
Engine = Annotated[
    Literal["auto", "native", "torch"] | None,
    _option(_FIT, "What trains: native (plain networks, on a CPU), torch (all), or auto: native if it can.", "NAME"),
]

Out = Annotated[Path, _option(_RUN, "Folder for the run. Default: run.", "FOLDER", "--out", "-o")]
Threads = Annotated[int | None, _option(_RUN, "CPU threads. Default: 1.", "N")]
Memory = Annotated[
    str | None,
    _option(
        _RUN,
        "Train from the disk, in about this memory, if the data need more: 512MB, 2GB; none: never. "
        "Default: half of what is free.",
        "SIZE",
    ),
]
Resume = Annotated[bool, _option(_RUN, "Go on with the run in --out.", "", "--resume")]
DryRun = Annotated[
    bool, _option(_RUN, "Check the data, show the model, estimate memory and time; train nothing.", "", "--dry-run")
]
AsJson = Annotated[bool, _option(_RUN, "The result as JSON on standard output.", "", "--json")]
