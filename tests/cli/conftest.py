"""One small trained run that the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from commands import SMALL, Answer, reviews

from timesteps import cli


@pytest.fixture
def timesteps(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """The command in this process."""

    def run(*words: object) -> Answer:
        capsys.readouterr()
        code = cli._run([str(word) for word in words], False)
        return Answer(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "reviews.csv"
    path.write_text(reviews(200), "utf-8")
    return path


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; not to be written to."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    words = ["train", "classify", str(data), "--out", str(folder), "--epochs", "3", "--learning-rate", "0.02", *SMALL]
    assert cli._run(words, True) == 0
    return folder
