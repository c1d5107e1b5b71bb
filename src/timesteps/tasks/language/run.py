"""`timesteps train language`: from a text to a run folder with a model, a log, figures and a card."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from timesteps.data.corpus import corpus_name
from timesteps.errors import UsageError
from timesteps.runtime import modelfile
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.language.evaluation import evaluate_text
from timesteps.runtime.language.recurrent import RecurrentModel
from timesteps.runtime.language.spelling.lexicon import WORDS, WordCounter
from timesteps.tasks.folder import LAST
from timesteps.tasks.language.card import card
from timesteps.tasks.language.choices import Choices, choose
from timesteps.tasks.language.corpus import Prepared, named_lines, prepare, written
from timesteps.tasks.language.estimator import network_for, train_on
from timesteps.tasks.language.evaluation import evaluate_running
from timesteps.tasks.ngram.estimator import NgramModel
from timesteps.tasks.request import RunRequest
from timesteps.training.callbacks import History
from timesteps.training.checkpoint import checkpoint_path, peek_checkpoint
from timesteps.training.language.loop import choose_language_engine
from timesteps.training.progress import Progress
from timesteps.training.report_language import LanguageReport, write_language_report

__all__ = ["LanguageRequest", "RunResult", "read_request", "run"]

_ORDER = 5  # of the n-gram model that stands beside
_REPORTED = 20_000  # tokens of the held-out text that the report looks at, line by line


class LanguageRequest(RunRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text and choices."""

    corpus: str | None = None
    valid: str | None = None
    validation_split: float | None = None
    encoding: str | None = None
    baseline: bool = True
    recipe: str = "small"
    choices: dict[str, Any] = msgspec.field(default_factory=dict)


class RunResult(msgspec.Struct, frozen=True):
    """What a run came to."""

    folder: Path
    figures: dict[str, Any]
    card: str


def run(
    request: LanguageRequest,
    folder: Path,
    *,
    resume: bool = False,
    threads: int | None = None,
    say: Callable[[str], None] = lambda line: None,
    progress: Progress | None = None,
) -> RunResult:
    """Train a language model and leave `model.safetensors`, `log.jsonl`, `report.html` and `card.md` in the folder.

    Raises:
        UsageError: the folder holds an unfinished run, or there is none to resume; an option out of its range.
        DataError: a text that cannot be read, or has too little in it.
        NonFiniteError: training diverged.
    """
    if resume:
        request = LanguageRequest.read(folder)
    choices = choose(request.recipe, **request.choices, **({"threads": threads} if threads else {}))
    choice = choose_language_engine(choices.settings)
    _claim(folder, resume)
    request = msgspec.structs.replace(request, directory=request.directory or str(Path.cwd()))
    began = time.monotonic()
    counter = None if choices.model.units == "word" else WordCounter()  # `correct` needs words
    name, prepared = read_request(request, choices, counter)
    request.write(folder)
    vocabulary, train = prepared.vocabulary, prepared.train
    held = "nothing held out" if prepared.valid is None else f"{len(prepared.valid)} held out"
    say(f"{name}: {len(train)} tokens, {held}, vocabulary of {len(vocabulary.words)}")
    say(f"engine: {choice}")
    network = network_for(vocabulary, choices)
    history = train_on(prepared, network, choices, folder=folder, resume=resume, progress=progress)
    model = RecurrentModel(network.spec, network.weights)
    model.save(folder / modelfile.FILE_NAME)
    figures: dict[str, Any] = {
        "corpus": name,
        "recipe": choices.recipe,
        "engine": choice.name,
        "train_tokens": len(train),
        "vocabulary": len(vocabulary.words),
        "parameters": sum(weight.size for name, weight in network.weights.items() if name != "vocabulary.subword"),
        "epochs": len(history.rows),
        "best_epoch": None if history.best_epoch is None else history.best_epoch + 1,
        "train_perplexity": math.exp(min(history.rows[-1]["loss"], 700.0)),
        "valid": None,
        "seconds": round(time.monotonic() - began, 1),
    }
    if prepared.valid is not None:
        figures["valid"] = evaluate_running(model, prepared.valid, prepared.characters).to_dict()
        if request.baseline and choices.model.has_sentences and choices.model.units != "subword":
            say(f"estimating a {_ORDER}-gram model of the same text")
            figures["baseline"] = _baseline(prepared, choices)
        _report(folder, model, name, prepared, history, figures)
    if counter is not None:
        counter.write(folder)
    _write(folder / "figures.json", msgspec.json.format(msgspec.json.encode(figures), indent=2))
    text = card(figures, choices.to_dict(), history.rows)
    _write(folder / LAST, text.encode())
    return RunResult(folder, figures, text)


def _baseline(prepared: Prepared, choices: Choices) -> dict[str, Any]:
    """What a model of n-grams, by modified Kneser-Ney, makes of the same sentences; each begins afresh for it."""
    assert prepared.valid is not None
    model = NgramModel(order=_ORDER, units=choices.model.units).fit(list(written(prepared.vocabulary, prepared.train)))
    found = evaluate_text(model, written(prepared.vocabulary, prepared.valid))
    return {"order": _ORDER, "perplexity": found.perplexity, "perplexity_known": found.perplexity_known}


def _report(
    folder: Path, model: RecurrentModel, name: str, prepared: Prepared, history: History, figures: dict[str, Any]
) -> None:
    assert prepared.valid is not None
    found = evaluate_text(model, written(prepared.vocabulary, prepared.valid[:_REPORTED]))
    curves = {"training": [math.exp(min(row["loss"], 700.0)) for row in history.rows]}
    curves["validation"] = [math.exp(min(row["val_loss"], 700.0)) for row in history.rows]
    facts = [(label.replace("_", " "), str(value)) for label, value in figures.items() if not isinstance(value, dict)]
    report = LanguageReport(f"Language model: {name}", "the held-out text", found, facts, curves, figures["best_epoch"])
    write_language_report(folder / "report.html", report)


def read_request(
    request: LanguageRequest, choices: Choices, counter: WordCounter | None = None
) -> tuple[str, Prepared]:
    """What the text is called, and its tokens."""
    if request.valid is not None and request.validation_split is not None:
        raise UsageError("--valid and --validation-split were both given", mend="choose one")
    share = 0.05 if request.validation_split is None else request.validation_split
    if not 0 <= share < 1:
        raise UsageError(f"--validation-split is {share}", mend="give a share of at least 0 and below 1")
    _, read = named_lines(request.place(request.corpus), request.encoding)
    name = corpus_name(request.corpus)
    lines = read if counter is None else counter.through(read)
    other = share if request.valid is None else named_lines(request.place(request.valid), request.encoding, "valid")[1]
    return name, prepare(lines, choices.model, other, name)


def _claim(folder: Path, resume: bool) -> None:
    """Make the folder; what a finished run left in it is replaced."""
    if folder.exists() and not folder.is_dir():
        raise UsageError("is a file, not a folder", path=folder, mend="choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if resume:
            if (folder / LAST).exists():
                raise UsageError("holds a finished run", path=folder, mend="leave out --resume to train anew")
            return
        path = checkpoint_path(folder)
        there = peek_checkpoint(path) if path.exists() else None
        if there is not None and there.epoch and not there.finished:
            raise UsageError(
                f"holds an unfinished run, {there.epoch} of {there.epochs} epochs done",
                path=folder,
                mend="go on with it by --resume, choose another --out, or remove the folder",
            )
        for name in (LAST, "figures.json", "report.html", WORDS, modelfile.FILE_NAME):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot be written: {reason}", path=folder, mend="choose another --out") from error


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)
