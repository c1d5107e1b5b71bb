"""ARPA files: out and in again, those of others, and those that are damaged."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest

from timesteps import NgramModel
from timesteps.errors import ModelError, UsageError
from timesteps.interchange import from_arpa, to_arpa
from timesteps.runtime import native
from timesteps.runtime.language.arpa import read_arpa, write_arpa
from timesteps.runtime.native import without_core

TEXTS = [
    "나는 버스를 탔다",
    "나는 버스를 기다렸다",
    "그는 버스를 탔다",
    "그는 집에 갔다",
    "나는 집에 갔다 왔다",
    "왔다",
]

GOOD = """\\data\\
ngram 1=4
ngram 2=3
ngram 3=1

\\1-grams:
-1.0\t<unk>\t0
-99\t<s>\t-0.5
-0.7\t</s>
-0.6\ta\t-0.4

\\2-grams:
-0.3\t<s> a\t-0.2
-0.4\ta a\t-0.1
-0.5\ta </s>

\\3-grams:
-0.1\t<s> a a

\\end\\
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("core", [True, False])
@pytest.mark.parametrize("name", ["x.arpa", "x.gz"])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_out_and_in_again_is_the_same_model(order: int, name: str, core: bool, tmp_path: Path) -> None:
    if core and native.core is None:
        pytest.skip("there is no compiled core")
    model = NgramModel(order=order, cutoffs=(0,) if order < 3 else (0, 0, 1)).fit(TEXTS)
    model.to_arpa(tmp_path / name)
    if core:
        other = NgramModel.from_arpa(tmp_path / name)
    else:
        with without_core():
            other = NgramModel.from_arpa(tmp_path / name)
    assert other.counts == model.counts and set(other.words) == set(model.words)
    for text in [*TEXTS, "모르는 말", "버스를 버스를 나는"]:
        tokens, others = ([*each.tokens(text), each.end] for each in (model, other))
        assert (model.log_probs(model.start(), tokens)[0] == other.log_probs(other.start(), others)[0]).all()
        states = [
            tuple(each.words[token] for token in each.log_probs(each.start(), numbers)[1])
            for each, numbers in ((model, tokens[:-1]), (other, others[:-1]))
        ]
        assert states[0] == states[1]
    again = tmp_path / f"again-{name}"
    write_arpa(other, again)
    third = read_arpa(again)
    assert third.counts == model.counts
    if name.endswith("gz"):
        assert gzip.decompress((tmp_path / name).read_bytes()).startswith(b"\\data\\\nngram 1=")


@pytest.mark.parametrize("units", ["char", "jamo", "syllable", "byte"])
def test_units_with_blanks_go_out_and_in(units: str, tmp_path: Path) -> None:
    model = NgramModel(order=3, units=units).fit([*TEXTS, "▁ <s> a\tb"])
    model.to_arpa(tmp_path / "x.arpa")
    other = NgramModel.from_arpa(tmp_path / "x.arpa", units=units)
    for text in [*TEXTS, "▁ <s> a\tb"]:
        assert model.text_log_prob(text) == other.text_log_prob(text)
        assert other.text(other.tokens(text)) == text


def test_a_file_by_hand(tmp_path: Path) -> None:
    model = read_arpa(written(tmp_path / "x.arpa", GOOD))
    a = model.tokens("a")[0]
    log10 = lambda state, word: model.log_prob(state, word)[0] / np.log(10)  # noqa: E731
    begin = model.start()
    one = model.log_prob(begin, a)[1]
    two = model.log_prob(one, a)[1]
    assert one == (model.begin, a) and two == (a, a)
    assert log10(begin, a) == pytest.approx(-0.3)
    assert log10(one, a) == pytest.approx(-0.1)
    assert log10(one, model.end) == pytest.approx(-0.2 - 0.5)
    assert log10(two, a) == pytest.approx(-0.1 - 0.4)
    assert log10(two, model.unknown) == pytest.approx(-0.1 - 0.4 - 1.0)
    assert log10(begin, model.end) == pytest.approx(-0.5 - 0.7)


def test_shorter_ends_that_a_file_lacks_are_added(tmp_path: Path) -> None:
    text = GOOD.replace("ngram 3=1", "ngram 3=2").replace("-0.1\t<s> a a\n", "-0.1\t<s> a a\n-0.05\ta a <unk>\n")
    imported = from_arpa(written(tmp_path / "x.arpa", text))
    model = imported.model
    assert model.counts == (4, 4, 2)
    assert "1 ends of n-grams" in imported.notes[0]
    a = model.tokens("a")[0]
    for state, expected in (((a, a), -0.05), ((a,), -0.4 - 1.0), ((model.begin, a), -0.2 - 0.4 - 1.0)):
        assert model.log_prob(state, model.unknown)[0] / np.log(10) == pytest.approx(expected, rel=1e-6)


def test_a_file_without_unknown_words_gets_one(tmp_path: Path) -> None:
    text = GOOD.replace("ngram 1=4", "ngram 1=3").replace("-1.0\t<unk>\t0\n", "")
    imported = from_arpa(written(tmp_path / "x.arpa", text))
    assert "no <unk>" in imported.notes[0]
    assert imported.model.log_prob((), imported.model.unknown)[0] / np.log(10) == pytest.approx(-100)


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("\\data\\\n", "data\n", 1, "begins with data,"),
        ("ngram 1=4", "ngram 2=4", 2, "counts 2-grams where 1-grams should be"),
        ("ngram 1=4", "ngram 1=four", 2, "where `ngram 1=…` should be"),
        ("ngram 1=4", "ngram 1=99999999999999", 2, "too many to be true"),
        ("ngram 1=4", "ngram 1=5", 12, "2-grams.*in the section of 1-grams"),
        ("ngram 1=4", "ngram 1=3", 10, "wrong counts"),
        ("ngram 2=3", "ngram 2=2", 15, "wrong counts"),
        ("ngram 2=3", "ngram 2=4", 17, "3-grams.*in the section of 2-grams"),
        ("ngram 3=1", "ngram 3=2", 20, "end.*in the section of 3-grams"),
        ("ngram 3=1", "ngram 3=0", 18, r"where \\end\\ should be"),
        ("\\end\\\n", "", 19, r"the file ends where \\end\\ should be"),
        ("\\end\\\n", "\\end\\\nmore\n", 21, "behind"),
        ("\\3-grams", "\\4-grams", 17, "orders out of order"),
        ("-0.6\ta", "0.6\ta", 10, "above 1"),
        ("-0.6\ta", "nan\ta", 10, "not finite"),
        ("-0.6\ta", "-inf\ta", 10, "not finite"),
        ("-0.6\ta", "x\ta", 10, "x is no number"),
        ("-0.6\ta\t-0.4", "-0.6\ta\tinf", 10, "not finite"),
        ("-0.6\ta\t-0.4", "-0.6\ta", 10, "has no back-off weight, but longer n-grams go on"),
        ("-0.4\ta a\t-0.1", "-0.4\ta a", 14, "has no back-off weight|fine"),
        ("-0.6\ta\t-0.4", "-0.6\t</s>\t-0.4", 10, "occurs twice"),
        ("-0.4\ta a", "-0.4\t<s> a", 14, "this 2-gram occurs twice"),
        ("-0.4\ta a", "-0.4\ta b", 14, "b is not among the 1-grams"),
        ("-0.4\ta a", "-0.4\ta <s>", 14, "<s> in the midst"),
        ("<s> a a", "a <unk> a", 18, "goes on from a 2-gram that the file does not have|go on"),
        ("<s> a a", "<s> a a\t-0.1", 18, "4 fields|5 fields"),
        ("-99\t<s>", "-99\tb", 10, "has no <s>"),
    ],
)
def test_damaged_files_say_where(old: str, new: str, line: int, what: str, tmp_path: Path) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if old == "-0.4\ta a\t-0.1":  # nothing goes on from it here: it may do without, unless something does
        read_arpa(written(tmp_path / "fine.arpa", text))
        text = text.replace("<s> a a", "a a a")
    path = written(tmp_path / "x.arpa", text)
    with pytest.raises(ModelError, match=what) as error:
        read_arpa(path)
    assert error.value.line == line and error.value.path == path
    assert "\n" not in str(error.value)


def test_other_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.arpa"
    path.write_bytes(GOOD.replace("\ta\t", "\t\xff\t", 1).encode("latin-1"))
    with pytest.raises(ModelError, match=":10: byte 0xff is not UTF-8"):
        read_arpa(path)
    path.write_bytes(b"\\data\\\nngram 1=1\n\n\\1-grams:\n-1 " + b"a" * (2 << 20))
    with pytest.raises(ModelError, match=":5: a line of more than"):
        read_arpa(path)
    for content in (b"", b"\n\n"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="begins with"):
            read_arpa(path)
    path.write_bytes(gzip.compress(GOOD.encode())[:-12])
    with pytest.raises(ModelError, match="damaged or cut off"):
        read_arpa(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_arpa(tmp_path / "none")
    with pytest.raises(UsageError, match="units"):
        read_arpa(path, units="subword")


def test_any_cut_and_any_lost_line_is_refused(tmp_path: Path) -> None:
    lines = GOOD.splitlines(keepends=True)
    for number in range(len(lines)):
        if not lines[number].strip():
            continue
        path = written(tmp_path / "x.arpa", "".join(lines[:number]))
        with pytest.raises(ModelError):
            read_arpa(path)
        path = written(tmp_path / "x.arpa", "".join(lines[:number] + lines[number + 1 :]))
        with pytest.raises(ModelError):
            read_arpa(path)


def test_lines_in_another_order_are_the_same_model(tmp_path: Path) -> None:
    text = GOOD.replace("-0.3\t<s> a\t-0.2\n-0.4\ta a\t-0.1\n", "-0.4\ta a\t-0.1\n-0.3 <s>  a -0.2\r\n")
    one, other = (read_arpa(written(tmp_path / "x.arpa", each)) for each in (GOOD, text))
    words = list(itertools.product(range(4), repeat=3))
    assert [one.log_probs((), each)[0].tolist() for each in words] == [
        other.log_probs((), each)[0].tolist() for each in words
    ]


def test_kenlm_agrees(tmp_path: Path) -> None:
    pytest.importorskip("kenlm", reason="kenlm is not installed")
    for options in ({"order": 5}, {"order": 3, "units": "jamo"}, {"order": 3, "smoothing": "witten-bell"}):
        NgramModel(**options).fit(TEXTS * 3).save(tmp_path)
        exported = to_arpa(tmp_path, tmp_path / "x.arpa")
        assert exported.check.largest is not None and exported.check.largest < 1e-6


def test_export_and_import_by_their_functions(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    model = NgramModel(order=3).fit(TEXTS)
    model.save(tmp_path / "run")
    exported = to_arpa(tmp_path / "run", tmp_path / "x.gz")
    assert exported.path == tmp_path / "x.gz"
    imported = from_arpa(tmp_path / "x.gz")
    folder = imported.save(tmp_path / "again")
    assert NgramModel.load(folder).text_log_prob(TEXTS[0]) == model.text_log_prob(TEXTS[0])
    assert "ARPA" in (folder / "card.md").read_text("utf-8")
    with pytest.raises(UsageError, match="holds a model already"):
        imported.save(folder)
    with pytest.raises(UsageError, match="another ending"):
        to_arpa(tmp_path / "run", tmp_path / "x.txt")
