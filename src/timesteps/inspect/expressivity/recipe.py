"""`expressivity`: train a cell on short sequences of a task, and see how far it has understood the rule.

What theory says. A linear cell whose factors lie between 0 and 1, such as minGRU and minLSTM, cannot compute parity of
sequences of any length in finite precision, however many layers there are: its state can only be kept or forgotten,
never turned round (Grazzi et al. 2024, arXiv:2411.12537; Sarrof, Veitsman and Hahn 2024, arXiv:2405.17394; Merrill,
Petty and Sabharwal 2024, arXiv:2404.08819, bound what linear and transformer models compute in parallel). An LSTM's
cell can count without a bound, what a GRU or a vanilla network holds is bounded (Weiss, Goldberg and Yahav 2018,
arXiv:1805.04908).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option
from timesteps.inspect.expressivity.tasks import Task, task
from timesteps.runtime.layout import LINEAR
from timesteps.runtime.metrics import probabilities
from timesteps.runtime.session import Session
from timesteps.runtime.spec import CellName, LayerSpec, ModelSpec, NetworkSpec, NumericSpec
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.loop import train
from timesteps.training.settings import Settings

__all__ = ["CELLS", "LENGTHS", "Expressivity", "expressivity"]

CELLS: tuple[CellName, ...] = get_args(CellName)

LENGTHS = (40, 100, 200, 500, 1000)

_STAGES = (4, 10, 20, 40)  # longest sequences, one stage after the other: short ones teach the rule, long ones hold it
_ROUNDS = 4  # of a stage at most, each on new sequences; it ends when nearly every step is right
_RIGHT = 0.9995
_RATE = 1e-2
_CLOSING = (1 / 3, 1 / 9)  # of the rate, for rounds on the longest sequences behind the last stage
_EPOCHS, _ROWS, _BATCH = 8, 512, 32  # of a round
_JUDGED = 50  # sequences of each length


@dataclass(frozen=True)
class Expressivity:
    """How a trained network does on sequences of several lengths.

    Args:
        cell: which.
        task: of `TASKS`.
        seed: of weights and sequences.
        accuracy: the share of the steps that are answered rightly, by the length of the sequences.
        chance: the same for the most frequent answer.
        trained_to: the longest sequences that it was trained on.
        seconds: of training.
        session: the trained model, which answers at every step.
    """

    cell: CellName
    task: Task
    seed: int
    accuracy: dict[int, float]
    chance: dict[int, float]
    trained_to: int
    seconds: float
    session: Session

    @property
    def can(self) -> bool:
        """Whether every step of the longest sequences was right."""
        return self.accuracy[max(self.accuracy)] == 1.0

    @property
    def theory(self) -> str | None:
        """Why this cell cannot have learned the rule, whatever the training; None where nothing says so."""
        if self.task.name != "parity" or self.cell not in LINEAR:
            return None
        return (
            f"the factors of a {self.cell}'s state lie between 0 and 1, so it cannot turn round, as parity must: "
            "Grazzi et al. 2024, arXiv:2411.12537"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        return {
            "cell": self.cell,
            "task": self.task.name,
            "seed": self.seed,
            "trained_to": self.trained_to,
            "accuracy": {str(length): share for length, share in self.accuracy.items()},
            "chance": {str(length): share for length, share in self.chance.items()},
            "can": self.can,
            "theory": self.theory,
            "seconds": self.seconds,
        }


def expressivity(
    cell: str,
    name: str,
    *,
    seed: int = 0,
    hidden_size: int = 16,
    num_layers: int = 2,
    lengths: Sequence[int] = LENGTHS,
) -> Expressivity:
    """Train a network on sequences of up to 40 steps, and judge it on longer ones.

    Every step has its answer, and the sequences get longer stage by stage. The recipe is the same for all cells: a
    second or so of Adam.

    Args:
        cell: rnn (tanh), lstm, gru, mingru or minlstm.
        name: of the task: parity, count, copy or add.
        seed: of weights and sequences.
        hidden_size, num_layers: of the network.
        lengths: of the sequences that it is judged on.

    Raises:
        UsageError: an unknown cell or task, or lengths below 1.

    >>> found = expressivity("mingru", "parity", lengths=(40, 1000))
    >>> found.can, abs(found.accuracy[1000] - 0.5) < 0.02
    (False, True)
    """
    known = next((each for each in CELLS if each == cell), None)
    if known is None:
        raise UsageError(f"{option('cell')} is {cell!r}", mend=f"choose one of {', '.join(CELLS)}")
    if not lengths or min(lengths) < 1:
        raise UsageError(f"lengths are {tuple(lengths)}", mend="give lengths of at least 1")
    wanted = task(name)
    network = PlainNetwork.untrained(_spec(known, wanted, hidden_size, num_layers), seed=seed)
    began = time.monotonic()
    _train(network, wanted, seed)
    seconds = time.monotonic() - began
    session = _session(network, wanted)
    accuracy, chance = {}, {}
    for length in lengths:
        accuracy[length], chance[length] = _judge(session, wanted, np.random.default_rng([seed, 1, length]), length)
    return Expressivity(known, wanted, seed, accuracy, chance, _STAGES[-1], seconds, session)


def _spec(cell: CellName, wanted: Task, hidden_size: int, num_layers: int) -> NetworkSpec:
    widths = [wanted.inputs, *[hidden_size] * num_layers]
    layers = [LayerSpec(cell=cell, input_size=width, hidden_size=hidden_size) for width in widths[:-1]]
    return NetworkSpec(
        input="numeric", input_size=wanted.inputs, layers=tuple(layers), pool="none", outputs=wanted.outputs
    )


def _train(network: PlainNetwork, wanted: Task, seed: int) -> None:
    rng = np.random.default_rng([seed, 0])

    def go(longest: int, rate: float) -> float:
        """One round; the share of right steps in its last epoch."""
        examples = wanted.examples(rng, _ROWS, 1, longest)
        settings = Settings(epochs=_EPOCHS, batch_size=_BATCH, learning_rate=rate, seed=seed, threads=1)
        return train(network, examples, None, settings).history["accuracy"][-1]

    for longest in _STAGES:
        for _ in range(_ROUNDS):
            if go(longest, _RATE) >= _RIGHT:
                break
    for factor in _CLOSING:
        go(_STAGES[-1], factor * _RATE)


def _session(network: PlainNetwork, wanted: Task) -> Session:
    spec = ModelSpec(
        task="tag",
        classes=wanted.classes,
        numeric=NumericSpec(features=wanted.inputs),
        network=network.spec,
        training={"expressivity": wanted.name},
    )
    scaler = {"scaler.mean": np.zeros(wanted.inputs), "scaler.scale": np.ones(wanted.inputs)}
    return Session(spec, network.state_dict() | scaler)


def _judge(session: Session, wanted: Task, rng: np.random.Generator, length: int) -> tuple[float, float]:
    """The shares of right steps: of the network, and of the most frequent answer."""
    examples = wanted.examples(rng, _JUDGED, length, length)
    rows: list[NDArray[Any]] = np.split(examples.sequences.values, _JUDGED)
    answers = probabilities(session.logits(rows)).argmax(axis=1)
    chance = float(np.bincount(examples.targets).max()) / len(examples.targets)
    return float((answers == examples.targets).mean()), chance
