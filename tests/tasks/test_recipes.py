"""Recipes, changes to them, and what is refused."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from timesteps.errors import UsageError
from timesteps.runtime.spec import GuideSpec
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.recipes import RECIPES, SMALL_TEXTS, choose
from timesteps.tasks.classify.request import flag_words

#: What can be off, and its value when it is.
OFF = {
    "piece": None, "guide": "none", "unguided": 0, "pretrain": 0,
    "squeeze": 0, "num_words": None, "max_length": None, "bidirectional": False, "pool": "last", "wide": False,
    "input_dropout": 0.0, "dropout": 0.0, "recurrent_dropout": 0.0, "feature_dropout": 0.0, "word_dropout": 0.0,
    "layer_norm": False, "peephole": False, "zoneout": 0.0, "zoneout_cell": 0.0, "weight_drop": 0.0,
    "label_smoothing": 0.0, "consistency": 0.0, "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0, "ema": 0.0,
    "patience": None, "table_learning_rate": None, "wide_learning_rate": None, "members": 1,
}  # fmt: skip


def special(recipe: str) -> dict[str, Any]:
    """Where a recipe differs from the plain options."""
    plain, chosen = Options().as_dict(), RECIPES[recipe].as_dict()
    return {name: value for name, value in chosen.items() if value != plain[name]}


def test_the_defaults_are_plain() -> None:
    assert {name: getattr(Options(), name) for name in OFF} == OFF


def test_recipes() -> None:
    """The values that the measured results were reached with."""
    assert special("textbook") == {
        "num_words": 500, "max_length": 100, "mask": False, "embedding_size": 16, "hidden_size": 8, "epochs": 30,
        "optimizer": "rmsprop", "patience": 3,
    }  # fmt: skip
    assert special("numeric").items() >= {
        "input": "numeric", "embedding_size": 0, "hidden_size": 32, "bidirectional": True, "pool": "mean+max",
        "epochs": 60, "batch_size": 32, "learning_rate": 1e-2, "schedule": "linear", "warmup": 0.1,
    }.items()  # fmt: skip
    assert RECIPES["numeric"].feature_dropout == RECIPES["numeric"].dropout == RECIPES["numeric"].consistency == 0
    assert special("default").items() >= {
        "input": "bag", "squeeze": 2, "max_length": 400, "truncating": "middle", "head_length": 128,
        "piece": 2, "guide": "auto",
        "bidirectional": True, "feature_dropout": 0.5, "consistency": 3.0, "table_learning_rate": 15e-3,
    }.items()  # fmt: skip
    assert special("ids").items() >= {"num_words": 30_000, "dropout": 0.5, "patience": 2, "weight_decay": 0.01}.items()
    assert "wide" not in special("ids") and "consistency" not in special("ids")
    differ = {name for name in special("small") if special("small")[name] != special("default").get(name)}
    assert differ >= {"min_count", "epochs", "batch_size", "wide", "members"}


@pytest.mark.parametrize(
    ("kind", "changes", "texts", "recipe"),
    [
        ("text", {}, None, "default"),
        ("text", {}, ["좋다"] * SMALL_TEXTS, "default"),
        ("text", {}, ["good"] * SMALL_TEXTS, "words"),
        ("text", {"jamo": "none"}, ["good"] * SMALL_TEXTS, "default"),
        ("text", {}, ["good"] * (SMALL_TEXTS - 1), "small"),
        ("text", {"input": "ids"}, ["good"], "ids"),
        ("text", {"tokenizer": "char"}, ["good"], "ids"),
        ("text", {"pretrain": 2}, None, "words"),
        ("text", {"pretrain": 2}, ["좋다"], "words"),
        ("text", {"pretrain": 0}, ["좋다"], "small"),
        ("ids", {}, None, "ids"),
        ("numeric", {}, None, "numeric"),
    ],
)
def test_the_recipe_that_fits(kind: Any, changes: dict[str, Any], texts: list[str] | None, recipe: str) -> None:
    assert choose(None, kind, changes, texts) == RECIPES[recipe].but(**changes)


def test_unlabelled_texts_call_for_word_vectors() -> None:
    assert choose(None, "text", {}, ["좋다"], unlabeled=True) == RECIPES["words"]


def test_changes() -> None:
    assert RECIPES["ids"].but(max_length=None).max_length == 400  # None leaves a choice as it is
    names = ("num_words", "syllable", "jamo", "wide_learning_rate", "table_learning_rate", "clip_norm", "patience")
    off = RECIPES["ids"].but(**dict.fromkeys(names, "none"))
    assert [getattr(off, name) for name in names] == [None] * len(names)
    assert Options().but(jamo=[2, 3]).jamo == (2, 3)
    assert choose(None, "text", {"max_length": 90}, ["x"]).head_length == 30
    assert choose(None, "text", {"max_length": "none"}, ["x"]).max_length is None
    assert choose(None, "text", {"tokenizer": "byte"}, ["x"]).num_words is None  # a recipe's number is for words
    with pytest.raises(UsageError, match="phrase is '2'"):
        choose(None, "text", {"phrase": "2"}, ["x"])
    with pytest.raises(UsageError, match="unknown option 'size'"):
        Options().but(size=3)
    with pytest.raises(UsageError, match="cell is 'none'"):  # what cannot be absent
        Options().but(cell="none")


@pytest.mark.parametrize(
    ("changes", "python", "flags"),
    [
        ({"hidden_size": 0}, "hidden_size is 0;", "--hidden-size is 0;"),
        ({"hidden_size": "8"}, "hidden_size is '8';", "--hidden-size is '8';"),
        ({"hidden_size": True}, "hidden_size is True;", "--hidden-size is True;"),
        ({"phrase": 0}, "phrase is 0;", "--phrase is 0;"),
        ({"squeeze": -1}, "squeeze is -1;", "--squeeze is -1;"),
        ({"dropout": 1.0}, "dropout is 1.0;", "--dropout is 1.0;"),
        ({"word_dropout": "x"}, "word_dropout is 'x';", "--word-dropout is 'x';"),
        ({"cell": "gated"}, "cell is 'gated'; choose one of rnn,", "--cell is 'gated'; choose one of rnn,"),
        ({"pool": None}, "pool is None;", "--pool is None;"),
        ({"jamo": (3, 2)}, "jamo is (3, 2);", "--jamo is (3, 2);"),
        ({"syllable": (0, 2)}, "syllable is (0, 2);", "--syllable is (0, 2);"),
        ({"syllable": 3}, "syllable is 3;", "--syllable is 3;"),
        ({"num_words": 3}, "num_words is 3, but ids 0,", "--num-words is 3, but ids 0,"),
        (
            {"truncating": "middle", "max_length": 8, "head_length": 9},
            "head_length is 9, max_length only 8; make it smaller or choose truncating='pre'",
            "--head-length is 9, --max-length only 8; make it smaller or choose --truncating pre",
        ),
        (
            {"mask": False},
            "mask=False feeds",
            "--no-mask feeds",
        ),
    ],
)
def test_bad_values_are_named_in_the_language_of_who_gave_them(
    changes: dict[str, Any], python: str, flags: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Options(**changes)
    assert str(caught.value).startswith(python)
    assert caught.value.spelled(lambda *option: " ".join(flag_words(*option))).startswith(flags)


def test_the_command_line_spells_every_choice() -> None:
    for field in fields(Options):
        assert flag_words(field.name)[0] == f"--{field.name.replace('_', '-')}"
    assert flag_words("bidirectional", False) == ["--forward-only"]
    assert flag_words("wide", False) == ["--no-wide"]
    assert flag_words("wide", True) == ["--wide"]
    assert flag_words("input", "one_hot") == ["--one-hot"]
    assert flag_words("syllable", (1, 4)) == flag_words("syllable", [1, 4]) == ["--syllable", "1-4"]
    assert flag_words("dropout", 0.0) == ["--dropout", "0.0"]


def test_without_a_guide_bags_have_a_wide_term() -> None:
    assert not choose("default", "text", {}).wide
    unguided = choose("default", "text", {"guide": "none"})
    assert unguided.wide and unguided.network_spec(9, 2).wide
    assert not choose("default", "text", {"guide": "none", "wide": False}).wide
    assert not choose("words", "text", {"guide": "none"}).wide
    assert choose("default", "text", {}).network_spec(9, 30).wide  # too many classes for a guide
    assert not choose("default", "text", {}).network_spec(9, 2, GuideSpec()).wide
