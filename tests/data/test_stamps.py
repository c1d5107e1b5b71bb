"""Time stamps: every form that is read, and every reason to refuse one."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesteps.data.stamp_column import StampColumn
from timesteps.errors import DataError


def read(*stamps: str, time_format: str | None = None, column: str = "date") -> list[str]:
    reader = StampColumn("prices.csv", column, time_format)
    reader.add(list(stamps), range(2, 2 + len(stamps)))
    times = reader.times(np.arange(2, 2 + len(stamps)))
    return [str(time) if times.dtype.kind == "i" else str(time.astype("datetime64[s]")) for time in times]


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("2024-01-31", "2024-01-31T00:00:00"),
        ("2024-01-31 13:05", "2024-01-31T13:05:00"),
        ("2024-01-31T13:05:59", "2024-01-31T13:05:59"),
        ("2024-01-31T13:05:59.250Z", "2024-01-31T13:05:59"),
        ("2024-01-31 13:05:59+09:00", "2024-01-31T04:05:59"),
        ("2024-01-31T00:00:00-0330", "2024-01-31T03:30:00"),
        ("2024-01-31 24:00", "2024-02-01T00:00:00"),
        ("2024/1/5", "2024-01-05T00:00:00"),
        ("2024.01.31", "2024-01-31T00:00:00"),
        ("2024. 1. 31.", "2024-01-31T00:00:00"),
        ("2024. 1. 31. 오후 3:05:07", "2024-01-31T15:05:07"),
        ("2024년 1월 31일", "2024-01-31T00:00:00"),
        ("2024년 1월 31일 13시 5분", "2024-01-31T13:05:00"),
        ("2024년1월31일 오전 12시", "2024-01-31T00:00:00"),
        ("2024년 3월", "2024-03-01T00:00:00"),
        ("2024년 3분기", "2024-07-01T00:00:00"),
        ("2024년", "2024-01-01T00:00:00"),
        ("2024-03", "2024-03-01T00:00:00"),
        ("2024M3", "2024-03-01T00:00:00"),
        ("2024Q2", "2024-04-01T00:00:00"),
        ("2024-Q4", "2024-10-01T00:00:00"),
        ("Q3 2024", "2024-07-01T00:00:00"),
        ("1Q2024", "2024-01-01T00:00:00"),
        ("31-Jan-2024", "2024-01-31T00:00:00"),
        ("Jan 31, 2024 1:05 pm", "2024-01-31T13:05:00"),
        ("September 2024", "2024-09-01T00:00:00"),
        ("31/01/2024", "2024-01-31T00:00:00"),
        ("01/31/2024 10:00", "2024-01-31T10:00:00"),
        ("31.01.2024", "2024-01-31T00:00:00"),
        ("20240131", "2024-01-31T00:00:00"),
        ("202401", "2024-01-01T00:00:00"),
        ("2024013113", "2024-01-31T13:00:00"),
        ("20240131130559", "2024-01-31T13:05:59"),
        ("1706706000", "2024-01-31T13:00:00"),
        ("1706706000000", "2024-01-31T13:00:00"),
        ("1706706000000000", "2024-01-31T13:00:00"),
        ("1706706000000000000", "2024-01-31T13:00:00"),
        ("17", "17"),
        ("-3", "-3"),
        ("20249999", "20249999"),
    ],
)
def test_forms(stamp, time):
    assert read(stamp) == [time]


def test_years_by_the_name_of_the_column():
    assert read("1999", "2000", column="Year") == ["1999-01-01T00:00:00", "2000-01-01T00:00:00"]
    assert read("1999", "2000", column="연도")[0] == "1999-01-01T00:00:00" and read("1999", "2000") == ["1999", "2000"]


def test_the_order_of_day_and_month_must_follow_from_the_whole_column():
    assert read("01/02/2024", "01/31/2024")[0] == "2024-01-02T00:00:00"
    assert read("01/02/2024", "31/01/2024")[0] == "2024-02-01T00:00:00"
    assert read("01/02/2024", time_format="%d/%m/%Y") == ["2024-02-01T00:00:00"]
    with pytest.raises(DataError, match=r"prices.csv:3: .*01/02/2024 may be 2024-01-02 or 2024-02-01.*time_format"):
        read("03/03/2024", "01/02/2024")
    with pytest.raises(DataError, match=r"prices.csv:3: .*first in line 2 and second here"):
        read("31/01/2024", "01/31/2024")


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        (("2024-01-31", "2024-13-01"), r":3: .*there is no time '2024-13-01'"),
        (("2023-02-29",), r":2: .*there is no time"),
        (("2024-01-31 25:00",), r":2: .*there is no time"),
        (("31/02/2024",), r":2: .*no such day"),
        (("2024-01-31", "31/01/2024"), r":3: .*not written like '2024-01-31' in line 2"),
        (("2024-01-31", "2024-02-01 10:00"), r":3: .*not written like"),
        (("2024-01-31", "5"), r":3: .*not written like"),
        (("5", "2024-01-31"), r":3: .*not written like"),
        (("2024-01-31T10:00Z", "2024-01-31T10:00"), r":3: .*not written like"),
        (("2024-01-31T10:00+09:00", "2024-01-31T10:00+01:00"), r":3: .*another zone than .* line 2"),
        (("", "2024-01-31"), r":2: .*no time here"),
        (("tomorrow",), r":2: .*cannot be read as a time; write them as 2024-01-31"),
        (("1/2/24",), r":2: .*cannot be read"),
        (("1_000", "2"), r":2: .*cannot be read"),
        (("NaT",), r":2: .*cannot be read"),
    ],
)
def test_refusals(stamps, message):
    with pytest.raises(DataError, match=r"prices\.csv" + message):
        read(*stamps)


def test_zones_are_said():
    reader = StampColumn("prices.csv", "date")
    reader.add(["2024-01-31T09:00+09:00"], [2])
    assert str(reader.times(np.array([2]))[0]) == "2024-01-31T00:00:00.000000"
    assert reader.notes == ["times of the zone +09:00 are converted to UTC"]


def test_a_column_in_blocks_is_the_column_at_once():
    stamps = ["01/02/2024", "05/06/2024", "07/08/2024", "31/12/2024"]
    reader = StampColumn("prices.csv", "date")
    for line, stamp in enumerate(stamps, 2):
        reader.add([stamp, stamp], [line, line])
    assert [str(time)[:10] for time in reader.times(np.repeat(np.arange(2, 6), 2))[::2]] == [
        "2024-02-01", "2024-06-05", "2024-08-07", "2024-12-31",
    ]  # fmt: skip


FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y/%m/%d %H:%M", "%Y년 %m월 %d일 %H시 %M분", "%d %b %Y %H:%M")


@given(st.sampled_from(FORMS), st.lists(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)), min_size=1))
def test_what_is_written_is_read(form, times):
    minutes = [time.replace(second=0, microsecond=0) for time in times]
    found = read(*(time.strftime(form) for time in minutes))
    assert found == [time.isoformat() for time in minutes]


@given(st.lists(st.integers(0, 10**9), min_size=1), st.integers(1, 3))
def test_seconds_since_1970(seconds, power):
    start = 1_000_000_000
    found = read(*(str((start + second) * 1000**power) for second in seconds), column="t")
    assert found == [(datetime(1970, 1, 1) + timedelta(seconds=start + second)).isoformat() for second in seconds]


@given(st.lists(st.text(max_size=25), min_size=1, max_size=5))
def test_any_text_is_read_or_refused_in_one_line(stamps):
    try:
        assert len(read(*stamps)) == len(stamps)
    except DataError as error:
        assert "\n" not in str(error).replace("\\n", "") and str(error).startswith("prices.csv:")
