"""Bad tables: each ends in one line that names file, line and what to do."""

from __future__ import annotations

import builtins
import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
from pathlib import Path

import pandas
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.data.lines import iter_lines
from timesteps.data.tables import from_frame, read_texts
from timesteps.errors import DataError, UsageError


def refused(path: Path, line: int | None, words: str, error: type[Exception] = DataError, **options) -> str:
    """The message of the error: one line, with the file, the line, `words` and a remedy."""
    with pytest.raises(error) as caught:
        read_texts(path, **options)
    message = str(caught.value)
    assert "\n" not in message and words in message, message
    assert caught.value.mend and (str(caught.value.path) == str(path) or Path(caught.value.path).is_relative_to(path))
    assert caught.value.line == line, message
    return message


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


BAD = {
    "empty": ("a.csv", "", None, "is empty"),
    "empty, compressed": ("a.csv.gz", gzip.compress(b""), None, "is empty"),
    "header only": ("a.csv", "text,label\n", None, "header line and no rows"),
    "only empty rows": (
        "a.csv",
        "text,label\n,1\n ,0\nx,\n",
        None,
        "none of the 3 rows can be used (empty text and no",
    ),
    "too many fields": ("a.csv", "text,label\ngood,1\nbad, really,0\n", 3, "3 fields where the first line has 2"),
    "too few fields": ("a.csv", "id,text,label\n1,good,1\n2,bad\n", 3, "2 fields where the first line has 3"),
    "ragged TSV": ("a.tsv", 'text\tlabel\ngood "\t1\nbad\n', 3, "1 field where the first line has 2"),
    "unclosed quote": ("a.csv", 'text,label\ngood,1\n"bad,0\nfine,1\n', 3, "a quote is opened here and never closed"),
    "quote closed early": ("a.csv", 'text,label\n"a"b,1\n', 2, "followed by 'b' in line 2"),
    "quote closed lines later": ("a.csv", 'text,label\n"bad,0\n"fine",1\n', 2, "followed by 'f' in line 3"),
    "NUL": ("a.tsv", "text\tlabel\ngood\t1\nb\0d\t0\n", 3, "a NUL byte"),
    "UTF-16 without a mark": ("a.tsv", "text\tlabel\n".encode("utf-16-le"), 1, "--encoding utf-16-le"),
    "cut UTF-16": ("a.tsv", "text\tlabel\ngood\t1\n".encode("utf-16")[:-1], 2, "is not UTF-16-LE"),
    "Latin-1": ("a.csv", "text,label\ngood,1\ntrès bien,1\n".encode("latin-1"), 3, "0xe8 (offset 20) is not UTF-8"),
    "CP949": ("a.tsv", "text\tlabel\n좋은 영화\t1\n".encode("cp949"), 2, "--encoding cp949"),
    "cut UTF-8": ("a.tsv", "text\tlabel\n좋".encode()[:-1], 2, "is not UTF-8"),
    "invalid JSON": ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label"\n', 2, "not valid JSON"),
    "infinite JSON": ("a.jsonl", '{"text": "a", "label": Infinity}\n', 1, "not valid JSON"),
    "deep JSON": ("a.jsonl", '{"text": ' + 200_000 * "[" + "\n", 1, "JSON"),
    "JSON array": ("a.json", '[{"text": "a"}]\n', 1, "a JSON array where an object"),
    "JSON value": ("a.jsonl", '{"text": "a", "label": 1}\n7\n', 2, "a JSON value where an object"),
    "JSON without the text": ("a.jsonl", '{"text": "a", "label": 1}\n{"label": 0}\n', 2, "no field 'text'"),
    "JSON with the text later": ("a.jsonl", '{"label": 0}\n{"text": "a", "label": 1}\n', 1, "no field 'text'"),
    "JSON without the label": ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n', 2, "no field 'label'"),
    "JSON list as text": ("a.jsonl", '{"text": "b", "label": 1}\n{"text": ["a"], "label": 1}\n', 2, "holds a list"),
    "JSON lone surrogate": ("a.jsonl", '{"text": "\\ud83d", "label": 1}\n', 1, "surrogate"),
    "JSON NUL": ("a.jsonl", '{"text": "a\\u0000", "label": 1}\n', 1, "NUL"),
    "two fastText labels": ("a.txt", "__label__a x\n__label__a __label__b y\n", 2, "two labels"),
    "cut gzip": ("a.csv.gz", gzip.compress(b"text,label\n" + os.urandom(999).hex().encode())[:-20], None, "is cut off"),
    "cut xz": ("a.csv.xz", lzma.compress(b"text,label\n" + os.urandom(999).hex().encode())[:-40], None, "is cut off"),
    "cut bzip2": ("a.csv.bz2", bz2.compress(b"text,label\ngood,1\n")[:-5], None, "is cut off"),
    "damaged gzip": ("a.csv.gz", gzip.compress(b"text,label\ngood,1\n")[:-8] + 8 * b"x", None, "is damaged"),
    "damaged bzip2": ("a.csv.bz2", bz2.compress(b"text,label\ngood,1\n")[:20] + 30 * b"x", None, "is damaged"),
    "not gzip": ("a.csv.gz", "text,label\ngood,1\n", None, "is named .gz but"),
    "not Parquet": ("a.parquet", "text,label\ngood,1\n", None, "not a readable Parquet file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_content(tmp_path, case):
    name, content, line, words = BAD[case]
    refused(write(tmp_path, name, content), line, words, labelled=True)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200), st.text(alphabet='ab01,;\t\n\r"{}[]:\\u\ufeff가_l', max_size=200).map(str.encode)
    ),
    st.sampled_from(["a.csv", "a.tsv", "a.jsonl", "a.txt", "a.parquet"]),
    st.sampled_from([bytes, gzip.compress, bz2.compress, lambda content: gzip.compress(content)[:-3]]),
    st.sampled_from([True, False, None]),
    st.booleans(),
)
def test_whatever_the_bytes_there_is_a_table_or_one_line(
    tmp_path_factory, content, name, compress, labelled, keep_empty
):
    path = write(tmp_path_factory.mktemp("fuzz"), name, compress(content))
    try:
        table = read_texts(path, labelled=labelled, keep_empty=keep_empty)
    except DataError as error:
        assert "\n" not in str(error) and error.mend and error.path
    else:
        assert table.rows_read == len(table.texts) + len(table.skipped) and table.texts
        assert table.labels is None or len(table.labels) == len(table.texts)


def test_damaged_xz(tmp_path):
    content = bytearray(lzma.compress(os.urandom(9_999).hex().encode()))
    content[len(content) // 2] ^= 255
    refused(write(tmp_path, "a.csv.xz", bytes(content)), None, "is damaged")


def test_missing_file(tmp_path):
    refused(tmp_path / "nowhere.csv", None, "no such file")


def test_folders(tmp_path):
    refused(tmp_path, None, "has no class folders", labelled=True)
    (tmp_path / "pos").mkdir()
    refused(tmp_path, None, "holds no text files", labelled=True)
    write(tmp_path, "pos/1.txt", b"tr\xe8s\n")
    refused(tmp_path, 1, "is not UTF-8")
    write(tmp_path, "pos/1.txt", 5_000 * "x")
    refused(tmp_path, None, "more than 1,000 bytes", max_line_bytes=1_000)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path):
    path = write(tmp_path, "a.csv", "text,label\n")
    path.chmod(0)
    refused(path, None, "may not be read")


def test_missing_columns(tmp_path):
    path = write(tmp_path, "a.csv", "text,label\ngood,1\n")
    message = refused(path, None, "there is no column 'review'", text_column="review")
    assert "1 text, 2 label" in message and "--text-column" in message
    refused(path, None, "there is no column '3'", label_column=3)
    refused(path, None, "there is no column '0'", label_column=0)
    refused(path, None, "text and label at once", text_column="text", label_column=1)
    refused(write(tmp_path, "b.csv", "text\ngood\n"), None, "there is no label column", labelled=True)
    refused(write(tmp_path, "c.txt", "good\n"), None, "these lines have no labels", labelled=True)
    refused(write(tmp_path, "d.csv", "a,text,a\n1,good,2\n"), None, "two columns are named 'a'", label_column="a")


def test_ambiguous_columns(tmp_path):
    path = write(tmp_path, "a.csv", "text,review,label\ngood,fine,1\n")
    message = refused(path, None, "text (1st of 3) and review (2nd of 3) could each be the text column")
    assert "--text-column" in message
    refused(write(tmp_path, "b.csv", "text,label,class\ngood,1,2\n"), None, "could each be the label column")
    pairs = "".join(f"premise number {i} here,hypothesis number {i},{i % 2}\n" for i in range(9))
    refused(write(tmp_path, "c.csv", pairs), None, "1st of 3 and 2nd of 3 could each be the text column")
    tie = "".join(f"a rather long text number {i},{i % 2},{(i + i // 2) % 2}\n" for i in range(9))
    refused(write(tmp_path, "d.csv", tie), None, "2nd of 3 and 3rd of 3 could each be the label", labelled=True)


def test_options_that_make_no_sense(tmp_path):
    path = write(tmp_path, "a.txt", "__label__a good\n")
    refused(path, None, "not a table with columns", UsageError, text_column="text")
    with pytest.raises(UsageError, match="no text encoding named 'klingon'"):
        read_texts(path, encoding="klingon")
    with pytest.raises(UsageError, match="no text encoding named 'hex'"):
        read_texts(path, encoding="hex")


def test_a_wrong_encoding_by_option(tmp_path):
    path = write(tmp_path, "a.tsv", "text\tlabel\nune idée\t1\n".encode("latin-1"))
    refused(path, 2, "is not CP949", encoding="cp949")


def test_long_lines(tmp_path):
    content = "text\tlabel\n" + 900 * "가" + "\t1\nshort\t0\n"  # 2,702 bytes in UTF-8
    path = write(tmp_path, "a.tsv", content)
    assert len(read_texts(path, max_line_bytes=2_702)) == 2
    refused(path, 2, "more than 2,701 bytes", max_line_bytes=2_701)
    million = write(tmp_path, "b.tsv", "text\tlabel\n" + 1_000_000 * "x" + "\t1\n")
    refused(million, 2, "more than 999,999 bytes", max_line_bytes=999_999)
    refused(write(tmp_path, "c.csv", 'text,label\n"' + 500 * "line\n" + '",1\n'), 2, "never closed", max_line_bytes=999)


def test_totals_are_bounded(tmp_path):
    path = write(tmp_path, "a.tsv", "text\tlabel\n" + 100_000 * "good\t1\n")
    refused(path, None, "more than 99,999 bytes", max_bytes=99_999)


def test_a_decompression_bomb_is_refused_early(tmp_path):
    packed = lzma.LZMACompressor()
    chunk = (1 << 20) * b"a\n"
    content = b"".join(packed.compress(chunk) for _ in range(20)) + packed.flush()
    refused(write(tmp_path, "a.txt.xz", content), None, "expands more than 1000 times")


def test_a_line_of_100_megabytes_takes_little_memory(tmp_path):
    """Its end is never read: the process's peak grows by less than 64 MB."""
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.write(b"text,label\n")
        for _ in range(100):
            file.write(1_000_000 * b"x")
    program = f"""
import resource
from timesteps.data.tables import read_texts
from timesteps.data.lines import iter_lines
from timesteps.errors import DataError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for read in (read_texts, lambda path: list(iter_lines(path))):
    try:
        read({str(path)!r})
    except DataError as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, second, kilobytes = answer.stdout.splitlines()
    assert first == second and first.startswith(f"{path}:2: a line of more than 16,777,216 bytes")
    assert int(kilobytes) < 64_000


def test_iter_lines_refuses_like_read_texts(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        iter_lines(tmp_path / "nowhere.txt")
    lines = iter_lines(write(tmp_path, "a.txt", b"good\nb\xe8\n"))
    with pytest.raises(DataError, match=r"a\.txt:2: byte 0xe8"):
        list(lines)


def test_standard_input_is_named(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text\tlabel\ngood\n")))
    with pytest.raises(DataError, match="standard input"):
        read_texts("-", labelled=True, format="tsv")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    message = refused(write(tmp_path, "a.parquet", b"PAR1"), None, "need pyarrow")
    assert "timesteps[data]" in message


def test_frames_and_parquet_with_unusable_columns(tmp_path):
    table = pyarrow.table({"text": [["a"], ["b"]], "label": [1, 0]})
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(table, path)
    refused(path, 1, "column 'text' holds list values")
    with pytest.raises(DataError, match="holds list values"):
        from_frame(table)
    with pytest.raises(DataError, match="header line and no rows"):
        from_frame(table.slice(0, 0))
    with pytest.raises(DataError, match="two columns have the same name"):
        from_frame(pandas.DataFrame([["good", 1]], columns=["a", "a"]))
    content = path.read_bytes()
    refused(write(tmp_path, "b.parquet", content[: len(content) // 2]), None, "not a readable Parquet file")
