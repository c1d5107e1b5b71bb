"""Everything a user may vary about a classifier, in one flat place, and the recipes that fill it in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from timesteps.errors import UsageError
from timesteps.runtime.spec import BagSpec, CellName, LayerSpec, NetworkSpec, PoolName, TextSpec, TokenizerName

InputName = Literal["bag", "ids", "one_hot", "numeric"]


@dataclass(frozen=True)
class Options:
    """One complete set of choices. See `timesteps train classify --help` for what each means to a user."""

    # how a text becomes steps
    input: InputName = "bag"
    tokenizer: TokenizerName = "word"
    lowercase: bool = True
    squeeze: int = 2
    num_words: int | None = None
    max_length: int | None = 400
    padding: Literal["pre", "post"] = "pre"
    mask: bool = True
    truncating: Literal["pre", "post", "middle"] = "middle"
    head_length: int = 128
    syllable: tuple[int, int] | None = (1, 4)
    jamo: tuple[int, int] | None = (4, 6)
    phrase: int = 1
    min_count: int = 4
    # the network
    embedding_size: int = 64
    cell: CellName = "lstm"
    hidden_size: int = 64
    num_layers: int = 1
    bidirectional: bool = True
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    reset_after: bool = True
    initial_state: Literal["zero", "learned"] = "zero"
    pool: PoolName = "mean+max"
    wide: bool = True
    # regularisation
    input_dropout: float = 0.2
    dropout: float = 0.3
    recurrent_dropout: float = 0.0
    feature_dropout: float = 0.5
    word_dropout: float = 0.0
    label_smoothing: float = 0.0
    consistency: float = 3.0
    # training
    epochs: int = 3
    batch_size: int = 128
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adamw"
    learning_rate: float = 2e-3
    table_learning_rate: float | None = 15e-3
    wide_learning_rate: float | None = 0.07
    weight_decay: float = 0.01
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    warmup: float = 0.1
    clip_norm: float = 1.0
    ema: float = 0.0
    patience: int | None = None
    members: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_words", "max_length", "embedding_size", "hidden_size", "num_layers", "members", "min_count"):
            value = getattr(self, name)
            lowest = 0 if name == "embedding_size" and self.input in ("one_hot", "numeric") else 1
            if value is not None and value < lowest:
                raise UsageError(
                    f"--{name.replace('_', '-')} is {value}", mend=f"give a whole number of at least {lowest}"
                )
        if self.num_words is not None and self.input in ("ids", "one_hot") and self.num_words < 4:
            raise UsageError(
                f"--num-words is {self.num_words}, but ids 0, 1 and 2 are reserved", mend="give at least 4"
            )
        if self.truncating == "middle" and self.max_length is not None and self.head_length > self.max_length:
            raise UsageError(
                f"--head-length {self.head_length} is more than --max-length {self.max_length}",
                mend="make it smaller or choose --truncating pre",
            )
        if not self.mask and (self.input == "bag" or self.max_length is None):
            raise UsageError(
                "--no-mask feeds the padding to the network, which needs token ids and a fixed length",
                mend="add --recipe textbook, or --input ids with --max-length",
            )

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of all choices, in order."""
        return tuple(field.name for field in fields(cls))

    def but(self, **changes: Any) -> Options:
        """The same, with every choice that is not None changed."""
        unknown = set(changes) - set(self.names())
        if unknown:
            raise UsageError(f"unknown option {sorted(unknown)[0]!r}", mend=f"known: {', '.join(self.names())}")
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def text_spec(self) -> TextSpec:
        """How a text becomes steps."""
        bag = None
        if self.input == "bag":
            bag = BagSpec(syllable=self.syllable, jamo=self.jamo, phrase=self.phrase, min_count=self.min_count)
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

    def network_spec(self, input_size: int, classes: int) -> NetworkSpec:
        """The network for inputs of this size and this many classes."""
        embedded = self.input in ("bag", "ids")
        size = self.embedding_size if embedded else input_size
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
                )
            )
            size = self.hidden_size * (2 if self.bidirectional else 1)
        return NetworkSpec(
            input=self.input,
            input_size=input_size,
            embedding_size=self.embedding_size if embedded else 0,
            layers=tuple(layers),
            pool=self.pool,
            outputs=1 if classes == 2 else classes,
            wide=self.wide and self.input == "bag",
        )


#: The textbook's own model: the 500 most frequent words, the last 100 of them, Embedding(500, 16), LSTM(8), Dense(1).
TEXTBOOK = Options(
    input="ids",
    squeeze=0,
    num_words=500,
    max_length=100,
    truncating="pre",
    head_length=0,
    mask=False,
    embedding_size=16,
    hidden_size=8,
    bidirectional=False,
    pool="last",
    wide=False,
    input_dropout=0.0,
    dropout=0.0,
    feature_dropout=0.0,
    epochs=30,
    batch_size=64,
    optimizer="rmsprop",
    learning_rate=1e-3,
    table_learning_rate=None,
    wide_learning_rate=None,
    consistency=0.0,
    weight_decay=0.0,
    schedule="constant",
    warmup=0.0,
    patience=3,
)

#: Recurrent network on word ids, without n-grams: what `--input ids`, `--one-hot` or lists of ids start from.
IDS = Options(
    input="ids",
    num_words=30_000,
    truncating="middle",
    embedding_size=64,
    wide=False,
    feature_dropout=0.0,
    input_dropout=0.3,
    dropout=0.5,
    epochs=4,
    batch_size=64,
    table_learning_rate=None,
    wide_learning_rate=None,
    consistency=0.0,
    patience=2,
)

#: Numeric sequences: sensors, series, flat feature vectors.
NUMERIC = Options(
    input="numeric",
    max_length=None,
    truncating="pre",
    head_length=0,
    embedding_size=0,
    hidden_size=32,
    wide=False,
    input_dropout=0.0,
    dropout=0.0,
    feature_dropout=0.0,
    epochs=60,
    batch_size=32,
    optimizer="adam",
    learning_rate=1e-2,
    table_learning_rate=None,
    wide_learning_rate=None,
    consistency=0.0,
    weight_decay=0.0,
)

#: Texts, when there are few: rarer n-grams, more and smaller steps, and five networks that answer together, for on few
#: rows one network depends too much on its seed.
SMALL = Options(min_count=2, epochs=4, batch_size=32, wide_learning_rate=0.14, members=5)
SMALL_ROWS = 20_000  # training rows below which a text classifier starts from SMALL

RECIPES: dict[str, Options] = {
    "default": Options(),
    "small": SMALL,
    "textbook": TEXTBOOK,
    "ids": IDS,
    "numeric": NUMERIC,
}


def choose(
    recipe: str | None, kind: Literal["text", "ids", "numeric"], changes: dict[str, Any], rows: int | None = None
) -> Options:
    """The options of a recipe with the user's changes; without a recipe, the one that fits the input.

    `rows` is the number of training rows, None while it is not known.
    """
    if recipe is not None and recipe not in RECIPES:
        raise UsageError(f"there is no recipe {recipe!r}", mend=f"choose one of {', '.join(RECIPES)}")
    if recipe is None:
        wished = changes.get("input")
        recipe = (
            "numeric" if kind == "numeric" else "ids" if kind == "ids" or wished in ("ids", "one_hot") else "default"
        )
        if kind == "text" and changes.get("tokenizer") not in (None, "word", "syllable"):
            recipe = "ids"  # bags are made of the characters of words; other units are plain ids
        if recipe == "default" and rows is not None and rows < SMALL_ROWS:
            recipe = "small"
    options = RECIPES[recipe]
    longest = changes.get("max_length")
    if longest is not None and changes.get("head_length") is None and options.truncating == "middle":
        # Keep the recipe's share of beginning and end, about a third and two thirds.
        changes = {**changes, "head_length": min(options.head_length, longest // 3)}
    return options.but(**changes)
