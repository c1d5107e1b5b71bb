"""Windows are slices of series; nothing behind their origin gets into them; bases, scales and calendar by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_series import made, panel_of, spec_of

from timesteps.errors import DataError
from timesteps.runtime.forecast.base import History, base_of
from timesteps.runtime.forecast.calendar import calendar_features
from timesteps.runtime.forecast.scaling import deviations_so_far, transformed, untransformed
from timesteps.runtime.forecast.windows import cut, feature_names, reach, rows_of, shifts
from timesteps.runtime.series.series import Series

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "joint": {"independent": False},
    "window": {"scaling": "window", "centre": "mean"},
    "series": {"scaling": "series", "series": ("a", "b")},
    "all": {"scaling": "all", "transform": "log"},
    "return": {"transform": "return"},
    "log1p": {"transform": "log1p", "differences": True},
    "segments": {"segment": 4},
    "missing": {"missing": True, "differences": True},
    "missing segments": {"missing": True, "segment": 2, "independent": False},
    "irregular": {"regular": False, "missing": True},
    "seasonal": {"base": "seasonal"},
    "drift": {"base": "drift"},
    "mean": {"base": "mean"},
}
SCALES = {"a": (np.array([1.0, 2.0]), np.array([0.5, 0.7])), "": (np.array([0.1, 0.2]), np.array([0.4, 0.3]))}


def windows(changes: dict[str, Any], series: list[Series], origins: list[tuple[int, int]]) -> Any:
    spec = spec_of(**changes)
    panel = panel_of(spec, *series, scales=SCALES)
    steps = np.array([panel.starts[number] + step for number, step in origins], np.int64)
    return cut(spec, panel, rows_of(spec, panel, steps))


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("poison", [np.nan, 1e30, -5.0])
def test_nothing_behind_the_origin_is_read(name: str, poison: float) -> None:
    """What comes later may be anything: the windows of training before it have the same bits."""
    changes, origin = VARIANTS[name], 40
    if (np.isnan(poison) and not changes.get("missing")) or (poison < 0 and "transform" in changes):
        poison = 1e30
    one, other = made(seed=0, holes=0.2 if changes.get("missing") else 0.0), made(seed=1, name="b")
    end = origin + 6
    targets, past = one.targets.copy(), one.past.copy()
    targets[end : one.known - 1], past[end : one.known] = poison, poison
    future = one.future.copy()
    future[end:] = 7.0
    poisoned = replace(one, targets=targets, past=past, future=future)
    found = [windows(changes, [other, each], [(1, origin), (1, 20), (0, 30)]) for each in (one, poisoned)]
    for field in ("features", "centre", "scale", "base", "targets"):
        a, b = (getattr(each, field) for each in found)
        assert np.isfinite(a).all() or field == "targets"
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", VARIANTS)
def test_targets_and_past_of_the_horizon_are_not_read(name: str) -> None:
    changes, origin = VARIANTS[name], 50
    one = made(holes=0.2 if changes.get("missing") else 0.0)
    a = windows(changes, [one], [(0, origin)])
    b = windows(changes, [one.until(origin)], [(0, origin)])
    for field in ("features", "centre", "scale", "base"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    assert np.isnan(b.targets).all()


def test_a_window_is_a_slice() -> None:
    one, spec = made(), spec_of()
    found = windows({}, [one], [(0, 40)])
    names = feature_names(spec)
    assert found.features.shape == (2, 8, len(names)) and shifts(spec) == [6]
    for row in range(2):
        own = one.targets[32:40, row]
        scale = own.std()
        np.testing.assert_allclose(found.scale[row], max(scale, 0.05 * one.targets[:40, row].std()), rtol=1e-6)
        columns = {name: found.features[row, :, names.index(name)] for name in names}
        np.testing.assert_allclose(columns["y"], (own - own[-1]) / found.scale[row], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(columns["p"], one.past[32:40, 0], rtol=1e-6)
        for number, name in enumerate(("q", "r")):
            np.testing.assert_allclose(columns[name], one.future[32:40, number], rtol=1e-6)
            np.testing.assert_allclose(columns[f"{name}+6"], one.future[38:46, number], rtol=1e-6)
        np.testing.assert_allclose(columns["sine of the hour"], np.sin(np.arange(32, 40) / 24 * 2 * np.pi), atol=1e-6)
        assert (columns["n"] == 3).all() and (columns["w x"] == 1).all() and (columns["w y"] == 0).all()
        np.testing.assert_allclose(
            found.targets[row, :, 0], (one.targets[40:46, row] - own[-1]) / found.scale[row], rtol=1e-6
        )


def test_segments_lie_side_by_side() -> None:
    one = made()
    plain, found = windows({}, [one], [(0, 40)]), windows({"segment": 4}, [one], [(0, 40)])
    names, wide = feature_names(spec_of()), feature_names(spec_of(segment=4))
    assert found.features.shape == (2, 2, len(wide))
    for name in ("y", "p", "q", "r+6"):
        places = [wide.index(f"{name} {place}") for place in range(1, 5)]
        parts = found.features[:, :, places].reshape(2, 8)
        np.testing.assert_array_equal(parts, plain.features[:, :, names.index(name)])
    for name in ("sine of the hour", "n"):
        np.testing.assert_array_equal(
            found.features[:, :, wide.index(name)], plain.features[:, 3::4, names.index(name)]
        )


def test_scales_are_those_that_were_given() -> None:
    found = windows(VARIANTS["series"], [made(), made(seed=1, name="c")], [(0, 40), (1, 40)])
    np.testing.assert_array_equal(found.scale[:2, 0], SCALES["a"][1])
    np.testing.assert_allclose(found.scale[2:, 0], made(seed=1).targets[:90].std(axis=0))  # a series of its own
    assert (windows(VARIANTS["all"], [made(), made(seed=1, name="c")], [(0, 40), (1, 40)]).scale[::2] == 0.4).all()


def test_returns_are_differences_of_logarithms() -> None:
    one = made()
    found = windows(VARIANTS["return"], [one], [(0, 40)])
    rises = np.diff(np.log(one.targets[31:40]), axis=0)
    scale = np.sqrt((rises**2).mean(axis=0))
    np.testing.assert_allclose(found.scale[:, 0], scale, rtol=1e-6)
    np.testing.assert_allclose(found.features[:, :, 0], (rises / scale).T, rtol=1e-4, atol=1e-5)
    ahead = np.log(one.targets[40:46] / one.targets[39]) / scale
    np.testing.assert_allclose(found.targets[:, :, 0], ahead.T, rtol=1e-6, atol=1e-9)
    assert reach(spec_of(transform="return")) == 9


@given(st.integers(1, 12), st.integers(1, 9))
def test_bases_by_hand(horizon: int, season: int) -> None:
    y = np.random.default_rng(3).normal(size=(30, 1))
    history = History(y, np.array([[2]]), np.array([20]), np.array([[0]]))
    mean, centre = np.array([[0.3]]), np.array([[0.7]])
    steps = np.arange(1, horizon + 1)
    last = y[19, 0]
    seasonal = [y[20 + h - 1 - season * -(-h // season), 0] for h in steps.tolist()]
    expected = {
        "last": np.full(horizon, last),
        "seasonal": np.array(seasonal),
        "drift": last + steps * (last - y[2, 0]) / 17,
        "mean": np.full(horizon, 0.3),
        "none": np.full(horizon, 0.7),
    }
    for name, values in expected.items():
        found = base_of(name, history, horizon, season, mean, centre)  # type: ignore[arg-type]
        np.testing.assert_allclose(found[0, :, 0], values, rtol=1e-12)


def test_missing_numbers_fade_and_are_marked() -> None:
    targets = np.full((20, 1), np.nan)
    targets[:6, 0], targets[8, 0] = [1, 2, 3, 4, 5, 6], 9.0
    one = Series(None, np.arange(20), targets)
    spec = spec_of(targets=("y",), past=(), future=(), static=(), vocabularies=(), calendar=(), horizon=2, unit="step")
    spec = type(spec)(**{f: getattr(spec, f) for f in spec.__struct_fields__} | {"missing": True, "rates": (0.5,)})
    panel = panel_of(spec, one)
    found = cut(spec, panel, rows_of(spec, panel, np.array([9])))
    mean = np.mean([2, 3, 4, 5, 6, 9])
    filled = np.array([2, 3, 4, 5, 6, *(mean + (6 - mean) * np.exp(-0.5 * np.array([1, 2]))), 9])
    there = np.array([1, 1, 1, 1, 1, 0, 0, 1])
    scale = found.scale[0, 0]
    np.testing.assert_allclose(found.features[0, :, 0], (filled - 9) / scale, rtol=1e-5)
    np.testing.assert_array_equal(found.features[0, :, 1], there)


def test_windows_without_a_number_are_left_out() -> None:
    targets = np.ones((40, 2))
    targets[10:25, 1] = np.nan
    one = replace(made(34), targets=targets)
    spec = spec_of(missing=True)
    panel = panel_of(spec, one)
    rows = rows_of(spec, panel, np.array([24, 30]))
    assert [(int(o), c.tolist()) for o, c in zip(*rows, strict=True)] == [(24, [0]), (30, [0]), (30, [1])]


def test_calendar_is_pandas() -> None:
    times = pd.date_range("2023-12-25 05:17", periods=400, freq="37h")
    found = calendar_features(times.to_numpy().astype("datetime64[us]"), ["minute", "hour", "weekday", "day", "year"])
    seconds = (times - times.normalize()).total_seconds().to_numpy()
    shares = [
        seconds % 3600 / 3600,
        seconds / 86400,
        (times.day_of_week + seconds / 86400) / 7,
        (times.day - 1 + seconds / 86400) / times.days_in_month,
        (times.day_of_year - 1 + seconds / 86400) / np.where(times.is_leap_year, 366, 365),
    ]
    for number, share in enumerate(shares):
        np.testing.assert_allclose(found[:, 2 * number], np.sin(2 * np.pi * share), atol=1e-9)
        np.testing.assert_allclose(found[:, 2 * number + 1], np.cos(2 * np.pi * share), atol=1e-9)


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=30), st.sampled_from(["none", "log", "log1p", "return"]))
def test_transforms_have_inverses(values: list[float], name: Any) -> None:
    given_ = np.array(values)
    np.testing.assert_allclose(untransformed(transformed(given_, name), name), given_, rtol=1e-9)


def test_deviations_so_far() -> None:
    y = np.random.default_rng(0).normal(1000, 2, (50, 2))
    y[::3, 1] = np.nan
    found = deviations_so_far(y, np.array([0, 30]))
    for begin, step in ((0, 5), (0, 29), (30, 31), (30, 49)):
        np.testing.assert_allclose(found[step], np.nanstd(y[begin : step + 1], axis=0), rtol=1e-6, atol=1e-9)


def test_what_cannot_be_read() -> None:
    one, spec = made(), spec_of()
    with pytest.raises(DataError, match=r"series a: 1 targets columns in the place of 2"):
        panel_of(spec, replace(one, targets=one.targets[:, :1]))
    wrong = one.targets.copy()
    wrong[5, 1] = np.inf
    with pytest.raises(DataError, match=r"series a: v is infinite at 2024-01-01T05:00"):
        panel_of(spec, replace(one, targets=wrong))
    wrong[5, 1] = np.nan
    with pytest.raises(DataError, match=r"series a: v is missing at 2024-01-01T05:00.*never in training"):
        panel_of(spec, replace(one, targets=wrong))
    wrong[5, 1] = -1.0
    with pytest.raises(DataError, match="series a: -1 has no logarithm"):
        panel_of(spec_of(transform="log"), replace(one, targets=wrong))
    with pytest.raises(DataError, match="n is 'many' in series a"):
        panel_of(spec, replace(one, static=("many", "x")))
