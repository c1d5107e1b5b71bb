"""A table whose column of times nobody named: it is told by its name, aloud, and rows of several series are not one."""

from __future__ import annotations

from pathlib import Path

import pytest

from timesteps.data.series import read_series
from timesteps.errors import DataError
from timesteps.runtime.series.series import Columns


def written(folder: Path, text: str) -> str:
    path = folder / "x.csv"
    path.write_text(text, "utf-8")
    return str(path)


def test_the_column_that_is_called_like_times_has_them(tmp_path: Path) -> None:
    path = written(tmp_path, "날짜,종가\n2024-01-01,1\n2024-01-02,2\n2024-01-04,3\n")
    found = read_series(path, Columns(("종가",)))
    assert found.columns.time == "날짜" and "times: column 날짜, by its name" in found.notes
    assert str(found.frequency) == "every day" and len(found.series[0]) == 4


def test_what_is_used_already_is_not_taken_for_times(tmp_path: Path) -> None:
    path = written(tmp_path, "day,close\n3,1\n9,2\n4,3\n")
    found = read_series(path, Columns(("close",), past=("day",)))
    assert found.columns.time is None and "no column of times: rows are one step apart" in found.notes


def test_two_that_could_have_them_are_left_to_the_user(tmp_path: Path) -> None:
    path = written(tmp_path, "date,time,close\n2024-01-01,1,1\n2024-01-02,2,2\n")
    assert read_series(path, Columns(("close",))).columns.time is None


def test_series_under_each_other_are_not_one_series(tmp_path: Path) -> None:
    rows = "".join(f"{ticker},2024-01-0{day},{day}\n" for ticker in "AB" for day in (1, 2, 3))
    with pytest.raises(DataError, match=r"2024-01-0"):
        read_series(written(tmp_path, "ticker,date,close\n" + rows), Columns(("close",)))
