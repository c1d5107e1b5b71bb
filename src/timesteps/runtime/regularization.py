"""`Regularization`: what acts in training only."""

from __future__ import annotations

from dataclasses import dataclass

from timesteps.errors import UsageError, option
from timesteps.runtime.layout import LINEAR
from timesteps.runtime.spec import NetworkSpec

__all__ = ["Regularization", "check_probability", "check_recurrent_products"]


@dataclass(frozen=True)
class Regularization:
    """What acts in training only; a trained network does not know it.

    Args:
        input_dropout: fixed over time, on every layer's input (Keras' `dropout`).
        dropout: ordinary, between recurrent layers (torch's `dropout`).
        recurrent_dropout: fixed over time, on the hidden state inside the layers (Keras' `recurrent_dropout`).
        feature_dropout: of single features from the bags of a step.
        word_dropout: of whole steps, whose vectors become zero.
        head_dropout: ordinary, on the pooled vector.
        initial_state_noise: standard deviation of normal noise added to the initial states.
        weight_drop: of entries of the layers' `weight_hh`, anew for each batch.

    Raises:
        UsageError: a number out of range.
    """

    input_dropout: float = 0.0
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    feature_dropout: float = 0.0
    word_dropout: float = 0.0
    head_dropout: float = 0.0
    initial_state_noise: float = 0.0
    weight_drop: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "initial_state_noise":
                check_probability(value, name)


def check_probability(p: float, name: str = "dropout") -> float:
    """p itself.

    Raises:
        UsageError: it is not a probability.
    """
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise UsageError(f"{name} is {p!r}", mend="give a probability, 0 to 1")
    return p


def check_recurrent_products(spec: NetworkSpec, regularization: Regularization) -> None:
    """Nothing, if what acts on recurrent products finds one in every layer.

    Raises:
        UsageError: `recurrent_dropout` or `weight_drop` with a cell whose recurrence is linear.
    """
    for layer in spec.layers:
        for name in ("recurrent_dropout", "weight_drop"):
            rate = getattr(regularization, name)
            if rate and layer.cell in LINEAR:
                raise UsageError(
                    f"{option(name)} is {rate}, but a {layer.cell} has no recurrent product that it could act on",
                    mend=f"use {option('input_dropout')} or {option('dropout')}",
                )
