"""Complete sets of choices for a classifier: what each is good for, and which one fits the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from timesteps.errors import UsageError, option
from timesteps.tasks.baselines_text import analyzer
from timesteps.tasks.classify.options import Options

#: The textbook's own model: the 500 most frequent words, the last 100 of them, Embedding(500, 16), LSTM(8), Dense(1).
TEXTBOOK = Options(
    num_words=500,
    max_length=100,
    mask=False,
    embedding_size=16,
    hidden_size=8,
    epochs=30,
    optimizer="rmsprop",
    patience=3,
)

#: What the library's own recipes share: read both ways, look at all steps, warm up and then slow down.
_OURS = Options(squeeze=2, bidirectional=True, pool="mean+max", schedule="linear", warmup=0.1)

#: Texts whose words carry endings or are not set apart by spaces, as in Korean: a bag of n-grams every two syllables,
#: guided by n-grams of characters, kept from overfitting by dropout and agreement (R-Drop).
DEFAULT = _OURS.but(
    input="bag",
    max_length=400,
    truncating="middle",
    head_length=128,
    piece=2,
    guide_share=0.2,
    input_dropout=0.2,
    dropout=0.3,
    feature_dropout=0.5,
    consistency=3.0,
    guide="auto",
    epochs=3,
    batch_size=128,
    optimizer="adamw",
    learning_rate=2e-3,
    table_learning_rate=15e-3,
    wide_learning_rate=0.07,
    weight_decay=0.01,
)

#: Texts, when there are few: rarer n-grams, a linear model of them inside the network, more and smaller steps, stronger
#: agreement, and three networks that answer together, for on few rows one network depends too much on its seed.
SMALL = DEFAULT.but(
    min_count=2,
    guide_share=0.5,
    wide=True,
    wide_learning_rate=0.14,
    consistency=6.0,
    epochs=6,
    batch_size=32,
    members=3,
)

#: Recurrent network on word ids, without n-grams: what `--input ids`, `--one-hot` or lists of ids start from.
IDS = _OURS.but(
    num_words=30_000,
    max_length=400,
    truncating="middle",
    head_length=128,
    input_dropout=0.3,
    dropout=0.5,
    epochs=4,
    optimizer="adamw",
    learning_rate=2e-3,
    weight_decay=0.01,
    patience=2,
)

#: Texts whose words come back as they are, as in English: word vectors pretrained on the texts, guided by n-grams of
#: words.
WORDS = IDS.but(
    embedding_size=128,
    guide="auto",
    pretrain=5,
    word_dropout=0.1,
    epochs=2,
    schedule="cosine",
    warmup=0.15,
    ema=0.995,
    patience="none",
)

#: Numeric sequences: sensors, series, flat feature vectors.
NUMERIC = _OURS.but(
    input="numeric",
    embedding_size=0,
    hidden_size=32,
    epochs=60,
    batch_size=32,
    learning_rate=1e-2,
)

SMALL_TEXTS = 20_000  # training texts below which a text classifier starts from SMALL
PRETRAIN = 5  # epochs of pretraining where unlabelled texts were given and the recipe has none

_OF_BAGS = ("syllable", "jamo", "phrase", "min_count", "wide", "feature_dropout", "wide_learning_rate")

RECIPES: dict[str, Options] = {
    "default": DEFAULT,
    "small": SMALL,
    "textbook": TEXTBOOK,
    "words": WORDS,
    "ids": IDS,
    "numeric": NUMERIC,
}


def choose(
    recipe: str | None,
    kind: Literal["text", "ids", "numeric"],
    changes: dict[str, Any],
    texts: Sequence[str] | None = None,
    *,
    vectors: bool = False,
    unlabeled: bool = False,
) -> Options:
    """The options of a recipe with the user's changes; without a recipe, the one that fits the input.

    `texts` are the training texts, None while they are not known; `vectors` says whether the user gave pretrained ones,
    `unlabeled` whether there are rows without labels to pretrain them on.
    """
    if recipe is not None and recipe not in RECIPES:
        raise UsageError(f"there is no recipe {recipe!r}", mend=f"choose one of {', '.join(RECIPES)}")
    options = RECIPES[recipe or _fitting(kind, changes, texts, unlabeled)]
    if changes.get("phrase") not in (None, 1) and changes.get("piece") is None:
        changes = {**changes, "piece": "none"}  # phrases are of whole words
    if changes.get("guide") == "none" and options.guide != "none" and changes.get("wide") is None:
        changes = {**changes, "wide": options.input == "bag"}  # one linear model of n-grams there should be
    if changes.get("tokenizer") == "byte" and changes.get("num_words") is None:
        changes = {**changes, "num_words": "none"}  # there are 256 of them, whatever the recipe says
    longest = changes.get("max_length")
    if isinstance(longest, int) and changes.get("head_length") is None and options.truncating == "middle":
        # Keep the recipe's share of beginning and end, about a third and two thirds.
        changes = {**changes, "head_length": min(options.head_length, longest // 3)}
    options = options.but(**changes)
    if vectors:
        if unlabeled or changes.get("pretrain"):
            other = option("unlabeled" if unlabeled else "pretrain")
            raise UsageError(f"{option('vectors')} and {other} were both given", mend="choose one")
        return options.but(pretrain=0)
    return _with_unlabeled(options, changes.get("pretrain")) if unlabeled else options


def _fitting(
    kind: Literal["text", "ids", "numeric"], changes: dict[str, Any], texts: Sequence[str] | None, unlabeled: bool
) -> str:
    """The name of the recipe that fits the input."""
    if kind != "text":
        return kind
    if changes.get("input") in ("ids", "one_hot"):
        return "ids"
    if changes.get("tokenizer") not in (None, "word", "syllable"):
        return "ids"  # bags are made of the characters of words; other units are plain ids
    if changes.get("input") == "bag" or any(changes.get(name) is not None for name in _OF_BAGS):
        return "small" if texts is not None and len(texts) < SMALL_TEXTS else "default"
    if unlabeled or changes.get("pretrain"):
        return "words"
    if texts is None:
        return "default"
    if len(texts) < SMALL_TEXTS:
        return "small"
    return "default" if analyzer(texts) == "char" else "words"


def _with_unlabeled(options: Options, wished: int | None) -> Options:
    """The options where vectors are pretrained on unlabelled rows, too."""
    if options.input != "ids":
        raise UsageError(
            f"{option('unlabeled')} is for the vectors of words, which the input {options.input!r} does not have",
            mend=f"add {option('input', 'ids')}, or leave it away",
        )
    if wished == 0:
        raise UsageError(
            f"{option('unlabeled')} needs pretraining", mend=f"leave it away, or give {option('pretrain', 5)}"
        )
    return options if options.pretrain else options.but(pretrain=PRETRAIN)
