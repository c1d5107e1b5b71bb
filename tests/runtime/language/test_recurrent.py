"""A trained language model without torch: probabilities, states, the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from timesteps.errors import ModelError, UsageError
from timesteps.runtime import modelfile, native
from timesteps.runtime.language.recurrent import RecurrentModel
from timesteps.runtime.language.recurrent_spec import LANGUAGE, LanguageSpec, layers_of
from timesteps.runtime.language.summary import language_summary
from timesteps.runtime.language.units import UnitsSpec
from timesteps.runtime.language.vocabulary import UnitVocabulary
from timesteps.training.language.network import LanguageNetwork, untrained
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.language.torch_engine import LanguageModule

TEXTS = ["the cat sat on the mat", "a dog ran", "the dog sat"]


def model_of(cell: str = "lstm", tied: bool = False, kind: Any = "word", sentences: bool = True) -> RecurrentModel:
    vocabulary = UnitVocabulary.fit(TEXTS, UnitsSpec(kind), sentences=sentences)
    spec = LanguageSpec(vocabulary=vocabulary.spec, embedding_size=6, layers=layers_of(cell, 6, 9, 2, tied), tied=tied)
    return RecurrentModel(spec, untrained(spec, len(vocabulary), vocabulary.begin, scale=1.0).weights)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("tied", [False, True])
def test_probabilities_are_those_of_the_torch_module(cell: str, tied: bool) -> None:
    model = model_of(cell, tied)
    tokens = model.tokens("the dog sat on a mat") * 8
    module = LanguageModule(LanguageNetwork(model.spec, model.weights), LanguageSettings())
    states = [torch.from_numpy(part.copy())[None] for part in model.start()]
    with torch.no_grad():
        y, _, _ = module(torch.tensor(tokens)[:, None], states, None)
        scores = torch.nn.functional.linear(y[:, 0], module.head, module.weight("head.bias")).double()
    wanted = scores.log_softmax(1)
    found, state = model.log_probs(model.start(), tokens)
    np.testing.assert_allclose(found[1:], wanted[:-1].gather(1, torch.tensor(tokens)[1:, None])[:, 0], atol=2e-5)
    with native.without_core():
        plain, after = model.log_probs(model.start(), tokens)
    np.testing.assert_allclose(plain, found, atol=2e-5)
    for part, other in zip(state, after, strict=True):
        np.testing.assert_allclose(part, other, atol=2e-5)
    expected = wanted[-1].numpy().copy()
    expected[model.begin] = -np.inf
    np.testing.assert_allclose(model.distribution(state), expected, atol=2e-5)


def test_one_by_one_is_all_at_once_and_states_branch() -> None:
    model = model_of()
    tokens = model.tokens(" ".join(TEXTS))
    found, end = model.log_probs(model.start(), tokens)
    state = model.start()
    before = [part.copy() for part in state]
    for token, wanted in zip(tokens, found, strict=True):
        value, after = model.log_prob(state, token)
        assert value == pytest.approx(wanted, abs=2e-5)
        model.log_prob(state, tokens[0])  # another branch changes nothing
        state = after
    for part, other in zip(state, end, strict=True):
        np.testing.assert_allclose(part, other, atol=1e-5)
    assert all(np.array_equal(part, old) for part, old in zip(model.start(), before, strict=True))


def test_a_distribution_sums_to_one_and_nothing_begins_in_the_middle() -> None:
    model = model_of()
    found = model.distribution(model.start())
    assert np.exp(found).sum() == pytest.approx(1.0, abs=1e-9)
    assert found[model.begin] == -np.inf
    assert model.log_prob(model.start(), model.begin)[0] == -np.inf
    assert model.log_probs(model.start(), [model.begin] * 20)[0][0] == -np.inf


def test_running_text_has_no_marks() -> None:
    model = model_of(kind="char", sentences=False)
    assert (model.begin, model.end) == (-1, -1)
    assert model.start()[0].tolist() == model.empty()[0].tolist() == [0.0] * 9
    assert model.text(model.tokens("a dog")) == "a dog"


def test_tokens_of_another_model_are_refused() -> None:
    model = model_of()
    with pytest.raises(UsageError, match="token 99 is outside"):
        model.log_probs(model.start(), [1, 99])


def test_a_file_is_the_model(tmp_path: Path) -> None:
    model = model_of("gru", tied=True)
    model.save(tmp_path / "model.safetensors")
    again = RecurrentModel.load(tmp_path)
    tokens = model.tokens(TEXTS[0])
    assert np.array_equal(again.log_probs(again.start(), tokens)[0], model.log_probs(model.start(), tokens)[0])
    assert again.words == model.words


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embedding_size": 7}, "input sizes"),
        ({"tied": True}, "tied with 9 outputs of 6"),
        ({"layers": ()}, "0 layers"),
        ({"version": 0}, "format version 0"),
    ],
)
def test_a_specification_that_contradicts_itself_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = model_of()
    with pytest.raises(ModelError, match=message):
        modelfile.save(
            tmp_path / "m.safetensors", msgspec.structs.replace(model.spec, **change), model.weights, LANGUAGE
        )


def test_cells_and_layers_that_it_has_not_are_refused(tmp_path: Path) -> None:
    model = model_of()
    for change, message in (({"cell": "mingru"}, "cells other"), ({"bidirectional": True}, "bidirectional")):
        layers = (msgspec.structs.replace(model.spec.layers[0], **change), *model.spec.layers[1:])
        spec = msgspec.structs.replace(model.spec, layers=layers)
        with pytest.raises(ModelError, match=message):
            modelfile.save(tmp_path / "m.safetensors", spec, model.weights, LANGUAGE)


@pytest.mark.parametrize("fault", ["missing", "extra", "shape", "nan", "double"])
def test_tensors_must_be_exactly_those_of_the_specification(fault: str, tmp_path: Path) -> None:
    model = model_of()
    weights: dict[str, Any] = dict(model.weights)
    bias = weights["head.bias"]
    changed = {
        "extra": {"other": bias}, "shape": {"head.bias": bias[:-1]}, "double": {"head.bias": bias.astype(float)},
        "nan": {"head.bias": bias * np.nan}, "missing": {},
    }[fault]  # fmt: skip
    weights |= changed
    if fault == "missing":
        del weights["head.bias"]
    words = {
        "missing": "is missing",
        "extra": "does not belong",
        "shape": "has shape",
        "nan": "NaN",
        "double": "float64",
    }
    with pytest.raises(ModelError, match=words[fault]):
        modelfile.save(tmp_path / "m.safetensors", model.spec, weights, LANGUAGE)


@pytest.mark.parametrize("tied", [False, True])
def test_the_summary_counts_what_the_module_learns(tied: bool) -> None:
    model = model_of("lstm", tied)
    module = LanguageModule(LanguageNetwork(model.spec, model.weights), LanguageSettings())
    found = language_summary(model)
    assert found["parameters"] == sum(parameter.numel() for parameter in module.parameters())
    assert found["layers"] == ["lstm 6 → 9", f"lstm 9 → {6 if tied else 9}"] and found["tied"] == tied
