"""From a finished run to its `report.html` and `card.md`."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.data.catalogue import DATASETS
from timesteps.runtime.session import Session
from timesteps.runtime.summary import summary
from timesteps.runtime.text.processor import TextProcessor
from timesteps.tasks.classify.fitting import Fitted
from timesteps.tasks.classify.ready import Ready
from timesteps.tasks.classify.request import Request, flag_words
from timesteps.tasks.classify.result import Result
from timesteps.training.report import Baseline, ReportContent, RowAccount, write_card, write_report
from timesteps.training.versions import versions


def write_reports(
    folder: Path, request: Request, session: Session, ready: Ready, fitted: Fitted, result: Result
) -> None:
    """Write the report for people and the card for the model's readers into the run folder."""
    rows = result.rows
    baselines = [
        Baseline(each.name, each.description, evaluation, each.seconds, each.settings)
        for each, evaluation in zip(result.baselines, result.baseline_evaluations, strict=True)
    ]
    waste = [record["padding_waste"] for record in fitted.histories[0].rows if "padding_waste" in record]
    content = ReportContent(
        title=f"Classifying {rows.source}",
        evaluation=result.evaluation,
        targets=rows.valid.targets,
        probabilities=result.probabilities,
        baselines=baselines,
        comparison=result.comparison,
        texts=rows.valid.inputs if session.spec.text is not None else (),
        places=[f"{rows.valid_name}:{line}" for line in rows.valid.lines],
        histories=[history.rows for history in fitted.histories],
        lengths=_whole_lengths(session, rows.train.inputs),
        max_length=ready.options.max_length,
        padding_waste=float(np.mean(waste)) if waste else None,
        rows=RowAccount(rows.read, len(rows.train), len(rows.valid), rows.left_out, notes=rows.notes),
        source=rows.source + (f"; word vectors also on the texts of {request.unlabeled}" if request.unlabeled else ""),
        valid_source=rows.valid_source,
        sha256=rows.sha256,
        licence=next((known.licence for name, known in DATASETS.items() if name == (request.data or "sample")), ""),
        settings=ready.options.as_dict(),
        model=summary(session).to_dict(),
        seconds=result.seconds,
        versions=versions(),
        engine=str(fitted.histories[0].engine),
        command=_command(request, folder),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    write_report(folder, content)
    write_card(folder, content)


def _whole_lengths(session: Session, inputs: list[Any]) -> NDArray[np.int64]:
    """Steps of the rows before truncation."""
    if session.spec.text is None:
        return np.array([len(row) for row in inputs], np.int64)
    whole = msgspec.structs.replace(
        session.spec.text, max_length=None, mask=True, truncating="pre", head_length=0, guide=None
    )
    return TextProcessor.load(whole, session.tensors).steps(inputs).lengths


def _command(request: Request, folder: Path) -> str:
    """The command line that asks for the same, without the folders of this machine."""
    words = ["timesteps", "train", "classify"]
    words += [] if request.data is None else [Path(request.data).name]
    given: dict[str, Any] = {
        "text_column": request.text_column,
        "label_column": request.label_column,
        "time": request.time,
        "group": request.group,
        "features": None if request.features is None else ",".join(request.features),
        "missing": request.missing,
        "window": request.window,
        "encoding": request.encoding,
        "valid": None if request.valid is None else Path(request.valid).name,
        "validation_split": request.validation_split,
        "baselines": None if request.baselines else False,
        "recipe": request.recipe,
        "vectors": None if request.vectors is None else Path(request.vectors).name,
        "unlabeled": None if request.unlabeled is None else Path(request.unlabeled).name,
        "class_weight": request.class_weight,
        "threads": request.threads,
        **request.choices,
    }
    for name, value in given.items():
        words += [] if value is None else flag_words(name, value)
    return shlex.join([*words, "--out", folder.name])
