"""What is found in models that are ill on purpose, and that every advised option exists."""

from __future__ import annotations

import inspect
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesteps import Regressor, Tagger
from timesteps.cli.diagnose import diagnose as diagnose_verb
from timesteps.cli.train import classify
from timesteps.cli.train_language import train_language
from timesteps.cli.train_tag import train_tag
from timesteps.errors import DataError, ModelError, UsageError, spelled
from timesteps.inspect.diagnose import Diagnosis, Patient, diagnose, diagnose_rows, page, write_page
from timesteps.inspect.diagnose.findings import ADVISED, Subject, findings
from timesteps.inspect.diagnose.flow import Flow
from timesteps.inspect.diagnose.intake import intake
from timesteps.runtime.display import columns_of
from timesteps.runtime.layout import network_tensors
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import LayerSpec, NetworkSpec, TextSpec
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.request import flag_words
from timesteps.training.initial import initial_weights

RNN = LayerSpec(cell="rnn", input_size=2, hidden_size=12)


def patient(layer: LayerSpec, task: str = "classify", steps: int = 60, scale: float = 1.0, **weights: Any) -> Patient:
    """A network of one layer on normal numbers, whose weights are set or, by a function, changed."""
    spec = NetworkSpec(input="numeric", input_size=layer.input_size, layers=(layer,), outputs=1)
    tensors = {name: tensor.astype(np.float64) for name, tensor in initial_weights(spec).items()}
    for name, change in weights.items():
        tensors[f"rnn.{name}_l0"] = change(tensors[f"rnn.{name}_l0"])
    draw = np.random.default_rng(0)
    rows = [scale * draw.normal(size=(steps, layer.input_size)) for _ in range(6)]
    return Patient(spec, tensors, Sequences.of(rows, np.float64), task, "a model", "rows")


def kinds(found: Diagnosis) -> set[str]:
    return {finding.kind for finding in found.findings}


def said(found: Diagnosis, kind: str) -> str:
    (finding, *_) = [finding for finding in found.findings if finding.kind == kind]
    return str(finding)


def test_every_advised_option_exists_in_python_and_on_the_command_line() -> None:
    places = {
        "classify": [set(Options.names()), set(inspect.signature(classify).parameters)],
        "tag": [set(inspect.signature(Tagger).parameters), set(inspect.signature(train_tag).parameters)],
        "regress": [set(inspect.signature(Regressor).parameters)],
        "language": [set(inspect.signature(train_language).parameters)],
        "cell": [set(inspect.signature(diagnose_verb).parameters)],
    }
    assert places.keys() == ADVISED.keys()
    for task, known in places.items():
        for names in known:
            assert ADVISED[task] <= names, (task, ADVISED[task] - names)


def test_a_forgetful_network_is_told_to_remember() -> None:
    shrunk = {"weight_hh": lambda weight: 0.3 * weight}
    found = diagnose_rows(patient(RNN, **shrunk))
    assert "memory ends after about" in said(found, "vanishing")
    assert "cell='lstm'" in said(found, "vanishing") and "chrono=60" in said(found, "vanishing")
    lstm = LayerSpec(cell="lstm", input_size=2, hidden_size=12)
    assert "chrono=60" in said(diagnose_rows(patient(lstm, bias_ih=np.zeros_like)), "vanishing")
    # Chrono initialisation is what it advises, and what mends it.
    assert "vanishing" in kinds(diagnose(lstm)) and "vanishing" not in kinds(diagnose(lstm, chrono=100))


def test_explosions_are_bound() -> None:
    relu = LayerSpec(cell="rnn", input_size=2, hidden_size=12, nonlinearity="relu")
    found = diagnose_rows(patient(relu, weight_hh=lambda weight: 1.5 * np.eye(12), bias_ih=lambda bias: bias + 0.5))
    says = r"gradients of h explode, \S+ times larger 60 steps back; .*clip_norm=1.0"
    assert re.search(says, said(found, "exploding"))
    assert "exploding" not in kinds(diagnose_rows(patient(RNN)))


def test_stuck_gates_are_found_but_memory_is_no_fault() -> None:
    lstm = LayerSpec(cell="lstm", input_size=2, hidden_size=10)
    closed = diagnose_rows(patient(lstm, bias_ih=lambda bias: np.repeat([-8.0, 0, 0, 0], 10)))
    assert "gate i is near 0 in 100% of all steps" in said(closed, "saturated")
    assert "layer_norm=True" in said(closed, "saturated")
    remembering = diagnose_rows(patient(lstm, bias_ih=lambda bias: np.repeat([0, 8.0, 0, 0], 10)))
    assert "saturated" not in kinds(remembering)
    assert "saturated" not in kinds(diagnose(lstm, chrono=400)), "time scales shut the input gate, and mean to"
    forgetting = diagnose_rows(patient(lstm, bias_ih=lambda bias: np.repeat([0, -8.0, 0, 0], 10)))
    assert "gate f is near 0" in said(forgetting, "saturated")
    gru = LayerSpec(cell="gru", input_size=2, hidden_size=10)
    assert "saturated" not in kinds(diagnose_rows(patient(gru, bias_ih=lambda bias: np.repeat([0, 8.0, 0], 10))))
    shouting = diagnose_rows(patient(RNN, scale=1000.0))
    assert "h is at the ends of its range" in said(shouting, "saturated")
    assert "where 0 and 1 are expected" in said(shouting, "input_scale")


def test_dead_units_are_counted_and_named() -> None:
    relu = LayerSpec(cell="rnn", input_size=2, hidden_size=12, nonlinearity="relu")

    def kill(bias: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        bias[[3, 7]] = -1e3
        return bias

    found = diagnose_rows(patient(relu, bias_ih=kill))
    assert found.activities[0].dead == found.activities[0].relu_dead == (3, 7)
    assert "2 of 12 units never move at zero by their relu (units 3, 7)" in said(found, "dead_units")
    assert not diagnose_rows(patient(RNN)).activities[0].dead


def test_constant_features_and_other_units_are_found() -> None:
    draw = np.random.default_rng(0)
    rows = [np.stack([draw.normal(size=30), np.full(30, 2.0), 100 + draw.normal(size=30)], axis=1) for _ in range(4)]
    found = diagnose(LayerSpec(cell="gru", input_size=3, hidden_size=4), rows)
    assert "feature 1 never changes in this data" in said(found, "constant_features")
    scales = [str(finding) for finding in found.findings if finding.kind == "input_scale"]
    assert len(scales) == 1 and scales[0].startswith("feature 2 has mean 100")
    assert found.intake.constant == (1,)


def test_padding_that_the_network_reads_is_found() -> None:
    text = TextSpec(num_words=20, max_length=10, mask=False, padding="post")
    spec = NetworkSpec(
        input="ids", input_size=20, embedding_size=3, layers=(LayerSpec(cell="lstm", input_size=3, hidden_size=4),),
        outputs=1,
    )  # fmt: skip
    rows = Sequences.of([[5, 6, 7] + [0] * 7, [4, 5] + [0] * 8])
    found = diagnose_rows(Patient(spec, initial_weights(spec), rows, "classify", "a model", "rows", text))
    assert found.intake.padding_fed == 0.75
    told = said(found, "padding_fed")
    assert "75% of the steps that the network reads are padding, and the answer comes after it" in told
    assert "mask=True" in told and "padding='pre'" in told


def test_padding_and_truncation_are_measured() -> None:
    mixed = intake(Sequences.of([[1] * n for n in [2, 100] * 8]), None, batch_size=16)
    assert mixed.padding_shuffled == mixed.padding_bucketed == pytest.approx(0.49)
    assert not findings(Subject("classify", "lstm", "last"), [], [], mixed), "too few rows to tell"
    given = intake(Sequences.of([[1] * int(1.1**k) for k in range(64)]), None, batch_size=16)
    assert given.padding_shuffled > given.padding_bucketed > 0.3
    few = findings(Subject("classify", "lstm", "last"), [], [], given)
    assert [finding.kind for finding in few] == ["padding"] and "batch_size" in str(few[0])
    cut = intake(Sequences.of([[1] * n for n in [100] * 20 + [99] * 44]), None, TextSpec(max_length=100))
    (found,) = findings(Subject("classify", "lstm", "last"), [], [], cut)
    assert str(found).startswith("31% of the rows reach 100 steps") and "truncating='middle'" in str(found)


def test_options_are_spelled_as_they_are_asked_for() -> None:
    values = (1.0, 0.1, 0.001)
    forgets = Flow("l0", "h", (1, 2, 3), values, values, values, values, 4)
    given = intake(Sequences.of([[1] * 50]), None)
    (found,) = findings(Subject("classify", "rnn", "last"), [forgets], [], given)
    assert "try cell='lstm', or chrono=50 with it" in str(found)
    assert "try --cell lstm, or --chrono 50 with it" in spelled(found.said, lambda *words: " ".join(flag_words(*words)))
    (pooled,) = findings(Subject("classify", "rnn", "mean"), [forgets], [], given)
    assert pooled.level == "note" and "every step is pooled" in str(pooled)
    (language,) = findings(Subject("language", "rnn", "last"), [forgets], [], given)
    assert "chrono" not in str(language) and "cell='lstm'" in str(language)


class Reader(HTMLParser):
    """The text of a page, and what it would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [f"{tag} {name}={value}" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_text_has_80_columns_and_the_page_stands_alone(tmp_path: Path) -> None:
    layer = LayerSpec(cell="lstm", input_size=2, hidden_size=6, bidirectional=True)
    upper = LayerSpec(cell="lstm", input_size=12, hidden_size=6, bidirectional=True)
    found = diagnose((layer, upper), name="<script>alert(1)</script> 한국어 자료")
    lines = str(found).splitlines()
    assert max(map(columns_of, lines)) <= 80
    assert any(line.startswith("  o l0, h") for line in lines) and any(" x l0, c" in line for line in lines)
    reader = Reader()
    reader.feed(page(found))
    assert not reader.fetched
    whole = " ".join(reader.text)
    for title in ("Gradient flow", "steps back, k", "spectral norm, log scale", "Layer l1 reverse", "half-life"):
        assert title in whole
    assert "<script" not in page(found)
    write_page(tmp_path / "page.html", found)
    assert (tmp_path / "page.html").stat().st_size < 200_000


def test_what_cannot_be_diagnosed_is_refused_in_a_line() -> None:
    with pytest.raises(DataError, match=r"row 1 has shape \(5, 3\), these layers read \(steps, 2\)"):
        diagnose(RNN, [np.zeros((4, 2)), np.zeros((5, 3))])
    with pytest.raises(DataError, match="row 0, step 2, feature 1 is nan"):
        diagnose(RNN, [np.array([[0, 0], [0, 0], [0, np.nan]])])
    with pytest.raises(DataError, match="no row has a step"):
        diagnose(RNN, [np.zeros((0, 2))])
    with pytest.raises(UsageError, match="lags is 0"):
        diagnose(RNN, lags=0)
    with pytest.raises(UsageError, match="chrono"):
        diagnose(RNN, chrono=50)
    with pytest.raises(ModelError, match="has no recurrent layers"):
        diagnose(object())
    made = patient(LayerSpec(cell="lstm", input_size=2, hidden_size=4))
    quantised = NetworkSpec(input="numeric", input_size=2, layers=made.network.layers, outputs=1, weights="int8")
    with pytest.raises(ModelError, match="int8"):
        diagnose_rows(Patient(quantised, made.tensors, made.rows, "classify", "", ""))
    assert set(network_tensors(made.network)) == set(made.tensors)
