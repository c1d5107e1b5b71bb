"""What a stream cannot read, and models that have none: one clear sentence, and nothing moves."""

from __future__ import annotations

import numpy as np
import pytest
import random_models as models
from stream_models import ENGINES, REPLACE, ids, numbers, stream_of

from timesteps.errors import DataError, ModelError
from timesteps.runtime.session import Session
from timesteps.runtime.stream import Stream


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("step", "match"),
    [
        ([1.0, 2.0], "a step has 2 numbers, this model reads 3"),
        (np.zeros((4, 2)), "stream 0: a step has 2 numbers"),
        ([1.0, np.nan, 2.0], "feature 1 of the step is nan; fill"),
        (np.array([[1, 2, 3], [1, 2, np.inf]]), "stream 1: feature 2 of the step is inf"),
        ([0.0, 0.0, 1e300], r"feature 2 of the step is 1e\+300, which is too large"),
        ("text", "of type str, this model reads numbers"),
        (None, "feature"),
        (1.0, r"shape \(\)"),
        (np.zeros((1, 1, 3)), "shape"),
        (np.zeros((0, 3)), "no streams"),
        ([1, 2, [3]], "this model reads numbers"),
    ],
)
def test_steps_that_cannot_be_read_move_nothing(engine, step, match):
    spec, tensors = numbers()
    stream = stream_of(engine, spec, tensors)
    with pytest.raises(DataError, match=match):
        stream.step(step)
    stream.step([1.0, 2.0, 3.0])
    before = stream.state
    with pytest.raises(DataError):
        stream.step(step)
    assert all((stream.state[name] == before[name]).all() for name in before)


@pytest.mark.parametrize(
    ("run", "lengths", "match"),
    [
        (np.zeros((2, 4, 3)), [5, 1], "row 0 has 4 steps, its length is given as 5"),
        (np.zeros((2, 4, 3)), [1], "a whole number for each of 2 rows"),
        (np.zeros((2, 4, 3)), [1.5, 1], "a whole number for each of 2 rows"),
        (np.zeros((4, 2)), None, r"row 0 has shape \(4, 2\)"),
        ([[1, 2, np.nan]], None, "row 0, step 0, feature 2 is nan"),
    ],
)
def test_runs_that_cannot_be_read(run, lengths, match):
    with pytest.raises(DataError, match=match):
        Session(*numbers()).run(run, lengths)


def test_states_of_another_model():
    stream, other = Stream(*numbers()), Stream(*numbers("gru"))
    other.step([1, 2, 3])
    with pytest.raises(DataError, match="c_l0 is only in one of them"):
        stream.state = other.state
    stream.step([1, 2, 3])
    for name, part in (("h_l0", np.zeros((1, 4), np.float32)), ("h_l0", np.zeros((1, 5)))):
        with pytest.raises(DataError, match="h_l0 of the state is"):
            stream.state = stream.state | {name: part}


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (lambda: numbers("gru", (4, 3), bidirectional=True), "layer rnn.l0 is bidirectional.*use predict"),
        (models.text_model, "layer rnn.l0 is bidirectional"),
        (models.guided_model, "layer rnn.l0 is bidirectional"),
    ],
)
def test_models_that_read_the_future(model, match):
    session = Session(*model())
    for call in (lambda: session.step([1, 2, 3]), lambda: session.run("a"), session.stream, session.reset):
        with pytest.raises(ModelError, match=match):
            call()


def test_models_of_whole_texts():
    spec, tensors = models.text_model()
    layer = REPLACE(spec.network.layers[0], bidirectional=False)
    with pytest.raises(ModelError, match="its bags hold n-grams of a whole text; use predict, which reads whole texts"):
        Stream(REPLACE(spec, network=REPLACE(spec.network, layers=(layer,))), tensors)
    spec, tensors = ids("ids")
    for side, word in (("pre", "before"), ("post", "behind")):
        text = REPLACE(spec.text, mask=False, max_length=9, padding=side)
        with pytest.raises(ModelError, match=f"padding {word} a text"):
            Stream(REPLACE(spec, text=text), tensors)
