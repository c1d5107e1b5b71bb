"""From a corpus to a run folder: the model file, a report and a card."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from timesteps.data.corpus import corpus_lines
from timesteps.errors import UsageError, option
from timesteps.runtime import modelfile
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.language.evaluation import TextEvaluation, evaluate_text
from timesteps.runtime.language.ngram import Ngram
from timesteps.runtime.language.ngram_spec import NGRAM
from timesteps.runtime.language.spelling.lexicon import WordCounter
from timesteps.tasks.folder import claim, clear
from timesteps.tasks.ngram.choices import Choices
from timesteps.tasks.ngram.corpus import sentences
from timesteps.tasks.ngram.estimate import Estimated, Tell, estimate
from timesteps.tasks.ngram.held import HeldOut
from timesteps.training.report_language import LanguageReport, write_language_report

__all__ = ["Result", "run"]


@dataclass(frozen=True)
class Result:
    """A finished run."""

    folder: Path
    choices: Choices
    estimated: Estimated
    seconds: float
    file_bytes: int
    judged: TextEvaluation | None
    """On what was held out; None where nothing was."""

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        found = self.estimated
        return {
            "folder": str(self.folder),
            "corpus": found.spec.training["corpus"],
            "sentences": found.sentences,
            "tokens": found.tokens,
            "vocabulary": found.spec.counts[0],
            "smoothing": self.choices.smoothing,
            "ngrams": list(found.spec.counts),
            "discounts": [list(each) for each in found.discounts],
            "spilled_runs": found.spilled,
            "seconds": round(self.seconds, 3),
            "file_bytes": self.file_bytes,
            "notes": found.notes,
            "valid": None if self.judged is None else _figures(self.judged),
        }

    def __str__(self) -> str:
        found = self.estimated
        orders = ", ".join(f"{n}: {count:,}" for n, count in enumerate(found.spec.counts, 1))
        lines = [
            f"read       {found.sentences:,} sentences, {found.tokens:,} tokens (their ends among them)",
            f"smoothing  {self.choices.smoothing}",
            f"n-grams    {orders}",
            f"file       {self.file_bytes / 2**20:.1f} MiB, after {self.seconds:.1f} s",
            f"wrote      {self.folder}",
        ]
        if (judged := self.judged) is not None:
            lines.insert(3, f"perplexity {judged.perplexity:.2f} on {judged.lines:,} sentences held out")
        return "\n".join(lines)


def run(
    corpus: str | None,
    choices: Choices,
    out: str | os.PathLike[str],
    *,
    say: Tell,
    encoding: str | None = None,
    valid: str | None = None,
    validation_split: float | None = None,
) -> Result:
    """Estimate a model of the corpus and leave it in the folder `out`; what an earlier run left there is replaced.

    Args:
        corpus, encoding: as `NgramModel.fit`.
        choices: how.
        out: the folder.
        say: called with sentences for the person who waits.
        valid: another text to judge the model on, for the report.
        validation_split: without it, the share of the corpus that is held out for that: at even distances, at most
            1,000 sentences. None is 0.05.

    Raises:
        UsageError: choices that make no sense, a full disk, an unwritable folder.
        DataError: a corpus that is empty or cannot be read.
    """
    choices.check()
    if valid is not None and validation_split is not None:
        raise UsageError(f"{option('valid')} and {option('validation_split')} were both given", mend="choose one")
    held = HeldOut(validation_split if valid is None else 0.0)
    folder = Path(out)
    begin = time.monotonic()
    name, numbered = sentences(corpus, encoding)
    claim(folder)
    counter = None if choices.units == "word" else WordCounter()  # `correct` needs words, whatever the model counts
    read = numbered if counter is None else counter.through(numbered)
    other = None if valid is None else _begun(corpus_lines(valid, encoding=encoding))
    found = estimate(name, held.out_of(read), choices, folder, say)
    judged = None
    if other is not None or any(line.strip() for _, line in held.lines):
        judged = evaluate_text(Ngram(found.spec, found.tensors), other or held.lines, name=valid or name)
    clear(folder)
    if counter is not None:
        counter.write(folder)
    modelfile.save(folder / modelfile.FILE_NAME, found.spec, found.tensors, NGRAM)
    for note in found.notes:
        say(note)
    size = (folder / modelfile.FILE_NAME).stat().st_size
    result = Result(folder, choices, found, time.monotonic() - begin, size, judged)
    if judged is not None:
        source = f"{name}, held out" if valid is None else valid
        facts = [(key.replace("_", " "), str(value)) for key, value in result.to_dict().items() if _plain(value)]
        write_language_report(folder / "report.html", LanguageReport(f"N-gram model: {name}", source, judged, facts))
    with atomic_write(folder / "card.md") as file:
        file.write(_card(result).encode())
    return result


def _begun(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The same lines, the first one read: a text that is not there says so before hours of estimation, not after."""
    first = next(lines)
    return chain([first], lines)


def _plain(value: Any) -> bool:
    """Whether a figure is one that a line can say."""
    return isinstance(value, str | int | float)


def _figures(judged: TextEvaluation) -> dict[str, Any]:
    """Without where they come from, which is in the report."""
    return {key: value for key, value in judged.to_dict().items() if key not in ("by_position", "surprises")}


def _card(result: Result) -> str:
    found, choices = result.estimated, result.choices
    units = choices.units + (", lower case" if choices.lowercase else "")
    rows = "".join(f"| {n} | {count:,} |\n" for n, count in enumerate(found.spec.counts, 1))
    parts = [
        "# An n-gram language model",
        f"Of order {choices.order}, smoothed by {choices.smoothing}, over units of kind {units}.",
        f"Estimated from {found.spec.training['corpus']}: {found.sentences:,} sentences, {found.tokens:,} tokens.",
        f"| order | n-grams |\n|---|---|\n{rows}".rstrip(),
        *(f"- {note}" for note in found.notes),
        *_judgement(result.judged),
        "How well it predicts another text: `timesteps evaluate`.",
    ]
    return "\n\n".join(parts) + "\n"


def _judgement(judged: TextEvaluation | None) -> list[str]:
    if judged is None:
        return ["Nothing was held out, so nothing is known of other texts."]
    figures = [
        ("perplexity", judged.perplexity),
        ("without unknown words", judged.perplexity_known),
        ("bits a character", judged.bits_per_character),
    ]
    rows = "".join(f"| {name} | {value:.2f} |\n" for name, value in figures if not math.isnan(value))
    impossible = ", ".join(judged.impossible[:10])
    return [
        f"On {judged.tokens:,} tokens in {judged.lines:,} sentences held out, {judged.unknown:,} tokens unknown:",
        f"| figure | value |\n|---|---|\n{rows}".rstrip(),
        *(
            [f"The perplexity is infinite because the model holds these impossible: {impossible}."]
            if impossible
            else []
        ),
    ]
