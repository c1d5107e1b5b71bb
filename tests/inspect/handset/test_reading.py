"""Inputs as they are typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesteps.errors import DataError, TimestepsError
from timesteps.inspect.handset import HANDSETS, handset


def test_each_notation() -> None:
    assert handset("parity").read(" 01 1\n").tolist() == [[0], [1], [1]]
    assert handset("sum").read("1, -2.5e1\n3").tolist() == [[1], [-25], [3]]
    assert handset("compare").read("1,2\n-3,0.5").tolist() == [[1, 2], [-3, 0.5]]
    assert handset("copy").read("0.1").tolist() == [[1, 0], [0, 0], [0, 1]]
    assert handset("brackets").read("(가)나\n").tolist() == [[1], [0], [-1], [0]]
    assert handset("brackets").notation.signs("(가)") == ["(", "가", ")"]
    assert handset("parity").notation.signs("01") is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("parity", "01a0", "character 3 of the input is 'a'; give zeros and ones"),
        ("parity", "０1", "character 1 of the input is '０'"),
        ("parity", "  \n", "the input has no steps; give zeros and ones"),
        ("brackets", "", "the input has no steps"),
        ("brackets", "a)(", r"character 2 of the input, '\)', closes nothing; open a bracket first"),
        ("copy", "..1", "begins with '.', before there is a bit; begin with 0 or 1"),
        ("sum", "1 two", "number 2 of the input is 'two'; give numbers"),
        ("sum", "nan", "number 1 of the input is 'nan'"),
        ("sum", "1e999", "number 1 of the input is '1e999'"),
        ("compare", "1,2 3", "step 2 of the input is '3'; give pairs"),
        ("compare", "1,2,3", "step 1 of the input is '1,2,3'"),
        ("compare", "1,x", "step 1 of the input is 'x'; give pairs"),
    ],
)
def test_bad_input_is_one_clear_sentence(name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        handset(name).read(text)
    assert "\n" not in str(caught.value)


@given(st.sampled_from(sorted(HANDSETS)), st.text(max_size=30))
def test_any_text_is_read_or_refused(name: str, text: str) -> None:
    network = handset(name)
    try:
        steps = network.read(text)
    except TimestepsError:
        return
    signs = network.notation.signs(text)
    assert steps.shape == (len(steps), len(network.inputs)) and len(steps) > 0
    assert signs is None or len(signs) == len(steps)
