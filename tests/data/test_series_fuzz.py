"""Whatever a file holds: it is read in full, or refused in one line; and what was written is what is read."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timesteps.data.sequences import read_sequences
from timesteps.data.series import read_series
from timesteps.errors import TimestepsError
from timesteps.runtime.series.series import Columns

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = st.sampled_from(
    ["date,city,price\n", "2024-01-01", "2024-01-02", "2024-02-30", "01/02/2024", "2024Q1", "17", ",", ",", ",",
     "\n", "\n", "1.5", "-3e400", "nan", "inf", "1,000", '"', '""', ";", "\t", "a", "서울", "\r\n", "\ufeff", "{",
     '{"date": 1}', "\0", ""]
)  # fmt: skip


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "txt"])
@given(st.lists(PIECES, max_size=40))
@QUICK
def test_any_file_is_read_or_refused(tmp_path, suffix, pieces):
    path = tmp_path / f"data.{suffix}"
    path.write_text("".join(pieces), encoding="utf-8")
    for columns in (None, Columns(("price",), "date", "city"), Columns(("3",), "1", "2")):
        try:
            found = read_series(path, columns, sort=True)
        except TimestepsError as error:
            assert error.exit_code in (2, 3) and len(str(error).splitlines()) == 1
        else:
            for series in found:
                assert not np.isinf(series.targets).any() and len(series.times) == len(series.targets)
                assert (np.diff(series.times.astype(np.int64)) > 0).all()


@given(st.binary(max_size=300))
@QUICK
def test_any_bytes(tmp_path, data):
    for name in ("data.csv", "data.ts", "data.csv.gz", "data.parquet"):
        path = tmp_path / name
        path.write_bytes(data)
        for read in (read_series, read_sequences):
            try:
                read(path)
            except TimestepsError as error:
                assert len(str(error).splitlines()) == 1


@st.composite
def tables(draw):
    """Series of whole steps of one frequency, with holes, and the numbers of their rows shuffled between the groups."""
    code = draw(st.sampled_from(["D", "h", "15min", "MS", "ME", "B", "W", "QE"]))
    rows = []
    for name in draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)):
        length = draw(st.integers(8, 25))
        index = pd.date_range("2021-03-05", periods=length, freq=code)
        holes = draw(st.sets(st.integers(1, length - 2), max_size=2))
        for step in range(length):
            if step not in holes:
                value = draw(st.none() | st.floats(-1e9, 1e9).filter(bool)) if step else 1.5
                rows.append((index[step], name, step, value))
    return code, rows


@given(tables(), st.sampled_from(["csv", "jsonl", "frame"]), st.randoms())
@settings(QUICK, max_examples=20)
def test_what_was_written_is_read(tmp_path, given_table, form, random):
    _, rows = given_table
    names = list(dict.fromkeys(row[1] for row in rows))
    queues = {name: [row for row in rows if row[1] == name] for name in names}
    shuffled = []
    while queues:  # the rows of a series stay in their order, the series mix
        name = random.choice(sorted(queues))
        shuffled.append(queues[name].pop(0))
        queues = {name: queue for name, queue in queues.items() if queue}
    frame = pd.DataFrame(shuffled, columns=["date", "city", "step", "price"])
    source: object = frame
    if form == "csv":
        source = tmp_path / "t.csv"
        frame.to_csv(source, index=False)
    elif form == "jsonl":
        source = tmp_path / "t.jsonl"
        frame.assign(date=frame["date"].astype(str)).to_json(source, orient="records", lines=True, double_precision=15)
    found = read_series(source, Columns(("price",), "date", "city"))
    assert sorted(series.name for series in found) == sorted(names)
    for series in found:
        mine = {row[2]: row for row in rows if row[1] == series.name}
        assert len(series) == max(mine) + 1
        for step in range(len(series)):
            if step in mine:
                assert series.times[step] == np.datetime64(mine[step][0].to_datetime64(), "us")
            value = mine[step][3] if step in mine else None
            assert np.isnan(series.targets[step, 0]) if value is None else np.isclose(series.targets[step, 0], value)


def test_memory_is_a_small_multiple_of_the_numbers(tmp_path):
    """400 series of 100 steps: the strings of all cells are never there at once."""
    stamps = np.datetime64("2024-01-01") + np.arange(100)
    text = io.StringIO()
    text.write("id,date,price,rate\n")
    for series in range(400):
        text.writelines(f"s{series},{stamp},{series}.25,{step}\n" for step, stamp in enumerate(stamps))
    path = tmp_path / "many.csv"
    path.write_text(text.getvalue())
    tracemalloc.start()
    found = read_series(path, Columns(("price",), "date", "id", past=("rate",)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 400 and found.series[7].targets[:, 0].tolist() == [7.25] * 100
    assert peak < 40_000 * 600 + 4_000_000  # one block of cells as strings, and the numbers
