"""Which gates hold a cell's time scales, and how their biases are set to scales up to some number of steps."""

from __future__ import annotations

from timesteps.errors import UsageError, option

__all__ = ["chrono_signs"]

_SIGNS = {"lstm": {1: 1, 0: -1}, "gru": {1: 1}, "mingru": {0: -1}, "minlstm": {0: 1, 1: -1}}


def chrono_signs(cell: str, chrono: int) -> dict[int, int]:
    """Gates of a cell, by their numbers, with the sign of log U(1, chrono - 1) in their biases.

    Tallec and Ollivier (2018), Can recurrent neural networks warp time?, arXiv:1804.11188.

    Raises:
        UsageError: a cell without such a gate; `chrono` that is no whole number of at least 3.

    >>> chrono_signs("lstm", 100)  # f, and i
    {1: 1, 0: -1}
    """
    if isinstance(chrono, bool) or not isinstance(chrono, int) or chrono < 3:
        raise UsageError(f"{option('chrono')} is {chrono!r}", mend="give a whole number of steps, at least 3")
    if cell not in _SIGNS:
        what = f"{option('chrono', chrono)} sets the bias of a gate, which {option('cell', cell)} does not have"
        raise UsageError(what, mend=f"choose {option('cell', 'lstm')} or {option('cell', 'gru')}, or leave it out")
    return _SIGNS[cell]
