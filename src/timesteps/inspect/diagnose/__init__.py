"""`diagnose`: is this network able to learn from these rows, and what stands in its way?"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from timesteps.errors import DataError, ModelError, UsageError, option
from timesteps.inspect.diagnose.activity import activity
from timesteps.inspect.diagnose.diagnosis import Diagnosis
from timesteps.inspect.diagnose.findings import Subject, findings
from timesteps.inspect.diagnose.flow import Flow, flow, jacobian_norms
from timesteps.inspect.diagnose.intake import intake
from timesteps.inspect.diagnose.page import page, write_page
from timesteps.inspect.diagnose.replay import Replay, replay_network
from timesteps.inspect.diagnose.subjects import Patient, examined

__all__ = ["Diagnosis", "Flow", "Patient", "diagnose", "diagnose_rows", "jacobian_norms", "page", "write_page"]

_MOST_STEPS = 20_000
_BLAS = ThreadpoolController()


def diagnose(
    model: Any,
    data: Sequence[Any] | None = None,
    *,
    name: str = "",
    rows: int = 64,
    lags: int = 200,
    seed: int = 0,
    chrono: int | None = None,
    layers: Sequence[str] = (),
) -> Diagnosis:
    """Gradient flow, gates, units, scale, padding of a model on some rows, and what mends what is wrong.

    Computed in double precision from the layers' equations: the Jacobians are exact, those of autograd.

    Args:
        model: a run folder or model file; a `Session`; a `RecurrentModel`; or a `LayerSpec` or a tuple of them:
            untrained layers, with the weights that training would begin with.
        data: rows as the model reads them: texts, lists of tokens, arrays (T, I); for a language model, lines of text.
            None: the rows that the model file keeps, and for untrained layers random numbers (100 steps, N(0, 1)).
        name: what the data is called.
        rows: how many are looked at, at most, evenly from the beginning to the end.
        lags: steps to look back, at most.
        seed: of untrained weights and random rows.
        layers: names of the layers to diagnose, such as "l0" or "l0 reverse"; none: all.
        chrono: of untrained weights: see `timesteps.nn.initialize`.

    Raises:
        DataError: data that the model does not read; no rows with a step.
        ModelError: a model without recurrent layers (n-grams, mixtures), or of int8 weights; or no model there.
        UsageError: `rows` or `lags` below 1, or a layer that the model does not have.

    >>> from timesteps.runtime.spec import LayerSpec
    >>> forgets = diagnose(LayerSpec(cell="rnn", input_size=4, hidden_size=16))
    >>> keeps = diagnose(LayerSpec(cell="lstm", input_size=4, hidden_size=16))
    >>> forgets.flows[0].half_life < keeps.flows[1].half_life
    True
    """
    for what, value in (("rows", rows), ("lags", lags)):
        if value < 1:
            raise UsageError(f"{option(what)} is {value}", mend="give at least 1")
    return diagnose_rows(
        examined(model, data, name=name, rows=rows, seed=seed, chrono=chrono), lags=lags, layers=layers
    )


def diagnose_rows(patient: Patient, *, lags: int = 200, layers: Sequence[str] = ()) -> Diagnosis:
    """The same of a network and rows that are ready."""
    if patient.network.weights == "int8":
        raise ModelError(
            "the weights are int8, through which no gradient flows", mend="diagnose the model it came from"
        )
    kept = np.flatnonzero(patient.rows.lengths)
    if not len(kept):
        raise DataError("no row has a step")
    cut = patient.rows.take(kept)
    within = np.searchsorted(np.cumsum(cut.lengths), _MOST_STEPS, side="right")
    cut = cut.take(range(max(1, int(within))))
    replayed = replay_network(patient.network, patient.tensors, cut)
    chosen = _chosen(replayed, layers)
    with _BLAS.limit(limits=1, user_api="blas"):  # threads would wait for each other longer than a product takes
        flows = tuple(each for layer in chosen for each in flow(layer, most=lags))
    activities = tuple(map(activity, chosen))
    numeric = patient.network.input == "numeric"
    given = intake(
        cut, replayed[0].x, patient.text, numeric=numeric, lengths=patient.lengths, batch_size=patient.batch_size
    )
    first = patient.network.layers[0]
    subject = Subject(
        task=patient.task,
        cell=first.cell,
        pool=patient.network.pool,
        layer_norm=first.layer_norm or first.cell in ("mingru", "minlstm"),
        mask=patient.text is None or patient.text.mask,
        padding="pre" if patient.text is None else patient.text.padding,
    )
    found = tuple(findings(subject, flows, activities, given))
    return Diagnosis(patient.about, patient.data, flows, activities, given, found)


def _chosen(replayed: list[Replay], names: Sequence[str]) -> list[Replay]:
    """The layers of these names, all where there are none."""
    known = [layer.name for layer in replayed]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1, 0.3)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"there is no layer {name!r}", mend=f"{meant}choose one of {', '.join(known)}")
    return [layer for layer in replayed if not names or layer.name in names]
