"""From a corpus to a run folder: the model file and a card."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timesteps.runtime import modelfile
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.language.ngram_spec import NGRAM
from timesteps.runtime.language.spelling.lexicon import WordCounter
from timesteps.tasks.classify.folder import claim, clear
from timesteps.tasks.ngram.choices import Choices
from timesteps.tasks.ngram.corpus import sentences
from timesteps.tasks.ngram.estimate import Estimated, Tell, estimate

__all__ = ["Result", "run"]


@dataclass(frozen=True)
class Result:
    """A finished run."""

    folder: Path
    choices: Choices
    estimated: Estimated
    seconds: float
    file_bytes: int

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
        return "\n".join(lines)


def run(
    corpus: str | None, choices: Choices, out: str | os.PathLike[str], *, say: Tell, encoding: str | None = None
) -> Result:
    """Estimate a model of the corpus and leave it in the folder `out`; what an earlier run left there is replaced.

    Raises:
        UsageError: choices that make no sense, a full disk, an unwritable folder.
        DataError: a corpus that is empty or cannot be read.
    """
    choices.check()
    folder = Path(out)
    begin = time.monotonic()
    name, numbered = sentences(corpus, encoding)
    claim(folder)
    counter = None if choices.units == "word" else WordCounter()  # `correct` needs words, whatever the model counts
    found = estimate(name, numbered if counter is None else counter.through(numbered), choices, folder, say)
    clear(folder)
    if counter is not None:
        counter.write(folder)
    modelfile.save(folder / modelfile.FILE_NAME, found.spec, found.tensors, NGRAM)
    for note in found.notes:
        say(note)
    size = (folder / modelfile.FILE_NAME).stat().st_size
    result = Result(folder, choices, found, time.monotonic() - begin, size)
    with atomic_write(folder / "card.md") as file:
        file.write(_card(result).encode())
    return result


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
        "How well it predicts a text: `timesteps evaluate`.",
    ]
    return "\n\n".join(parts) + "\n"
