"""Mixtures: probabilities that sum to 1, weights of greatest likelihood, and the folder they are kept in."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_models import TEXTS, Table
from scipy.optimize import minimize_scalar

from timesteps.errors import DataError, ModelError, UsageError
from timesteps.runtime.language.evaluation import evaluate_text
from timesteps.runtime.language.mixture import MixtureModel, fit_weights, tune
from timesteps.runtime.language.mixture_file import is_mixture, members_of, read_mixture, write_mixture
from timesteps.runtime.language.plain import PlainModel
from timesteps.runtime.language.scoring import advance, score
from timesteps.runtime.language.units import UnitsSpec

OTHER = ["그는 택시를 탔다", "나는 택시를 불렀다"]


@pytest.fixture
def mixture() -> MixtureModel:
    return MixtureModel([PlainModel(TEXTS), PlainModel(OTHER), PlainModel(TEXTS, order=1)], [0.5, 0.3, 0.2])


@given(st.text(alphabet="나는 택시를버스탔다z", max_size=15))
def test_a_mixture_is_a_language_model(context: str) -> None:
    mixture = MixtureModel([PlainModel(TEXTS), PlainModel(OTHER)], [0.7, 0.3])
    state = advance(mixture, context)
    logs = mixture.distribution(state)
    assert math.isclose(np.exp(logs).sum(), 1.0) and logs[mixture.begin] == -np.inf
    for token in range(len(mixture.words)):
        if token != mixture.begin:
            assert math.isclose(mixture.log_prob(state, token)[0], logs[token], abs_tol=1e-12)


def test_probabilities_are_weighted_means(mixture: MixtureModel) -> None:
    one, other, third = mixture.models
    token = mixture.tokens("버스를")[0]
    state = advance(mixture, "나는")
    missing = len(set(mixture.words) - set(other.words)) + 1  # those that the second model lacks, and <unk>
    expected = (
        0.5 * math.exp(one.log_prob(advance(one, "나는"), one.tokens("버스를")[0])[0])
        + 0.3 * math.exp(other.log_prob(advance(other, "나는"), other.unknown)[0]) / missing
        + 0.2 * math.exp(third.log_prob((), third.tokens("버스를")[0])[0])
    )
    assert math.isclose(math.exp(mixture.log_prob(state, token)[0]), expected)


def test_tokens_of_every_model_are_words_of_the_mixture(mixture: MixtureModel) -> None:
    text = "그는 택시를 기다렸다"
    assert mixture.unknown not in mixture.tokens(text) and mixture.text(mixture.tokens(text)) == text
    assert mixture.tokens("<s> zebra 택시를") == [mixture.unknown, mixture.unknown, mixture.tokens("택시를")[0]]
    assert mixture.units("a <s>") == ["a", "<s>"]
    assert score(mixture, text).unknown == 0


def test_bytes_mix_without_an_unknown() -> None:
    units = UnitsSpec("byte")
    mixture = MixtureModel([PlainModel(TEXTS, units), PlainModel(OTHER, units)], [0.5, 0.5])
    assert mixture.text(mixture.tokens("한 é")) == "한 é" and mixture.unknown == -1


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_those_of_greatest_likelihood(seed: int) -> None:
    parts = np.log(np.random.default_rng(seed).dirichlet([1, 1, 1, 1], 200)[:, :2])
    found = fit_weights(parts)
    best = minimize_scalar(
        lambda w: -np.log(w * np.exp(parts[:, 0]) + (1 - w) * np.exp(parts[:, 1])).sum(),
        bounds=(0, 1),
        method="bounded",
        options={"xatol": 1e-10},
    ).x
    assert abs(found[0] - best) < 1e-4 and math.isclose(found.sum(), 1.0)


def test_weights_of_models_that_exclude_tokens() -> None:
    parts = np.array([[-np.inf, -1.0], [-1.0, -np.inf], [-1.0, -np.inf], [-np.inf, -np.inf]])
    assert np.allclose(fit_weights(parts), [2 / 3, 1 / 3])
    assert fit_weights(np.array([[-1.0, -np.inf]]))[1] > 0  # stays a weight that a file may have
    with pytest.raises(DataError, match="possible for any model"):
        fit_weights(np.full((2, 2), -np.inf))


def test_a_tuned_mixture_is_no_worse_than_its_parts() -> None:
    models = [PlainModel(TEXTS), PlainModel(OTHER)]
    held_out = ["나는 택시를 탔다", "", "그는 버스를 불렀다"]
    mixture = tune(models, held_out)
    alone = [evaluate_text(MixtureModel(models, [w, 1 - w]), held_out).perplexity for w in (0.99, 0.01, 0.5)]
    assert evaluate_text(mixture, held_out).perplexity <= min(alone)
    with pytest.raises(DataError, match="no line with anything"):
        tune(models, [" "])
    with pytest.raises(ModelError, match="line 1: gives '탔다'"):
        tune([models[0], Table(TEXTS, {"탔다": math.nan})], held_out)


def test_models_that_cannot_be_mixed() -> None:
    words, letters = PlainModel(TEXTS), PlainModel(TEXTS, UnitsSpec("char"))
    with pytest.raises(UsageError, match="other units"):
        MixtureModel([words, letters], [0.5, 0.5])
    with pytest.raises(UsageError, match="mark 'begin'"):
        MixtureModel([letters, PlainModel(TEXTS, UnitsSpec("char"), sentences=False)], [0.5, 0.5])
    for weights in ([1.0], [0.5, 0.6], [1.5, -0.5], [1.0, 0.0], [math.nan, 1.0]):
        with pytest.raises(UsageError, match="weights"):
            MixtureModel([words, words], weights)


def kept(folder: Path) -> list[tuple[Path, float]]:
    for place in (0, 1):
        (folder / f"{place}.bin").write_bytes(bytes([place]) * 10)
    return [(folder / "0.bin", 0.25), (folder / "1.bin", 0.75)]


def test_a_folder_holds_the_mixture(tmp_path: Path) -> None:
    write_mixture(tmp_path / "mix", kept(tmp_path))
    assert is_mixture(tmp_path / "mix") and not is_mixture(tmp_path)
    (tmp_path / "mix").rename(tmp_path / "moved")
    found = members_of(tmp_path / "moved")
    assert [(path.read_bytes(), weight) for path, weight in found] == [(b"\0" * 10, 0.25), (b"\1" * 10, 0.75)]
    models = {0: PlainModel(TEXTS), 1: PlainModel(OTHER)}
    mixture = read_mixture(tmp_path / "moved", lambda path: models[path.read_bytes()[0]])
    assert mixture.weights.tolist() == [0.25, 0.75] and mixture.models == [models[0], models[1]]
    with pytest.raises(ModelError, match="cannot be mixed: model 2 cuts"):
        models[1] = PlainModel(OTHER, UnitsSpec("char"))
        read_mixture(tmp_path / "moved", lambda path: models[path.read_bytes()[0]])
    with pytest.raises(UsageError, match="is not empty"):
        write_mixture(tmp_path / "moved", kept(tmp_path))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda spec: spec["members"].pop(), "has 1 members"),
        (lambda spec: spec.update(version=2), "version"),
        (lambda spec: spec.update(more=1), "more"),
        (lambda spec: spec["members"][0].update(file="../0.safetensors"), "is the file"),
        (lambda spec: spec["members"][0].update(weight=0.3), "sum 1"),
        (lambda spec: spec["members"][0].update(weight=-0.25), "sum 1"),
        (lambda spec: spec["members"][0].update(weight=1e999), "1e999|Infinity|out of range|number|malformed|invalid"),
        (lambda spec: spec.update(format="other"), "format"),
    ],
)
def test_what_is_no_mixture_is_refused(tmp_path: Path, change: object, what: str) -> None:
    write_mixture(tmp_path / "mix", kept(tmp_path))
    path = tmp_path / "mix" / "mix.json"
    spec = json.loads(path.read_text())
    change(spec)  # type: ignore[operator]
    path.write_text(json.dumps(spec))
    with pytest.raises(ModelError, match=what):
        members_of(tmp_path / "mix")


def test_a_list_of_models_is_small(tmp_path: Path) -> None:
    (tmp_path / "mix.json").write_bytes(b" " * 100_000)
    with pytest.raises(ModelError, match="too large"):
        members_of(tmp_path)
    (tmp_path / "mix.json").write_bytes(b"\xff")
    with pytest.raises(ModelError, match=r"mix\.json"):
        members_of(tmp_path)
    with pytest.raises(ModelError, match="no such file"):
        members_of(tmp_path / "none")
