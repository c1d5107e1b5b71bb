"""How a recurrent language model is trained: every choice of the loop, checked when it is made."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from timesteps.errors import UsageError, option
from timesteps.training.settings import EngineChoice, NonFinitePolicy, OptimizerName, ScheduleName, Settings

__all__ = ["LanguageSettings"]

_DROPPED = ("word_dropout", "input_dropout", "dropout", "output_dropout", "weight_drop")


@dataclass(frozen=True)
class LanguageSettings:
    """How a recurrent language model is trained.

    Args:
        epochs: passes over the text, at least 1.
        batch_size: contiguous streams that the text is cut into, which are read side by side.
        bptt: tokens of each stream in a step, through which gradients flow; the state is carried on to the next.
        variable: the length of a step is drawn anew each time: normal about `bptt`, half of it one time in twenty,
            with the learning rate in proportion (Merity, Keskar and Socher 2017, arXiv 1708.02182).
        optimizer, learning_rate, weight_decay, betas, momentum, schedule, warmup: as in `Settings`. The loss is the
            mean over a step's tokens; who sums over `bptt` steps, as Zaremba et al. do, has a rate `bptt` times lower.
        clip_norm: largest norm of all gradients together; None leaves them.
        decay: factor on the learning rate for every epoch from `hold` on (Zaremba, Sutskever and Vinyals 2014,
            arXiv 1409.2329); 1 is off.
        hold: epochs at the full rate.
        word_dropout: of whole words from the embedding, one choice for all streams of a step.
        input_dropout: of the embedded words.
        dropout: between layers.
        output_dropout: of what the softmax reads.
        weight_drop: of entries of the layers' `weight_hh`, anew for each step.
        locked: a dropout mask is the same for all tokens of a stream in a step (Gal and Ghahramani 2016).
        activation: AR, times the mean square of the dropped outputs.
        slowness: TAR, times the mean square of the outputs' changes from token to token.
        ema: decay of an exponential moving average of the weights, as in `Settings`; 0 is off.
        samples: classes drawn for a sampled softmax (Jean et al. 2015, arXiv 1412.2007), by frequency to the power 3/4,
            once a step; 0 is the full softmax, which also measures.
        patience: epochs without a lower validation loss after which training stops; None trains all.
        nonfinite: as in `Settings`.
        seed: of the initial weights, of dropout and of the lengths of steps.
        threads: of the engine; None takes all cores.
        engine: as in `Settings`.

    Raises:
        UsageError: a value outside its range, by the name of the option.

    >>> LanguageSettings(hold=4, decay=0.5, learning_rate=20.0).rate(0, 0.0), LanguageSettings(decay=0.5).rate(2, 0.0)
    (20.0, 0.125)
    """

    epochs: int = 10
    batch_size: int = 20
    bptt: int = 35
    variable: bool = False
    optimizer: OptimizerName = "sgd"
    learning_rate: float = 1.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.0
    clip_norm: float | None = 0.25
    schedule: ScheduleName = "constant"
    warmup: float = 0.0
    decay: float = 1.0
    hold: int = 0
    word_dropout: float = 0.0
    input_dropout: float = 0.0
    dropout: float = 0.0
    output_dropout: float = 0.0
    weight_drop: float = 0.0
    locked: bool = False
    activation: float = 0.0
    slowness: float = 0.0
    ema: float = 0.0
    samples: int = 0
    patience: int | None = None
    nonfinite: NonFinitePolicy = "stop"
    seed: int = 0
    threads: int | None = None
    engine: EngineChoice = "auto"

    def __post_init__(self) -> None:
        for name, lowest in (("bptt", 2), ("hold", 0), ("samples", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise UsageError(f"{option(name)} is {value!r}", mend=f"give a whole number of at least {lowest}")
        for name in _DROPPED:
            if not 0 <= getattr(self, name) < 1:
                mend = "give a number of at least 0 and below 1"
                raise UsageError(f"{option(name)} is {getattr(self, name)!r}", mend=mend)
        for name in ("activation", "slowness"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{option(name)} is {getattr(self, name)!r}", mend="give a number of at least 0")
        if not 0 < self.decay <= 1:
            raise UsageError(f"{option('decay')} is {self.decay!r}", mend="give a number above 0 and at most 1")
        self.plain()

    def plain(self) -> Settings:
        """What optimizers and averages read; checks what the two have in common."""
        return Settings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            betas=self.betas,
            momentum=self.momentum,
            clip_norm=self.clip_norm,
            schedule=self.schedule,
            warmup=self.warmup,
            ema=self.ema,
            patience=self.patience,
            nonfinite=self.nonfinite,
            seed=self.seed,
            threads=self.threads,
            engine=self.engine,
        )

    def rate(self, epoch: int, share: float) -> float:
        """The learning rate when `share` of an epoch, from 0, is over, before the length of the step counts."""
        rate = (
            self.learning_rate * self.decay ** max(0, epoch + 1 - self.hold) if self.decay < 1 else self.learning_rate
        )
        done = (epoch + share) / self.epochs
        if done < self.warmup:
            return rate * max(done / self.warmup, 1e-3)
        if self.schedule == "constant":
            return rate
        left = 1 - (done - self.warmup) / (1 - self.warmup)
        return rate * max(left if self.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left)), 1e-3)

    @property
    def drops(self) -> bool:
        """Whether anything acts in training only."""
        return any(getattr(self, name) for name in (*_DROPPED, "activation", "slowness"))

    def identity(self) -> dict[str, Any]:
        """Plain values that a resumed run must share with the run it continues."""
        values = asdict(self) | {"betas": list(self.betas)}
        del values["threads"], values["engine"], values["nonfinite"]
        if self.schedule == "constant" and self.warmup == 0.0:
            del values["epochs"]
        return values
