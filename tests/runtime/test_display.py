from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from timesteps.runtime.display import columns_of, fitted, printable


@given(st.text(), st.integers(1, 40))
def test_fitted_fits_and_keeps_what_it_can(text: str, columns: int) -> None:
    found = fitted(text, columns)
    assert columns_of(found) <= columns
    if columns_of(text) <= columns:
        assert found == text
    else:
        kept = found[:-1]
        assert found.endswith("…") and text.startswith(kept)
        assert columns_of(text[: len(kept) + 1]) + 1 > columns  # not one letter more would have fitted


@given(st.text())
def test_printable_text_is_printable_and_what_was_printable_stays(text: str) -> None:
    found = printable(text)
    assert found.isprintable()
    assert found == text or not text.isprintable()


def test_a_label_cannot_move_the_cursor() -> None:
    assert printable("\x1b[2J\r\n\x00\u202e\ud800긍정") == "\\x1b[2J\\r\\n\\x00\\u202e\\ud800긍정"
