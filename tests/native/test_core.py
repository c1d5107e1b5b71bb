"""The compiled core: it is there where it can be, it refuses what does not fit, and installing works without it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from timesteps.runtime import native

ROOT = Path(__file__).parents[2]
needs_core = pytest.mark.skipif(native.core is None, reason=native.explain())
NONE = (False, 1, 0, 1, 0)  # no families of n-grams
ONE = np.array([1], np.int64)


def python(code, **environment):
    run = [sys.executable, "-c", code]
    result = subprocess.run(run, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    return result.stdout.strip()


@pytest.mark.skipif(not (shutil.which("c++") or shutil.which("g++")), reason="there is no C++ compiler")
def test_core_is_there():
    assert native.core is not None, f"{native.explain()}; run pip install -e . --no-build-isolation --no-deps"
    assert native.explain().startswith("native core: ")


def test_core_can_be_left_aside():
    code = "from timesteps.runtime import native; print(native.core, native.explain())"
    assert python(code, TIMESTEPS_NATIVE="0") == "None no native core: TIMESTEPS_NATIVE=0 is set"


def test_a_missing_core_is_explained():
    code = "import sys; sys.modules['timesteps._core'] = None; from timesteps.runtime import native"
    assert "C++20 compiler" in python(f"{code}; print(native.explain())")


@needs_core
@pytest.mark.parametrize("lengths", [[2], [4], [1, 1], [1, 1, 1, 1], [-1, 4]])
def test_lengths_that_do_not_fit_the_text(lengths):
    with pytest.raises(ValueError):
        native.core.look_up("영화!".encode(), np.array(lengths, np.int64), *NONE, np.zeros(0, np.uint64))


@needs_core
@pytest.mark.parametrize("text", [b"\xff", b"\x80", b"\xea\xb0", b"\xed\xa0\x80", b"\x00", b"\xf0\x9f"])
def test_bytes_that_are_no_text_are_only_bytes(text):
    ids, offsets = native.core.look_up(text, ONE, True, 1, 4, 1, 6, np.zeros(0, np.uint64))
    assert (ids.tolist(), offsets.tolist()) == ([], [0, 0])


@needs_core
@pytest.mark.parametrize("steps", [[0, 1], [0, -1]])
def test_steps_without_a_unit(steps):
    counter = native.core.FeatureCounter()
    with pytest.raises(IndexError):
        counter.add_phrases(b"a", ONE, np.array(steps, np.int32), np.array([0, 2]), 2)


@needs_core
@pytest.mark.parametrize("offsets", [[0, 3], [1, 0], [-1, 2]])
def test_offsets_that_do_not_fit_the_steps(offsets):
    counter = native.core.FeatureCounter()
    with pytest.raises(ValueError):
        counter.add_phrases(b"a", ONE, np.zeros(2, np.int32), np.array(offsets), 2)


@needs_core
@pytest.mark.parametrize("counts", [[], [0], [-1], [1, 1]])
def test_counts_that_do_not_fit_the_units(counts):
    with pytest.raises(ValueError):
        native.core.FeatureCounter().add(b"a", ONE, np.array(counts, np.int64), *NONE)


@needs_core
def test_arrays_of_another_type_are_refused():
    with pytest.raises(TypeError):
        native.core.look_up(b"a", ONE.astype(np.float64), *NONE, np.zeros(0, np.uint64))


@needs_core
def test_counting_keeps_up_with_growth():
    """Far more features than the table starts with, so that it is rebuilt several times."""
    counter = native.core.FeatureCounter()
    words = [f"{number:06d}" for number in range(150_000)]
    counts = np.arange(1, len(words) + 1)
    lengths = np.full(len(words), 6)
    for _ in range(2):
        counter.add("".join(words).encode(), lengths, counts, True, 1, 0, 1, 0)
    assert len(counter) == len(words)
    assert len(counter.features(2 * 100_000, -1)) == 50_001
    assert len(counter.features(1, 77)) == 77


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("ninja")), reason="cmake and ninja are not on the path")
def test_configures_without_a_compiler(tmp_path):
    configure = ["cmake", "-S", str(ROOT / "native"), "-B", str(tmp_path), "-G", "Ninja"]
    environment = {**os.environ, "CXX": str(tmp_path / "no-compiler")}
    result = subprocess.run(configure, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    assert "no C++ compiler" in result.stderr
