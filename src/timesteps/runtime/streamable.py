"""Which models can run one time step at a time, and why the others cannot."""

from __future__ import annotations

from timesteps.errors import ModelError
from timesteps.runtime.layout import reads_texts
from timesteps.runtime.spec import ModelSpec, NetworkSpec

__all__ = ["bidirectional", "check_streamable", "why_not_streamed"]


def why_not_streamed(spec: ModelSpec) -> str | None:
    """Why a model cannot answer while a sequence goes on, in one sentence that names the part; None if it can.

    >>> from timesteps.runtime.spec import LayerSpec, NetworkSpec, NumericSpec
    >>> layer = LayerSpec(cell="gru", input_size=1, hidden_size=4, bidirectional=True)
    >>> network = NetworkSpec(input="numeric", input_size=1, layers=(layer,), outputs=1)
    >>> why_not_streamed(ModelSpec(task="classify", classes=(0, 1), numeric=NumericSpec(features=1), network=network))
    'layer rnn.l0 is bidirectional: it reads a sequence from its end, too'
    """
    reason = bidirectional(spec.network)
    if reason is not None:
        return reason
    text = spec.text
    if text is None:
        return None
    if text.guide is not None:
        return "its guide reads the n-grams of a whole text"
    if spec.network.input == "bag":
        return "its bags hold n-grams of a whole text"
    if not text.mask:
        side = "before" if text.padding == "pre" else "behind"
        return f"its first layer reads padding {side} a text, as much as the whole text leaves of max_length"
    return None


def bidirectional(network: NetworkSpec) -> str | None:
    """Which layer reads a sequence from its end, too; None if none does."""
    for number, layer in enumerate(network.layers):
        if layer.bidirectional:
            return f"layer rnn.l{number} is bidirectional: it reads a sequence from its end, too"
    return None


def check_streamable(spec: ModelSpec) -> None:
    """`ModelError` for a model that cannot run one step at a time."""
    reason = why_not_streamed(spec)
    if reason is not None:
        what = "texts" if reads_texts(spec) else "sequences"
        raise ModelError(f"cannot run step by step: {reason}", mend=f"use predict, which reads whole {what}")
