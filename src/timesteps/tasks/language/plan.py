"""`--dry-run` of a recurrent language model: what would be trained, what is wrong with it, what it would cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from timesteps.inspect.diagnose import Patient, diagnose_rows
from timesteps.runtime.language.recurrent import RecurrentModel
from timesteps.runtime.language.summary import network_of
from timesteps.runtime.sequences import Sequences
from timesteps.tasks.language.choices import choose
from timesteps.tasks.language.corpus import Prepared
from timesteps.tasks.language.estimator import network_for, train_on
from timesteps.tasks.language.run import LanguageRequest, read_request
from timesteps.tasks.rehearsal import TRIAL_BATCHES, Rehearsal
from timesteps.training.engines.engine import Step
from timesteps.training.language.loop import choose_language_engine

__all__ = ["rehearse_language"]

_STREAMS = 32  # that are diagnosed


def rehearse_language(
    request: LanguageRequest, *, threads: int | None = None, say: Callable[[str], None] = lambda line: None
) -> Rehearsal:
    """Read the text, take a batch forward and backward, time a few steps, and diagnose the untrained network.

    Errors as `timesteps.tasks.language.run.run`; nothing is written.
    """
    choices = choose(request.recipe, **request.choices, **({"threads": threads} if threads else {}))
    say(f"engine: {choose_language_engine(choices.settings)}")
    name, prepared = read_request(request, choices)
    tokens, settings = prepared.train, choices.settings
    say(f"{name}: {len(tokens)} tokens, vocabulary of {len(prepared.vocabulary.words)}")
    network = network_for(prepared.vocabulary, choices)
    model = RecurrentModel(network.spec, {key: weight.copy() for key, weight in network.weights.items()})
    length = min(settings.bptt, len(tokens))
    rows = [tokens[at : at + length] for at in range(0, len(tokens) - length + 1, length)]
    rows = [rows[n] for n in range(0, len(rows), max(1, len(rows) // _STREAMS))][:_STREAMS]
    read = Sequences.of(rows)
    about = "the untrained network"
    diagnosis = diagnose_rows(Patient(network_of(model), model.weights, read, "language", about, name))

    def trained(steps: int) -> tuple[float, float]:
        """Loss and seconds of so many steps."""
        part = tokens[: steps * settings.bptt * settings.batch_size + 1]
        few = replace(choices, settings=replace(settings, epochs=1, variable=False))
        began = time.perf_counter()
        history = train_on(Prepared(prepared.vocabulary, part, None, 0, 0), network, few)
        return history.rows[0]["loss"], time.perf_counter() - began

    first, _ = trained(1)  # pays for warming up, too
    _, seconds = trained(TRIAL_BATCHES)
    seen = min(len(tokens), TRIAL_BATCHES * settings.bptt * settings.batch_size + 1)
    weights = sum(weight.nbytes for weight in model.weights.values())
    moments = {"sgd": 1 if settings.momentum else 0, "rmsprop": 1}.get(settings.optimizer, 2)
    return Rehearsal(
        diagnosis,
        Step(first, 0.0, 1.0, math.nan),
        settings.epochs,
        math.log(len(prepared.vocabulary.words)),
        settings.clip_norm,
        seconds * len(tokens) / seen * settings.epochs,
        weights * (3 + moments),  # weights, gradients, moments, and the best epoch's weights
    )
