"""`verify`: the golden vectors of a model file, replayed by every engine that can run the model here."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.interchange.checking import Batch, missing
from timesteps.interchange.plain import from_session
from timesteps.runtime import native
from timesteps.runtime.engine import engine_of
from timesteps.runtime.golden import agrees, golden_row
from timesteps.runtime.layout import member_network, member_prefix
from timesteps.runtime.session import Session, open_network
from timesteps.runtime.streamable import why_not_streamed

__all__ = ["Replay", "Verification", "verify"]

Logits = NDArray[Any]
Runner = Callable[[Any], Logits | None]  # a row to its logits (outputs,); None for a row that the engine does not take

_WIDTH = 80


@dataclass(frozen=True)
class Replay:
    """What one engine did with the golden vectors."""

    name: str
    vectors: int = 0
    largest_difference: float | None = None  # from the stored logits; infinite where a logit is not finite
    agrees: bool | None = None  # None: nothing was run
    reason: str | None = None  # which vector differs, or why vectors were not run

    def __str__(self) -> str:
        if self.agrees is None:
            said = f"{self.name:<13}not run: {self.reason}"
        else:
            said = f"{self.name:<13}{self.vectors:>7}  {self.largest_difference:>10.1e}  "
            said += "ok" if self.agrees else "differs"
            said += "" if self.reason is None else f": {self.reason}"
        return textwrap.fill(said, _WIDTH, subsequent_indent=" " * 13)

    def to_dict(self) -> dict[str, str | int | float | bool | None]:
        """As `--json` prints it; a difference that is not finite is null."""
        largest = self.largest_difference
        finite = largest if largest is not None and math.isfinite(largest) else None
        return {**vars(self), "largest_difference": finite}


@dataclass(frozen=True)
class Verification:
    """What every engine did, in the order of `verify`."""

    engines: tuple[Replay, ...]
    path: str | os.PathLike[str] | None = None  # of the model, where it came from a file

    @property
    def agrees(self) -> bool:
        """Whether every engine that ran gives the stored logits."""
        return all(engine.agrees is not False for engine in self.engines)

    def check(self) -> None:
        """`ModelError` that names the first engine and the first vector that differ; nothing if all agree."""
        for engine in self.engines:
            if engine.agrees is False:
                raise ModelError(
                    f"{engine.name} differs: {engine.reason}",
                    path=self.path,
                    mend="copy the file again, or report it with the versions of timesteps and numpy",
                )

    def __str__(self) -> str:
        head = f"{'engine':<13}{'vectors':>7}  {'difference':>10}"
        return "\n".join([head, *map(str, self.engines)])

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"engines": [engine.to_dict() for engine in self.engines]}


def verify(model: Session | str | os.PathLike[str]) -> Verification:
    """Replay a model's golden vectors in every engine present; the largest difference is max |given - stored|.

    `native` and `numpy` read whole sequences, by the compiled core and without it; `stream` takes one step at a time;
    `torch` is the network that was trained, by PyTorch's own operators; `onnxruntime` runs what `to_onnx` writes. A
    missing package or a part that an engine lacks is a reason, not an error. While `numpy` and `torch` run, no other
    thread has the core, either.

    Args:
        model: a trained model, or its run folder.

    Raises:
        ModelError: no model there, or one without golden vectors.

    >>> from timesteps.runtime.layout import model_tensors
    >>> from timesteps.runtime.session import with_golden
    >>> from timesteps.runtime.spec import LayerSpec, ModelSpec, NetworkSpec, NumericSpec
    >>> layer = LayerSpec(cell="gru", input_size=1, hidden_size=4)
    >>> network = NetworkSpec(input="numeric", input_size=1, layers=(layer,), outputs=1)
    >>> spec = ModelSpec(task="classify", classes=("down", "up"), numeric=NumericSpec(features=1), network=network)
    >>> tensors = {name: np.ones(shape) for name, (_, shape) in model_tensors(spec).items()}
    >>> found = verify(Session(with_golden(spec, tensors, [[0.5, 1.0], [3.0]]), tensors))
    >>> found.agrees, [engine.name for engine in found.engines]
    (True, ['native', 'stream', 'numpy', 'torch', 'onnxruntime'])
    """
    path = None if isinstance(model, Session) else model
    session = model if isinstance(model, Session) else open_network(model)
    if not session.spec.golden:
        raise ModelError(
            "no golden vectors in the file",
            path=path,
            mend="`timesteps train` stores some; in Python, runtime.session.with_golden adds them",
        )
    return Verification(tuple(_replay(name, start(session), session) for name, start in _ENGINES.items()), path)


def _replay(name: str, run: Runner | str, session: Session) -> Replay:
    if isinstance(run, str):
        return Replay(name, reason=run)
    vectors, largest, wrong = 0, 0.0, None
    for number, golden in enumerate(session.spec.golden):
        given, stored = run(golden_row(session.spec, golden)), np.array(golden.logits)
        if given is None:
            continue
        vectors += 1
        difference = np.nan_to_num(np.abs(given - stored), nan=np.inf)
        largest = max(largest, float(difference.max(initial=0.0)))
        if wrong is None and not agrees(given, stored):
            worst = int(difference.argmax())
            wrong = f"golden vector {number}, output {worst}: {given[worst]:.6g}, stored is {stored[worst]:.6g}"
    left = len(session.spec.golden) - vectors
    reason = f"it takes no row without steps, and {left} of {vectors + left} are such" if left else None
    if vectors == 0:
        return Replay(name, reason=reason)
    return Replay(name, vectors, largest, wrong is None, wrong or reason)


def _native(session: Session) -> Runner | str:
    # Numeric rows are read in double precision by default, which numpy does.
    single = Session(session.spec, session.tensors, np.float32)
    return single.why_not_native() or (lambda row: single.logits([row]).ravel())


def _stream(session: Session) -> Runner | str:
    spec = session.spec
    if reason := why_not_streamed(spec):
        return reason
    engine = engine_of(spec, session.tensors)

    def run(row: Any) -> Logits:
        # The reader's steps: it cuts long rows to max_length, as a stream never does. An engine scales by itself.
        x = np.ascontiguousarray(row if spec.numeric is not None else session.steps([row]).values)
        streams = engine.open(1, batched=True)
        each = [streams.run(x[None, time : time + 1], np.ones(1, np.int64))[0, 0] for time in range(len(x))]
        if spec.network.pool == "none":
            return np.array(each).ravel()
        logits: Logits = streams.logits()[0]
        return logits

    return run


def _numpy(session: Session) -> Runner:
    with native.without_core():
        plain = Session(session.spec, session.tensors, session.dtype)

    def run(row: Any) -> Logits:
        with native.without_core():
            logits: Logits = plain.logits([row]).ravel()
        return logits

    return run


def _torch(session: Session) -> Runner | str:
    if session.spec.network.weights == "int8":
        return "its weights are in int8, which only the runtime computes with"
    if missing("torch"):
        return "PyTorch is not installed"
    # Here, so that whoever imports this module need not have PyTorch.
    import torch

    from timesteps.nn import build
    from timesteps.training.predict import logits
    from timesteps.training.weights import restore_weights

    networks, per_step = [], session.spec.network.pool == "none"
    for member in range(session.spec.members):
        network = build(member_network(session.spec, member))
        prefix = member_prefix(session.spec, member)
        names = network.state_dict()
        restore_weights(network, {name: torch.from_numpy(session.tensors[prefix + name].copy()) for name in names})
        networks.append(network)

    def run(row: Any) -> Logits:
        steps = session.steps([row])
        with native.without_core():  # PyTorch's own operators: the core answers for itself above
            members = [logits(network, steps, per_step=per_step).astype(np.float64) for network in networks]
        mean: Logits = np.mean(members, axis=0).ravel()
        return mean

    return run


def _onnxruntime(session: Session) -> Runner | str:
    for package, name in (("onnx", "onnx"), ("onnxruntime", "ONNX Runtime")):
        if missing(package):
            return f"{name} is not installed"
    from timesteps.interchange.onnx_out import onnx_runner

    try:
        network = from_session(session)
        answer = onnx_runner(network)
    except ModelError as error:
        return error.what
    spec = session.spec

    def run(row: Any) -> Logits | None:
        if spec.numeric is not None:
            x = row.astype(np.float32)
        else:
            x = session.steps([row]).values.astype(np.int64)
            if spec.network.input == "one_hot":
                x = np.eye(spec.network.input_size, dtype=np.float32)[x]
        return answer(Batch(x[None], np.array([len(x)])))[0] if len(x) else None

    return run


_ENGINES: dict[str, Callable[[Session], Runner | str]] = {
    "native": _native,
    "stream": _stream,
    "numpy": _numpy,
    "torch": _torch,
    "onnxruntime": _onnxruntime,
}
