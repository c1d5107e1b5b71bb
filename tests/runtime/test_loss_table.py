"""The losses of numbers, what their outputs mean, and quantiles, against scipy, torch and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from sklearn.metrics import mean_pinball_loss

from timesteps.errors import UsageError
from timesteps.runtime.distributions import log_gamma, normal_quantile, student_t_quantile
from timesteps.runtime.losses import LOSSES, MIN_DF, MIN_SCALE, Loss
from timesteps.training.losses import loss, number_losses, score, total_weight
from timesteps.training.measures import measured

LEVELS = (0.05, 0.3, 0.5, 0.95)
NUMBERS = [Loss("quantile", LEVELS) if name == "quantile" else Loss(name) for name in LOSSES if name != "cross_entropy"]
NAMES = [each.name for each in NUMBERS]


def drawn(criterion: Loss, rows: int = 40, numbers: int = 3) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    random = np.random.default_rng(5)
    z, y = random.normal(0, 2, (rows, criterion.outputs(numbers))), random.normal(0, 2, (rows, numbers))
    return z, np.floor(np.exp(y)) if criterion.name == "negative_binomial" else y


def outside(criterion: Loss, z: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The loss of each number, by another library."""
    parts = z.reshape(*y.shape, -1)
    if criterion.name == "mse":
        return torch.nn.functional.mse_loss(torch.tensor(z), torch.tensor(y), reduction="none").numpy()
    if criterion.name == "mae":
        return torch.nn.functional.l1_loss(torch.tensor(z), torch.tensor(y), reduction="none").numpy()
    if criterion.name == "quantile":
        each = [
            [np.mean([mean_pinball_loss([y[r, d]], [parts[r, d, k]], alpha=q) for k, q in enumerate(LEVELS)])
             for d in range(y.shape[1])]
            for r in range(len(y))
        ]  # fmt: skip
        return np.array(each)
    scale = special.log1p(np.exp(parts[..., 1])) + MIN_SCALE
    if criterion.name == "negative_binomial":
        return -stats.nbinom.logpmf(y, 1 / scale, 1 / (1 + scale * np.exp(parts[..., 0])))
    if criterion.name == "gaussian":
        return -stats.norm.logpdf(y, parts[..., 0], scale)
    return -stats.t.logpdf(y, special.log1p(np.exp(parts[..., 2])) + MIN_DF, parts[..., 0], scale)


@pytest.mark.parametrize("criterion", NUMBERS, ids=NAMES)
def test_definitions(criterion: Loss) -> None:
    z, y = drawn(criterion)
    expected = outside(criterion, z, y)
    np.testing.assert_allclose(criterion.losses(z, y), expected, rtol=1e-12, atol=1e-13)
    found = number_losses(torch.tensor(z), torch.tensor(y), criterion).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_gaussian_is_torchs() -> None:
    z, y = drawn(Loss("gaussian"))
    read = Loss("gaussian").read(z)
    mean, variance = torch.tensor(read["mean"]), torch.tensor(read["scale"] ** 2)
    expected = torch.nn.functional.gaussian_nll_loss(mean, torch.tensor(y), variance, full=True, reduction="none")
    np.testing.assert_allclose(Loss("gaussian").losses(z, y), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("criterion", NUMBERS, ids=NAMES)
def test_weights_and_missing_numbers(criterion: Loss) -> None:
    """A batch's loss is the weighted mean of the numbers that are there; the others have no gradient."""
    z, y = drawn(criterion)
    weights = np.random.default_rng(1).integers(1, 5, len(y)).astype(float)
    losses = outside(criterion, z, y)
    there = np.random.default_rng(2).random(y.shape) < 0.7
    y[~there] = np.nan
    shares = weights[:, None] * there
    expected = (losses * shares).sum() / shares.sum()
    outputs = torch.tensor(z, requires_grad=True)
    targets, given = torch.tensor(y), torch.tensor(weights)
    found = loss(outputs, targets, given, criterion=criterion)
    found.backward()
    gradient = outputs.grad.numpy().reshape(*y.shape, -1)
    assert (gradient[~there] == 0).all()
    assert (gradient[there] != 0).any(axis=1).all()
    numbers = measured(criterion, z, y, weights)
    assert found.item() == pytest.approx(expected, rel=1e-12)
    assert numbers["loss"] == pytest.approx(expected, rel=1e-12)
    total = total_weight(targets, given, criterion).item()
    assert total == shares.sum()
    mae = score(outputs, targets, given, criterion).item() / total
    assert numbers["mae"] == pytest.approx(mae, rel=1e-12)


@pytest.mark.parametrize("criterion", NUMBERS, ids=NAMES)
def test_torchs_gradients_are_numerically_right(criterion: Loss) -> None:
    z, y = drawn(criterion, rows=4)
    targets = torch.tensor(y)
    torch.autograd.gradcheck(
        lambda outputs: number_losses(outputs, targets, criterion), torch.tensor(z, requires_grad=True)
    )


@pytest.mark.parametrize(("name", "frozen"), [("gaussian", stats.norm), ("student_t", stats.t)])
def test_quantiles_are_scipys(name: Any, frozen: Any) -> None:
    criterion = Loss(name)
    z, _ = drawn(criterion)
    read = criterion.read(z)
    degrees = (read["df"],) if "df" in read else ()
    levels = (0.001, 0.1, 0.5, 0.8, 0.999)
    expected = np.stack([frozen.ppf(q, *degrees, read["mean"], read["scale"]) for q in levels], axis=-1)
    np.testing.assert_allclose(criterion.quantiles_of(z, levels), expected, rtol=1e-8, atol=1e-8)
    assert criterion.predictions(z) == pytest.approx(read["mean"])


def test_quantiles_of_counts_are_scipys() -> None:
    criterion = Loss("negative_binomial")
    z = np.random.default_rng(0).normal(1, 2, (200, 4))
    z[0], z[1] = [-30.0, 40.0, 12.0, -40.0], [20.0, 1.0, 22.0, 0.0]
    read = criterion.read(z)
    levels = (0.025, 0.1, 0.5, 0.9, 0.999)
    rate, share = 1 / read["dispersion"], 1 / (1 + read["dispersion"] * read["mean"])
    expected = np.stack([stats.nbinom.ppf(level, rate, share) for level in levels], axis=-1)
    found = criterion.quantiles_of(z, levels)
    few = expected < 1e6
    np.testing.assert_array_equal(found[few], expected[few])
    gamma = stats.gamma.ppf(levels, rate[..., None], scale=(read["dispersion"] * read["mean"])[..., None])
    many = expected >= 1e9  # there counts are a gamma distribution, and scipy's search is inexact
    np.testing.assert_allclose(found[many], gamma[many], rtol=1e-6)
    assert criterion.read(np.array([[40.0, 0.0]]))["mean"] == np.exp(30.0)


@given(st.floats(1e-4, 1 - 1e-4), st.floats(1, 1e6))
def test_student_t(level: float, df: float) -> None:
    expected = stats.t.ppf(level, df)
    assert student_t_quantile(level, np.array([df]))[0] == pytest.approx(expected, rel=1e-7, abs=1e-9)


@given(st.floats(1e-3, 1e8))
def test_log_gamma(x: float) -> None:
    assert log_gamma(np.array([x]))[0] == pytest.approx(special.gammaln(x), rel=1e-13, abs=1e-13)


def test_normal_quantile() -> None:
    assert normal_quantile(0.9) == pytest.approx(stats.norm.ppf(0.9), rel=1e-12)


def test_quantiles_that_cross_are_sorted_and_joined() -> None:
    criterion = Loss("quantile", (0.1, 0.5, 0.9))
    z = np.array([[3.0, 1.0, 2.0]])
    assert [criterion.read(z)[name][0, 0] for name in ("0.1", "0.5", "0.9")] == [1, 2, 3]
    assert criterion.predictions(z).tolist() == [[2.0]]
    assert criterion.quantiles_of(z, (0.1, 0.3, 0.5, 0.8, 0.9))[0, 0] == pytest.approx([1, 1.5, 2, 2.75, 3])
    with pytest.raises(UsageError, match=r"levels from 0\.1 to 0\.9"):
        criterion.quantiles_of(z, (0.05,))


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("squared", ()), ("mse", (0.5,)), ("quantile", ()), ("quantile", (0.5, 0.5)), ("quantile", (0.0, 0.5)),
        ("quantile", (0.5, 1.0)), ("quantile", (0.9, 0.1)), ("quantile", (float("nan"),)),
    ],
)  # fmt: skip
def test_what_is_no_loss(name: Any, levels: tuple[float, ...]) -> None:
    with pytest.raises(UsageError):
        Loss(name, levels)


@pytest.mark.parametrize("name", ["mse", "mae"])
def test_a_point_has_no_quantiles(name: Any) -> None:
    with pytest.raises(UsageError, match="no spread"):
        Loss(name).quantiles_of(np.zeros((1, 1)), (0.5,))
