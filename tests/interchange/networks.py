"""Random networks of every kind, and models around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from timesteps.interchange.checking import Check
from timesteps.interchange.imported import Imported, finish
from timesteps.interchange.plain import Direction, Layer, PlainNetwork, assemble
from timesteps.runtime.layout import GATES
from timesteps.runtime.session import Session

FORMS: list[dict[str, Any]] = [
    {"cell": "rnn"},
    {"cell": "rnn", "nonlinearity": "relu"},
    {"cell": "lstm"},
    {"cell": "gru"},
    {"cell": "gru", "reset_after": False},
]


def layer(rng: np.random.Generator, size: int, hidden: int, bidirectional: bool, biases: str, **form: Any) -> Layer:
    rows = GATES[form["cell"]] * hidden
    scale = 0.3 if form.get("nonlinearity") in ("relu", "linear") else 0.8

    def direction() -> Direction:
        parts = [rng.normal(0, scale, shape).astype(np.float32) for shape in ((rows, size), (rows, hidden), rows, rows)]
        if biases != "two":
            parts[3][:] = 0
        if biases == "none":
            parts[2][:] = 0
        return Direction(*parts)

    return Layer(directions=tuple(direction() for _ in range(1 + bidirectional)), **form)


def network(
    form: dict[str, Any] | list[dict[str, Any]] | None = None,
    *,
    hidden: tuple[int, ...] = (5,),
    size: int = 4,
    ids: int = 0,
    bidirectional: bool = False,
    biases: str = "two",
    pool: Any = "last",
    outputs: int = 2,
    scaled: bool = False,
    seed: int = 0,
) -> PlainNetwork:
    rng = np.random.default_rng(seed)
    forms = form if isinstance(form, list) else [form or {"cell": "lstm"}] * len(hidden)
    layers, width = [], size
    for each, units in zip(forms, hidden, strict=True):
        layers.append(layer(rng, width, units, bidirectional, biases, **each))
        width = units * (1 + bidirectional)
    features = 2 * width if pool == "mean+max" else width
    return assemble(
        layers,
        (rng.normal(size=(outputs, features)).astype(np.float32), rng.normal(size=outputs).astype(np.float32)),
        embedding=rng.normal(size=(ids, size)).astype(np.float32) if ids else None,
        pool=pool,
        attention=rng.normal(size=(1, width)).astype(np.float32) if pool == "attention" else None,
        scaler=(rng.normal(size=size), rng.uniform(0.5, 2, size)) if scaled else None,
    )


def model(plain: PlainNetwork) -> Session:
    return imported(plain).session


def imported(plain: PlainNetwork) -> Imported:
    return finish(plain, Check("nothing"), "test", "a test", None)


def same_weights(one: Session, other: Session) -> bool:
    """Bit for bit, and the same specification of the network."""
    assert one.spec.network == other.spec.network
    assert one.tensors.keys() == other.tensors.keys()
    return all(
        one.tensors[name].dtype == other.tensors[name].dtype and np.array_equal(one.tensors[name], other.tensors[name])
        for name in one.tensors
    )


def matrix() -> Iterator[dict[str, Any]]:
    """Cells × directions × layers × biases, ids and numbers in turn, every pooling somewhere."""
    pools = ("last", "mean", "max", "mean+max", "attention")
    count = 0
    for form in FORMS:
        for bidirectional in (False, True):
            for hidden in ((5,), (4, 4), (6, 3)):
                for biases in ("two", "one", "none"):
                    yield {
                        "form": form,
                        "bidirectional": bidirectional,
                        "hidden": hidden,
                        "biases": biases,
                        "ids": (0, 9)[count % 2],
                        "pool": pools[count % 5],
                        "outputs": (1, 3)[count // 2 % 2],
                        "scaled": count % 4 == 0,
                        "seed": count,
                    }
                    count += 1


def linear() -> Iterator[dict[str, Any]]:
    """Linear RNNs, which torch.nn does not have."""
    for bidirectional in (False, True):
        form = {"cell": "rnn", "nonlinearity": "linear"}
        yield {
            "form": form,
            "bidirectional": bidirectional,
            "hidden": (5, 3),
            "biases": "two",
            "ids": 0,
            "pool": "last",
        }


def named(case: dict[str, Any]) -> str:
    form = "-".join(str(value) for value in case["form"].values())
    parts = [form, "bi" if case["bidirectional"] else "uni", "x".join(map(str, case["hidden"])), case["biases"]]
    return "-".join([*parts, case["pool"], "ids" if case["ids"] else "numbers"])


sizes = st.fixed_dictionaries(
    {
        "form": st.sampled_from(FORMS),
        "hidden": st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple),
        "size": st.integers(1, 7),
        "ids": st.sampled_from((0, 3, 20)),
        "bidirectional": st.booleans(),
        "outputs": st.integers(1, 4),
        "seed": st.integers(0, 2**16),
    }
)
