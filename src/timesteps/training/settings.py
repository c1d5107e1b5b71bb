"""How a network is trained: every choice of the loop, checked when it is made."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from timesteps.errors import UsageError, option
from timesteps.runtime.losses import Loss
from timesteps.runtime.spec import LossName

__all__ = ["EngineChoice", "NonFinitePolicy", "OptimizerName", "ScheduleName", "Settings"]

OptimizerName = Literal["adam", "adamw", "rmsprop", "sgd"]
ScheduleName = Literal["constant", "linear", "cosine"]
EngineChoice = Literal["auto", "native", "torch"]
NonFinitePolicy = Literal["stop", "skip"]


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Args:
        epochs: passes over the training rows, at least 1.
        batch_size: rows of a step, at least 1. Batches are of equal size to within one row: 100 rows in batches of at
            most 64 are two batches of 50, so that no step rests on a remainder of a few rows.
        optimizer: of the dense parameters, in torch's form and with torch's constants: `rmsprop` decays with 0.99 and
            adds 1e-8 to the root, where Keras decays with 0.9 and adds 1e-7 under it.
        learning_rate: of the dense parameters, above 0, before the schedule.
        table_learning_rate: of the sparse tables (bags of features, sparse embeddings), which lazy Adam trains
            whatever `optimizer` is; None takes `learning_rate`.
        wide_learning_rate: of the tables' scalar weights (`wide`); None takes `table_learning_rate`.
        weight_decay: at least 0; of dense parameters with two or more dimensions. Biases and tables do not decay.
            Decoupled for `adamw`, part of the gradient for the others, as in torch.
        betas: decay of the moments of Adam, AdamW and lazy Adam, each in [0, 1).
        momentum: of SGD and RMSprop, in [0, 1).
        nesterov: SGD looks one step of its momentum ahead (Sutskever et al. 2013, ICML), in torch's form.
        clip_norm: largest norm of all gradients together, sparse ones included; None leaves them.
        schedule: factor on both rates after the warm-up: 1, falling to 0 in a line, or as half a cosine.
        warmup: share of all steps, in [0, 1), in which the factor rises from 0 to 1 in a line.
        ema: decay in [0, 1) of an exponential moving average of the weights, which is then what is validated, kept
            as the best and left in the network; 0 is off. The decay of step t = 1, 2, … is min(ema, t / (9 + t)), so
            that short runs are not averages of their beginning.
        patience: epochs without a lower `val_loss` after which training stops and the best epoch's weights are
            restored; None, or no validation rows, trains all epochs and keeps the last weights.
        loss: what is minimised, by its name in `timesteps.runtime.losses`: `cross_entropy` of classes, or one of those
            of numbers (`mse`, `mae`, `quantile`, `gaussian`, `student_t`, `negative_binomial`).
        quantiles: the levels of the loss `quantile`, rising, each in (0, 1).
        label_smoothing: in [0, 1), share of each target spread evenly over the classes. Of the training loss only, and
            of cross-entropy only.
        consistency: at least 0, weight of R-Drop (Wu et al. 2021, arXiv 2106.14448): every batch is run twice under
            independent dropout, and half the symmetric Kullback-Leibler divergence of the two answers is added to the
            loss. A step then costs twice as much; 0 is off. Of cross-entropy only.
        bucket: batches of rows of similar length (less padding) instead of plainly shuffled ones.
        nonfinite: what to do with a step whose loss or gradient is NaN or infinite; it is never taken. `stop` ends
            the run there, with the last good weights; `skip` goes on, unless the weights are bad or ten such steps
            follow each other. Not part of what a resumed run must share.
        seed: of the order of the rows and of dropout.
        threads: the engine's number of threads during the run; None leaves torch's as it is. Not part of what a
            resumed run must share, but the last bits of a sum may depend on it where torch trains.
        engine: what takes the steps: `torch`, which trains every network; `native`, the compiled core, which trains
            plain ones on a CPU without torch and several times faster; `auto`, native where it can.

    Raises:
        UsageError: a value outside its range, by the name of the option.

    >>> Settings(epochs=3, schedule="linear", warmup=0.1).learning_rate
    0.001
    >>> Settings(batch_size=0)
    Traceback (most recent call last):
    timesteps.errors.UsageError: batch_size is 0; give a whole number of at least 1
    """

    epochs: int = 10
    batch_size: int = 32
    optimizer: OptimizerName = "adam"
    learning_rate: float = 1e-3
    table_learning_rate: float | None = None
    wide_learning_rate: float | None = None
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.0
    nesterov: bool = False
    clip_norm: float | None = 1.0
    schedule: ScheduleName = "constant"
    warmup: float = 0.0
    ema: float = 0.0
    patience: int | None = None
    loss: LossName = "cross_entropy"
    quantiles: tuple[float, ...] = ()
    label_smoothing: float = 0.0
    consistency: float = 0.0
    bucket: bool = True
    nonfinite: NonFinitePolicy = "stop"
    seed: int = 0
    threads: int | None = None
    engine: EngineChoice = "auto"

    def __post_init__(self) -> None:
        for name, lowest in (("epochs", 1), ("batch_size", 1), ("patience", 0), ("seed", 0), ("threads", 1)):
            value = getattr(self, name)
            if value is None and name in ("patience", "threads"):
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise UsageError(f"{option(name)} is {value!r}", mend=f"give a whole number of at least {lowest}")
        words = {"optimizer": OptimizerName, "schedule": ScheduleName, "engine": EngineChoice}
        words["nonfinite"] = NonFinitePolicy
        for name, known in ((name, get_args(choice)) for name, choice in words.items()):
            if getattr(self, name) not in known:
                raise UsageError(f"{option(name)} is {getattr(self, name)!r}", mend=f"choose one of {', '.join(known)}")
        for name in ("learning_rate", "table_learning_rate", "wide_learning_rate", "clip_norm"):
            value = getattr(self, name)
            if value is None and name != "learning_rate":
                continue
            if not (_is_number(value) and 0.0 < value < math.inf):
                raise UsageError(f"{option(name)} is {value!r}", mend="give a number above 0")
        for name in ("weight_decay", "consistency"):
            value = getattr(self, name)
            if not (_is_number(value) and 0.0 <= value < math.inf):
                raise UsageError(f"{option(name)} is {value!r}", mend="give a number of at least 0")
        for name in ("momentum", "warmup", "ema", "label_smoothing"):
            _check_share(name, getattr(self, name))
        for name in ("label_smoothing", "consistency"):
            if getattr(self, name) and not self.criterion.is_classification:
                what = f"{option(name)} is {getattr(self, name)!r} with {option('loss', self.loss)}"
                raise UsageError(what, mend="leave it out: it is for classes")
        if self.nesterov and not (self.optimizer == "sgd" and self.momentum):
            found = f"{option('optimizer')} {self.optimizer} and {option('momentum')} {self.momentum}"
            raise UsageError(f"{option('nesterov')} with {found}", mend="use it with sgd and a momentum above 0")
        if len(self.betas) != 2:
            raise UsageError(f"{option('betas')} is {self.betas!r}", mend="give two numbers")
        for beta in self.betas:
            _check_share("betas", beta)

    @property
    def criterion(self) -> Loss:
        """The loss, with what its outputs mean."""
        return Loss(self.loss, self.quantiles)

    def identity(self) -> dict[str, Any]:
        """Plain values that a resumed run must share with the run it continues.

        All but `threads`, `nonfinite` and `engine` (the run adds which engine it took), and `epochs` too where the
        number of epochs changes no step (a constant rate, no warm-up), so that such a run can be made longer.
        """
        values = asdict(self) | {"betas": list(self.betas), "quantiles": list(self.quantiles)}
        del values["threads"], values["engine"], values["nonfinite"]
        if self.schedule == "constant" and self.warmup == 0.0:
            del values["epochs"]
        return values


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_share(name: str, value: object) -> None:
    if not (isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value < 1.0):
        raise UsageError(f"{option(name)} is {value!r}", mend="give a number of at least 0 and below 1")
