"""`train tag`, `predict` and `evaluate` on files of tagged sentences."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Answer

from timesteps.data.conll import read_tagged
from timesteps.errors import DataError

Command = Callable[..., Answer]
SMALL = ["--hidden-size", "8", "--embedding-size", "8", "--epochs", "30", "--learning-rate", "0.02"]


def tagged(count: int) -> str:
    """Nouns, and a word that is a verb behind a noun."""
    nouns, verbs = ["dog", "cat", "bird", "fish"], ["runs", "fish", "sings"]
    return "\n".join(f"the\tD\n{nouns[n % 4]}\tN\n{verbs[n % 3]}\tV\nrow{n}\tX\n" for n in range(count))


def test_train_predict_evaluate(tmp_path: Path, timesteps: Command) -> None:
    (tmp_path / "train.tsv").write_text(tagged(60))
    out = tmp_path / "run"
    answer = timesteps("train", "tag", tmp_path / "train.tsv", "--out", out, *SMALL)
    assert answer.code == 0, answer.err
    assert "baseline" in answer.out
    assert "54 sentences to train on, 6 to judge" in answer.err
    assert len((out / "log.jsonl").read_text().splitlines()) == 30
    (tmp_path / "new.txt").write_text("the\nbird\nfish\n\nthe\tignored\n")
    answer = timesteps("predict", out, tmp_path / "new.txt")
    assert answer.out == "the\tD\nbird\tN\nfish\tV\n\nthe\tD\n\n"
    answer = timesteps("predict", out, tmp_path / "new.txt", "--json")
    assert json.loads(answer.out.splitlines()[0]) == {"tokens": ["the", "bird", "fish"], "tags": ["D", "N", "V"]}
    answer = timesteps("evaluate", out, tmp_path / "train.tsv", "--json")
    found = json.loads(answer.out)
    assert found["tokens"]["accuracy"] == 1.0
    assert found["sequences"] == 60
    answer = timesteps("evaluate", out, tmp_path / "train.tsv")
    assert "accuracy   100.00 % of 240 tokens" in answer.out


def test_the_other_file_is_judged(tmp_path: Path, timesteps: Command) -> None:
    (tmp_path / "train.tsv").write_text(tagged(20))
    (tmp_path / "valid.tsv").write_text("the\tD\nZ\tZ\n")
    words = ["train", "tag", tmp_path / "train.tsv", "--valid", tmp_path / "valid.tsv", "--out", tmp_path / "run"]
    answer = timesteps(*words, *SMALL)
    assert answer.code == 3
    assert "valid.tsv:1: the tag 'Z' is not in training" in answer.err
    (tmp_path / "valid.tsv").write_text("the\tD\ncat\tN\n")
    answer = timesteps(*words, "--json", "--input", "ids", *SMALL)
    assert json.loads(answer.out)["tokens"]["n"] == 2
    answer = timesteps(*words, "--validation-split", "0.5")
    assert answer.code == 2
    assert "--valid and --validation-split were both given" in answer.err


def test_reading(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_text("-DOCSTART- -X- O O\n\n# a comment\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\n#\tO\n")
    found = read_tagged(path)
    assert (found.tokens, found.tags) == ([["EU", "rejects"], ["#"]], [["B-ORG", "O"], ["O"]])
    assert found.lines == [4, 8]
    path.write_text("the\tD\ndog\n")
    with pytest.raises(DataError, match=r"it:2: the token 'dog' has no tag"):
        read_tagged(path)
    path.write_text("\n\n")
    with pytest.raises(DataError, match="no sentence"):
        read_tagged(path)
