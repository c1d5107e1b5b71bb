"""`--pretrain` and `--unlabeled`: further texts, from any place that data come from, and nothing lost by a stop."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from commands import SMALL, Answer, reviews

from timesteps import load
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.run import run
from timesteps.training.progress import SilentProgress

Command = Callable[..., Answer]

FURTHER = ["a splendid film", "a dreadful film", "", "a splendid plot"]


def trained(timesteps: Command, data: Path, folder: Path, *words: object) -> tuple[Answer, tuple[str, ...]]:
    """What was said, and the words that the model knows."""
    answer = timesteps("train", "classify", data, "--out", folder, "--epochs", "1", *SMALL, *words)
    assert answer.code == 0, answer.err
    text = load(folder).spec.text
    assert text is not None
    return answer, text.words


def folder_of_texts(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, text in enumerate(FURTHER):
        (folder / f"{number}_0.txt").write_text(text)
    return folder


def test_a_file_of_lines(timesteps: Command, data: Path, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("\n".join(FURTHER) + "\n")
    answer, words = trained(timesteps, data, tmp_path / "run", "--unlabeled", tmp_path / "more.txt")
    assert {"splendid", "dreadful", "good"} <= set(words)
    assert "more.txt: 4 rows read, 3 used without labels, 1 left out: empty text\n" in answer.err
    assert "pretraining word vectors on 163 texts" in answer.err
    assert "5 epochs" in answer.err
    assert "; word vectors also on the texts of " in (tmp_path / "run" / "card.md").read_text()
    assert "--unlabeled more.txt" in (tmp_path / "run" / "report.html").read_text()


def test_a_table_whose_labels_are_not_read(timesteps: Command, data: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("label,text\n7,a splendid film\n,a dreadful one\n")
    answer, words = trained(timesteps, data, tmp_path / "run", "--unlabeled", tmp_path / "more.csv", "--pretrain", "2")
    assert {"splendid", "dreadful"} <= set(words)
    assert "2 rows read, 2 used" in answer.err
    assert "2 epochs" in answer.err


def test_a_folder_of_texts(timesteps: Command, data: Path, tmp_path: Path) -> None:
    more = folder_of_texts(tmp_path / "unsup")
    assert "dreadful" in trained(timesteps, data, tmp_path / "run", "--unlabeled", more)[1]


def test_the_unlabelled_part_of_a_known_data_set(
    timesteps: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of_texts(tmp_path / "sets" / "imdb" / "aclImdb" / "train" / "unsup")
    monkeypatch.setenv("TIMESTEPS_DATA", str(tmp_path / "sets"))
    assert "dreadful" in trained(timesteps, data, tmp_path / "run", "--unlabeled", "imdb")[1]
    answer = timesteps("train", "classify", data, "--out", tmp_path / "no", *SMALL, "--unlabeled", "sample")
    assert (answer.code, answer.err.splitlines()[-1]) == (2, "timesteps: sample has no part 'unsup'; it has train")


def test_a_known_data_set_is_fetched_before_the_work(
    timesteps: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str | None] = []
    monkeypatch.setattr("timesteps.cli.train.fetch", fetched.append)
    timesteps("train", "classify", data, "--out", tmp_path / "run", *SMALL, "--unlabeled", tmp_path / "none")
    assert str(tmp_path / "none") in fetched


def test_validation_texts_teach_no_vectors(timesteps: Command, data: Path, tmp_path: Path) -> None:
    (tmp_path / "valid.csv").write_text("text,label\nunheard of,pos\na bad film,neg\n")
    (tmp_path / "more.txt").write_text("Unheard of\na splendid film\n")
    words = ["--valid", tmp_path / "valid.csv", "--unlabeled", tmp_path / "more.txt"]
    answer, known = trained(timesteps, data, tmp_path / "run", *words)
    assert "splendid" in known
    assert "unheard" not in known
    assert "2 rows read, 1 used without labels, 1 left out: also a validation text" in answer.err


def test_pretraining_without_further_texts(timesteps: Command, data: Path, tmp_path: Path) -> None:
    answer, _ = trained(timesteps, data, tmp_path / "run", "--pretrain", "3")
    assert "pretraining word vectors on 160 texts" in answer.err


def test_dry_run_counts_it_and_does_not_do_it(timesteps: Command, data: Path, tmp_path: Path) -> None:
    words = ["train", "classify", data, *SMALL, "--epochs", "1", "--dry-run", "--json", "--pretrain"]
    short, long = (timesteps(*words, epochs) for epochs in ("1", "1000000"))
    assert long.code == 0, long.err
    assert "pretraining" not in long.err
    seconds = [json.loads(answer.out)["estimate"]["seconds"] for answer in (short, long)]
    assert seconds[1] > 10 * seconds[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--input", "bag", "--unlabeled", "DATA"],
            "--unlabeled is for the vectors of words, which the input 'bag' does not have",
        ),
        (["--one-hot", "--unlabeled", "DATA"], "which the input 'one_hot' does not have; add --input ids, or leave"),
        (
            ["--input", "bag", "--pretrain", "2"],
            "--pretrain is 2, but the input 'bag' has no vectors of words; add --input ids",
        ),
        (["--input", "ids", "--pretrain", "-2"], "--pretrain is -2"),
        (["--recipe", "words", "--one-hot"], "add --input ids, or --pretrain 0"),
        (["--input", "ids", "--pretrain", "0", "--unlabeled", "DATA"], "leave it away, or give --pretrain 5"),
        (["--input", "ids", "--vectors", "DATA", "--unlabeled", "DATA"], "--vectors and --unlabeled were both given"),
        (["--input", "ids", "--vectors", "DATA", "--pretrain", "2"], "--vectors and --pretrain were both given"),
    ],
)
def test_what_cannot_be(timesteps: Command, data: Path, tmp_path: Path, words: list[str], said: str) -> None:
    given = [data if word == "DATA" else word for word in words]
    answer = timesteps("train", "classify", data, "--out", tmp_path / "run", *given)
    assert answer.code == 2
    assert said in answer.err


def test_missing_texts(timesteps: Command, data: Path, tmp_path: Path) -> None:
    answer = timesteps("train", "classify", data, "--out", tmp_path / "run", *SMALL, "--unlabeled", tmp_path / "none")
    assert answer.code == 3
    assert "no such file or folder" in answer.err


class Stop(SilentProgress):
    """Ctrl-C when the first member's first epoch is over."""

    def epoch_end(self, record: Mapping[str, float]) -> None:
        """Press it."""
        raise KeyboardInterrupt


def test_a_stopped_run_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    """The second member begins after the stop, and from the same vectors."""
    (tmp_path / "reviews.csv").write_text(reviews(60))
    (tmp_path / "more.txt").write_text("\n".join(FURTHER))
    sizes = {"embedding_size": 8, "hidden_size": 4, "epochs": 2, "members": 2}
    request = Request(
        data=str(tmp_path / "reviews.csv"),
        unlabeled=str(tmp_path / "more.txt"),
        baselines=False,
        choices={"input": "ids", "pretrain": 4, **sizes},
    )
    said: list[str] = []
    run(request, tmp_path / "whole", resume=False, say=said.append, progress=SilentProgress())
    with pytest.raises(KeyboardInterrupt):
        run(request, tmp_path / "stopped", resume=False, say=said.append, progress=Stop())
    run(Request(), tmp_path / "stopped", resume=True, say=said.append, progress=SilentProgress())
    whole, stopped = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped
