"""What language models refuse, as a user meets it: one line, the place, the exit code, nothing half done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Answer

Command = Callable[..., Answer]

SMALL = ["--embedding-size", 4, "--hidden-size", 4, "--num-layers", 1, "--batch-size", 2, "--epochs", 1, "--threads", 1]
ARPA = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-0.6\t<unk>
-99\t<s>\t-0.3
-0.5\t</s>
-0.4\ta\t-0.2

\\2-grams:
-0.1\t<s> a
-0.2\ta </s>

\\end\\
"""
SWAPPED = ARPA.replace("1-grams", "x").replace("2-grams", "1-grams").replace("x", "2-grams")


def refused(answer: Answer, code: int, *parts: str) -> None:
    assert answer.code == code and answer.out == "", answer
    last = answer.err.splitlines()[-1]
    assert last.startswith("timesteps: ") and "Traceback" not in answer.err
    for part in parts:
        assert part in last, (part, last)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "corpus.txt: is empty"),
        (b"\n \n\t\n", "has 0 different units"),
        (b"hello\n" * 50, "has 1 different units, too few for a language model"),
        (b"a b\nc \xff\n", "corpus.txt:2: byte 0xff"),
        (b"a b\n" + b"c " * (50 << 20), "corpus.txt:2: a line of more than"),
    ],
    ids=["empty", "blanks", "one word", "not UTF-8", "a line of 100 MB"],
)
def test_corpora_of_a_recurrent_model(
    timesteps: Command, content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("corpus.txt").write_bytes(content)
    answer = timesteps("train", "language", "corpus.txt", "--out", "run", *SMALL)
    refused(answer, 3, said)
    assert answer.err.splitlines()[-1].startswith("timesteps: corpus.txt")  # the path as it was typed
    assert not Path("run", "model.safetensors").exists()


def test_a_long_line_is_refused_wherever_text_is_read(timesteps: Command, tmp_path: Path) -> None:
    path, run = tmp_path / "text.txt", tmp_path / "run"
    path.write_text("a b\nb a\n", "utf-8")
    assert timesteps("train", "ngram", path, "--smoothing", "witten-bell", "--out", run).code == 0
    path.write_bytes(b"c " * (50 << 20))
    for verb in ("score", "choose", "correct", "evaluate"):
        refused(timesteps(verb, run, path), 3, "text.txt:1: a line of more than")
    refused(timesteps("mix", run, run, "--tune", path, "--out", tmp_path / "mix"), 3, "text.txt:1: a line of more than")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ARPA.replace("2=2", "2=3"), "bad.arpa:15: \\end\\ in the section of 2-grams"),
        (ARPA.replace("2=2", "2=1"), "bad.arpa:13: -0.2"),
        (ARPA.replace("a\t-0.2", "a"), "bad.arpa:9: has no back-off weight, but longer n-grams go on from it"),
        (SWAPPED, "bad.arpa:5: \\2-grams: where \\1-grams: should be: wrong counts, or orders out of order"),
        (ARPA.replace("\\end\\\n", ""), "bad.arpa:14: the file ends where \\end\\ should be"),
        ("", "bad.arpa"),
    ],
    ids=["too few", "too many", "no back-off", "order", "no end", "empty"],
)
def test_arpa_files(timesteps: Command, text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.arpa"
    path.write_text(text, "utf-8")
    refused(timesteps("import", path, "--from", "arpa", "--out", tmp_path / "run"), 4, said)
    assert not (tmp_path / "run").exists()
    path.write_text(ARPA, "utf-8")
    assert timesteps("import", path, "--from", "arpa", "--out", tmp_path / "run").code == 0


@pytest.mark.parametrize("smoothing", ["add-k", "stupid-backoff", "witten-bell"])
def test_an_infinite_perplexity_names_its_token(timesteps: Command, smoothing: str, tmp_path: Path) -> None:
    """Imported models may hold a word impossible; those estimated here never do."""
    path, text = tmp_path / "x.arpa", tmp_path / "text.txt"
    path.write_text(ARPA.replace("-0.5\t</s>", "-inf\t</s>"), "utf-8")
    refused(timesteps("import", path, "--from", "arpa", "--out", tmp_path / "run"), 4, "x.arpa:8: ", "not finite")
    text.write_text("a a\n", "utf-8")
    assert timesteps("train", "ngram", text, "--smoothing", smoothing, "--out", tmp_path / "run").code == 0
    text.write_text("b a c\n", "utf-8")
    answer = timesteps("evaluate", tmp_path / "run", text, "--json")
    assert answer.code == 0 and '"impossible": []' in answer.out and '"perplexity": null' not in answer.out
