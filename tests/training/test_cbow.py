"""Word vectors by CBOW: its steps against torch's gradients, the core against numpy, and what the vectors say."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError
from timesteps.runtime import native
from timesteps.runtime.sequences import Sequences
from timesteps.training import cbow
from timesteps.training.cbow import train_vectors

needs_core = pytest.mark.skipif(native.core is None, reason=native.explain())
WAYS = [pytest.param("core", marks=needs_core), "numpy"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Training by the core, and by numpy."""
    if request.param == "numpy":
        monkeypatch.setattr(native, "core", None)
    return str(request.param)


def corpus(rows: int = 40, words: int = 12, seed: int = 0) -> Sequences:
    random = np.random.default_rng(seed)
    return Sequences.of([random.integers(0, words, random.integers(0, 9)) for _ in range(rows)])


def by_autograd(
    texts: list[list[int]], num_words: int, size: int, window: int, negative: int, epochs: int, rate: float, t: float
) -> NDArray[np.float32]:
    """The equations of `train_vectors`, one word after the other, their gradients by torch; ids from 0 are words."""
    counts = np.bincount([word for text in texts for word in text], minlength=num_words)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = t * counts.sum() / counts
    kept = np.minimum(1, np.sqrt(ratio) + ratio) if t else np.ones(num_words)
    edges = np.cumsum(counts**0.75) / np.sum(counts**0.75)
    random = np.random.default_rng(0)
    begin = (random.random((num_words, size), np.float32) - 0.5) / size
    v, u = torch.tensor(begin, dtype=torch.float64), torch.zeros(num_words, size, dtype=torch.float64)
    state, done, total = int(random.integers(2**64, dtype=np.uint64)), 0, sum(map(len, texts)) * epochs

    def draw() -> float:
        nonlocal state
        number, state = cbow._draws(state, 1)
        return int(number[0]) / 2**32

    for text in texts * epochs:
        left = [(place, word) for place, word in enumerate(text) if draw() < kept[word]]
        for centre, (place, word) in enumerate(left):
            reach = 1 + int(draw() * window)
            noise = [int(np.searchsorted(edges, draw(), side="right")) for _ in range(negative)]
            near = [other for _, other in left[max(0, centre - reach) : centre] + left[centre + 1 : centre + 1 + reach]]
            if not near:
                continue
            h = v[near].mean(0).requires_grad_()
            eta = rate * (1 - (done + place) / total)
            for target, sign in [(word, 1.0), *((other, -1.0) for other in noise if other != word)]:
                row = u[target].clone().requires_grad_()
                loss = -F.logsigmoid(sign * h @ row)
                loss.backward()
                assert row.grad is not None
                u[target] -= eta * row.grad
            assert h.grad is not None
            for other in near:
                v[other] -= eta * h.grad
        done += len(text)
    found = v[counts > 0]
    result = np.full((num_words, size), np.nan, np.float32)
    result[counts > 0] = (found * (0.1 / found.std(correction=0))).numpy()
    return result


@pytest.mark.parametrize("subsample", [0.0, 0.02])
@pytest.mark.parametrize(("size", "window", "negative"), [(5, 1, 1), (8, 3, 4), (17, 5, 5)])
def test_every_step_follows_the_gradient(way: str, size: int, window: int, negative: int, subsample: float) -> None:
    texts = [[0, 1, 2, 1, 0, 5], [3, 3, 3], [], [4], [1, 4, 2, 0, 3, 5, 0, 2, 1]] * 3
    settings = {"size": size, "window": window, "negative": negative, "epochs": 2, "subsample": subsample}
    vectors = train_vectors(Sequences.of(texts), 7, **settings, learning_rate=0.5, reserved=0)
    expected = by_autograd(texts, 7, size, window, negative, 2, 0.5, subsample)
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-5)


@needs_core
@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 9), max_size=12), max_size=8),
    size=st.sampled_from([1, 7, 8, 9, 16, 33]),
    window=st.integers(1, 6),
    negative=st.integers(1, 6),
    epochs=st.integers(1, 3),
    subsample=st.sampled_from([0.0, 1e-4, 0.01, 1.0]),
    seed=st.integers(0, 9),
)
def test_core_and_numpy_agree(
    rows: list[list[int]], size: int, window: int, negative: int, epochs: int, subsample: float, seed: int
) -> None:
    def learned() -> NDArray[np.float32]:
        return train_vectors(
            Sequences.of(rows),
            10,
            size=size,
            window=window,
            negative=negative,
            epochs=epochs,
            subsample=subsample,
            seed=seed,
        )

    by_core = learned()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "core", None)
        by_numpy = learned()
    np.testing.assert_allclose(by_core, by_numpy, rtol=1e-4, atol=1e-5)


def test_splitmix() -> None:
    """The first numbers of the authors' program from the state 1234567."""
    first = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    numbers, state = cbow._draws(1234567, 5)
    assert numbers.tolist() == [number >> 32 for number in first]
    one_by_one, after = cbow._draws(cbow._draws(1234567, 2)[1], 3)
    assert (one_by_one.tolist(), after) == (numbers.tolist()[2:], state)


def test_the_same_seed_gives_the_same_bits(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = corpus()
    first = train_vectors(texts, 12, size=9)
    assert train_vectors(texts, 12, size=9).tobytes() == first.tobytes()
    assert not np.array_equal(train_vectors(texts, 12, size=9, seed=1), first, equal_nan=True)
    for name in ("_BLOCK", "_SMALL_BLOCK"):  # many small calls do what one does
        monkeypatch.setattr(cbow, name, 7)
    assert train_vectors(texts, 12, size=9).tobytes() == first.tobytes()


DIGEST = """
import hashlib, numpy as np
from timesteps.runtime.sequences import Sequences
from timesteps.training.cbow import train_vectors
random = np.random.default_rng(0)
texts = Sequences.of([random.integers(3, 40, 20) for _ in range(50)])
print(hashlib.sha256(train_vectors(texts, 40, size=24).tobytes()).hexdigest())
"""


@needs_core
def test_every_instruction_set_gives_the_same_bits() -> None:
    said = set()
    for instructions in ("", "baseline"):
        environment = os.environ | {"TIMESTEPS_INSTRUCTIONS": instructions}
        run = [sys.executable, "-c", DIGEST]
        said.add(subprocess.run(run, capture_output=True, text=True, check=True, env=environment).stdout)
    assert len(said) == 1


def test_words_of_one_topic_are_near_each_other(way: str) -> None:
    random = np.random.default_rng(0)
    topics = [np.arange(3, 13), np.arange(13, 23)]
    texts = Sequences.of([random.choice(topics[text % 2], 8) for text in range(400)])
    vectors = train_vectors(texts, 23, size=16, subsample=0, epochs=3)[3:]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T
    np.fill_diagonal(near, -1)
    assert (near.argmax(1) // 10 == np.repeat([0, 1], 10)).all()


def test_words_that_never_meet_but_keep_the_same_company_are_nearest() -> None:
    """Each odd word stands where its even partner stands, in texts of its own: only their neighbours are the same."""
    random = np.random.default_rng(0)
    texts = []
    for _ in range(4000):
        pair = int(random.integers(5))
        word = 3 + 2 * pair + int(random.integers(2))
        company = 13 + 4 * pair + random.integers(0, 4, 4)
        texts.append([*company[:2], word, *company[2:]])
    vectors = train_vectors(Sequences.of(texts), 33, size=16, subsample=0)
    words = vectors[3:13] / np.linalg.norm(vectors[3:13], axis=1, keepdims=True)
    near = words @ words.T
    np.fill_diagonal(near, -1)
    assert near.argmax(1).tolist() == [1, 0, 3, 2, 5, 4, 7, 6, 9, 8]


def test_which_words_have_vectors_and_how_long_they_are(way: str) -> None:
    texts = Sequences.of([[0, 0, 1, 5, 6, 2, 7], [2, 5, 6, 7, 7]])
    vectors = train_vectors(texts, 10, size=6)
    assert np.isnan(vectors).all(1).tolist() == [True] * 5 + [False] * 3 + [True] * 2
    assert vectors.dtype == np.float32
    assert vectors[5:8].std() == pytest.approx(0.1)
    without = Sequences.of([[5, 6, 7], [5, 6, 7, 7]])
    assert train_vectors(without, 10, size=6).tobytes() == vectors.tobytes()


@pytest.mark.parametrize("rows", [[], [[]], [[0, 1, 2], [2]]])
def test_nothing_to_learn_from(way: str, rows: list[list[int]]) -> None:
    assert np.isnan(train_vectors(Sequences.of(rows), 5, size=4)).all()


def test_shares_of_noise_and_of_frequent_words() -> None:
    counts = np.array([0, 0, 0, 1000, 16, 1, 0, 81, 0])
    noise = np.diff(cbow._noise(counts).astype(np.float64), prepend=0) / 2**32
    np.testing.assert_allclose(noise, counts**0.75 / (counts**0.75).sum(), atol=1e-9)
    frequency = 1000 / counts.sum()
    kept = cbow._kept(counts, 0.01) / 2**32
    assert kept[3] == pytest.approx(np.sqrt(0.01 / frequency) + 0.01 / frequency)
    assert kept[5] == 1
    assert (cbow._kept(counts, 0) == 2**32).all()


def test_progress_is_said(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    train_vectors(corpus(), 12, size=4, epochs=2, say=said.append)
    assert said == []
    for name, value in (("_QUIET", 0), ("_INTERVAL", 0), ("_BLOCK", 50), ("_SMALL_BLOCK", 50)):
        monkeypatch.setattr(cbow, name, value)
    train_vectors(corpus(), 12, size=4, epochs=2, say=said.append)
    assert said[0].startswith("word vectors: epoch 1/2 · ")
    assert "ETA 0:00" in said[0]
    assert said[-1].startswith("word vectors: epoch 2/2 · ")


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"window": 0},
        {"negative": 0},
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"subsample": -1e-4},
    ],
)
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        train_vectors(corpus(), 12, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [[[3, 12]], [[-1, 3]]])
def test_ids_out_of_range(rows: list[list[int]]) -> None:
    with pytest.raises(DataError, match=str(rows[0][0] if rows[0][0] < 0 else rows[0][1])):
        train_vectors(Sequences.of(rows), 12)


@needs_core
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"words": np.array([9, 0], np.int32)}, IndexError),
        ({"words": np.array([-1, 0], np.int32)}, IndexError),
        ({"offsets": np.array([0, 3])}, ValueError),
        ({"offsets": np.array([-1, 2])}, ValueError),
        ({"offsets": np.array([2, 1])}, ValueError),
        ({"last": 2}, ValueError),
        ({"output": np.zeros((4, 8), np.float32)}, ValueError),
        ({"output": np.zeros((5, 16), np.float32)}, ValueError),
        ({"input": np.zeros((5, 6), np.float32), "output": np.zeros((5, 6), np.float32)}, ValueError),
        ({"kept": np.zeros(4, np.uint64)}, ValueError),
        ({"noise": np.zeros(5, np.uint64)}, ValueError),
        ({"noise": np.array([3, 2, 2**32, 2**32, 2**32], np.uint64)}, ValueError),
        ({"output": np.zeros((5, 8))}, TypeError),
    ],
)
def test_the_core_refuses_what_does_not_fit(wrong: dict[str, object], error: type[Exception]) -> None:
    right = {
        "input": np.zeros((5, 8), np.float32),
        "output": np.zeros((5, 8), np.float32),
        "words": np.array([3, 4], np.int32),
        "offsets": np.array([0, 2]),
        "kept": np.full(5, 2**32, np.uint64),
        "noise": np.full(5, 2**32, np.uint64),
        "first": 0,
        "last": 1,
        "state": 1,
        "window": 2,
        "negative": 2,
        "learning_rate": 0.1,
        "words_before": 0,
        "words_in_all": 2,
    }
    assert native.core is not None
    native.core.cbow(**right)
    with pytest.raises(error):
        native.core.cbow(**right | wrong)
