"""From a text to a run folder, in Python and by the command."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from timesteps.cli.app import app
from timesteps.errors import DataError, UsageError
from timesteps.runtime.language.recurrent import RecurrentModel
from timesteps.tasks.language.choices import RECIPES, ModelChoices, choose
from timesteps.tasks.language.corpus import encode, prepare
from timesteps.tasks.language.estimator import LanguageModel
from timesteps.tasks.language.evaluation import evaluate_running

SMALL: dict[str, Any] = {
    "embedding_size": 12, "hidden_size": 12, "batch_size": 2, "bptt": 6, "epochs": 12, "threads": 1,
    "learning_rate": 5.0, "hold": 12,
}  # fmt: skip
TEXT = ["the cat sat", "the dog ran", "", "a cat ran"] * 40


def test_a_text_is_cut_numbered_and_held_out_by_lines() -> None:
    prepared = prepare(enumerate(TEXT), ModelChoices(), 0.25)
    words = prepared.vocabulary.words
    read = [words[token] for token in np.concatenate([prepared.train, prepared.valid])]
    assert " ".join(read) == " ".join(f"{line} </s>" for line in TEXT if line)
    assert words[prepared.train[-1]] == "</s>"
    assert len(prepared.valid) == pytest.approx(0.25 * len(read), abs=4)
    lines = " ".join(words[token] for token in prepared.valid).split(" </s>")[:-1]
    assert prepared.characters == sum(len(line.strip()) + 1 for line in lines)
    counts = dict(zip(words, prepared.vocabulary.counts.tolist(), strict=True))
    assert counts["</s>"] == int((prepared.train == prepared.vocabulary.end).sum())


def test_words_of_the_held_out_text_are_not_in_the_vocabulary() -> None:
    prepared = prepare(enumerate([*TEXT, "zebra zebra"]), ModelChoices(), 0.02)
    assert "zebra" not in prepared.vocabulary
    assert prepared.unknown == 2
    other = prepare(enumerate(TEXT), ModelChoices(), enumerate(["the zebra ran"]))
    assert other.unknown == 1
    assert other.characters == len("the zebra ran\n")


def test_running_text_keeps_the_ends_of_its_lines() -> None:
    prepared = prepare(enumerate(["ab", "", "ba"] * 5), ModelChoices(units="char"), 0.0)
    assert prepared.valid is None
    assert prepared.vocabulary.text(prepared.train.tolist()) == "ab\n\nba\n" * 5
    tokens, characters = encode(prepared.vocabulary, [(1, "ab")])
    assert (tokens.tolist(), characters) == (prepared.train[:3].tolist(), 3)


@pytest.mark.parametrize("text", [[], ["word"], ["", "  "], ["a a a", "a"]])
def test_texts_without_anything_to_predict_are_refused(text: list[str]) -> None:
    with pytest.raises(DataError, match=r"too few for a language model|no words"):
        prepare(enumerate(text), ModelChoices(), 0.0)


def test_a_model_learns_and_its_evaluation_is_its_log_probs() -> None:
    model = LanguageModel("small", **SMALL).fit(TEXT, 0.1)
    assert model.history.rows[-1]["val_loss"] < 1.0
    found = model.evaluate(["the cat sat", "a horse ran"])
    tokens = [*model.tokens("the cat sat"), model.end, *model.tokens("a horse ran"), model.end]
    log_probs, _ = model.log_probs(model.start(), tokens)
    assert found.perplexity == pytest.approx(math.exp(-log_probs.mean()))
    assert (found.tokens, found.unknown, found.characters) == (8, 1, 24)
    known = np.delete(log_probs, 5)
    assert found.perplexity_known == pytest.approx(math.exp(-known.mean()))
    assert found.bits_per_character == pytest.approx(-log_probs.sum() / math.log(2) / 24)


@pytest.mark.parametrize("units", ["char", "jamo", "syllable", "byte", "subword"])
def test_every_kind_of_unit_trains_and_is_kept(units: str, tmp_path: Path) -> None:
    texts = ["나는 버스를 탔다", "너는 기차를 탔다", "the bus, too"] * 20
    choices = SMALL | {"epochs": 1, "vocabulary": 60 if units == "subword" else None}
    model = LanguageModel("small", units=units, **choices).fit(texts)
    model.save(tmp_path / "model.safetensors")
    again = LanguageModel.load(tmp_path)
    tokens = model.tokens("나는 버스를 탔다")
    assert again.tokens("나는 버스를 탔다") == tokens
    assert again.text(tokens) == "나는 버스를 탔다"
    assert np.array_equal(again.log_probs(again.start(), tokens)[0], model.log_probs(model.start(), tokens)[0])


def test_a_model_that_is_not_fitted_says_so() -> None:
    with pytest.raises(UsageError, match="not fitted"):
        _ = LanguageModel("small").weights


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_are_sound(recipe: str) -> None:
    choices = choose(recipe)
    assert choices.recipe == recipe
    assert choose(recipe, epochs=2).settings.epochs == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"recipe": "huge"}, "choose one of small"),
        ({"cell": "mingru"}, "rnn, lstm, gru"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"speed": 3}, "no option speed"),
    ],
)
def test_choices_out_of_range_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose(given.pop("recipe", "small"), **given)


def command(*words: str) -> Any:
    return CliRunner().invoke(app, ["train", "language", *words])


def flags() -> list[str]:
    return [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def test_the_command_leaves_a_folder_that_opens(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXT), "utf-8")
    out = tmp_path / "run"
    result = command(str(tmp_path / "text.txt"), *flags(), "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    model = RecurrentModel.load(out)
    prepared = prepare(enumerate(TEXT), ModelChoices(), 0.05)
    assert prepared.valid is not None
    wanted = evaluate_running(model, prepared.valid, prepared.characters)
    assert figures["valid"]["perplexity"] == pytest.approx(wanted.perplexity)
    assert "validation perplexity" in (out / "card.md").read_text("utf-8")
    assert len((out / "log.jsonl").read_text("utf-8").splitlines()) == 12
    again = command(str(tmp_path / "text.txt"), "--resume", "--out", str(out))
    assert isinstance(again.exception, UsageError)
    assert "finished" in str(again.exception)


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXT), "utf-8")
    whole, part = tmp_path / "whole", tmp_path / "part"
    for out in (whole, part):
        assert command(str(tmp_path / "text.txt"), *flags(), "--out", str(out)).exit_code == 0
    (part / "card.md").unlink()
    (part / "model.safetensors").unlink()
    assert command("--resume", "--out", str(part)).exit_code == 0
    assert (part / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
