"""The classifier of numeric sequences on real ones: who speaks, by two vowels."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from bench.engines import vowels

from timesteps import Classifier

DATA = Path(os.environ.get("TIMESTEPS_DATA", "no such folder"), "aeon_ts")


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="aeon_ts is not in TIMESTEPS_DATA")
def test_japanese_vowels() -> None:
    (train, speakers), (test, truth) = vowels()
    assert (len(train), len(test)) == (270, 370) and {row.shape[1] for row in train} == {12}
    began = time.perf_counter()
    model = Classifier(random_state=0).fit(train, speakers)
    assert model.score(test, truth) >= 0.95
    assert time.perf_counter() - began < 60
