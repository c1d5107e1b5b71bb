"""Sequences of numbers: aeon's `.ts` files, tables with a row a step, and the line of every fault in them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timesteps.data.sequences import SequenceColumns, is_sequences, read_sequences
from timesteps.errors import DataError, UsageError

HEADER = (
    "# a comment\n@problemName small\n@timeStamps false\n@univariate false\n@dimensions 2\n@classLabel true up down\n"
)
LONG = "id,t,x,y,kind\na,1,1,5,u\nb,1,3,7,d\na,2,2,6,u\nb,2,4,8,d\nb,3,5,9,d\n"


def ts(tmp_path: Path, content: str, name: str = "small.ts", **options):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return read_sequences(path, **options)


@pytest.mark.parametrize("name", ["small.ts", "small.ts.gz"])
def test_rows_of_different_lengths(tmp_path, name):
    found = ts(tmp_path, HEADER + "@equalLength false\n\n@data\n1,2:0,-1e2:up\n\n# more\n3,4,5 : 0,0,.5 : down\n", name)
    assert [row.tolist() for row in found.rows] == [[[1, 0], [2, -100]], [[3, 0], [4, 0], [5, 0.5]]]
    assert found.labels == ["up", "down"] and found.lines == [10, 13] and found.names == ["1", "2"]


def test_one_dimension_and_no_labels(tmp_path):
    text = "@univariate true\n@classLabel false\n@data\n1,2,3\n"
    found = ts(tmp_path, text, labelled=False)
    assert found.rows[0].shape == (3, 1) and found.labels is None
    with pytest.raises(DataError, match="the sequences have no labels"):
        ts(tmp_path, text)


BAD = {
    "no @data": ("@dimensions 2\n", "has no line @data"),
    "data first": ("1,2:3,4:up\n@data\n", ":1: data before @data"),
    "an unknown keyword": ("@colour red\n@data\n1:1\n", ":1: @colour means nothing"),
    "neither true nor false": ("@classLabel maybe\n@data\n1:1\n", ":1: @classLabel is neither true nor false"),
    "a count that is none": ("@dimensions many\n@data\n1:1\n", ":1: @dimensions is no whole number"),
    "time stamps": ("@timeStamps true\n@data\n1:1\n", ":1: sequences with time stamps are not read"),
    "targets": ("@targetLabel true\n@data\n1:1\n", ":1: sequences with numbers as targets"),
    "two dimensions of one": ("@univariate true\n@dimensions 2\n@data\n1\n", "@univariate true, but @dimensions 2"),
    "no sequence": (HEADER + "@data\n", "has no sequence after @data"),
    "a missing dimension": (HEADER + "@data\n1,2:up\n", ":8: 1 dimensions, expected 2"),
    "no label": (HEADER + "@data\n1,2:3,4\n", ":8: label '3,4' is not among"),
    "another label": (HEADER + "@data\n1,2:3,4:left\n", r":8: label 'left' is not among those .*\(up, down\)"),
    "unequal dimensions": (HEADER + "@data\n1,2:3,4,5:up\n", ":8: dimension 1 has 2 steps, another 3"),
    "another length": (
        HEADER + "@equalLength true\n@seriesLength 3\n@data\n1,2:3,4:up\n",
        ":10: 2 steps, but @seriesL",
    ),
    "text": (HEADER + "@data\n1,x:3,4:up\n", ":8: dimension 1, step 2: 'x' is no number"),
    "an underscore": (HEADER + "@data\n1,1_0:3,4:up\n", ":8: dimension 1, step 2: '1_0' is no number"),
    "nothing": (HEADER + "@data\n1,:3,4:up\n", ":8: dimension 1, step 2: '' is no number; write \\?"),
    "infinity": (HEADER + "@data\n1,inf:3,4:up\n", ":8: dimension 1, step 2 is infinite"),
    "missing": (
        HEADER + "@data\n1,?:3,4:up\n",
        ":8: 1 number is missing in 1 of 1 sequences; .*missing='interpolate'",
    ),
    "missing unannounced": (HEADER + "@missing false\n@data\n1,?:3,4:up\n", ":9: a number is missing, but @missing is"),
    "empty": ("", "has no line @data"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(case, tmp_path):
    content, message = BAD[case]
    with pytest.raises(DataError, match=r"small\.ts.*" + message) as error:
        ts(tmp_path, content)
    assert error.value.exit_code == 3 and "\n" not in str(error.value)


def test_missing_numbers_are_interpolated_where_asked(tmp_path):
    found = ts(tmp_path, HEADER + "@missing true\n@data\n?,2,?,4:1,NaN,?,?:up\n", missing="interpolate")
    assert found.rows[0].T.tolist() == [[2, 2, 3, 4], [1, 1, 1, 1]]
    assert found.notes == ["5 numbers are missing in 1 of 1 sequences: interpolated"]
    with pytest.raises(DataError, match=":8: feature 2 of sequence 1 has no number at all"):
        ts(tmp_path, HEADER + "@data\n1,2:?,?:up\n", missing="interpolate")
    with pytest.raises(UsageError, match="missing is 'zero'"):
        ts(tmp_path, HEADER + "@data\n1,2:?,?:up\n", missing="zero")


def test_tables_with_a_row_a_step(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text(LONG)
    found = read_sequences(path, SequenceColumns("id", "t", "kind"))
    assert [row.tolist() for row in found.rows] == [[[1, 5], [2, 6]], [[3, 7], [4, 8], [5, 9]]]
    assert found.labels == ["u", "d"] and found.names == ["a", "b"] and found.features == ("x", "y")
    assert found.lines == [2, 3]
    one = read_sequences(pd.read_csv(path), SequenceColumns("id", None, None, ("y",)), labelled=False)
    assert [row.ravel().tolist() for row in one.rows] == [[5, 6], [7, 8, 9]] and one.labels is None


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        (LONG, SequenceColumns(), "which column tells the sequences apart"),
        (LONG, SequenceColumns("who"), r"there is no column 'who' \(group\)"),
        (LONG, SequenceColumns("id", "t"), "the sequences have no labels"),
        (
            LONG.replace("a,2,2,6,u", "a,2,2,6,d"),
            SequenceColumns("id", "t", "kind"),
            ":4: label 'd' after 'u' in the same",
        ),
        (LONG.replace("a,2,2,6,u", "a,1,2,6,u"), SequenceColumns("id", "t", "kind"), ":4: time 1 is already in line 2"),
        (LONG.replace("b,3,", "b,0,"), SequenceColumns("id", "t", "kind"), ":6: time 0 after 2 in line 5"),
        (LONG.replace(",u", ","), SequenceColumns("id", "t", "kind"), ":2: there is no label here"),
        (LONG, SequenceColumns("id", "t", "kind", ("x", "kind")), "column 'kind' cannot be"),
        (LONG, SequenceColumns("id", "t", "x", ("kind",)), ":2: column kind: 'u' is text"),
        ("id,kind\na,u\nb,d\n", SequenceColumns("id", None, "kind"), "no column of numbers is left"),
        (LONG.replace(",6,", ",,"), SequenceColumns("id", "t", "kind"), ":2: 1 number is missing in 1 of 2"),
    ],
)
def test_bad_tables(tmp_path, content, columns, message):
    path = tmp_path / "long.csv"
    path.write_text(content)
    with pytest.raises((DataError, UsageError), match=message):
        read_sequences(path, columns)


def test_known_sets():
    train, test = read_sequences("basic-motions"), read_sequences("basic-motions", split="test")
    assert len(train) == len(test) == 40 and {row.shape for row in (*train.rows, *test.rows)} == {(100, 6)}
    assert train.source == "basic-motions" and is_sequences("basic-motions") and not is_sequences("stocks")
    with pytest.raises(DataError, match="stocks holds no sequences of numbers; known are basic-motions"):
        read_sequences("stocks")
    with pytest.raises(UsageError, match=r"a \.ts file has no columns"):
        read_sequences("some.ts", SequenceColumns("id"))


@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from(["up", "down"]), st.randoms(use_true_random=False)),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 3),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_is_read(tmp_path, rows, width):
    values = [np.array([[random.uniform(-1e6, 1e6) for _ in range(width)] for _ in range(T)]) for T, _, random in rows]
    lines = [
        ":".join([*(",".join(map(repr, column)) for column in x.T.tolist()), label])
        for x, (_, label, _) in zip(values, rows, strict=True)
    ]
    found = ts(tmp_path, f"@dimensions {width}\n@classLabel true up down\n@data\n" + "\n".join(lines))
    assert found.labels == [label for _, label, _ in rows]
    assert all((row == x).all() for row, x in zip(found.rows, values, strict=True))
