"""Series from files: what is read, what is said about it, and the line of every fault."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesteps.data import blocks
from timesteps.data.series import SeriesSet, read_series
from timesteps.errors import DataError, UsageError
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns

ONE = Columns(("price",), "date")
MANY = Columns(("price",), "date", "city")


@pytest.fixture
def read(tmp_path: Path):
    def read(content: str | bytes, columns: Columns | None = ONE, name: str = "prices.csv", **options) -> SeriesSet:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_series(path, columns, **options)

    return read


def days(count: int, start: str = "2024-01-01", every: int = 1) -> list[str]:
    return [str(np.datetime64(start) + every * step) for step in range(count)]


def table(stamps: list[str], header: str = "date,price") -> str:
    return header + "\n" + "".join(f"{stamp},{step + 1}\n" for step, stamp in enumerate(stamps))


def test_groups_of_different_lengths_in_the_order_of_their_first_rows(read):
    rows = ["date,city,price,rate,holiday,kind", "2024-01-01,b,1,5,0,x", "2024-01-01,a,2,6,1,3", "2024-01-02,b,3,,0,x"]
    rows += ["2024-01-03,b,4,8,1,x", "2024-01-02,a,,,1,3"]
    found = read("\n".join(rows), Columns(("price",), "date", "city", ("rate",), ("holiday",), ("kind",)))
    assert [series.name for series in found] == ["b", "a"] and len(found) == 2
    b, a = found.series
    assert b.targets.ravel().tolist() == [1, 3, 4] and b.static == ("x",) and a.static == ("3",)
    np.testing.assert_array_equal(b.past.ravel(), [5, np.nan, 8])
    np.testing.assert_array_equal(a.targets.ravel(), [2, np.nan])
    assert a.future.ravel().tolist() == [1, 1] and a.known == 1 and b.known == 3
    assert [lines.tolist() for lines in found.lines] == [[2, 4, 5], [3, 6]]
    assert found.where(1, 1) == {"path": found.source, "line": 6} and found.where(0)["line"] == 2
    assert str(found.frequency) == "every day" and b.times.dtype == "datetime64[us]"
    assert any("of 1 series have no target (1): the time to come" in note for note in found.notes)


def test_static_columns_of_numbers_are_numbers(read):
    found = read(
        "date,city,price,size\n1,a,1,10\n2,a,1.5,10\n1,b,2,30\n", Columns(("price",), "date", "city", static=("size",))
    )
    assert [series.static for series in found] == [(10.0,), (30.0,)]
    with pytest.raises(DataError, match=r"csv:3: column size: '11' after '10' in the same series"):
        read("date,city,price,size\n1,a,1,10\n2,a,1,11\n", Columns(("price",), "date", "city", static=("size",)))
    with pytest.raises(DataError, match=r"csv:2: column size: nothing here"):
        read("date,city,price,size\n1,a,1,\n2,a,1,\n", Columns(("price",), "date", "city", static=("size",)))


@pytest.mark.parametrize(
    "form", ["csv", "tsv", "semicolons", "jsonl", "parquet", "gz", "quoted", "bom", "crlf", "stdin"]
)
def test_every_form_gives_the_same(form, tmp_path, monkeypatch):
    frame = pd.DataFrame({"date": days(5), "city": list("aabbb"), "price": [1.5, 2.5, None, 4, 5], "more": range(5)})
    text = frame.to_csv(index=False)
    path = tmp_path / "prices.csv"
    if form == "tsv":
        path = tmp_path / "prices.tsv"
        text = text.replace(",", "\t")
    elif form == "semicolons":
        text = text.replace(",", ";")
    elif form == "jsonl":
        path = tmp_path / "prices.jsonl"
        text = "\n".join(json.dumps({key: None if value != value else value for key, value in row.items()})
                         for row in frame.to_dict("records"))  # fmt: skip
    elif form == "quoted":
        text = "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines())
    elif form == "crlf":
        text = text.replace("\n", "\r\n")
    data = text.encode("utf-8-sig" if form == "bom" else "utf-8")
    if form == "gz":
        path, data = tmp_path / "prices.csv.gz", gzip.compress(data)
    path.write_bytes(data)
    source: object = path
    if form == "parquet":
        source = tmp_path / "prices.parquet"
        frame.to_parquet(source)
    if form == "stdin":
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        source = "-"
    found = read_series(source, MANY)
    assert [series.name for series in found] == ["a", "b"]
    np.testing.assert_array_equal(found.series[1].targets.ravel(), [np.nan, 4, 5])
    assert found.series[0].times.astype("datetime64[D]").astype(str).tolist() == days(2)
    first = {"jsonl": 1, "parquet": 1}.get(form, 2)
    assert found.lines[0].tolist() == [first, first + 1]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("s", "every second"), ("15s", "every 15 seconds"), ("min", "every minute"), ("15min", "every 15 minutes"),
        ("h", "every hour"), ("6h", "every 6 hours"), ("D", "every day"), ("2D", "every 2 days"), ("W", "every week"),
        ("14D", "every 2 weeks"), ("B", "every business day"), ("MS", "every month"), ("ME", "every month"),
        ("BME", "every month"), ("2MS", "every 2 months"), ("QE", "every quarter"), ("QS", "every quarter"),
        ("YS", "every year"), ("YE", "every year"), ("5YE", "every 5 years"), ("100ms", "every 100 milliseconds"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("gaps", [False, True])
def test_frequencies(code, words, gaps):
    index = pd.date_range("2019-12-28 00:00", periods=40, freq=code)
    kept = np.delete(np.arange(40), [7, 8, 30]) if gaps else np.arange(40)
    found = read_series(pd.DataFrame({"date": index[kept], "price": kept + 1.0}), ONE)
    assert str(found.frequency) == words and len(found.series[0]) == 40
    if code != "BME":
        assert (found.series[0].times == np.asarray(index.values, "datetime64[us]")).all()
    holes = np.isnan(found.series[0].targets[:, 0])
    assert np.flatnonzero(holes).tolist() == ([7, 8, 30] if gaps else [])
    assert (found.lines[0][holes] == 0).all()
    assert any("3 of 40" in note for note in found.notes) is gaps


def test_gaps_may_stay(read):
    text = table(days(6)[:3] + days(6)[4:])
    found = read(text, fill=False)
    assert len(found.series[0]) == 5 and found.frequency == Frequency("day", regular=False)
    assert len(read(text).series[0]) == 6


def test_irregular_series_stay_as_they_are(read):
    stamps = ["2024-01-01 00:03", "2024-01-01 04:00", "2024-01-02 07:11", "2024-01-02 09:00", "2024-01-04 23:59"]
    found = read(table(stamps))
    assert not found.frequency.regular and len(found.series[0]) == 5
    assert any("irregular" in note for note in found.notes)


def test_one_stamp_between_the_steps_is_named(read):
    stamps = [f"2024-01-01 {hour:02}:00" for hour in range(20)]
    stamps.insert(6, "2024-01-01 05:30")
    found = read(table(stamps))
    assert not found.frequency.regular
    assert any("line 8" in note and "05:30" in note for note in found.notes), found.notes


def test_series_of_two_rows_follow_the_others(read):
    rows = ["date,city,price", *(f"{day},a,1{number}" for number, day in enumerate(days(10)))]
    rows += ["2024-03-01,b,2", "2024-03-04,b,3", "2024-01-05,c,7"]
    found = read("\n".join(rows), MANY)
    assert str(found.frequency) == "every day" and [len(series) for series in found] == [10, 4, 1]


def test_different_frequencies_are_an_error(read):
    rows = [
        "date,city,price",
        *(f"{day},a,1" for day in days(10)),
        *(f"2024-{month:02}-01,b,1" for month in range(1, 10)),
    ]
    with pytest.raises(DataError, match=r"csv:12: series 'b' steps .*'a'"):
        read("\n".join(rows), MANY)
    rows = ["date,city,price", *(f"{day},a,1" for day in days(10)), *(f"{day},b,1" for day in days(5, every=7))]
    with pytest.raises(DataError, match=r"csv:12: series 'b' steps every week, but 'a' every day"):
        read("\n".join(rows), MANY)


def test_a_given_frequency_is_held_to(read):
    text = table(["2024-01-01 00:00", "2024-01-01 02:00", "2024-01-01 04:00"])
    assert len(read(text).series[0]) == 3 and len(read(text, frequency=Frequency("hour")).series[0]) == 5
    with pytest.raises(DataError, match=r"csv:3: time 2024-01-01 02:00:00 does not fit steps every 4 hours"):
        read(text, frequency=Frequency("hour", 4))


def test_numbered_steps_are_no_times(read):
    with pytest.raises(DataError, match="the rows have times, expected are numbered steps"):
        read(table(days(3)), frequency=Frequency("step"))
    with pytest.raises(DataError, match="the rows have no times, expected are steps every day"):
        read("date,price\n1,2\n2,3\n", frequency=Frequency("day"))


def test_wide_tables(read):
    text = "date,x,y,z\n2024-01,1,0.000,10\n2024-02,2,0,20\n2024-03,3,5,30\n2024-04,4,6,\n"
    columns = Columns(("x", "y"), "date", past=("z",))
    found = read(text, columns)
    assert found.series[0].targets.shape == (4, 2)
    assert any("never zero again: y; where that means that it had not begun yet" in note for note in found.notes)
    apart = read(text, columns, separate=True, missing_values=["0"])
    assert [series.name for series in apart] == ["x", "y"] and apart.columns.targets == ("value",)
    assert "column y: 2 cells 0 count as missing" in apart.notes
    assert apart.series[1].targets.ravel().tolist() == [5, 6] and apart.lines[1].tolist() == [4, 5]
    assert apart.series[1].past.ravel()[0] == 30 and any("1 of 2 series begin later" in note for note in apart.notes)


def test_no_times_are_steps(read):
    found = read("price\n1\n\n3\n", Columns(("price",)))
    np.testing.assert_array_equal(found.series[0].targets.ravel(), [1, np.nan, 3])
    assert found.series[0].times.tolist() == [0, 1, 2] and found.frequency == Frequency("step")
    assert read("t,price\n10,1\n20,2\n40,3\n", Columns(("price",), "t")).series[0].times.tolist() == [10, 20, 30, 40]


def test_quotes_blank_lines_and_blocks(read, monkeypatch):
    """Whatever is in the first thousand rows, quotes may come later."""
    monkeypatch.setattr(blocks, "_BLOCK", 3)
    rows = ["note,date,price", *(f"n,{day},{number}" for number, day in enumerate(days(8)))]
    expected = read("\n".join(rows))
    for place in (1, 2, 5, 8):
        quoted = [*rows]
        quoted[place] = quoted[place].replace("n,", '"a, b\n\nc",', 1)
        found = read("\n\n".join(quoted) + "\n\n")
        assert (found.series[0].targets == expected.series[0].targets).all() and len(found.series[0]) == 8
    with pytest.raises(DataError, match=r"csv:8: 4 fields where the first line has 3"):
        read("\n".join([*rows[:7], "n,1,2,3"]))
    with pytest.raises(DataError, match=r"csv:8: 4 fields where the first line has 3"):
        read("\n".join([*rows[:7], 'n,1,2,"3"']))


def test_columns_by_number_and_without_a_header(read):
    found = read("2024-01-01,5\n2024-01-02,6\n", Columns(("2",), "1"))
    assert found.series[0].targets.ravel().tolist() == [5, 6] and any("no header line" in note for note in found.notes)
    assert read("date,price\n2024-01-01,5\n2024-01-02,6\n", Columns(("2",), "1")).columns == ONE


def test_columns_by_their_names(read):
    found = read("Date,Ticker,Open,Close\n2024-01-01,A,1,2\n2024-01-02,A,1,3\n", None)
    assert found.columns == Columns(("Close",), "Date", "Ticker")
    assert found.notes[0] == "columns by their names: target: Close, time: Date, group: Ticker"
    assert read("날짜,가격\n2024년 1월 1일,1\n2024년 1월 2일,2\n", None).columns == Columns(("가격",), "날짜")
    with pytest.raises(DataError, match=r"which column is forecast\?; give target \(the columns: Date, Open, High\)"):
        read("Date,Open,High\n2024-01-01,1,2\n", None)


def test_newest_first_is_turned_round_and_said(read):
    found = read(table(days(4)[::-1]))
    assert found.series[0].targets.ravel().tolist() == [4, 3, 2, 1] and found.lines[0].tolist() == [5, 4, 3, 2]
    assert any("turned round" in note for note in found.notes)


def test_other_orders_are_an_error_unless_sorting_is_asked_for(read):
    text = table(["2024-01-01", "2024-01-03", "2024-01-02"])
    with pytest.raises(
        DataError, match=r"csv:4: time 2024-01-02 after 2024-01-03 in line 3; sort the rows by time, or"
    ):
        read(text)
    found = read(text, sort=True)
    assert found.series[0].targets.ravel().tolist() == [1, 3, 2] and "rows are sorted by time" in found.notes


BAD = {
    "a double": (
        table(["2024-01-01", "2024-01-02", "2024-01-01"]),
        r":4: time 2024-01-01 is already in line 2;.*group",
    ),
    "text": ("date,price\n2024-01-01,1\n2024-01-02,cheap\n", r":3: column price: 'cheap' is text in a column of numb"),
    "infinity": ("date,price\n2024-01-01,inf\n2024-01-02,2\n", r":2: column price: 'inf' is infinite"),
    "too large": ("date,price\n2024-01-01,1e999\n2024-01-02,2\n", r":2: column price: '1e999' is infinite"),
    "thousands": ('date,price\n2024-01-01,"1,234.5"\n', r":2: column price: '1,234.5' is no plain number; give thousa"),
    "a comma": ('date,price\n2024-01-01,"1,5"\n', r":2: .*'1,5' is no plain number; give decimal=','"),
    "either": ('date,price\n2024-01-01,"1,500"\n', r":2: .*give thousands=',' or decimal=',', as is meant"),
    "German": ('date,price\n2024-01-01,"1.234,5"\n', r":2: .*give thousands='\.' and decimal=','"),
    "an underscore": ("date,price\n2024-01-01,1_000\n", r":2: .*'1_000' is text"),
    "nothing": ("", r"is empty"),
    "only a header": ("date,price\n", r"has a header line and no rows"),
    "no target": ("date,price\n2024-01-01,\n2024-01-02,\n", r"column price has no number at all"),
    "no such column": ("day,price\n2024-01-01,1\n", r"there is no column 'date' \(time\); the columns: day, price"),
    "a column twice": ("date,price,price\n2024-01-01,1,2\n", r"two columns are named 'price'"),
    "ragged": ("date,price\n2024-01-01,1,5\n", r":2: 3 fields where the first line has 2"),
    "no time": ("date,price\n2024-01-01,1\n,2\n", r":3: column date: there is no time here"),
    "one row": ("date,price\n2024-01-01,1\n", r":2: one time stamp does not say how far apart steps are"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, read):
    content, message = BAD[case]
    with pytest.raises(
        DataError, match=r"prices\.csv" + (message if message.startswith(":") else ": " + message)
    ) as error:
        read(content)
    assert error.value.exit_code == 3 and "\n" not in str(error.value)


def test_bad_input_of_groups(read):
    with pytest.raises(DataError, match=r"csv:4: no row of the series 'b' has a target \(price\)"):
        read("date,city,price\n2024-01-01,a,1\n2024-01-02,a,2\n2024-01-01,b,\n2024-01-02,b,\n", MANY)
    with pytest.raises(DataError, match=r"csv:3: column city: this row does not say which series"):
        read("date,city,price\n2024-01-01,a,1\n2024-01-02,,2\n", MANY)
    with pytest.raises(DataError, match=r"csv:4: time 2024-01-01 is already in line 2; keep one row of each series"):
        read("date,city,price\n2024-01-01,a,1\n2024-01-01,b,1\n2024-01-01,a,2\n", MANY)
    with pytest.raises(DataError, match="column 'price' cannot be past and something else"):
        read("date,price\n2024-01-01,1\n", Columns(("price",), "date", past=("price",)))


def test_bad_lines_of_json(read):
    with pytest.raises(DataError, match=r"jsonl:2: no field 'price' in this object"):
        read('{"date": "2024-01-01", "price": 1}\n{"date": "2024-01-02"}\n', name="p.jsonl")
    with pytest.raises(DataError, match=r"jsonl:1: field 'price' holds a list"):
        read('{"date": "2024-01-01", "price": [1]}\n', name="p.jsonl")


def test_numbers_as_they_are_written_elsewhere(read):
    found = read("date;price\n2024-01-01;1.234,5\n2024-01-02;-2,0\n2024-01-03;n/a\n", thousands=".", decimal=",")
    np.testing.assert_array_equal(found.series[0].targets.ravel(), [1234.5, -2, np.nan])
    found = read("date,price\n2024-01-01,-\n2024-01-02,true\n2024-01-03,9.99\n", missing_values=["-", "9.990"])
    np.testing.assert_array_equal(found.series[0].targets.ravel(), [np.nan, 1, np.nan])
    with pytest.raises(DataError, match=r":2: .*'1\.23\.4' is no number with '\.' between thousands"):
        read("date;price\n2024-01-01;1.23.4\n", thousands=".", decimal=",")
    with pytest.raises(UsageError, match="decimal is ';'"):
        read("date,price\n", decimal=";")
    with pytest.raises(UsageError, match=r"thousands is '\.'"):
        read("date,price\n", thousands=".")


def test_what_is_missing_and_constant_is_said(read):
    found = read("date,price\n2024-01-01,5\n2024-01-02,\n2024-01-03,5\n2024-01-04,\n")
    assert "column price: 1 of 4 cells are missing, the first in line 3" in found.notes
    assert "constant, so nothing can be learned from it: price" in found.notes
    assert "the last rows have no target (1): the time to come" in found.notes


def test_nothing_of_that_name():
    with pytest.raises(
        DataError, match=r"nowhere\.csv: no such file, and no known data set.*house-prices, case-shiller"
    ):
        read_series("nowhere.csv", ONE)
    with pytest.raises(DataError, match="imdb holds no time series; known are house-prices"):
        read_series("imdb")
