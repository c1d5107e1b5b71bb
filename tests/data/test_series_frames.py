"""Series from what is in memory: data frames of three libraries, and plain arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from timesteps.data.series import read_series
from timesteps.errors import DataError, UsageError
from timesteps.runtime.series.series import Columns

DAYS = pd.date_range("2024-01-01", periods=5, freq="D")
ONE = Columns(("price",), "date")
VALUES = {
    "price": [1.0, 2.0, None, 4.0, 5.0],
    "city": ["a", "a", "a", "b", "b"],
    "holiday": [True, False, True, True, False],
}


def same(found, other):
    assert found.columns == other.columns and found.frequency == other.frequency and len(found) == len(other)
    for one, two in zip(found, other, strict=True):
        assert one.name == two.name and (one.times == two.times).all()
        np.testing.assert_array_equal(one.targets, two.targets)
        np.testing.assert_array_equal(one.future, two.future)


def test_three_libraries_say_the_same():
    columns = Columns(("price",), "date", "city", future=("holiday",))
    frame = pd.DataFrame({"date": DAYS, **VALUES})
    expected = read_series(frame, columns)
    assert [series.name for series in expected] == ["a", "b"] and expected.source == "data frame"
    assert expected.series[0].future.ravel().tolist() == [1, 0, 1]
    for other in (
        pl.from_pandas(frame),
        pa.Table.from_pandas(frame),
        frame.astype({"date": str}),
        frame.assign(date=frame["date"].dt.date),
        frame.astype({"city": "category", "price": "Float64"}),
        frame.assign(price=["1.0", "2", None, "4", "5"]),
        pl.from_pandas(frame).with_columns(pl.col("date").cast(pl.Date)),
        pl.from_pandas(frame).with_columns(pl.col("price").cast(pl.Decimal(10, 2))),
    ):
        same(read_series(other, columns), expected)


def test_the_index_of_pandas_may_be_the_times():
    values = np.arange(5.0)
    expected = read_series(pd.DataFrame({"time": DAYS, "value": values}), Columns(("value",), "time"))
    same(read_series(pd.Series(values, index=DAYS)), expected)
    same(read_series(pd.DataFrame({"value": values}, index=DAYS), Columns(("value",), "time")), expected)
    monthly = read_series(pd.Series(values, index=pd.period_range("2024-01", periods=5, freq="M"), name="price"))
    assert str(monthly.frequency) == "every month" and monthly.columns == Columns(("price",), "time")
    assert read_series(pd.Series(values)).series[0].times.tolist() == [0, 1, 2, 3, 4]


def test_zones_become_utc_and_are_said():
    frame = pd.DataFrame({"date": DAYS.tz_localize("Asia/Seoul"), "price": range(5)})
    for given in (frame, pl.from_pandas(frame)):
        found = read_series(given, ONE)
        assert found.series[0].times[0] == np.datetime64("2023-12-31T15:00", "us")
        assert "times of the zone Asia/Seoul are converted to UTC" in found.notes


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"date": [*DAYS[:4], None], "price": range(5)}, r"data frame:5: column date: there is no time here"),
        ({"date": DAYS, "price": [1, 2, 3, float("inf"), 5]}, r"data frame:4: column price: an infinite number"),
        ({"date": DAYS, "price": [1, 2, "x", 4, 5]}, r"data frame:3: column price: 'x' is text"),
        ({"date": DAYS, "price": [[1], [2], [3], [4], [5]]}, r"data frame:1: column price holds list values"),
        ({"date": [1.0, 2.5, 3, 4, 5], "price": range(5)}, r"data frame:2: column date: 2.5 is no time"),
        ({"day": DAYS, "price": range(5)}, r"there is no column 'date'"),
        ({"date": DAYS, "price": [None] * 5}, r"column price has no number at all"),
    ],
)
def test_bad_frames(frame, message):
    with pytest.raises(DataError, match=message):
        read_series(pd.DataFrame(frame), ONE)


def test_arrays():
    one = read_series(np.arange(5.0))
    assert one.series[0].name is None and one.columns == Columns(("target",)) and one.source == "array"
    assert read_series(np.ones((5, 3))).columns.targets == ("target_0", "target_1", "target_2")
    assert read_series(np.ones((5, 2)), Columns(("a", "b"))).columns.targets == ("a", "b")
    assert read_series([1.0, 2.0, 3.0]).series[0].targets.shape == (3, 1)
    assert read_series([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).series[0].targets.shape == (3, 2)
    many = read_series([np.arange(3.0), [1.0, np.nan]])
    assert [series.name for series in many] == ["0", "1"] and [len(series) for series in many] == [3, 2]
    for bad, message in (
        ([np.ones((3, 2)), np.ones((3, 1))], "array 1 has 1 columns, array 0 2"),
        (np.array([1.0, np.inf]), "array:2: an infinite number"),
        (np.zeros((2, 2, 2)), "array 0 has shape"),
        (np.zeros(0), "array 0 has shape"),
        (["a", "b"], "array 0 does not hold numbers"),
    ):
        with pytest.raises(DataError, match=message):
            read_series(bad)
    with pytest.raises(UsageError, match="give as many targets"):
        read_series(np.ones(4), Columns(("a", "b")))
    with pytest.raises(UsageError, match="object holds no series"):
        read_series(object())


def test_the_hash_is_that_of_the_values():
    frame = pd.DataFrame({"date": DAYS, **VALUES})
    first = read_series(frame, ONE).sha256
    assert read_series(pl.from_pandas(frame), ONE).sha256 == first
    assert read_series(frame.assign(price=range(5)), ONE).sha256 != first
