"""One training run as a folder: data, baselines, members, model file, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.data.vectors import load_vectors
from timesteps.errors import UsageError
from timesteps.runtime import modelfile
from timesteps.runtime.metrics import Evaluation, evaluate
from timesteps.runtime.session import Session, load, with_golden
from timesteps.tasks.baselines import BaselineResult, fit_baselines
from timesteps.tasks.classify.fitting import Fitted, fit_model
from timesteps.tasks.classify.options import Options, choose
from timesteps.tasks.classify.prepare import Prepared, prepare
from timesteps.tasks.classify.reporting import write_reports
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.result import Result
from timesteps.tasks.classify.rows import Part, Rows, read_rows
from timesteps.training.examples import Examples
from timesteps.training.progress import Progress

GOLDEN_TEXTS = 4
Say = Callable[[str], None]


@dataclass(frozen=True)
class Ready:
    """Everything before the first training step."""

    options: Options
    rows: Rows
    prepared: Prepared
    train: Examples
    valid: Examples
    vectors: NDArray[np.float32] | None


def make_ready(request: Request, say: Say) -> Ready:
    """Read the rows, learn how texts become steps, and encode them."""
    options = choose(request.recipe, "text", request.choices)
    rows = read_rows(request, options.seed, say)
    prepared = prepare("text", rows.train.texts, options, rows.classes)
    vectors = None
    if request.vectors is not None:
        vectors = _vectors(request.vectors, prepared, options, say)
    return Ready(
        options,
        rows,
        prepared,
        _examples(prepared, rows.train, _class_weights(request, rows)),
        _examples(prepared, rows.valid, None),
        vectors,
    )


def run(request: Request, folder: Path, *, resume: bool, say: Say, progress: Progress) -> Result:
    """Train as the request says and leave everything in the folder.

    With `resume`, the request is the one that the folder remembers; members that are finished stay as they are.

    Raises UsageError, DataError; and `Interrupted` (a KeyboardInterrupt) on Ctrl-C, when the run can be resumed.
    """
    if resume:
        request = Request.read(folder)
    else:
        _fresh(folder)
    seconds: dict[str, float] = {}
    with _clock(seconds, "data"):
        ready = make_ready(request, say)
    if not resume:
        request.write(folder)
    baselines: list[BaselineResult] = []
    if request.baselines:
        with _clock(seconds, "baselines"):
            baselines = fit_baselines(
                ready.rows.train.texts, ready.rows.train.targets, ready.rows.valid.texts, progress=say
            )
    with _clock(seconds, "training"):
        fitted = fit_model(
            ready.prepared,
            ready.options,
            ready.train,
            ready.valid,
            vectors=ready.vectors,
            threads=request.threads,
            folder=folder / "checkpoint",
            resume=resume,
            progress=progress,
        )
    with _clock(seconds, "judging"):
        session, result = _judge(folder, fitted, ready, baselines, seconds)
    write_reports(folder, session, ready, fitted, result)
    return result


def _judge(
    folder: Path, fitted: Fitted, ready: Ready, baselines: list[BaselineResult], seconds: dict[str, float]
) -> tuple[Session, Result]:
    """Write the model, load it as a user would, and judge what was loaded on the validation rows."""
    path = folder / modelfile.FILE_NAME
    golden = ready.rows.valid.texts[:GOLDEN_TEXTS]
    modelfile.save(path, with_golden(fitted.spec, fitted.tensors, golden), fitted.tensors)
    session = load(path, verify=True)
    valid = ready.rows.valid
    evaluations = [evaluate(valid.targets, each.probabilities, ready.rows.classes) for each in baselines]
    probabilities = session.predict_proba(valid.texts)
    evaluation = evaluate(valid.targets, probabilities, ready.rows.classes)
    predictions = probabilities.argmax(axis=1)
    return session, Result(folder, evaluation, predictions, baselines, evaluations, ready.rows, seconds)


def _fresh(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError("is a file, not a folder", path=folder, mend="choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot be made: {reason}", path=folder, mend="choose another --out") from error


def _examples(prepared: Prepared, part: Part, class_weights: NDArray[np.float64] | None) -> Examples:
    weights = np.ones(len(part), np.float32)
    if class_weights is not None:
        weights = class_weights[part.targets].astype(np.float32)
    return Examples(prepared.steps(part.texts), part.targets, weights)


def _class_weights(request: Request, rows: Rows) -> NDArray[np.float64] | None:
    """Weights that make every class count the same in total: rows / (classes · rows of the class)."""
    if request.class_weight is None:
        return None
    counts = np.bincount(rows.train.targets, minlength=len(rows.classes))
    return np.asarray(len(rows.train) / (len(rows.classes) * counts))


def _vectors(path: str, prepared: Prepared, options: Options, say: Say) -> NDArray[np.float32]:
    text = prepared.spec.text
    if options.input != "ids" or text is None or not text.words:
        raise UsageError("--vectors needs word ids as input", mend="add --input ids")
    found = load_vectors(path, text.words)
    say(str(found))
    return found.rows(text.index_from)


@contextmanager
def _clock(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
