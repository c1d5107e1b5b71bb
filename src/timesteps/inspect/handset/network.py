"""`Handset`: one recurrent layer with weights that a person chose, and the model that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.inspect.handset.reading import Notation
from timesteps.runtime.session import Session, with_golden
from timesteps.runtime.spec import LayerSpec, ModelSpec, NetworkSpec, NumericSpec, TargetSpec

__all__ = ["Handset"]

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Handset:
    """A network set by hand: numbers in, one recurrent layer, one dense layer.

    Args:
        name: what the command line calls it.
        what: what it does, in a line.
        layer: its recurrent layer.
        weights: by their names in the cell (`weight_ih` (G * H, I), `weight_hh` (G * H, H), `bias` (G * H,)) and `head`
            (outputs, H), `head_bias` (outputs,). Biases that are left out are zero.
        inputs: names of the I numbers of a step.
        units: names of the H units.
        classes: the answers, in the order of the outputs, or the two that one output tells apart; none: the answer is
            the number that the network puts out.
        notation: how its input is written on the command line.
        example: an input in that notation.
    """

    name: str
    what: str
    layer: LayerSpec
    weights: Mapping[str, Any]
    inputs: tuple[str, ...]
    units: tuple[str, ...]
    classes: tuple[str | int, ...]
    notation: Notation
    example: str

    def session(self, *, per_step: bool = False) -> Session:
        """The network as a trained model would be: to predict, stream, save, export.

        Args:
            per_step: whether `predict` gives an answer at every step, or one at the end of a row. A stream answers at
                every step in either case.

        >>> from timesteps.inspect.handset import handset
        >>> handset("parity").session(per_step=True).predict([[[0], [1], [0], [1], [1]]])
        [[0, 1, 1, 0, 1]]
        """
        outputs = np.atleast_2d(self.weights["head"])
        network = NetworkSpec(
            input="numeric",
            input_size=len(self.inputs),
            layers=(self.layer,),
            pool="none" if per_step else "last",
            outputs=len(outputs),
        )
        spec = ModelSpec(
            task="regress" if not self.classes else "tag" if per_step else "classify",
            classes=self.classes,
            targets=None if self.classes else TargetSpec(loss="mse"),
            numeric=NumericSpec(features=len(self.inputs)),
            network=network,
            training={"handset": self.name},
        )
        tensors = self._tensors()
        return Session(with_golden(spec, tensors, [self.read(self.example)]), tensors)

    def read(self, text: str) -> NDArray[np.float64]:
        """Steps (T, I) from an input as the command line takes it. `DataError` names the character that is wrong."""
        return self.notation.read(text)

    def _tensors(self) -> dict[str, NDArray[np.float64]]:
        """Double precision, so that sums of whole numbers are exact up to 2^53."""

        def given(name: str, length: int | None = None) -> NDArray[np.float64]:
            value = self.weights.get(name, np.zeros(length or 0))
            return np.asarray(value, np.float64)

        head = np.atleast_2d(given("head"))
        rows = len(given("weight_ih"))
        tensors = {
            "scaler.mean": np.zeros(len(self.inputs)),
            "scaler.scale": np.ones(len(self.inputs)),
            "rnn.weight_ih_l0": given("weight_ih"),
            "rnn.weight_hh_l0": given("weight_hh"),
            "rnn.bias_ih_l0": given("bias", rows),
            "rnn.bias_hh_l0": np.zeros(rows),
            "head.weight": head,
            "head.bias": given("head_bias", len(head)),
        }
        if not self.classes:
            tensors |= {"target.mean": np.zeros(1), "target.scale": np.ones(1)}
        return tensors
