"""Verbs of language models: what they print, in words and as JSON, and how they refuse."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Answer

from timesteps import cli
from timesteps.runtime.language.choosing import choose
from timesteps.runtime.language.loading import load_language
from timesteps.runtime.language.scoring import score

Command = Callable[..., Answer]

SENTENCES = [
    "나는 버스를 탔다",
    "그는 버스를 탔다",
    "나는 버스를 기다렸다",
    "그를 버스에 태운다",
    "나는 학교로 달려갔다",
]
OTHERS = ["나는 택시를 탔다", "그는 택시를 불렀다"]


def train(folder: Path, name: str, sentences: list[str], *words: str) -> Path:
    corpus = folder / f"{name}.txt"
    corpus.write_text("\n".join(sentences) + "\n", "utf-8")
    options = ["--order", "3", "--smoothing", "witten-bell", "--out", str(folder / name), *words]
    assert cli._run(["train", "ngram", str(corpus), *options], True) == 0
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("language")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    return train(folder, "run", SENTENCES)


@pytest.fixture(scope="module")
def other(folder: Path) -> Path:
    return train(folder, "other", OTHERS)


@pytest.fixture(scope="module")
def mixed(folder: Path, run: Path, other: Path) -> Path:
    tune = folder / "tune.txt"
    tune.write_text("그는 택시를 탔다\n나는 버스를 탔다\n", "utf-8")
    assert cli._run(["mix", str(run), str(other), "--tune", str(tune), "--out", str(folder / "mixed")], True) == 0
    return folder / "mixed"


def given(monkeypatch: pytest.MonkeyPatch, text: str | bytes) -> None:
    content = text.encode() if isinstance(text, str) else text
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_scores(timesteps: Command, run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "score.txt"
    path.write_text("나는 버스를 탔다\n\n나는 비행기를 탔다\n", "utf-8")
    model = load_language(run)
    expected = [score(model, line) for line in ("나는 버스를 탔다", "", "나는 비행기를 탔다")]
    answer = timesteps("score", run, path)
    lines = [line.split("\t") for line in answer.out.splitlines()]
    assert answer.code == 0 and [float(line[0]) for line in lines] == [round(each.log10, 4) for each in expected]
    assert [line[2] for line in lines] == ["0", "0", "1"]
    given(monkeypatch, path.read_bytes())
    found = [json.loads(line) for line in timesteps("score", run, "-", "--json").out.splitlines()]
    assert [each["text"] for each in found] == ["나는 버스를 탔다", "", "나는 비행기를 탔다"]
    assert math.isclose(found[0]["log10"], expected[0].log10)
    assert [each["unit"] for each in found[0]["units"]] == ["나는", "버스를", "탔다", "</s>"]
    assert {"perplexity", "perplexity_known", "bits_per_character", "word_perplexity", "impossible"} <= set(found[0])


def test_choices(timesteps: Command, run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "choose.txt"
    path.write_text("나는 버스를 태운다\t나는 버스를 탔다\n탔다\t나는\n", "utf-8")
    answer = timesteps("choose", run, path)
    rows = [line.split("\t") for line in answer.out.splitlines()]
    assert answer.code == 0 and [row[0] for row in rows] == ["1", "0"]
    values = choose(load_language(run), ["나는 버스를 태운다", "나는 버스를 탔다"]).values
    assert [float(value) for value in rows[0][1:]] == [round(value, 4) for value in values]
    given(monkeypatch, "태운다\t탔다\n")
    found = json.loads(timesteps("choose", run, "--context", "나는 버스를", "--per-token", "--json").out)
    assert found["best"] == 1 and found["text"] == "탔다" and found["per_token"] is True
    assert [each["text"] for each in found["scores"]] == ["태운다", "탔다"]


def test_corrections(timesteps: Command, run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, "나는 학교로 잘려갔다!\n")
    assert timesteps("correct", run, "--caution", 0).out == "나는 학교로 달려갔다!\n"
    given(monkeypatch, "나는 학교로 잘려갔다!\n")
    found = json.loads(timesteps("correct", run, "--caution", 0, "--json").out)
    (change,) = found["changes"]
    assert (change["typed"], change["meant"], change["begin"]) == ("잘려갔다", "달려갔다", 7)
    given(monkeypatch, "나는 학교로 잘려갔다!\n")
    assert timesteps("correct", run, "--caution", 100).out == "나는 학교로 잘려갔다!\n"
    for flag, text in (("--blanks", "나는 학교로 달려갔다\n"), ("--no-blanks", "나는학교로 달려갔다\n")):
        given(monkeypatch, "나는학교로 달려갔다\n")
        assert timesteps("correct", run, "--caution", 0, flag).out == text
    words = folder / "list.txt"
    words.write_text("학교로\t5\n발려갔다 3\n", "utf-8")
    given(monkeypatch, "나는 학교로 빌려갔다\n")
    assert timesteps("correct", run, "--caution", 0, "--words", words).out == "나는 학교로 발려갔다\n"
    words.write_text("학교로\n", "utf-8")
    answer = timesteps("correct", run, "--words", words)
    assert answer.code == 3 and "list.txt:1: is no word with its frequency" in answer.err


def test_a_list_of_words_in_the_runs_folder(timesteps: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = train(folder, "letters", SENTENCES, "--units", "syllable")
    assert "달려갔다\t1" in (letters / "words.txt").read_text("utf-8").splitlines()
    for place in (letters, letters / "model.safetensors"):
        given(monkeypatch, "나는 학교로 잘려갔다\n")
        assert timesteps("correct", place, "--caution", 0).out == "나는 학교로 달려갔다\n"
    (letters / "words.txt").unlink()
    given(monkeypatch, "나는\n")
    answer = timesteps("correct", letters)
    assert answer.code == 2 and "units are not words" in answer.err and "--words" in answer.err


def test_generated_text(timesteps: Command, run: Path) -> None:
    texts = [timesteps("generate", run, "--prompt", "나는", "--seed", seed).out for seed in (1, 1, 2, 3, 4)]
    assert texts[0] == texts[1] and len(set(texts)) > 1 and all(text.startswith("나는") for text in texts)
    assert timesteps("generate", run, "--prompt", "나는 버스를", "--temperature", 0).out == "나는 버스를 탔다\n"
    found = json.loads(timesteps("generate", run, "--prompt", "나는 비행기를", "--json").out)
    assert set(found) == {"run", "prompt", "text", "unknown", "seed"} and found["unknown"] == ["비행기를"]
    answer = timesteps("generate", run, "--prompt", "zebra giraffe")
    assert answer.code == 2 and "no word of the prompt ('zebra')" in answer.err and answer.err.count("\n") == 1
    assert "--temperature is -1" in timesteps("generate", run, "--temperature", -1).err
    assert "--top-p is 2" in timesteps("generate", run, "--top-p", 2).err
    assert "--seed is -1" in timesteps("generate", run, "--seed", -1).err


def test_mixtures(timesteps: Command, run: Path, other: Path, mixed: Path, folder: Path) -> None:
    tune = folder / "tune.txt"
    answer = timesteps("mix", mixed, run, "--tune", tune, "--out", folder / "again", "--json")
    found = json.loads(answer.out)
    assert answer.code == 0 and [each["run"] for each in found["members"]] == [str(mixed), str(run)]
    assert math.isclose(sum(each["weight"] for each in found["members"]), 1.0)
    assert found["perplexity"] <= min(each["perplexity"] for each in found["members"]) + 1e-4
    assert len(json.loads((folder / "again" / "mix.json").read_text())["members"]) == 3
    evaluated = json.loads(timesteps("evaluate", mixed, tune, "--json").out)
    assert evaluated["unknown"] == 0 and evaluated["perplexity"] > 1
    moved = (folder / "again").rename(folder / "moved")
    assert timesteps("score", moved, tune).code == 0
    assert "is not empty" in timesteps("mix", run, other, "--tune", tune, "--out", moved).err
    assert "one model to mix" in timesteps("mix", run, "--tune", tune, "--out", folder / "none").err
    assert not (folder / "none").exists()
    (moved / "member-1.safetensors").unlink()
    answer = timesteps("score", moved, tune)
    assert answer.code == 4 and "member-1.safetensors" in answer.err


def test_evaluation(timesteps: Command, run: Path, folder: Path) -> None:
    path = folder / "score.txt"
    path.write_text("나는 버스를 탔다\n\n나는 비행기를 탔다\n", "utf-8")
    page = folder / "page.html"
    answer = timesteps("evaluate", run, path, "--report", page)
    assert answer.code == 0 and "perplexity " in answer.out and "1 unknown" in answer.out and "page.html" in answer.err
    assert "비행기를" in page.read_text("utf-8")
    found = json.loads(timesteps("evaluate", run, path, "--json").out)
    assert found["tokens"] == 8 and found["unknown"] == 1 and found["lines"] == 2
    assert found["perplexity_known"] < found["perplexity"] and found["bits_per_character"] > 0
    assert {"by_position", "surprises", "impossible"} <= set(found)
    assert json.loads(timesteps("evaluate", run, "sample", "--json").out)["lines"] == 4000
    assert "--text-column is for tables" in timesteps("evaluate", run, path, "--text-column", "a").err


@pytest.fixture(scope="module")
def recurrent(folder: Path) -> Path:
    corpus = folder / "recurrent.txt"
    corpus.write_text("\n".join(SENTENCES * 8) + "\n", "utf-8")
    sizes = ["--embedding-size", "8", "--hidden-size", "8", "--num-layers", "1", "--batch-size", "2", "--epochs", "2"]
    words = ["train", "language", str(corpus), *sizes, "--threads", "1", "--out", str(folder / "recurrent")]
    assert cli._run(words, True) == 0
    return folder / "recurrent"


def test_a_model_that_learns_as_it_reads(timesteps: Command, run: Path, recurrent: Path, folder: Path) -> None:
    path, tune = folder / "judged.txt", folder / "held.txt"
    path.write_text("나는 버스를 탔다\n" * 40, "utf-8")
    tune.write_text("나는 학교로 달려갔다\n" * 40, "utf-8")
    words = ("evaluate", recurrent, path, "--cache", "--cache-size", 50, "--dynamic", "--tune", tune)
    found = json.loads(timesteps(*words, "--json").out)["running"]
    assert list(found) == ["plain", "cache", "dynamic"] and found["cache"]["cache_size"] == 50
    assert max(found["cache"]["perplexity"], found["dynamic"]["perplexity"]) < found["plain"]["perplexity"] / 2
    answer = timesteps(*words)
    assert f"with a cache       {found['cache']['perplexity']:.2f}  (cache flatness" in answer.out
    assert f"learning as it goes {found['dynamic']['perplexity']:.2f}  (dynamic rate" in answer.out
    assert "running" not in json.loads(timesteps("evaluate", recurrent, path, "--json").out)
    for refused, said in (
        (("evaluate", run, path, "--cache"), "--cache is for recurrent models"),
        (("evaluate", recurrent, path, "--tune", tune), "--tune is for --cache and --dynamic"),
        (("evaluate", recurrent, path, "--cache-size", 5), "--cache-size is for --cache"),
        (("evaluate", recurrent, path, "--cache", "--cache-share", 1), "--cache-share is 1.0"),
        (("evaluate", recurrent, path, "--dynamic", "--dynamic-rate", -1), "--dynamic-rate is -1.0"),
    ):
        answer = timesteps(*refused)
        assert answer.code == 2 and said in answer.err and answer.err.count("\n") == 1
    tune.write_text("\n", "utf-8")
    answer = timesteps(*words)
    assert answer.code == 3 and "--tune has 0 tokens" in answer.err


def test_wrong_files(timesteps: Command, run: Path, trained: Path, data: Path, folder: Path) -> None:
    path = folder / "wrong.txt"
    for verb in ("score", "choose", "correct", "evaluate"):
        path.write_bytes(b"")
        answer = timesteps(verb, run, path)
        assert answer.code == 3 and "wrong.txt: is empty" in answer.err, verb
        path.write_bytes("좋다\n".encode() + b"b\xffd\n")
        answer = timesteps(verb, run, path)
        assert answer.code == 3 and "wrong.txt:2" in answer.err and answer.err.count("\n") == 1, verb
        answer = timesteps(verb, run, folder / "none.txt")
        assert answer.code == 3 and "none.txt" in answer.err, verb
        if verb != "evaluate":
            answer = timesteps(verb, trained, path)
            assert answer.code == 4 and "classify, not a language model" in answer.err, verb
        answer = timesteps(verb, folder / "nowhere", path)
        assert answer.code == 4 and "no such run folder" in answer.err, verb
    path.write_text("나는\t그는\n나는\t\n", "utf-8")
    answer = timesteps("choose", run, path)
    assert answer.code == 3 and "wrong.txt:2: hypothesis 2 of 2 is empty" in answer.err
    assert len(answer.out.splitlines()) == 1  # the answers before a faulty line
    path.write_text(" \n\n", "utf-8")
    assert "no line with anything in it" in timesteps("evaluate", run, path).err
    assert "--report is for language models" in timesteps("evaluate", trained, data, "--report", folder / "x").err
    assert "--dynamic is for language models" in timesteps("evaluate", trained, data, "--dynamic").err


def test_what_reads_a_network_refuses_a_language_model(timesteps: Command, run: Path, data: Path) -> None:
    answer = timesteps("predict", run, data)
    assert answer.code == 4 and "holds an n-gram model; open it with timesteps.load_language" in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ["score", "RUN", "FILE"],
        ["choose", "RUN", "FILE"],
        ["correct", "RUN", "FILE"],
        ["generate", "RUN"],
        ["evaluate", "RUN", "FILE"],
        ["evaluate", "RUN", "FILE", "--report", "OUT"],
        ["mix", "RUN", "RUN", "--tune", "FILE", "--out", "NEW"],
    ],
    ids=lambda words: words[0],
)
def test_verbs_need_neither_torch_nor_sklearn(words: list[str], run: Path, folder: Path, tmp_path: Path) -> None:
    path = folder / "plain.txt"
    path.write_text("나는 버스를 탔다\n", "utf-8")
    places = {"RUN": run, "FILE": path, "OUT": tmp_path / "page.html", "NEW": tmp_path / "mixed"}
    given = [str(places.get(word, word)) for word in words]
    code = f"import sys; from timesteps import cli; assert cli._run({given!r}, True) == 0"
    code += "; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not {name.split(".")[0] for name in done.stderr.split()} & {"torch", "sklearn", "pandas", "matplotlib"}


def test_info(timesteps: Command, run: Path, mixed: Path) -> None:
    found = json.loads(timesteps("info", run, "--json").out)
    assert found["kind"] == "n-grams, witten-bell" and found["units"] == "word" and len(found["n-grams"]) == 3
    assert found["tokens"] == found["n-grams"][0] == len(load_language(run).words)
    members = json.loads(timesteps("info", mixed, "--json").out)["members"]
    assert [each["kind"] for each in members] == [found["kind"]] * 2
    assert sum(each["weight"] for each in members) == pytest.approx(1.0)
    answer = timesteps("info", mixed)
    assert answer.code == 0 and "member 2\n  weight " in answer.out
