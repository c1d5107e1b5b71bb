"""Frequencies: pandas' own date ranges are the reference for the time stamps that come next."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesteps.runtime.series.frequency import Frequency

PANDAS = {
    "second": "s", "minute": "min", "hour": "h", "day": "D", "business day": "B", "week": "7D", "month": "MS",
    "quarter": "QS", "year": "YS", "millisecond": "ms", "microsecond": "us",
}  # fmt: skip


def stamps(index: pd.DatetimeIndex) -> np.ndarray:
    return np.asarray(index.values, "datetime64[us]")


@pytest.mark.parametrize("unit", PANDAS)
@pytest.mark.parametrize("every", [1, 2, 5])
def test_the_next_stamps_are_pandas(unit, every):
    code = PANDAS[unit] if unit != "week" else f"{7 * every}D"
    code = code if unit == "week" or every == 1 else f"{every}{code}"
    expected = stamps(pd.date_range("2023-01-02" if unit != "month" else "2023-01-01", periods=40, freq=code))
    frequency = Frequency(unit, every)
    assert (frequency.after(expected[0], 39) == expected[1:]).all()
    assert frequency.steps_from(expected[0], expected).tolist() == list(range(40))


@pytest.mark.parametrize(("unit", "code"), [("month", "ME"), ("quarter", "QE"), ("year", "YE")])
@pytest.mark.parametrize("start", ["2023-01-31", "2023-02-15", "2023-04-15"])
def test_ends_of_months_stay_ends(unit, code, start):
    expected = stamps(pd.date_range(start, periods=30, freq=code))
    assert (Frequency(unit).at(expected[0], np.arange(30)) == expected).all()
    assert Frequency(unit).steps_from(expected[0], expected).tolist() == list(range(30))


@pytest.mark.parametrize("code", ["BME", "BMS"])
def test_business_ends_and_beginnings_of_months_are_months(code):
    expected = stamps(pd.date_range("2015-01-01", periods=120, freq=code))
    assert Frequency("month").steps_from(expected[0], expected).tolist() == list(range(120))


@given(
    unit=st.sampled_from(sorted(PANDAS)),
    every=st.integers(1, 7),
    day=st.dates(min_value=pd.Timestamp("1950-01-01").date(), max_value=pd.Timestamp("2090-01-01").date()),
    minutes=st.integers(0, 1439),
    steps=st.lists(st.integers(0, 300), min_size=1, max_size=9),
)
def test_steps_from_undoes_at(unit, every, day, minutes, steps):
    first = np.datetime64(day, "us") + np.timedelta64(minutes, "m")
    if unit == "business day":
        first = np.busday_offset(first.astype("datetime64[D]"), 0, roll="forward").astype("datetime64[us]")
    frequency = Frequency(unit, every)
    times = frequency.at(first, steps)
    assert frequency.steps_from(first, times).tolist() == steps
    assert frequency.at(np.full(len(steps), first), steps).tolist() == times.tolist()


def test_between_two_steps_there_is_none():
    first = np.datetime64("2024-01-31T00:00", "us")
    for unit, time in (
        ("hour", "2024-01-31T00:30"), ("month", "2024-02-15"), ("month", "2024-02-29T01:00"), ("quarter", "2024-02-29"),
        ("business day", "2024-02-03"), ("week", "2024-02-06"), ("year", "2024-12-31"),
    ):  # fmt: skip
        assert np.isnan(Frequency(unit).steps_from(first, time)), (unit, time)
    assert Frequency("step", 5).steps_from(10, [10, 15, 17]).tolist()[:2] == [0.0, 1.0]
    assert Frequency("step", 5).after(10, 2).tolist() == [15, 20]


def test_words_and_seasons():
    assert str(Frequency("minute", 15)) == "every 15 minutes" and str(Frequency("quarter")) == "every quarter"
    assert str(Frequency("hour", regular=False)) == "irregular, about an hour apart"
    seasons = {"second": 60, "day": 7, "business day": 5, "week": 52, "month": 12, "quarter": 4, "year": 1}
    assert {unit: Frequency(unit).season for unit in seasons} == seasons
    assert Frequency("minute", 15).season == 96 and Frequency("hour", 5).season == 1
