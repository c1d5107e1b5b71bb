"""Word vectors in every format, and files that are not quite one."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.data.vectors import load_vectors
from timesteps.errors import DataError, UsageError

WORDS = ["good", "영화", "bad", "so so"]
VECTORS = np.array([[0.5, -1.0, 2.0], [1e-3, 0.0, 3.0], [-0.25, 4.0, 1.0], [7.0, 8.0, 9.0]], np.float32)


def text(header: bool, trailing: str = "", words: list[str] = WORDS) -> bytes:
    lines = [f"{word} {' '.join(map(str, row.tolist()))}{trailing}" for word, row in zip(words, VECTORS, strict=False)]
    return ("\n".join([f"{len(lines)} 3"] * header + lines) + "\n").encode()


def binary(newline: bytes = b"\n") -> bytes:
    rows = [w.replace(" ", "_").encode() + b" " + r.tobytes() + newline for w, r in zip(WORDS, VECTORS, strict=True)]
    return b"4 3\n" + b"".join(rows)


FILES = {
    "word2vec text": text(True),
    "fastText": text(True, trailing=" "),
    "GloVe": text(False),
    "GloVe with CRLF": text(False).replace(b"\n", b"\r\n"),
    "no last newline": text(True).rstrip(b"\n"),
    "word2vec binary": binary(),
    "gensim binary": binary(b""),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("zipped", [False, True])
def test_every_format(tmp_path: Path, name: str, zipped: bool) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(gzip.compress(FILES[name]) if zipped else FILES[name])
    blank = "so_so" if "binary" in name else "so so"
    found = load_vectors(path, ["bad", "missing", blank, "good", "영화", "bad"])
    assert found.found.tolist() == [True, False, True, True, True, True]
    np.testing.assert_array_equal(found.vectors[found.found], VECTORS[[2, 3, 0, 1, 2]])
    assert np.isnan(found.vectors[1]).all()
    assert found.coverage == pytest.approx(5 / 6)
    assert "5 of 6" in str(found) and "3 numbers" in str(found)
    table = found.rows(3)
    assert table.shape == (9, 3) and np.isnan(table[:3]).all()
    np.testing.assert_array_equal(table[3], VECTORS[2])


def test_two_blanks_after_a_word_are_one(tmp_path: Path) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(b"good 1 2 3\nso so  4 5 6\n")
    assert load_vectors(path, ["so so"]).vectors.tolist() == [[4, 5, 6]]


def test_the_first_of_two_vectors_counts(tmp_path: Path) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(text(True, words=["good", "good", "bad", "bad"]))
    np.testing.assert_array_equal(load_vectors(path, ["good", "bad"]).vectors, VECTORS[[0, 2]])


def test_a_large_binary_file_is_read_in_pieces(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4000, 100)).astype(np.float32)
    path = tmp_path / "large.bin"
    rows = [f"w{k} ".encode() + row.tobytes() + b"\n" for k, row in enumerate(vectors)]
    path.write_bytes(b"4000 100\n" + b"".join(rows))
    np.testing.assert_array_equal(load_vectors(path, [f"w{k}" for k in range(4000)]).vectors, vectors)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no vectors"),
        (b"\n\n", "holds no vectors"),
        (b"2 3\ngood 1 2 3\n", "says 2 vectors, there are 1"),
        (b"2 3\ngood 1 2 3\nbad 1 2\n", ":3: not a word and 3 numbers"),
        (b"good 1 2 3\nbad 1 2\n", ":2: not a word and 3 numbers"),
        (b"2 3\ngood 1 2 3\nbad 1 2 x\n", ":3: not a word and 3 finite numbers"),
        (b"2 3\ngood 1 2 3\nbad 1 2 nan\n", ":3: not a word and 3 finite numbers"),
        (b"2 3\ngood 1 2 3\nbad 1 2 1e39\n", ":3: not a word and 3 finite numbers"),
        (b"good\n", ":1: vectors of 0 numbers"),
        (b"9 99999999\n", ":1: vectors of 99999999 numbers"),
        (b"9 0\n", ":1: vectors of 0 numbers"),
        (b"a review, not numbers\n", ":1: not a word and its numbers"),
        (binary()[:-6], "ends in vector 4 of 4"),
        (b"1 3\ngood " + struct.pack("<3f", 1, 2, float("inf")), "vector 1 holds NaN or infinite"),
        (b"1 3\n" + b"x" * 70000, "vector 1 has no word"),
        (gzip.compress(text(True))[:-12], "cannot be read"),
        (b"\x1f\x8b" + b"0" * 50, "cannot be read"),
    ],
)
def test_broken_files_are_errors_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        load_vectors(path, ["good", "bad"])
    assert message in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_endless_lines_are_not_kept_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(b"2 3\ngood 1 2 3\n" + b"1 " * 500_000)
    with pytest.raises(DataError, match=":3:"):
        load_vectors(path, ["good"])


def test_missing_files_and_formats(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_vectors(tmp_path / "nothing", ["good"])
    with pytest.raises(UsageError, match="auto, text, binary"):
        load_vectors(tmp_path / "nothing", ["good"], format="csv")  # type: ignore[arg-type]
    path = tmp_path / "vectors"
    path.write_bytes(text(False))
    with pytest.raises(DataError, match="no first line"):
        load_vectors(path, ["good"], format="binary")


@settings(max_examples=150)
@given(st.binary(max_size=200), st.sampled_from(sorted(FILES)), st.integers(0, 120))
def test_damage_never_ends_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes, name: str, at: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    whole = FILES[name]
    path.write_bytes(whole[:at] + damage + whole[at + len(damage) :])
    try:
        found = load_vectors(path, WORDS)
    except DataError:
        return
    assert np.isfinite(found.vectors[found.found]).all()
