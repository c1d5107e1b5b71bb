"""n-gram models that answer: states, queries in the core and in plain Python, model files."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesteps import NgramModel, load_language
from timesteps.errors import ModelError, UsageError
from timesteps.runtime import modelfile, native
from timesteps.runtime.language.ngram import Ngram
from timesteps.runtime.language.ngram_spec import NGRAM
from timesteps.runtime.language.ngram_table import find
from timesteps.runtime.native import without_core

needs_core = pytest.mark.skipif(native.core is None, reason="there is no compiled core")
TEXTS = [
    "나는 버스를 탔다",
    "나는 버스를 기다렸다",
    "그는 버스를 탔다",
    "그는 집에 갔다",
    "나는 집에 갔다 왔다",
    "왔다",
]


@pytest.fixture(scope="module")
def model() -> NgramModel:
    return NgramModel(order=4).fit(TEXTS)


def plain(model: Ngram) -> Ngram:
    with without_core():
        return Ngram(model.spec, model.tensors)


tokens = st.lists(st.integers(0, 10), max_size=12)


@needs_core
@given(tokens, st.integers(0, 10))
def test_the_core_answers_with_the_bits_of_plain_python(model: NgramModel, words: list[int], word: int) -> None:
    other = plain(model)
    with without_core():
        logs, state = other.log_probs(other.start(), words)
        following = other.log_prob(state, word)
        everything = other.distribution(state)
        shortest = other._reader.shortest(tuple(words[-3:]))
        sentences = other.sentence_log_probs([words, [], words[2:]])
    found, reached = model.log_probs(model.start(), words)
    assert (found == logs).all() and reached == state
    assert model.log_prob(reached, word) == following
    assert (model.distribution(reached) == everything).all()
    assert model._reader.shortest(tuple(words[-3:])) == shortest
    assert all((a == b).all() for a, b in zip(model.sentence_log_probs([words, [], words[2:]]), sentences, strict=True))


@given(tokens, tokens)
def test_states_that_are_equal_predict_alike_and_know_all_that_matters(
    model: NgramModel, one: list[int], other: list[int]
) -> None:
    """A state is the end of what was read: nothing that was cut away would have changed an answer."""
    words = [*one, *other]
    _, state = model.log_probs(model.empty(), words)
    assert state == tuple(words[len(words) - len(state) :]) and len(state) < 4
    whole = tuple(words[-3:])
    assert (model.distribution(whole) == model.distribution(state)).all()
    assert [model.log_prob(whole, word) for word in range(11)] == [model.log_prob(state, word) for word in range(11)]


@given(tokens, st.integers(0, 12))
def test_stopping_and_going_on_changes_nothing(model: NgramModel, words: list[int], cut: int) -> None:
    whole, last = model.log_probs(model.start(), words)
    first, state = model.log_probs(model.start(), words[:cut])
    rest, end = model.log_probs(state, words[cut:])
    assert (np.concatenate([first, rest]) == whole).all() and end == last
    state = model.start()
    for word, log in zip(words, whole, strict=True):
        assert model.distribution(state)[word] == log
        found, state = model.log_prob(state, word)
        assert found == log
    assert state == last


@needs_core
@given(tokens)
def test_a_state_is_a_value_as_the_tuple_of_its_tokens(model: NgramModel, words: list[int]) -> None:
    _, state = model.log_probs(model.empty(), words)
    same = tuple(state)
    assert state == same and same == state and hash(state) == hash(same) and len(state) == len(same)
    assert (state != same) is False
    assert state != (*same, 0) and state != (1, *same) and state != list(same) and repr(state) == f"NgramState{same}"
    for copied in (pickle.loads(pickle.dumps(state)), copy.deepcopy(state)):
        assert copied == state and type(copied) is type(state)
        assert (model.distribution(copied) == model.distribution(state)).all()
    found, after = model.log_prob(state, 5)
    assert (found, after) == model.log_prob(same, 5) and state == same  # going on leaves it as it was
    assert {state: 1}[same] == 1


@needs_core
def test_a_state_of_a_longer_model_is_refused(model: NgramModel) -> None:
    short = NgramModel(order=2).fit(TEXTS)
    _, state = model.log_probs(model.empty(), model.tokens("나는 버스를"))
    assert len(state) == 2
    for call in (
        lambda: short.log_prob(state, 3),
        lambda: short.log_probs(state, [3]),
        lambda: short.distribution(state),
    ):
        with pytest.raises(UsageError, match="another model"):
            call()
    core = native.core
    assert core is not None
    for wrong in (((1,), ()), ((1,) * 16, (0.0,) * 16), ((-1,), (0.0,)), ((1 << 40,), (0.0,))):
        with pytest.raises((ValueError, OverflowError)):
            core.NgramState(*wrong)
    with pytest.raises(TypeError):
        model.log_prob("x", 3)
    with pytest.raises(TypeError):
        model.log_prob((), 3.5)  # type: ignore[arg-type]


def test_states_are_as_short_as_can_be(model: NgramModel) -> None:
    bus, rode, nobody = model.tokens("버스를 탔다 나르는")
    assert model.log_prob(model.start(), model.unknown)[1] == ()
    assert nobody == model.unknown
    assert model.log_probs(model.start(), model.tokens("나는 버스를 탔다"))[1][-1:] == (rode,)
    assert model.log_prob((), bus)[1] == (bus,)
    assert model.log_prob((), model.end)[1] == ()
    assert model.start() == (model.begin,)
    assert NgramModel(order=1).fit(TEXTS).start() == ()


def test_many_sentences_in_one_call_are_as_one_by_one(model: NgramModel) -> None:
    texts = [*TEXTS, "", "모르는 말", "나는 집에"] * 20  # more than go on at a time
    logs, offsets = model.text_log_probs(texts)
    assert offsets[-1] == len(logs) and len(offsets) == len(texts) + 1
    for number, text in enumerate(texts):
        alone, _ = model.log_probs(model.start(), [*model.tokens(text), model.end])
        assert (logs[offsets[number] : offsets[number + 1]] == alone).all()
        assert model.text_log_prob(text) == pytest.approx(alone.sum(), rel=1e-14)
    assert model.text_log_probs(["나는\n집에"])[0].shape == (3,)
    assert [array.shape for array in model.text_log_probs([])] == [(0,), (1,)]


def test_saved_is_loaded(model: NgramModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    loaded = load_language(tmp_path)
    assert isinstance(loaded, Ngram)
    assert loaded.words == model.words and loaded.start() == model.start()
    assert (loaded.text_log_probs(TEXTS)[0] == model.text_log_probs(TEXTS)[0]).all()
    again = NgramModel.load(tmp_path / "model.safetensors")
    assert again.choices.order == 4 and again.counts == model.counts
    again.save(tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_a_file_may_be_removed_while_it_is_mapped(model: NgramModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    loaded = Ngram.load(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert (loaded.text_log_probs(TEXTS)[0] == model.text_log_probs(TEXTS)[0]).all()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"counts": ()}, "order 0"),
        ({"counts": (12, 5)}, "unknown|missing"),
        ({"smoothing": "magic"}, "cannot be read"),
        ({"task": "classify"}, "holds a network"),
        ({"counts": (10, 19, 17, 13)}, "n-grams of one word"),
        ({"counts": (11, 400, 17, 13)}, "slots for"),
    ],
)
def test_contradicting_files_are_refused(
    model: NgramModel, change: dict[str, object], what: str, tmp_path: Path
) -> None:
    model.save(tmp_path)
    path = tmp_path / "model.safetensors"
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"]["timesteps"] = json.dumps(json.loads(header["__metadata__"]["timesteps"]) | change)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    with pytest.raises(ModelError, match=what):
        Ngram.load(path)


def test_damaged_numbers_are_refused(model: NgramModel, tmp_path: Path) -> None:
    for name, value in (("unigrams", np.nan), ("unigrams", 0.5)):
        tensors = {key: tensor.copy() for key, tensor in model.tensors.items()}
        tensors[name][3, 0] = value
        with pytest.raises(ModelError, match=r"not finite|above 1"):
            modelfile.save(tmp_path / "x", model.spec, tensors, NGRAM)
    full = {key: tensor.copy() for key, tensor in model.tensors.items()}
    full["ngrams.2"][:, 1] = 3  # no empty slot, where looking would end
    damaged = Ngram(model.spec, full)
    assert np.isfinite(damaged.log_prob((4,), 5)[0])
    assert find(full["ngrams.2"], np.array([9], np.uint32), np.array([9], np.uint32)).tolist() == [0xFFFFFFFF]


@pytest.mark.parametrize("core", [pytest.param(True, marks=needs_core), False])
def test_what_is_no_token_is_refused(model: NgramModel, core: bool) -> None:
    asked = model if core else plain(model)
    for call in (
        lambda: asked.log_prob((), 11),
        lambda: asked.log_prob((), -1),
        lambda: asked.log_prob((11,), 0),
        lambda: asked.distribution((99,)),
        lambda: asked.log_probs((), [3, 11]),
        lambda: asked.log_probs((11,), [3]),
        lambda: asked.sentence_log_probs([[3], [-1]]),
    ):
        with pytest.raises(UsageError, match="token is outside 0 to 10"):
            call()


def test_a_model_that_was_not_fitted_says_so() -> None:
    with pytest.raises(UsageError, match="has not been fitted"):
        NgramModel().start()
    with pytest.raises(AttributeError, match="nothing"):
        _ = NgramModel().nothing


def test_another_kind_of_model_is_refused(model: NgramModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    import timesteps

    with pytest.raises(ModelError, match=r"holds an n-gram model; open it with timesteps\.load_language"):
        timesteps.load(tmp_path)
