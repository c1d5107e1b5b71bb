"""`train forecast`, `predict` and `backtest`: what they print, what they leave, and how they refuse bad input."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Answer

from timesteps import cli

Command = Callable[..., Answer]

SMALL = ["--horizon", 7, "--context", 14, "--hidden-size", 4, "--epochs", 2, "--threads", 1]
HEAD = "date,store,sales,price,promo"


def rows(stores: str = "ab", days: int = 120, first: int = 0, to_come: int = 0) -> list[str]:
    """Sales with a week in them; of the last `to_come` days only the promotions are known."""
    lines = []
    for number, store in enumerate(stores):
        draws = random.Random(number)
        for day in range(days + to_come):
            date = datetime.date(2024, 1, 1) + datetime.timedelta(days=day)
            sales = 50 + 10 * math.sin(day * 2 * math.pi / 7) + draws.gauss(0, 2)
            known = f"{sales:.2f},{3 + day % 3}" if day < days else ","
            if day >= first:
                lines.append(f"{date},{store},{known},{int(day % 7 == 5)}")
    return lines


def table(path: Path, lines: list[str], head: str = HEAD) -> Path:
    path.write_text("\n".join([head, *lines]) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("series") / "sales.csv", rows())


def train(folder: Path, data: Path, *more: object) -> Path:
    words = ["train", "forecast", data, "--time", "date", "--target", "sales", "--group", "store", *SMALL, *more]
    assert cli._run([*map(str, words), "--out", str(folder)], True) == 0
    return folder


@pytest.fixture(scope="module")
def plain(sales: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without covariates; not to be written to."""
    return train(tmp_path_factory.mktemp("runs") / "plain", sales)


@pytest.fixture(scope="module")
def promoted(sales: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a past and a future covariate; not to be written to."""
    return train(tmp_path_factory.mktemp("runs") / "promoted", sales, "--past", "price", "--future", "promo")


def test_training_says_how_good_it_is_beside_the_baselines(timesteps: Command, sales: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["--time", "date", "--target", "sales", "--group", "store", *SMALL, "--classical", "none"]
    answer = timesteps("train", "forecast", sales, *words, "--out", out)
    assert answer.code == 0
    first, second, *rest = answer.out.splitlines()
    assert first.startswith("GRU") and "MASE" in first
    assert second.startswith("Judged on ") and "windows of 7 steps of 2 series" in second
    names = ["GRU", "last value", "drift", "seasonal naive", "seasonal naive + drift"]
    assert [line[:22].strip() for line in rest if line[:1] not in ("", " ") and line[22:24] == "  "][:5] == names
    assert max(map(len, rest[:-4])) <= 80
    assert f"next:   timesteps predict {out} {sales} --plot forecast.png" in rest
    left = {path.name for path in out.iterdir()}
    assert {"model.safetensors", "report.html", "card.md", "log.jsonl", "figures.json", "request.json"} <= left
    figures = json.loads((out / "figures.json").read_text("utf-8"))
    assert figures["verdict"].startswith(first.rstrip(".")) and figures["backtest"]["horizon"] == 7
    assert first.rstrip(".") in (out / "card.md").read_text("utf-8")
    page = (out / "report.html").read_text("utf-8")
    assert "--context-length 14" in page or "--context 14" in page


def test_training_without_a_test_part_says_that_it_was_not_judged(
    timesteps: Command, sales: Path, tmp_path: Path
) -> None:
    words = ["--time", "date", "--target", "sales", "--group", "store", *SMALL, "--test", 0]
    answer = timesteps("train", "forecast", sales, *words, "--out", tmp_path / "run")
    assert answer.code == 0 and answer.out.startswith("Not judged: all steps were trained on.")
    assert not (tmp_path / "run" / "report.html").exists()


def test_training_with_json_has_only_json_on_standard_output(timesteps: Command, sales: Path, tmp_path: Path) -> None:
    words = ["--time", "date", "--target", "sales", "--group", "store", *SMALL, "--json"]
    answer = timesteps("train", "forecast", sales, *words, "--out", tmp_path / "run")
    found = json.loads(answer.out)
    assert {"verdict", "table", "backtest", "folder", "data", "sha256"} <= set(found)
    assert "epoch 1/2" not in answer.err


def test_prediction_is_a_table_that_goes_on_where_the_data_end(timesteps: Command, plain: Path, sales: Path) -> None:
    answer = timesteps("predict", plain, sales)
    found = list(csv.DictReader(io.StringIO(answer.out)))
    assert answer.code == 0 and len(found) == 14
    assert list(found[0]) == ["date", "store", "target", "mean", "lower_80", "upper_80", "lower_95", "upper_95"]
    assert [row["date"] for row in found[:7]] == [f"2024-04-{30}", *(f"2024-05-0{day}" for day in range(1, 7))]
    assert [row["store"] for row in found] == ["a"] * 7 + ["b"] * 7
    for row in found:
        low, inner, mean, outer, high = (
            float(row[name]) for name in ("lower_95", "lower_80", "mean", "upper_80", "upper_95")
        )
        assert low <= inner <= mean <= outer <= high and 20 < mean < 80


def test_levels_horizon_json_and_standard_input(
    timesteps: Command, plain: Path, sales: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = timesteps("predict", plain, sales, "--levels", "50", "--horizon", 9, "--json")
    found = [json.loads(line) for line in answer.out.splitlines()]
    assert len(found) == 18 and set(found[0]) == {"date", "store", "target", "mean", "lower_50", "upper_50"}
    words = [sys.executable, "-m", "timesteps", "predict", str(plain), "-", "--levels", "none"]
    piped = subprocess.run(words, input=sales.read_text("utf-8"), capture_output=True, text=True, timeout=120)
    assert piped.returncode == 0 and piped.stdout.splitlines()[0] == "date,store,target,mean"
    assert len(piped.stdout.splitlines()) == 15


def test_future_covariates_are_read_from_the_rows_to_come(timesteps: Command, promoted: Path, tmp_path: Path) -> None:
    answer = timesteps("predict", promoted, table(tmp_path / "sales.csv", rows(to_come=7)))
    assert answer.code == 0 and len(answer.out.splitlines()) == 15
    assert "time to come" in answer.err


def test_a_backtest_of_new_rows(timesteps: Command, plain: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "longer.csv", rows(days=240))
    answer = timesteps("backtest", plain, data, "--windows", 10, "--classical", "none", "--report", tmp_path / "b.html")
    assert answer.code == 0 and "Judged on 20 windows of 7 steps of 2 series" in answer.out
    assert "<svg" in (tmp_path / "b.html").read_text("utf-8")
    found = json.loads(timesteps("backtest", plain, data, "--json").out)
    assert {"run", "data", "sha256", "seen", "verdict", "models", "windows", "levels", "notes"} <= set(found)
    assert found["verdict"]["metric"] == "MASE" and found["levels"] == [80, 95]
    best = min(found["models"][1:], key=lambda model: model["overall"]["mase"])
    assert best["name"] == found["verdict"]["baseline"] == "seasonal naive"
    assert {"mae", "rmse", "mase", "smape", "pinball", "intervals", "n", "missing"} <= set(best["overall"])


def test_a_backtest_judges_nothing_that_was_trained_on(timesteps: Command, plain: Path, sales: Path) -> None:
    found = json.loads(timesteps("backtest", plain, sales, "--json").out)
    # 18 of 120 days were kept from training: a window of 7 may begin on 12 of them.
    assert found["seen"] is False and 1 < found["models"][0]["by_series"][0]["windows"] <= 12
    answer = timesteps("backtest", plain, sales, "--seen", "--json")
    assert json.loads(answer.out)["seen"] is True and "was trained on some of these windows" in answer.err
    assert json.loads(answer.out)["windows"] > found["windows"]


def test_the_model_file_alone_is_enough(timesteps: Command, plain: Path, sales: Path, tmp_path: Path) -> None:
    file = shutil.copy(plain / "model.safetensors", tmp_path / "m.safetensors")
    assert timesteps("predict", file, sales).out == timesteps("predict", plain, sales).out


def test_columns_that_are_series_of_their_own(timesteps: Command, tmp_path: Path) -> None:
    days = [row.split(",") for row in rows("a", 90)]
    wide = [f"{row[0]},{row[2]},{float(row[2]) * 2:.2f}" for row in days]
    data = table(tmp_path / "wide.csv", wide, "date,서울,부산")
    words = ["--time", "date", "--target", "서울,부산", "--separate", *SMALL, "--out", tmp_path / "run"]
    assert timesteps("train", "forecast", data, *words).code == 0
    answer = timesteps("predict", tmp_path / "run", data)
    assert answer.code == 0 and "2024-03-31,서울,value," in answer.out and ",부산,value," in answer.out
    file = shutil.copy(tmp_path / "run" / "model.safetensors", tmp_path / "m.safetensors")
    again = timesteps("predict", file, data, "--separate", "--target", "서울,부산")
    assert again.code == 0 and again.out == answer.out


def test_predicting_and_judging_do_without_torch(plain: Path, sales: Path) -> None:
    script = "import sys; from timesteps import cli; cli._run(sys.argv[1:], True); print('torch' in sys.modules)"
    for words in (["predict", plain, sales], ["backtest", plain, sales, "--classical", "none"]):
        run = subprocess.run(
            [sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True, timeout=120
        )
        assert run.returncode == 0 and run.stdout.splitlines()[-1] == "False", run.stderr


def _without_promotions(lines: list[str]) -> list[str]:
    return [line.rsplit(",", 1)[0] + "," if line.startswith("2024-05-02") else line for line in lines]


BAD: dict[str, tuple[list[str], str]] = {
    "other.csv": ([",".join(line.split(",")[:3]) for line in rows()], "date,store,revenue"),
    "short.csv": (rows(days=9), HEAD),
    "part.csv": (rows(to_come=5), HEAD),
    "holes.csv": (_without_promotions(rows(to_come=7)), HEAD),
    "text.csv": ([*rows("a", 40), "2024-02-10,a,lots,3,0"], HEAD),
    "twice.csv": ([*rows("a", 40), rows("a", 40)[-1]], HEAD),
    "infinite.csv": ([*rows("a", 40), "2024-02-10,a,inf,3,0"], HEAD),
    "weekly.csv": (rows("a", 120)[::7], HEAD),
    "nothing.csv": ([f"{line.split(',')[0]},a,,," for line in rows("a", 40)], HEAD),
    "empty.csv": ([], HEAD),
}


@pytest.mark.parametrize(
    ("verb", "run", "file", "code", "words"),
    [
        (["predict"], "plain", "other.csv", 3, "other.csv: there is no column 'sales'"),
        (["backtest"], "plain", "other.csv", 3, "other.csv: there is no column 'sales'"),
        (["predict"], "promoted", "other.csv", 3, "other.csv: there is no column"),
        (["predict"], "plain", "short.csv", 3, "short.csv:10: series a: 9 known steps"),
        (["backtest"], "plain", "short.csv", 3, "short.csv: series 'a', the longest, has 9 steps"),
        (["predict"], "promoted", "part.csv", 3, "part.csv:121: series a: promo is given for 5 of the 7 steps"),
        (["predict", "--horizon", "1"], "promoted", "part.csv", 3, "series a: promo is given for 5 of the 7 steps"),
        (["predict"], "promoted", "sales.csv", 3, "sales.csv:121: series a: promo is given for 0 of the 7 steps"),
        (["predict"], "promoted", "holes.csv", 3, "series a: promo is not known at 2024-05-02"),
        (["predict"], "plain", "text.csv", 3, "text.csv:42: column sales: 'lots' is text"),
        (["predict"], "plain", "twice.csv", 3, "twice.csv:42: "),
        (["predict"], "plain", "infinite.csv", 3, "infinite.csv:42: "),
        (["predict"], "plain", "weekly.csv", 3, "weekly.csv"),
        (["predict"], "plain", "nothing.csv", 3, "nothing.csv"),
        (["predict"], "plain", "empty.csv", 3, "empty.csv"),
        (["predict"], "plain", "missing.csv", 3, "missing.csv: no such file"),
        (["predict", "--levels", "80,100"], "plain", "sales.csv", 2, "--levels has 100"),
        (["predict", "--levels", "0"], "plain", "sales.csv", 2, "--levels has 0"),
        (["predict", "--levels", "many"], "plain", "sales.csv", 2, "'many' are no percentages"),
        (["predict", "--levels", "99"], "plain", "sales.csv", 2, "--levels are 99; ask for levels up to 95"),
        (["predict", "--horizon", "0"], "plain", "sales.csv", 2, "--horizon is 0"),
        (["predict", "--plot", "a.bmp"], "plain", "sales.csv", 2, "the form of a.bmp is not known"),
        (["predict", "--target", "sales"], "plain", "sales.csv", 2, "--target is for columns that are series"),
        (["backtest", "--levels", "100"], "plain", "sales.csv", 2, "--levels has 100"),
        (["backtest", "--windows", "500"], "plain", "sales.csv", 3, "--windows is 500, but 12 of 7 steps"),
        (["backtest", "--horizon", "500"], "plain", "sales.csv", 3, "and a window needs"),
        (["backtest", "--stride", "0"], "plain", "sales.csv", 2, "--stride is 0"),
        (["backtest", "--windows", "0"], "plain", "sales.csv", 2, "--windows is 0"),
        (["backtest", "--classical", "best"], "plain", "sales.csv", 2, "--classical is 'best'"),
        (["evaluate"], "plain", "sales.csv", 2, "timesteps backtest judges it"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(
    timesteps: Command, request: pytest.FixtureRequest, sales: Path, tmp_path: Path,
    verb: list[str], run: str, file: str, code: int, words: str,
) -> None:  # fmt: skip
    folder = request.getfixturevalue(run)
    data = sales if file == "sales.csv" else tmp_path / file
    if file in BAD:
        table(data, *BAD[file])
    answer = timesteps(*verb[:1], folder, data, *verb[1:])
    assert answer.code == code and answer.out == ""
    last = answer.err.splitlines()[-1]
    assert last.startswith("timesteps: ") and words in last, last


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--target", "turnover"], 3, "there is no column 'turnover'"),
        (["--horizon", "300"], 3, "sales.csv"),
        (["--horizon", "0"], 2, "--horizon is 0"),
        (["--levels", "80,120"], 2, "--levels"),
        (["--base", "magic"], 2, "--base is 'magic'"),
        (["--test", "1.5"], 2, "--test is 1.5"),
        (["--quantiles", "some"], 2, "'some' are no quantiles"),
        (["--future", "weather"], 3, "there is no column 'weather'"),
        (["--classical", "best"], 2, "--classical is 'best'"),
    ],
)
def test_training_refuses_what_it_cannot_do(
    timesteps: Command, sales: Path, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    given = ["--time", "date", "--target", "sales", "--group", "store", "--context", "14"]
    answer = timesteps("train", "forecast", sales, *given, *words, "--out", tmp_path / "run")
    assert answer.code == code, answer.err
    assert said in answer.err.splitlines()[-1]


def test_options_of_series_are_refused_by_other_models(timesteps: Command, trained: Path, data: Path) -> None:
    answer = timesteps("predict", trained, data, "--horizon", 3)
    assert answer.code == 2 and "--horizon is for forecasters" in answer.err
    assert timesteps("backtest", trained, data).code == 4


def test_a_picture_is_drawn(timesteps: Command, plain: Path, sales: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    answer = timesteps("predict", plain, sales, "--plot", tmp_path / "out.png")
    assert answer.code == 0 and "out.png: 2 forecasts" in answer.err
    assert (tmp_path / "out.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
