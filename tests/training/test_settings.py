from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from timesteps.errors import UsageError
from timesteps.training.schedules import factor
from timesteps.training.settings import Settings


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("epochs", [0, -1, 2.5, True]),
        ("batch_size", [0, 1.0]),
        ("patience", [-1, 0.5]),
        ("seed", [-1, "a"]),
        ("threads", [0]),
        ("optimizer", ["adagrad", None]),
        ("schedule", ["step"]),
        ("learning_rate", [0.0, -1.0, math.inf, math.nan, None, "fast"]),
        ("table_learning_rate", [0.0, math.nan]),
        ("clip_norm", [0.0, -1.0]),
        ("wide_learning_rate", [0.0, math.inf]),
        ("weight_decay", [-0.1, math.nan, math.inf]),
        ("consistency", [-0.1, math.nan]),
        ("momentum", [1.0, -0.1]),
        ("warmup", [1.0, -0.1]),
        ("ema", [1.0, math.nan]),
        ("label_smoothing", [1.0, -0.1]),
        ("betas", [(0.9, 1.0), (-0.1, 0.9), (0.9,)]),
    ],
)
def test_out_of_range(name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(UsageError, match=f"^{name} is "):
            Settings(**{name: value})


@pytest.mark.parametrize("options", [{}, {"optimizer": "sgd"}, {"optimizer": "rmsprop", "momentum": 0.9}])
def test_nesterov_is_of_sgd_with_momentum(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^nesterov with optimizer .*; use it with sgd and a momentum above 0"):
        Settings(nesterov=True, **options)


def test_what_a_resumed_run_must_share() -> None:
    assert Settings(threads=1).identity() == Settings(threads=2).identity()
    assert Settings(seed=1).identity() != Settings(seed=2).identity()
    assert Settings(epochs=1).identity() == Settings(epochs=2).identity()
    for schedule in ({"schedule": "linear"}, {"schedule": "cosine"}, {"warmup": 0.1}):
        assert Settings(epochs=1, **schedule).identity() != Settings(epochs=2, **schedule).identity()  # type: ignore[arg-type]


def test_schedules() -> None:
    def values(name: Any, warmup: float, steps: int) -> list[float]:
        return [factor(name, warmup, step, steps) for step in range(steps)]

    assert values("constant", 0.0, 3) == [1, 1, 1]
    assert values("constant", 0.5, 8) == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert values("linear", 0.0, 4) == [1, 0.75, 0.5, 0.25]
    assert values("linear", 0.5, 8) == [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25]
    assert values("linear", 0.9, 1) == [1]
    assert factor("linear", 0.0, 9, 4) == 0.25


def test_cosine_is_torchs() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    for step in range(10):
        assert factor("cosine", 0.0, step, 10) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    # After a warm-up it is the same curve over the steps that are left.
    assert [factor("cosine", 0.2, 2 + k, 10) for k in range(8)] == [factor("cosine", 0.0, k, 8) for k in range(8)]
