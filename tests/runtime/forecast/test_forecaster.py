"""A trained forecaster: alone as in a batch, from the file as before, blind to what comes, and further than trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from made_series import made, model_of, spec_of
from scipy import stats

from timesteps.errors import DataError, ModelError, UsageError
from timesteps.runtime.forecast.answer import Answer, at_levels, read_answer, taken
from timesteps.runtime.forecast.conformal import conformal_quantile, widths
from timesteps.runtime.forecast.forecaster import load_forecaster
from timesteps.runtime.losses import Loss
from timesteps.runtime.session import load
from timesteps.runtime.spec import Golden

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "joint": {"independent": False},
    "log": {"transform": "log", "base": "drift", "scaling": "all"},
    "segments": {"segment": 4, "base": "seasonal"},
    "missing": {"missing": True},
    "series": {"scaling": "series", "series": ("a",)},
}
LEVELS = (50.0, 80.0, 95.0)


def forecasts(name: str, *series: Any, loss: str = "gaussian", horizon: int = 6) -> list[Any]:
    return model_of(spec_of(**VARIANTS[name]), loss).forecast(series, horizon, LEVELS)


def same(a: Any, b: Any, tolerance: float = 0.0) -> None:
    assert a.name == b.name and (a.times == b.times).all() and a.levels == b.levels
    for field in ("mean", "lower", "upper"):
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_series_alone_is_as_in_a_batch(name: str) -> None:
    series = [made(steps, seed=k, name=word) for k, (steps, word) in enumerate([(90, "a"), (33, "b"), (60, "c")])]
    for each, together in zip(series, forecasts(name, *series), strict=True):
        same(forecasts(name, each)[0], together, 1e-5)
        assert together.mean.shape == (6, 2) and together.lower.shape == (3, 6, 2)
        assert (np.diff(together.lower, axis=0) <= 1e-12).all() and (np.diff(together.upper, axis=0) >= -1e-12).all()
        assert (together.lower <= together.mean).all() and (together.mean <= together.upper).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_only_future_covariates_are_read_of_what_comes(name: str) -> None:
    one = made()
    past = one.past.copy()
    past[one.known :] = 1e30
    same(forecasts(name, one)[0], forecasts(name, replace(one, past=past))[0])
    changed = one.future.copy()
    changed[one.known + 2, 0] += 1.0
    assert not np.allclose(forecasts(name, replace(one, future=changed))[0].mean, forecasts(name, one)[0].mean)


def test_times_go_on() -> None:
    one = made(ahead=6)
    assert (forecasts("plain", one)[0].times == one.times[90:]).all()


@pytest.mark.parametrize("loss", ["mse", "quantile", "student_t"])
def test_saved_is_loaded(tmp_path: Path, loss: str) -> None:
    spec = spec_of(scaling="series", series=("a", "한"), missing=True, until="2024-01-04 17:00")
    model = model_of(spec, loss, members=2)
    row = np.random.default_rng(0).normal(size=(8, model.spec.network.input_size))
    golden = Golden(
        input=tuple(map(tuple, row.tolist())), logits=tuple(model.outputs(row[None].astype(np.float32))[0].tolist())
    )
    model = type(model)(msgspec.structs.replace(model.spec, golden=(golden,)), model.tensors)
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = load_forecaster(tmp_path, verify=True)
    assert loaded.spec == model.spec and loaded.until == np.datetime64("2024-01-04T17:00")
    same(model.forecast([made()], 6, (80,))[0], loaded.forecast([made()], 6, (80,))[0])
    with pytest.raises(ModelError, match="holds a forecaster; open it with"):
        load(path)
    wrong = msgspec.structs.replace(golden, logits=tuple(value + 1 for value in golden.logits))
    type(model)(msgspec.structs.replace(model.spec, golden=(wrong,)), model.tensors).save(path)
    with pytest.raises(ModelError, match="golden vector 0"):
        load_forecaster(path, verify=True)


def test_beyond_the_horizon_forecasts_are_continued() -> None:
    """As if they had happened, with intervals that hold what was uncertain before."""
    spec = spec_of(past=(), base="last")
    one = replace(made(ahead=20), past=np.zeros((110, 0)))
    model = model_of(spec)
    far, near = model.forecast([one], 15, (80,))[0], model.forecast([one], 6, (80,))[0]
    np.testing.assert_allclose(far.mean[:6], near.mean, rtol=1e-9)
    targets = one.targets.copy()
    targets[90:96] = near.mean
    then = model.forecast([replace(one, targets=targets)], 6, (80,))[0]
    np.testing.assert_allclose(far.mean[6:12], then.mean, rtol=1e-6)
    expected = np.hypot(then.mean - then.lower[0], (near.mean - near.lower[0])[-1])
    np.testing.assert_allclose(far.mean[6:12] - far.lower[0, 6:12], expected, rtol=1e-6)
    assert far.times[-1] == one.times[104]


def test_share_goes_from_the_base_to_the_network() -> None:
    model, one = model_of(spec_of(base="drift"), "mse"), made()
    own = {}
    for share in (0.0, 0.5, 1.0):
        tensors = model.tensors | {"forecast.share": np.full((6, 2), share)}
        own[share] = type(model)(model.spec, tensors).forecast([one], 6)[0].mean
    y = one.targets[:90]
    steps = np.arange(1, 7)[:, None]
    np.testing.assert_allclose(own[0.0], y[-1] + steps * (y[-1] - y[0]) / 89, rtol=1e-6)
    np.testing.assert_allclose(own[0.5], (own[0.0] + own[1.0]) / 2, rtol=1e-6)


def test_errors_name_the_series() -> None:
    model = model_of(spec_of())
    with pytest.raises(DataError, match="series a: 5 known steps; the model reads 8"):
        model.forecast([made(5)], 6)
    with pytest.raises(DataError, match="series a: q is given for 4 of the 6 steps"):
        model.forecast([made(ahead=4)], 6)
    one = made()
    future = one.future.copy()
    future[92, 1] = np.nan
    with pytest.raises(DataError, match="series a: r is not known at 2024-01-04T20:00"):
        model.forecast([replace(one, future=future)], 6)
    with pytest.raises(UsageError, match="horizon is 7, and p is not known beyond"):
        model.forecast([made(ahead=9)], 7)
    with pytest.raises(UsageError, match="levels are 99; ask for levels up to 95"):
        model.forecast([one], 6, (99,))
    targets = one.targets.copy()
    targets[80:, 1] = np.nan
    with pytest.raises(DataError, match="series a: no number of v among the last 8 steps"):
        model_of(spec_of(missing=True)).forecast([replace(one, targets=targets)], 6)


def test_a_constant_series_stays() -> None:
    one = made()
    flat = replace(one, targets=np.where(np.isnan(one.targets), np.nan, 5.0))
    found = model_of(spec_of(), "mse").forecast([flat], 6)[0]
    assert np.isfinite(found.mean).all()


def test_ends_at_other_levels() -> None:
    known = (50.0, 80.0, 95.0)
    ends = stats.norm.ppf(0.5 - np.array(known) / 200)[:, None] * 2.0 + 3.0
    found = at_levels(ends, np.array([3.0]), known, (10.0, 50.0, 70.0, 90.0, 95.0))
    expected = stats.norm.ppf(0.5 - np.array([10, 50, 70, 90, 95]) / 200) * 2 + 3
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-9)


def test_intervals_are_the_distributions() -> None:
    z = np.random.default_rng(0).normal(size=(4, 2 * 3 * 2))
    answer = read_answer(z, Loss("gaussian"), 2, 3, (80.0,))
    parts = Loss("gaussian").read(z)
    expected = stats.norm.ppf(0.1, parts["mean"], parts["scale"]).reshape(4, 2, 3)
    np.testing.assert_allclose(answer.lower[0], expected, rtol=1e-9)
    moved = taken(answer, np.zeros((4, 2, 3)), np.full((2, 3), 0.25))
    np.testing.assert_allclose(moved.centre, 0.25 * answer.centre)
    np.testing.assert_allclose(moved.upper - moved.lower, answer.upper - answer.lower)
    quantiles = read_answer(
        np.arange(10.0).reshape(2, 5), Loss("quantile", (0.1, 0.3, 0.5, 0.7, 0.9)), 1, 1, (40.0, 99.0)
    )
    np.testing.assert_allclose(quantiles.lower[:, 0].ravel(), [1.0, 0.0])
    np.testing.assert_allclose(quantiles.upper[:, 0].ravel(), [3.0, 4.0])


def test_conformal_ranks() -> None:
    scores = np.random.default_rng(1).permutation(np.arange(1.0, 21))[:, None]
    for level, rank in ((0.5, 11), (0.8, 17), (0.95, 20), (0.99, 20)):
        assert conformal_quantile(scores, level)[0] == rank
    scores[3:] = np.nan
    assert conformal_quantile(scores, 0.5)[0] == np.sort(scores[:3, 0])[1]
    assert conformal_quantile(np.full((3, 1), np.nan), 0.5)[0] == 0


def test_conformal_intervals_cover() -> None:
    """Over many draws of calibration and test numbers, as often as promised: between p and p + 1/(n + 1)."""
    random = np.random.default_rng(0)
    n, hits = 39, {True: 0, False: 0}
    for _ in range(4000):
        truth = random.gamma(2.0, size=(n + 1, 1))
        zero = np.zeros((1, n, 1))
        for symmetric in hits:
            lower, upper = widths(truth[:n], zero + 1, zero + 2, (80.0,), symmetric=symmetric, least=-np.inf)
            hits[symmetric] += int(1 - lower[0, 0] <= truth[n, 0] <= 2 + upper[0, 0])
    assert 0.78 < hits[True] / 4000 < 0.84 and 0.78 < hits[False] / 4000 < 0.87


def test_answers_are_at_calibrated_levels() -> None:
    answer = Answer(np.zeros((1, 1, 1)), -np.ones((1, 1, 1, 1)), np.ones((1, 1, 1, 1)))
    assert taken(answer, np.ones((1, 1, 1)), np.zeros((1, 1))).lower.ravel() == [0.0]
