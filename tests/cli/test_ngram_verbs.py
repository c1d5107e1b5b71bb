"""`train ngram`, `export --to arpa`, `import --from arpa`: what they leave, and what they refuse."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import Answer, finish, spawn

from timesteps import NgramModel, load_language

Command = Callable[..., Answer]
TEXTS = ["나는 버스를 탔다", "나는 버스를 기다렸다", "그는 버스를 탔다"] * 5


def run(*words: object, given: str | None = None, **more: object) -> Answer:
    return finish(spawn(*words, **more), given)


def refused(answer: Answer, code: int, *parts: str) -> None:
    assert answer.code == code, answer
    assert answer.out == "" and "Traceback" not in answer.err
    last = answer.err.splitlines()[-1]
    assert last.startswith("timesteps: ")
    for part in parts:
        assert part in last, (part, last)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(TEXTS) + "\n", "utf-8")
    return path


def test_from_a_corpus_to_arpa_and_back(corpus: Path, tmp_path: Path) -> None:
    answer = run("train", "ngram", corpus, "--order", "3", "--out", tmp_path / "run", "--json")
    assert answer.code == 0, answer
    found = json.loads(answer.out)
    assert found["sentences"] == 15 and found["tokens"] == 60 and found["ngrams"][0] == 8
    assert len(found["discounts"]) == 3 and "discounts of" in answer.err
    model = load_language(tmp_path / "run")
    in_python = NgramModel(order=3).fit(corpus)
    assert model.words == in_python.words and model.spec == in_python.spec  # type: ignore[attr-defined]
    assert "n-gram language model" in (tmp_path / "run" / "card.md").read_text("utf-8")
    answer = run("export", tmp_path / "run", tmp_path / "x.arpa", "--to", "arpa", "--json")
    assert answer.code == 0 and json.loads(answer.out)["file"].endswith("x.arpa")
    answer = run("import", tmp_path / "x.arpa", "--from", "arpa", "--out", tmp_path / "again")
    assert answer.code == 0 and answer.out == f"{tmp_path / 'again'}\n"
    one, other = (run("score", tmp_path / name, given="나는 버스를 탔다\n") for name in ("run", "again"))
    assert one.out == other.out and one.code == 0


def test_without_a_corpus_and_from_standard_input(tmp_path: Path) -> None:
    answer = run("train", "ngram", "--order", "2", "--units", "jamo", "--out", tmp_path / "sample")
    assert answer.code == 0 and "3,800 sentences" in answer.out and "on 200 sentences held out" in answer.out
    page = (tmp_path / "sample" / "report.html").read_text("utf-8")
    assert "Perplexity by position" in page and "sample, held out" in page and "What surprised it most" in page
    answer = run("train", "ngram", "-", "--smoothing", "witten-bell", "--out", tmp_path / "run", given="a b\nb a\n")
    assert answer.code == 0 and "2 sentences, 6 tokens" in answer.out


def test_what_is_held_out_is_not_counted_and_what_the_report_judges(
    timesteps: Command, corpus: Path, tmp_path: Path
) -> None:
    words = ("train", "ngram", corpus, "--order", "2", "--smoothing", "witten-bell", "--out", tmp_path / "run")
    found = json.loads(timesteps(*words, "--validation-split", "0.2", "--json").out)
    assert found["sentences"] == 12 and found["valid"]["tokens"] == 12
    alone = NgramModel(2, smoothing="witten-bell").fit([text for n, text in enumerate(TEXTS, 1) if n % 5])
    logs, _ = alone.text_log_probs(TEXTS[4::5])
    assert found["valid"]["log10"] == pytest.approx(logs.sum() / np.log(10))
    assert (tmp_path / "run" / "report.html").exists()
    found = json.loads(timesteps(*words, "--validation-split", "0", "--json").out)
    assert found["sentences"] == 15 and found["valid"] is None and not (tmp_path / "run" / "report.html").exists()
    assert "Nothing was held out" in (tmp_path / "run" / "card.md").read_text("utf-8")
    other = tmp_path / "other.txt"
    other.write_text("그는 비행기를 탔다\n", "utf-8")
    found = json.loads(timesteps(*words, "--valid", other, "--json").out)
    assert found["sentences"] == 15 and found["valid"]["unknown"] == 1
    assert "비행기를" in (tmp_path / "run" / "report.html").read_text("utf-8")
    refused(timesteps(*words, "--valid", other, "--validation-split", "0.1"), 2, "--valid and --validation-split")
    refused(timesteps(*words, "--validation-split", "1"), 2, "--validation-split is 1.0")
    other.write_bytes(b"a b\n\xff\n")
    refused(timesteps(*words, "--valid", other), 3, "other.txt:2: byte 0xff")
    refused(timesteps(*words, "--valid", tmp_path / "none"), 3, "none")
    assert "비행기를" in (tmp_path / "run" / "report.html").read_text("utf-8")  # the earlier run is as it was


def test_a_new_run_takes_the_place_of_an_old_one(timesteps: Command, corpus: Path, tmp_path: Path) -> None:
    for order in (2, 3):
        assert timesteps("train", "ngram", corpus, "--order", order, "--out", tmp_path / "run").code == 0
        assert len(load_language(tmp_path / "run").counts) == order  # type: ignore[attr-defined]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["card.md", "model.safetensors"]


def test_a_corpus_of_one_word_is_estimated_and_says_so(tmp_path: Path) -> None:
    answer = run("train", "ngram", "-", "--out", tmp_path / "run", given="hello\n")
    assert answer.code == 0
    assert "does not determine the discounts of 1-grams" in answer.err and "0.5, 1, 1.5" in answer.err
    assert run("score", tmp_path / "run", given="hello\nhi\n").code == 0


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"", "corpus.txt"),
        (b"\n \n\t\n", "no word"),
        (b"a b\nc \xff\n", "corpus.txt:2: byte 0xff"),
        (b"a b\nc \0 d\n", "corpus.txt:2: a NUL"),
        (b"a b\n" + b"c " * (60 << 20), "corpus.txt:2: "),
    ],
    ids=["empty", "blanks", "not UTF-8", "NUL", "a line of 120 MB"],
)
def test_bad_corpora(timesteps: Command, content: bytes, where: str, tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(content)
    refused(timesteps("train", "ngram", path, "--out", tmp_path / "run"), 3, where)
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--order", "0"], "--order is 0"),
        (["--order", "17"], "give 1 to 16"),
        (["--smoothing", "magic"], "--smoothing magic is unknown"),
        (["--k", "2"], "--k is for --smoothing add-k"),
        (["--smoothing", "add-k", "--k", "0"], "--k is 0.0"),
        (["--cutoffs", "1,1"], "--cutoffs begins with 1"),
        (["--cutoffs", "0,2,1"], "--cutoffs falls"),
        (["--cutoffs", "0,0,0,0,0,0"], "6 numbers for order 5"),
        (["--cutoffs", "0,x"], "no list of numbers"),
        (["--vocabulary", "3"], "--vocabulary is 3"),
        (["--min-count", "0"], "--min-count is 0"),
        (["--min-count", "100"], "occurs 100 times"),
        (["--units", "subword"], "--units subword is unknown"),
        (["--units", "char", "--apart"], "--apart is for --units word"),
        (["--memory", "much"], "--memory much is no size"),
        (["--memory", "10kB"], "too little"),
    ],
)
def test_options_that_make_no_sense(
    timesteps: Command, corpus: Path, options: list[str], said: str, tmp_path: Path
) -> None:
    answer = timesteps("train", "ngram", corpus, *options, "--out", tmp_path / "run")
    refused(answer, 3 if "100" in options else 2, said)


def test_a_full_disk_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of the size of files, which the system reports where a full disk would be."""
    path = tmp_path / "corpus.txt"
    path.write_text("".join(f"a{n % 977} b{n % 1009} c{n % 13} d{n}\n" for n in range(60_000)), "utf-8")

    # Python's own cache of compiled modules must not be cut by the limit: it would stay broken for everyone after.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    for memory in ("1MB", "1GB"):  # in the midst of counting, and when the model is written
        answer = run("train", "ngram", path, "--memory", memory, "--out", tmp_path / "run", preexec_fn=limit)
        refused(answer, 2, f"{tmp_path / 'run'}", "cannot be written: file too large", "free some space")
        assert [each.name for each in (tmp_path / "run").iterdir()] == []


def test_what_export_and_import_refuse(timesteps: Command, corpus: Path, tmp_path: Path) -> None:
    assert timesteps("train", "ngram", corpus, "--order", "2", "--out", tmp_path / "run").code == 0
    refused(timesteps("export", tmp_path / "run", tmp_path / "x.txt", "--to", "arpa"), 2, "another ending")
    refused(timesteps("export", tmp_path / "run", tmp_path / "x.onnx", "--to", "onnx"), 4, "n-gram model")
    bad = tmp_path / "bad.arpa"
    bad.write_text("\\data\\\nngram 1=1\n\n\\2-grams:\n", "utf-8")
    refused(
        timesteps("import", bad, "--from", "arpa", "--out", tmp_path / "x"), 4, "bad.arpa:4: ", "orders out of order"
    )
    refused(timesteps("import", bad, "--from", "arpa", "--out", tmp_path / "x", "--classes", "a,b"), 2, "--classes")
    refused(timesteps("import", bad, "--from", "onnx", "--out", tmp_path / "x", "--units", "char"), 2, "--units")
    assert not (tmp_path / "x").exists()
