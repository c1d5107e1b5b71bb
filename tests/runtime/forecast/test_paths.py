"""Sampled paths: the distribution that the network says, one step after the other, alike alone and in a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_series import made, model_of, panel_of, spec_of
from scipy import stats

from timesteps.runtime.forecast.paths import answer_of, sampled
from timesteps.runtime.forecast.stepped import cut_steps, learned_of
from timesteps.runtime.forecast.windows import cut, feature_names, rows_of
from timesteps.runtime.losses import Loss
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.series.series import Series

STEPPED: dict[str, Any] = {"model": "autoregressive", "past": (), "context": 8}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "joint": {"independent": False},
    "log": {"transform": "log", "scaling": "all"},
    "missing": {"missing": True, "means": (0.0, 0.0), "rates": (0.1, 0.2, 0.3, 0.4)},
    "counts": {"scaling": "none", "transform": "log1p"},
}


def bare(series: Series) -> Series:
    return Series(series.name, series.times, series.targets, None, series.future, series.static)  # type: ignore[arg-type]


def stepped(name: str, **changes: Any) -> Any:
    values = {**STEPPED, **VARIANTS[name], **changes}
    missing = values.pop("missing", False)
    spec = spec_of(**values)
    return type(spec)(**{field: getattr(spec, field) for field in spec.__struct_fields__} | {"missing": missing})


def loss_of(name: str) -> str:
    return "negative_binomial" if name == "counts" else "student_t"


@pytest.mark.parametrize("name", VARIANTS)
def test_a_series_alone_is_as_in_a_batch(name: str) -> None:
    series = [bare(made(steps, seed=k, name=word)) for k, (steps, word) in enumerate([(90, "a"), (33, "b"), (60, "c")])]
    model = model_of(stepped(name), loss_of(name))
    together = model.forecast(series, 6, (50, 80, 95))
    for each, found in zip(series, together, strict=True):
        alone = model.forecast([each], 6, (50, 80, 95))[0]
        np.testing.assert_allclose(found.mean, alone.mean, rtol=1e-4)
        np.testing.assert_allclose(found.upper, alone.upper, rtol=1e-4)
        assert (found.lower <= found.mean).all() and (np.diff(found.lower, axis=0) <= 1e-9).all()
        again = model.forecast([each], 6, (50, 80, 95))[0]
        np.testing.assert_array_equal(alone.lower, again.lower)


@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_behind_the_origin_is_read_but_future_covariates(name: str) -> None:
    spec, one = stepped(name), bare(made(holes=0.2 if name == "missing" else 0.0))
    rows = []
    for each in (one, one.until(50)):
        panel = panel_of(spec, each, scales={"": (np.array([0.1, 0.2]), np.array([0.4, 0.3]))})
        chosen = rows_of(spec, panel, np.array([50]))
        windows = cut(spec, panel, chosen)
        features, numbers = cut_steps(spec, panel, chosen, windows, 1)
        rows.append((features, numbers))
    for a, b in zip(*rows, strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)


def test_steps_by_hand() -> None:
    spec, one = stepped("plain"), bare(made())
    panel = panel_of(spec, one)
    chosen = rows_of(spec, panel, np.array([40]))
    windows = cut(spec, panel, chosen)
    features, targets = learned_of(spec, "gaussian", panel, chosen)
    names = feature_names(spec)
    assert features.shape == (2, 14, len(names)) and "q+6" not in names
    for row in range(2):
        y = one.targets[:, row]
        read = (y[31:45] - y[39]) / windows.scale[row]
        np.testing.assert_allclose(features[row, :, names.index("y")], read, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(features[row, :, names.index("q")], one.future[32:46, 0], rtol=1e-5)
        rises = (y[40:46] - y[39:45]) / windows.scale[row]
        np.testing.assert_allclose(targets[row, :, 0], rises, rtol=1e-6)
    counts = stepped("counts")
    panel = panel_of(counts, one)
    found = learned_of(counts, "negative_binomial", panel, rows_of(counts, panel, np.array([40])))
    np.testing.assert_array_equal(found.targets[1, :, 0], one.targets[40:46, 1].round())


@pytest.mark.parametrize("loss", ["gaussian", "student_t", "negative_binomial"])
def test_the_first_step_is_the_distribution(loss: Any) -> None:
    """And later ones follow from the state that the context has left: the network over the whole path says the same."""
    spec = stepped("counts" if loss == "negative_binomial" else "plain")
    model, one = model_of(spec, loss), bare(made())
    panel = panel_of(spec, one)
    rows = rows_of(spec, panel, panel.known)
    windows, unit = cut(spec, panel, rows), np.array([0.7])
    criterion = Loss(loss)
    paths = sampled(spec, criterion, model._stream, unit, panel, rows, windows, paths=4000)
    context, before = cut_steps(spec, panel, rows, windows, 1)
    last = model.outputs(context).reshape(2, 9, -1)[:, -1]
    read = criterion.read(last)
    for row in range(2):
        part = {name: values[row, 0] for name, values in read.items()}
        if loss == "negative_binomial":
            counts = np.expm1(paths[row, :, 0, 0]).round().astype(int)
            law = stats.nbinom(1 / part["dispersion"], 1 / (1 + part["dispersion"] * part["mean"]))
            assert counts.mean() == pytest.approx(law.mean(), abs=5 * law.std() / 60)
            assert np.mean(counts == 0) == pytest.approx(law.pmf(0), abs=0.04)
            continue
        drawn = (paths[row, :, 0, 0] - before[row, -1, 0]) / 0.7
        law = stats.norm() if loss == "gaussian" else stats.t(part["df"])
        assert stats.kstest((drawn - part["mean"]) / part["scale"], law.cdf).pvalue > 1e-4
    # The third step of one path, by the whole sequence that led there.
    names, path = feature_names(spec), paths[0, 7, :, 0]
    whole = np.repeat(context[:1, -1:], 3, axis=1)
    whole[0, 1:, 0] = path[:2]
    for column, name in enumerate(("q", "r")):
        whole[0, :, names.index(name)] = one.future[90:93, column]
    angle = 2 * np.pi * np.arange(90, 93) / 24
    whole[0, :, names.index("sine of the hour")] = np.sin(angle)
    whole[0, :, names.index("cosine of the hour")] = np.cos(angle)
    row = np.concatenate([context[:1, :-1], whole], axis=1)
    mean, scale = model.tensors["scaler.mean"], model.tensors["scaler.scale"]
    values = ((row[0] - mean) / scale).astype(np.float32)
    outputs = model._members[0].logits(Sequences(values, np.array([0, len(values)])))[-1]
    stream = model._stream.fresh()
    assert np.allclose(stream.run(row[0].astype(np.float64))[-1], outputs, atol=1e-4)


def test_paths_to_quantiles() -> None:
    paths = np.random.default_rng(0).normal(size=(1, 50_000, 1, 1))
    found = answer_of(paths, (80.0,), counts=False)
    assert found.lower.ravel()[0] == pytest.approx(-1.2816, abs=0.02)
    assert found.upper.ravel()[0] == pytest.approx(1.2816, abs=0.02)
    counts = np.log1p(np.array([0.0, 4.0])).reshape(1, 2, 1, 1)
    assert np.expm1(answer_of(counts, (), counts=True).centre).ravel() == pytest.approx(2.0)
