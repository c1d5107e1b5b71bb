"""One training run as a folder: data, baselines, members, model file, report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from timesteps.runtime import modelfile
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.metrics import evaluate
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.session import Session, load, with_golden
from timesteps.tasks.baselines import BaselineResult, fit_baselines
from timesteps.tasks.classify.fitting import Fitted, fit_model
from timesteps.tasks.classify.memory import give_back, memory_for
from timesteps.tasks.classify.pretraining import pretrained
from timesteps.tasks.classify.ready import Ready, Say, make_ready
from timesteps.tasks.classify.reporting import write_reports
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.result import Result
from timesteps.tasks.folder import CHECKPOINT, claim, clear
from timesteps.training.examples import Examples
from timesteps.training.progress import Progress

GOLDEN_ROWS = 4
GOLDEN_STEPS = 200  # of a row of numbers: they are written out in the model file


def run(request: Request, folder: Path, *, resume: bool, say: Say, progress: Progress) -> Result:
    """Train as the request says and leave everything in the folder.

    With `resume`, the request is the one that the folder remembers; members that are finished stay as they are.
    Without, a finished run in the folder is replaced, once the data has been read.

    Raises:
        UsageError: options that make no sense; a folder with an unfinished run, without `resume`; resuming with other
            options than the run was begun with; a folder that cannot be written.
        DataError: data that cannot be used.
        ModelError: a damaged checkpoint.
        KeyboardInterrupt: Ctrl-C; the run can be resumed if `folder.can_resume` says so.
    """
    if resume:
        request = request.resumed(folder)
    elif claim(folder):
        say(f"{folder} holds a finished run, which this one replaces")
    if not resume:
        request = msgspec.structs.replace(request, directory=str(Path.cwd()))
    memory = memory_for(request)
    if memory is not None:
        say(f"the data may need more than {memory / 2**20:,.0f} MiB of memory: training from the disk")
    request = msgspec.structs.replace(request, memory="none" if memory is None else str(memory))
    with ExitStack() as stack:
        scratch = None if memory is None else stack.enter_context(Scratch(memory, folder))
        return _run(request, folder, scratch, resume, say, progress)


def _run(request: Request, folder: Path, scratch: Scratch | None, resume: bool, say: Say, progress: Progress) -> Result:
    seconds: dict[str, float] = {}
    with _clock(seconds, "data"):
        ready = make_ready(request, say, scratch)
    give_back()
    if ready.rows.features:  # later files may have more columns of numbers
        request = msgspec.structs.replace(request, features=list(ready.rows.features))
    if not resume:
        clear(folder)
        request.write(folder)
    baselines: list[BaselineResult] = []
    if request.baselines:
        sample = ready.rows.train
        if len(sample.inputs) < len(sample):
            say(f"baselines need their rows in memory: trained on {len(sample.inputs):,} of {len(sample):,}")
        with _clock(seconds, "baselines"):
            baselines = fit_baselines(
                _as_baselines_read(sample.inputs),
                sample.targets,
                _as_baselines_read(ready.rows.valid.inputs),
                sample_weight=ready.train.weights if isinstance(ready.train, Examples) else None,
                num_classes=len(ready.rows.classes),
                progress=say,
            )
    with _clock(seconds, "training"):
        vectors = pretrained(ready.prepared, ready.options, say) if ready.vectors is None else ready.vectors
        fitted = fit_model(
            ready.prepared,
            ready.options,
            ready.train,
            ready.valid,
            vectors=vectors,
            threads=request.threads,
            folder=folder / CHECKPOINT,
            resume=resume,
            progress=progress,
            say=say,
        )
    with _clock(seconds, "judging"):
        session, result = _judge(folder, fitted, ready, baselines, seconds)
    _write_log(folder, fitted)
    write_reports(folder, request, session, ready, fitted, result)
    return result


def _judge(
    folder: Path, fitted: Fitted, ready: Ready, baselines: list[BaselineResult], seconds: dict[str, float]
) -> tuple[Session, Result]:
    """Write the model, load it as a user would, and judge what was loaded on the validation rows."""
    path = folder / modelfile.FILE_NAME
    valid = ready.rows.valid
    golden = [row[:GOLDEN_STEPS] if isinstance(row, np.ndarray) else row for row in valid.inputs[:GOLDEN_ROWS]]
    modelfile.save(path, with_golden(fitted.spec, fitted.tensors, golden), fitted.tensors)
    session = load(path, verify=True)
    evaluations = [evaluate(valid.targets, each.probabilities, ready.rows.classes) for each in baselines]
    probabilities = session.predict_proba(valid.inputs)
    evaluation = evaluate(valid.targets, probabilities, ready.rows.classes)
    return session, Result(folder, evaluation, probabilities, baselines, evaluations, ready.rows, seconds)


def _as_baselines_read(inputs: list[Any]) -> list[str] | Sequences:
    numeric = bool(inputs) and not isinstance(inputs[0], str)
    return Sequences.of(inputs, np.float64) if numeric else inputs


def _write_log(folder: Path, fitted: Fitted) -> None:
    """`log.jsonl`: one line an epoch and member. No clock in it, so that a resumed run leaves the same bytes."""
    lines = [
        msgspec.json.encode({"member": member, "engine": history.engine.name if history.engine else "", **record})
        for member, history in enumerate(fitted.histories)
        for record in history.rows
    ]
    with atomic_write(folder / "log.jsonl") as file:
        file.write(b"".join(line + b"\n" for line in lines))


@contextmanager
def _clock(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
