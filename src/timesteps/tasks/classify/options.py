"""Everything a user may vary about a classifier, in one flat place. `recipes` fills it in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from timesteps.errors import UsageError, option
from timesteps.runtime.layout import LINEAR
from timesteps.runtime.spec import (
    BagSpec,
    CellName,
    GuideSpec,
    LayerSpec,
    NetworkSpec,
    PoolName,
    TextSpec,
    TokenizerName,
)
from timesteps.runtime.time_scales import chrono_signs

InputName = Literal["bag", "ids", "one_hot", "numeric"]


#: Choices that may be absent: "none" on the command line and in `Options.but`, where None leaves them as they are.
_MAY_BE_NONE = (
    "num_words", "max_length", "syllable", "jamo", "table_learning_rate", "wide_learning_rate", "clip_norm", "patience",
    "piece", "chrono",
)  # fmt: skip


def _plain(name: str, value: Any) -> Any:
    if value == "none" and name in _MAY_BE_NONE:
        return None
    return tuple(value) if isinstance(value, list) else value  # a range that comes from JSON


@dataclass(frozen=True)
class Options:
    """One complete set of choices. See `timesteps train classify --help` for what each means to a user.

    The defaults are plain: what can be off is off. Each recipe (`recipes`) says what is special about it.
    """

    # how a text becomes steps
    input: InputName = "ids"
    tokenizer: TokenizerName = "word"
    lowercase: bool = True
    squeeze: int = 0
    num_words: int | None = None
    max_length: int | None = None
    padding: Literal["pre", "post"] = "pre"
    mask: bool = True
    truncating: Literal["pre", "post", "middle"] = "pre"
    head_length: int = 0
    syllable: tuple[int, int] | None = (1, 4)
    jamo: tuple[int, int] | None = (4, 6)
    phrase: int = 1
    min_count: int = 4
    piece: int | None = None
    guide: Literal["none", "auto", "token", "character"] = "none"
    guide_longest: int | None = None
    guide_share: float = 0.5
    # the network
    embedding_size: int = 64
    pretrain: int = 0
    cell: CellName = "lstm"
    hidden_size: int = 64
    num_layers: int = 1
    bidirectional: bool = False
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    reset_after: bool = True
    initial_state: Literal["zero", "learned"] = "zero"
    chrono: int | None = None
    layer_norm: bool = False
    peephole: bool = False
    pool: PoolName = "last"
    wide: bool = False
    # regularisation
    input_dropout: float = 0.0
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    zoneout: float = 0.0
    zoneout_cell: float = 0.0
    weight_drop: float = 0.0
    feature_dropout: float = 0.0
    word_dropout: float = 0.0
    label_smoothing: float = 0.0
    consistency: float = 0.0
    # training
    epochs: int = 10
    batch_size: int = 64
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    learning_rate: float = 1e-3
    table_learning_rate: float | None = None
    wide_learning_rate: float | None = None
    weight_decay: float = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: float = 0.0
    clip_norm: float | None = 1.0
    ema: float = 0.0
    patience: int | None = None
    nonfinite: Literal["stop", "skip"] = "stop"
    members: int = 1
    unguided: int = 0
    seed: int = 0
    engine: Literal["auto", "native", "torch"] = "auto"

    def __post_init__(self) -> None:
        for name, words in _words().items():
            if getattr(self, name) not in words:
                raise UsageError(f"{option(name)} is {getattr(self, name)!r}", mend=f"choose one of {', '.join(words)}")
        for name in ("num_words", "max_length", "embedding_size", "hidden_size", "num_layers", "members", "min_count",
                     "phrase", "squeeze", "head_length", "pretrain", "unguided", "piece"):  # fmt: skip
            value = getattr(self, name)
            lowest = 0 if name in ("squeeze", "head_length", "pretrain", "unguided") else 1
            if name == "embedding_size" and self.input in ("one_hot", "numeric"):
                lowest = 0
            if value is None and name in _MAY_BE_NONE:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise UsageError(f"{option(name)} is {value!r}", mend=f"give a whole number of at least {lowest}")
        for name in ("input_dropout", "dropout", "recurrent_dropout", "zoneout", "zoneout_cell", "weight_drop",
                     "feature_dropout", "word_dropout"):  # fmt: skip
            share = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
                raise UsageError(f"{option(name)} is {share!r}", mend="give a share from 0 to below 1")
        for name in ("recurrent_dropout", "weight_drop", "layer_norm"):
            if getattr(self, name) and self.cell in LINEAR:
                raise UsageError(
                    f"{option(name)} is {getattr(self, name)}, but {option('cell', self.cell)} has no recurrent "
                    "product that it could act on",
                    mend=f"use {option('input_dropout')} or {option('dropout')}",
                )
        if self.chrono is not None:
            chrono_signs(self.cell, self.chrono)
        for name in ("peephole", "zoneout_cell"):
            if getattr(self, name) and self.cell != "lstm":
                raise UsageError(
                    f"{option(name, getattr(self, name))} needs the state c, which a cell {self.cell!r} does not have",
                    mend=f"give {option('cell', 'lstm')}",
                )
        for name in ("syllable", "jamo"):
            self._check_range(name, getattr(self, name))
        if self.num_words is not None and self.input in ("ids", "one_hot") and self.num_words < 4:
            raise UsageError(
                f"{option('num_words')} is {self.num_words}, but ids 0, 1 and 2 are reserved", mend="give at least 4"
            )
        if self.truncating == "middle" and self.max_length is not None and self.head_length > self.max_length:
            raise UsageError(
                f"{option('head_length')} is {self.head_length}, {option('max_length')} only {self.max_length}",
                mend=f"make it smaller or choose {option('truncating', 'pre')}",
            )
        if self.pretrain and self.input != "ids":
            raise UsageError(
                f"{option('pretrain')} is {self.pretrain}, but the input {self.input!r} has no vectors of words",
                mend=f"add {option('input', 'ids')}, or {option('pretrain', 0)}",
            )
        if self.guide != "none" and (self.input not in ("bag", "ids") or not self.mask):
            raise UsageError(
                f"{option('guide')} is {self.guide!r}, which needs texts as bags or ids and a mask",
                mend=f"give {option('guide', 'none')}",
            )
        longest, share = self.guide_longest, self.guide_share
        if longest is not None and not (type(longest) is int and 1 <= longest <= 64):
            raise UsageError(f"{option('guide_longest')} is {longest!r}", mend="give a whole number from 1 to 64")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise UsageError(f"{option('guide_share')} is {share!r}", mend="give a share from 0 to 1")
        if not self.mask and (self.input == "bag" or self.max_length is None):
            raise UsageError(
                f"{option('mask', False)} feeds the padding to the network, which needs token ids and a fixed length",
                mend=f"add {option('recipe', 'textbook')}, or {option('input', 'ids')} and {option('max_length')}",
            )

    def _check_range(self, name: str, value: object) -> None:
        if value is None:
            return
        ends = list(value) if isinstance(value, tuple) else []
        if len(ends) != 2 or not all(type(end) is int for end in ends) or not 1 <= ends[0] <= ends[1]:
            raise UsageError(
                f"{option(name)} is {value!r}", mend="give the smallest and the largest n, from 1, or none"
            )

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of all choices, in order."""
        return tuple(field.name for field in fields(cls))

    def but(self, **changes: Any) -> Options:
        """The same, with every choice that is not None changed; "none" makes None of one that may be None."""
        unknown = set(changes) - set(self.names())
        if unknown:
            raise UsageError(f"unknown option {sorted(unknown)[0]!r}", mend=f"known: {', '.join(self.names())}")
        return replace(self, **{name: _plain(name, value) for name, value in changes.items() if value is not None})

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def text_spec(self) -> TextSpec:
        """How a text becomes steps."""
        bag = None
        if self.input == "bag":
            bag = BagSpec(
                syllable=self.syllable, jamo=self.jamo, phrase=self.phrase, min_count=self.min_count, piece=self.piece
            )
        return TextSpec(
            tokenizer=self.tokenizer,
            lowercase=self.lowercase,
            squeeze=self.squeeze,
            max_length=self.max_length,
            padding=self.padding,
            mask=self.mask,
            truncating=self.truncating,
            head_length=self.head_length if self.truncating == "middle" else 0,
            num_words=self.num_words,
            bag=bag,
        )

    def network_spec(self, input_size: int, classes: int, guide: GuideSpec | None = None) -> NetworkSpec:
        """The network for inputs of this size and this many classes."""
        embedded = self.input in ("bag", "ids")
        outputs = 1 if classes == 2 else classes
        channels = 0 if guide is None else guide.longest * outputs
        size = self.embedding_size + channels if embedded else input_size
        layers = []
        for _ in range(self.num_layers):
            layers.append(
                LayerSpec(
                    cell=self.cell,
                    input_size=size,
                    hidden_size=self.hidden_size,
                    bidirectional=self.bidirectional,
                    nonlinearity=self.nonlinearity,
                    reset_after=self.reset_after,
                    initial_state=self.initial_state,
                    layer_norm=self.layer_norm,
                    peephole=self.peephole,
                    zoneout=self.zoneout,
                    zoneout_cell=self.zoneout_cell,
                )
            )
            size = self.hidden_size * (2 if self.bidirectional else 1)
        return NetworkSpec(
            input=self.input,
            input_size=input_size,
            embedding_size=self.embedding_size if embedded else 0,
            layers=tuple(layers),
            pool=self.pool,
            outputs=outputs,
            channels=channels,
            share=0.0 if guide is None else self.guide_share,
            # A guide that was wished for and not learned leaves its part to the wide term.
            wide=self.input == "bag" and (self.wide or (guide is None and self.guide != "none")),
        )


@cache
def _words() -> dict[str, tuple[str, ...]]:
    """The words that may stand for each choice that is one of several words."""
    hints = get_type_hints(Options)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}
