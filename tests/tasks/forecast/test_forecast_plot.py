"""Pictures of forecasts: what is drawn, Hangul that is no box, and no matplotlib."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from timesteps.errors import DataError, UsageError
from timesteps.runtime.series.forecast import Forecast
from timesteps.runtime.series.series import Series
from timesteps.tasks.forecast.baselines import naive_baselines
from timesteps.tasks.forecast.plot import _HANGUL, forecast_figure, plot_forecasts


def drawn_by(count: int = 1, targets: int = 1, name: str = "Seoul") -> tuple[list[Series], list[Forecast]]:
    generator = np.random.default_rng(0)
    times = np.datetime64("2024-01-01", "us") + np.arange(60) * np.timedelta64(1, "D")
    series = [
        Series(f"{name} {place}", times, generator.normal(size=(60, targets)).cumsum(axis=0)) for place in range(count)
    ]
    return series, naive_baselines()[0].forecast(series, 5, (80, 95))


def test_a_panel_shows_what_is_known_the_forecast_and_its_intervals() -> None:
    pytest.importorskip("matplotlib")
    series, forecasts = drawn_by()
    panel = forecast_figure(series, forecasts, ["price"]).axes[0]
    known, ahead = panel.get_lines()
    np.testing.assert_allclose(known.get_ydata(), series[0].targets[-36:, 0])
    np.testing.assert_allclose(ahead.get_ydata(), [series[0].targets[-1, 0], *forecasts[0].mean[:, 0]])
    assert len(panel.collections) == 2 and panel.get_ylabel() == "price" and panel.get_title("left") == "Seoul 0"
    widest = panel.collections[0].get_paths()[0].vertices[:, 1]
    assert widest.max() == pytest.approx(forecasts[0].upper[1].max())


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_forms(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"out{suffix}"
    assert plot_forecasts(path, *drawn_by(3), ["price"]) == "3 forecasts"
    assert path.stat().st_size > 1000
    assert plot_forecasts(path, *drawn_by(10, 2), ["a", "b"]) == "12 of 20 forecasts"


def test_hangul_does_not_become_boxes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib import font_manager

    if not {font.name for font in font_manager.fontManager.ttflist} & set(_HANGUL):
        pytest.skip("no font with Hangul is installed")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of every letter that no font has
        plot_forecasts(tmp_path / "out.png", *drawn_by(1, 1, "서울 아파트"), ["가격"])


def test_steps_without_times_and_targets_that_are_missing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    targets = np.array([[1.0, np.nan], [2.0, 5.0], [np.nan, 6.0]])
    series = [Series(None, np.arange(3), targets)]
    forecasts = naive_baselines()[0].forecast(series, 2, (80,))
    panels = forecast_figure(series, forecasts, ["a", "b"]).axes
    assert panels[0].get_xlabel() == "step" and panels[0].get_title("left") == "a"
    assert len(panels[0].get_lines()[1].get_ydata()) == 2, "the forecast does not set out from a missing number"
    assert len(panels[1].get_lines()[1].get_ydata()) == 3


def test_what_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(UsageError, match=r"the form of out\.bmp is not known; name a file that ends in \.png"):
        plot_forecasts(tmp_path / "out.bmp", *drawn_by(), ["price"])
    with pytest.raises(DataError, match="no forecast to draw"):
        plot_forecasts(tmp_path / "out.png", [], [], ["price"])
    with pytest.raises(UsageError, match="nowhere"):
        plot_forecasts(tmp_path / "nowhere" / "out.png", *drawn_by(), ["price"])
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"needs matplotlib, which is not installed; pip install 'timesteps\[plot\]'"):
        plot_forecasts(tmp_path / "out.png", *drawn_by(), ["price"])
