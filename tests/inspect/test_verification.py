"""Golden vectors in every engine: trained models of each kind of input, changed weights, missing engines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import timesteps
from timesteps import Classifier, Regressor, Tagger
from timesteps.errors import ModelError
from timesteps.inspect.verification import Replay, verify
from timesteps.runtime import modelfile, native
from timesteps.runtime.display import columns_of
from timesteps.runtime.session import Session, with_golden
from timesteps.runtime.summary import summary

TEXTS = ["좋은 영화", "나쁜 영화", "아주 좋은 이야기", "너무 나쁜 good film", "good film", "bad film !"] * 6
LABELS = ["up", "down", "up", "down", "up", "down"] * 6
ENGINES = ("native", "stream", "numpy", "torch", "onnxruntime")

#: what is trained, on which rows, and which engines cannot run it
KINDS: dict[str, tuple[dict[str, Any], list[Any], dict[str, str]]] = {
    "numeric": ({"bidirectional": False}, [[[0.5 * k, 7.0], [k, 9.0]] + [[k, k]] * (k % 3) for k in range(36)], {}),
    "ids": (
        {"input": "ids", "cell": "gru", "bidirectional": False},
        [[3, 4 + k % 6, 5] + [6] * (k % 4) for k in range(36)],
        {},
    ),
    "words": ({"recipe": "ids", "bidirectional": False, "max_length": 2}, TEXTS, {}),
    "padded": (
        {"recipe": "ids", "mask": False, "max_length": 6, "bidirectional": False},
        TEXTS,
        {"stream": "reads padding"},
    ),
    "one_hot": ({"input": "one_hot", "bidirectional": False, "guide": "none"}, TEXTS, {}),
    "guide": (
        {"input": "bag", "guide": "auto", "members": 2, "unguided": 1},
        TEXTS,
        {"stream": "its end", "onnxruntime": "guide of n-grams"},
    ),
    "layer norm": (
        {"input": "one_hot", "layer_norm": True, "bidirectional": False, "guide": "none"},
        TEXTS,
        {"native": "products that are looked up", "onnxruntime": "layer norm"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest) -> tuple[Session, dict[str, str]]:
    """A trained model with golden vectors, and the engines that are not for it."""
    options, rows, without = KINDS[request.param]
    session = Classifier(hidden_size=4, epochs=3, random_state=0, **options).fit(rows, LABELS).session_
    spec = with_golden(session.spec, session.tensors, rows[:5])
    return Session(spec, session.tensors), without


def test_every_engine_answers_as_stored(trained: tuple[Session, dict[str, str]]) -> None:
    session, without = trained
    found = verify(session)
    assert tuple(engine.name for engine in found.engines) == ENGINES
    without = without if native.core is not None else without | {"native": "no native core"}
    for engine in found.engines:
        if engine.name in without:
            assert engine.agrees is None and engine.vectors == 0 and without[engine.name] in (engine.reason or "")
        else:
            assert engine.agrees and engine.vectors == 5 and engine.reason is None, engine
            assert engine.largest_difference is not None and engine.largest_difference < 1e-4
    assert found.agrees
    found.check()
    assert max(map(columns_of, str(found).splitlines())) <= 80
    assert native.core is not None or "no native core" in str(found)


def test_weights_that_were_changed_differ_everywhere(trained: tuple[Session, dict[str, str]], tmp_path: Path) -> None:
    session, without = trained
    tensors = dict(session.tensors)
    name = next(name for name in tensors if name.endswith("head.bias"))
    tensors[name] = tensors[name] + np.float32(0.1)
    modelfile.save(tmp_path / "model.safetensors", session.spec, tensors)
    found = verify(tmp_path)
    assert not found.agrees
    for engine in found.engines:
        assert engine.agrees is None if engine.name in without else engine.agrees is False or native.core is None
        if engine.agrees is False:
            assert engine.vectors == 5 and "golden vector 0, output" in (engine.reason or "")
    with pytest.raises(ModelError, match=r"(native|stream|numpy) differs: golden vector 0, output \d: .* stored is"):
        found.check()
    assert max(map(columns_of, str(found).splitlines())) <= 80


def numbers(rows: list[Any], bias: float = 0.0) -> Session:
    """A model of rows of one number, and golden vectors of the given rows."""
    session = (
        Classifier(hidden_size=3, epochs=1, random_state=0, bidirectional=False)
        .fit([[0.1, 0.5], [3.0], [0.2], [4.0, 2.0]] * 4, [0, 1] * 8)
        .session_
    )
    spec = with_golden(session.spec, session.tensors, rows)
    tensors = dict(session.tensors)
    tensors["head.bias"] = tensors["head.bias"] + np.float32(bias)
    return Session(spec, tensors)


def engine(session: Session, name: str) -> Replay:
    return next(each for each in verify(session).engines if each.name == name)


def test_the_first_vector_that_differs_is_named() -> None:
    session = numbers([[0.1], [0.5, 2.0], [1.0]])
    golden = list(session.spec.golden)
    golden[1] = type(golden[1])(input=golden[1].input, logits=(golden[1].logits[0] + 0.5,))
    golden[2] = type(golden[2])(input=golden[2].input, logits=(golden[2].logits[0] - 2,))
    spec = type(session.spec)(**{name: getattr(session.spec, name) for name in session.spec.__struct_fields__} | {
        "golden": tuple(golden)
    })  # fmt: skip
    for each in verify(Session(spec, session.tensors)).engines:
        if each.agrees is not None:
            assert "golden vector 1, output 0" in (each.reason or "")
            assert each.largest_difference == pytest.approx(2, abs=1e-4)


def test_an_answer_that_is_no_number_differs() -> None:
    session = numbers([[0.1], [2.0]], np.nan)
    found = verify(session)
    assert not found.agrees
    plain = found.to_dict()["engines"][ENGINES.index("numpy")]
    assert plain["agrees"] is False and plain["largest_difference"] is None and "nan" in plain["reason"]


def test_rows_without_steps_are_not_for_onnx() -> None:
    session = numbers([[0.1], []])
    assert (engine(session, "numpy").vectors, engine(session, "stream").vectors, engine(session, "torch").vectors) == (
        2, 2, 2
    )  # fmt: skip
    found = engine(session, "onnxruntime")
    assert found.agrees and found.vectors == 1 and "1 of 2" in (found.reason or "")
    found = engine(numbers([[]]), "onnxruntime")
    assert found.agrees is None and found.vectors == 0 and "1 of 1" in (found.reason or "")


@pytest.mark.parametrize(
    ("package", "name", "reason"),
    [
        ("torch", "torch", "PyTorch is not installed"),
        ("onnx", "onnxruntime", "onnx is not installed"),
        ("onnxruntime", "onnxruntime", "ONNX Runtime is not installed"),
    ],
)
def test_what_is_not_installed_is_reported(
    package: str, name: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = numbers([[0.1]])
    monkeypatch.setitem(sys.modules, package, None)
    found = verify(session)
    assert found.agrees and [each.reason for each in found.engines if each.name == name] == [reason]
    assert f"{name:<13}not run: {reason}" in str(found).splitlines()


def test_without_a_core_native_is_reported_and_steps_are_numpys() -> None:
    session = numbers([[0.1]])
    with native.without_core():
        found = verify(session)
        assert native.core is None
    first, second = found.engines[:2]
    assert first.agrees is None and "no native core" in (first.reason or "") and second.agrees


def test_numpy_runs_without_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Classifier(hidden_size=4, epochs=1, random_state=0).fit(TEXTS, LABELS).session_
    session = Session(with_golden(session.spec, session.tensors, TEXTS[:2]), session.tensors)

    def refused(*given: object) -> None:
        raise AssertionError("the core was called")

    if native.core is not None:
        kept = native.core
        for name in ("recurrent_forward", "look_up", "look_up_grams", "distinct_ids"):
            monkeypatch.setattr(native.core, name, refused)
        from timesteps.inspect import verification

        run = verification._numpy(session)
        assert run(TEXTS[0]) is not None and native.core is kept
        with pytest.raises(AssertionError, match="the core was called"):
            session.logits(TEXTS[:1])


def test_no_golden_vectors(tmp_path: Path) -> None:
    session = numbers([])
    modelfile.save(tmp_path / "model.safetensors", session.spec, session.tensors)
    with pytest.raises(ModelError, match=r"no golden vectors in the file; `timesteps train` stores some"):
        verify(tmp_path)
    assert timesteps.load(tmp_path).verify() == 0


def test_answers_at_every_step_and_numbers_are_replayed_in_every_engine() -> None:
    rows = [np.random.default_rng(n).normal(size=(n, 2)) for n in (4, 1, 0)]
    tagger = Tagger(hidden_size=3, epochs=1, bidirectional=False).fit(rows, [[0, 1, 1, 0], [1], []])
    spec = with_golden(tagger.session_.spec, tagger.session_.tensors, rows)
    found = {each.name: each for each in verify(Session(spec, tagger.session_.tensors)).engines}
    assert {name for name, engine in found.items() if engine.agrees} >= {"stream", "numpy", "torch"}
    assert "an answer at every step" in (found["onnxruntime"].reason or "")
    regressor = Regressor(hidden_size=3, epochs=1).fit(rows[:2], [1.0, 2.0])
    found = {each.name: each for each in verify(regressor.session_).engines}
    assert {name for name, engine in found.items() if engine.agrees} >= {"stream", "numpy", "torch"}
    assert "numbers on a scale" in (found["onnxruntime"].reason or "")
    assert "pool" not in str(summary(tagger.session_))
