"""Good tables in every format: nothing is lost, nothing is invented."""

from __future__ import annotations

import bz2
import csv
import gzip
import hashlib
import io
import json
import lzma
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.data.lines import iter_lines
from timesteps.data.tables import SkippedRow, from_frame, read_texts
from timesteps.errors import UsageError

DATA = Path(os.environ.get("TIMESTEPS_DATA", "no such folder"))
CHARACTER = st.characters(exclude_characters="\0\r", exclude_categories=("Cs",))
TEXT = st.text(CHARACTER, max_size=20)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


FORMS = {
    "reviews.csv": 'text,label\n"good, really",pos\nbad,neg\n',
    "semicolon.csv": "text;label\ngood, really;pos\nbad;neg\n",
    "reviews.tsv": "id\tdocument\tlabel\n1\tgood, really\tpos\n2\tbad\tneg\n",
    "crlf.tsv": "document\tlabel\r\ngood, really\tpos\r\nbad\tneg\r\n",
    "no_last_line_end.tsv": "document\tlabel\ngood, really\tpos\nbad\tneg",
    "reviews.jsonl": '{"label": "pos", "text": "good, really"}\n{"text": "bad", "label": "neg"}\n',
    "reviews.txt": "__label__pos good, really\n__label__neg bad\n",
    "tabs.txt": "text\tlabel\ngood, really\tpos\nbad\tneg\n",
    "commas.txt": 'review,sentiment\n"good, really",pos\nbad,neg\n',
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    ("suffix", "compress"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)]
)
def test_every_form_gives_the_same_table(tmp_path, name, suffix, compress):
    stored = compress(FORMS[name].encode())
    table = read_texts(write(tmp_path, name + suffix, stored), labelled=True)
    assert (table.texts, table.labels) == (["good, really", "bad"], ["pos", "neg"])
    assert (table.rows_read, table.skipped) == (2, [])
    assert table.sha256 == hashlib.sha256(stored).hexdigest()
    assert table.source == str(tmp_path / (name + suffix))


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.tsv", "reviews.jsonl", "reviews.txt"])
def test_standard_input_is_told_by_its_content(name, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(FORMS[name].encode()))))
    table = read_texts("-", labelled=True)
    assert (table.texts, table.labels, table.source) == (["good, really", "bad"], ["pos", "neg"], "standard input")
    assert any(note.startswith("format: ") for note in table.notes)
    assert not sys.stdin.buffer.closed


def test_what_was_guessed_is_said(tmp_path):
    table = read_texts(write(tmp_path, "a.tsv", FORMS["reviews.tsv"]))
    assert table.notes == ["text column: document (2nd of 3), label column: label (3rd of 3)"]
    assert (table.text_column, table.label_column) == ("document", "label")
    bare = read_texts(write(tmp_path, "b.tsv", "good really\t1\nbad indeed\t0\n"))
    assert bare.notes == [
        "no header line: the first line is a row",
        "text column: 1st of 2, label column: 2nd of 2",
    ]
    assert (bare.text_column, bare.label_column) == ("1", "2")


def test_lines_are_those_of_the_file(tmp_path):
    content = 'text,label\n"two\nlines",1\n\nbad,0\n   ,1\nfine,\n"",\nlast,1\n'
    table = read_texts(write(tmp_path, "a.csv", content))
    assert table.texts == ["two\nlines", "bad", "last"]
    assert table.lines == [2, 5, 9]
    assert table.skipped == [
        SkippedRow(4, "empty text"),
        SkippedRow(6, "empty text"),
        SkippedRow(7, "no label"),
        SkippedRow(8, "empty text"),
    ]
    assert table.rows_read == 7
    assert table.where(0) == f"{tmp_path / 'a.csv'}:2"
    assert table.summary() == "7 rows read; 3 left out: empty text (lines 4, 6, 8); 1 left out: no label (line 7)"


def test_a_row_begins_where_its_record_begins(tmp_path):
    table = read_texts(write(tmp_path, "a.csv", 'label,text\n1,"three\n\nlines"\n0,bad\n'))
    assert (table.texts, table.lines) == (["three\n\nlines", "bad"], [2, 5])


def test_keep_empty_gives_every_line_an_answer(tmp_path):
    path = write(tmp_path, "a.txt", "good\n\n  \nbad\n")
    assert read_texts(path, labelled=False, keep_empty=True).texts == ["good", "", "  ", "bad"]
    assert read_texts(path, labelled=False).skipped == [SkippedRow(2, "empty text"), SkippedRow(3, "empty text")]
    assert [line for _, line in iter_lines(path)] == ["good", "", "  ", "bad"]


def test_labels_stay_as_they_are_written(tmp_path):
    csv_table = read_texts(write(tmp_path, "a.csv", "text,label\na b,01\nc d,1\ne f, 1.0\n"))
    assert csv_table.labels == ["01", "1", "1.0"]
    content = '{"text": "a", "label": 1}\n{"text": "b", "label": 1.0}\n{"text": "c", "label": true}\n'
    content += '{"text": "d", "label": null}\n{"text": "e", "label": NaN}\n{"text": "f", "label": 1e400}\n'
    json_table = read_texts(write(tmp_path, "a.jsonl", content))
    assert json_table.labels == ["1", "1.0", "true", "1e400"]
    assert json_table.skipped == [SkippedRow(4, "no label"), SkippedRow(5, "no label")]


class TestQuotes:
    def test_tsv_keeps_bare_quotes(self, tmp_path):
        rows = [['say "hi', "1"], ['"향숙이"~감독이', "0"], ['"', "1"], ['"whole"', "0"], ['12" screen', "1"]]
        content = "document\tlabel\n" + "".join("\t".join(row) + "\n" for row in rows)
        table = read_texts(write(tmp_path, "a.tsv", content))
        assert [list(pair) for pair in zip(table.texts, table.labels, strict=True)] == rows

    def test_tsv_does_not_join_lines_that_two_lone_quotes_enclose(self, tmp_path):
        table = read_texts(write(tmp_path, "a.tsv", 'document\tlabel\n"open\t1\nmiddle\t0\nclose"\t1\n'))
        assert table.texts == ['"open', "middle", 'close"']

    def test_tsv_of_a_csv_writer_loses_its_quotes(self, tmp_path):
        frame = pandas.DataFrame({"text": ['say "hi"', "plain"], "label": [1, 0]})
        path = tmp_path / "a.tsv"
        frame.to_csv(path, sep="\t", index=False)
        table = read_texts(path)
        assert table.texts == ['say "hi"', "plain"]
        assert "quotes around fields taken off" in table.notes

    def test_tsv_of_a_csv_writer_with_line_ends(self, tmp_path):
        frame = pandas.DataFrame({"text": ["two\nlines", "a\ttab", "plain"], "label": [1, 0, 1]})
        path = tmp_path / "a.tsv"
        frame.to_csv(path, sep="\t", index=False)
        table = read_texts(path)
        assert table.texts == ["two\nlines", "a\ttab", "plain"]
        assert table.lines == [2, 4, 5]
        assert any("as in CSV" in note for note in table.notes)

    def test_csv_keeps_a_quote_inside_a_bare_field(self, tmp_path):
        table = read_texts(write(tmp_path, "a.csv", 'text,label\n12" screen,1\n"a ""b""",0\n"",1\n'))
        assert table.texts == ['12" screen', 'a "b"']

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(st.tuples(TEXT, st.sampled_from(["pos", "neg", "", "a,b", '"'])), min_size=1, max_size=12),
        st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        st.sampled_from(["\n", "\r\n"]),
        st.sampled_from([",", ";"]),
    )
    def test_csv_agrees_with_the_standard_library(self, tmp_path_factory, rows, quoting, line_end, delimiter):
        stream = io.StringIO()
        writer = csv.writer(stream, quoting=quoting, lineterminator=line_end, delimiter=delimiter)
        writer.writerows([("text", "label"), *rows])
        path = write(tmp_path_factory.mktemp("csv"), "a.csv", stream.getvalue())
        kept = [(text, label.strip()) for text, label in rows if text.strip() and label.strip()]
        if not kept:
            return
        table = read_texts(path)
        assert table.rows_read == len(rows) == len(table.texts) + len(table.skipped)
        assert list(zip(table.texts, table.labels, strict=True)) == kept


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(TEXT, st.sampled_from(["a", "b", ""])), min_size=1, max_size=30), st.booleans(), st.booleans()
)
def test_rows_read_are_rows_used_and_rows_reported(tmp_path_factory, rows, keep_empty, as_json):
    rows = [*rows, ("kept", "a")]
    folder = tmp_path_factory.mktemp("rows")
    if as_json:
        lines = [json.dumps({"text": text, "label": label or None}) for text, label in rows]
        path = write(folder, "a.jsonl", "\n".join(lines) + "\n")
    else:
        clean = [(text.replace("\t", " ").replace("\n", " ").replace('"', "'"), label) for text, label in rows]
        path = write(folder, "a.tsv", "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in clean))
    table = read_texts(path, keep_empty=keep_empty)
    assert table.rows_read == len(rows) == len(table.texts) + len(table.skipped)
    assert len(table.texts) == len(table.labels) == len(table.lines)
    numbers = [*table.lines, *(row.line for row in table.skipped)]
    assert sorted(numbers) == [number + (not as_json) for number in range(1, len(rows) + 1)]


def test_unusual_line_separators_are_text(tmp_path):
    text = "one\x85two\u2028three\x0bfour\x1cfive"
    table = read_texts(write(tmp_path, "a.tsv", f"text\tlabel\n{text}\t1\nsix\t0\n"))
    assert table.texts == [text, "six"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "cp949", "latin-1"])
def test_encodings(tmp_path, encoding):
    text = "très bien" if encoding == "latin-1" else "참 좋은 영화"
    marked = encoding not in ("cp949", "latin-1")
    content = (
        f"text\tlabel\n{text}\t1\n" + 20_000 * f"{text}!\t0\n"
    )  # several blocks, characters cut in two between them
    mark = "\ufeff" if encoding in ("utf-16-be", "utf-16-le") else ""
    path = write(tmp_path, "a.tsv", (mark + content).encode(encoding))
    table = read_texts(path, encoding=None if marked else encoding)
    assert table.texts[:2] == [text, f"{text}!"] and len(set(table.texts)) == 2 and len(table) == 20_001
    assert any("byte order mark" in note for note in table.notes) == encoding.startswith(("utf-16", "utf-32"))


def test_folders(tmp_path):
    for name, content in {
        "train/pos/1_9.txt": "good\n",
        "train/pos/0_8.txt": "line one\nline two",
        "train/neg/2_1.txt": "bad",
        "train/unsup/0_0.txt": "who knows",
        "train/neg/.hidden.txt": "no",
        "train/neg/readme.md": "no",
        "train/urls.txt": "no",
        "test/pos/0_9.txt": "fine",
        "test/neg/0_2.txt": " ",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path, name, content)
    table = read_texts(tmp_path, labelled=True)
    assert (table.texts, table.labels) == (["bad", "line one\nline two", "good"], ["neg", "pos", "pos"])
    assert table.lines == [1, 1, 1] and table.where(1) == str(tmp_path / "train" / "pos" / "0_8.txt")
    assert any("unsup" in note for note in table.notes) and any("1 files that are not .txt" in n for n in table.notes)
    assert read_texts(tmp_path / "train").sha256 == table.sha256
    test = read_texts(tmp_path / "test")
    assert (test.texts, test.rows_read, test.skipped) == (["fine"], 2, [SkippedRow(1, "empty text")])
    unsup = read_texts(tmp_path / "train" / "unsup", labelled=False)
    assert (unsup.texts, unsup.labels) == (["who knows"], None)
    write(tmp_path, "train/neg/2_1.txt", "worse")
    assert read_texts(tmp_path).sha256 != table.sha256


@pytest.mark.parametrize("library", [pandas.DataFrame, polars.DataFrame, pyarrow.table])
def test_frames(library):
    frame = library({"n": [1, 2, 3, 4], "review": ["good", None, "bad", "fine"], "stars": [5, 1, 1, None]})
    table = from_frame(frame)
    assert (table.texts, table.lines, table.rows_read) == (["good", "bad"], [1, 3], 4)
    assert [label.removesuffix(".0") for label in table.labels] == [
        "5",
        "1",
    ]  # pandas makes floats of a column with NaN
    assert table.skipped == [SkippedRow(2, "empty text"), SkippedRow(4, "no label")]
    assert from_frame(frame, text_column="review", label_column=1).labels == ["1", "3", "4"]
    with pytest.raises(UsageError, match="list is not a data frame"):
        from_frame([1, 2])


def test_missing_values_of_frames():
    frames = [
        pandas.DataFrame({"text": ["a", "b"], "label": pandas.array([1, None], dtype="Int64")}),
        pandas.DataFrame({"text": pandas.array(["a", pandas.NA], dtype="string"), "label": [1, 0]}),
        pandas.DataFrame({"text": ["a", "b"], "label": [pandas.Timestamp(1), pandas.NaT]}),
        polars.DataFrame({"text": ["a", "b"], "label": [1.0, float("nan")]}),
    ]
    for frame in frames:
        table = from_frame(frame, labelled=True)
        assert table.texts == ["a"] and len(table.skipped) == 1


def test_parquet(tmp_path):
    columns = {"text": ["good", "", "bad"], "label": [1, 1, 0], "tokens": [["good"], [], ["bad"]]}
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    table = read_texts(path, labelled=True)
    assert (table.texts, table.labels, table.lines) == (["good", "bad"], ["1", "0"], [1, 3])
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_lines_come_as_they_are_written():
    """A line from a pipe is there before the next is written: `predict -` answers at once."""
    program = "from timesteps.data.lines import iter_lines\nfor n, line in iter_lines('-'): print(n, line, flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    with process:
        for number, word in enumerate(["좋다", "bad", "끝"], 1):
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{number} {word}\n"
        process.stdin.close()
    assert process.returncode == 0


def test_the_room_needs_neither_torch_nor_pyarrow():
    program = (
        "import sys, timesteps.data.source as s; s.open_source(None); "
        "print([m for m in ('torch', 'sklearn', 'pyarrow', 'narwhals', 'pandas') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


needs_nsmc = pytest.mark.skipif(not (DATA / "nsmc").is_dir(), reason="NSMC is not in TIMESTEPS_DATA")
needs_imdb = pytest.mark.skipif(not (DATA / "imdb").is_dir(), reason="IMDB is not in TIMESTEPS_DATA")


@needs_nsmc
def test_nsmc_is_read_whole():
    began = time.perf_counter()
    table = read_texts(DATA / "nsmc" / "ratings_train.own_split.txt.xz", labelled=True)
    assert time.perf_counter() - began < 10  # 0.7 s on an idle core
    assert table.rows_read == 150_000 and len(table.skipped) == 6
    assert Counter(table.labels) == {"0": 75_051, "1": 74_943}
    assert (table.text_column, table.label_column, table.lines[0]) == ("document", "label", 2)


@needs_imdb
def test_imdb_is_read_whole():
    table = read_texts(DATA / "imdb" / "train.tsv.xz", labelled=True)
    assert table.rows_read == len(table) == 25_000
    assert Counter(table.labels) == {"neg": 12_500, "pos": 12_500}
    assert (table.text_column, table.label_column, table.lines[0]) == ("4", "1", 1)
    assert sum(map(len, table.texts)) > 32_000_000
