"""From a file of tagged sentences to a run folder: train a tagger and judge it beside the most frequent tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from timesteps.data.conll import TaggedSentences, read_tagged
from timesteps.data.split import split_groups
from timesteps.errors import DataError, UsageError, option
from timesteps.runtime import modelfile
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.metrics_steps import TagEvaluation
from timesteps.runtime.session import load
from timesteps.tasks.rehearsal import Rehearsal
from timesteps.tasks.tag.baseline import MostFrequentTag
from timesteps.tasks.tag.estimator import Tagger

__all__ = ["TagResult", "rehearse_tagger", "run_tagger"]

_SHARE = 0.1  # of the sentences, held out where no file of them is given


@dataclass(frozen=True)
class TagResult:
    """A trained tagger, judged on sentences that it was not trained on."""

    folder: Path
    sentences: int
    evaluation: TagEvaluation
    baseline: float  # share of the tokens that the most frequent tags have right

    def __str__(self) -> str:
        tokens, whole = self.evaluation.tokens, self.evaluation.sequence_accuracy
        return "\n".join(
            [
                f"accuracy   {100 * tokens.accuracy:.2f} % of {tokens.n:,} tokens",
                f"sentences  {100 * whole:.2f} % of {self.evaluation.sequences:,} as a whole",
                f"macro-F1   {tokens.macro_f1:.4f}",
                f"baseline   {100 * self.baseline:.2f} %, the most frequent tag of each token",
                f"model      {self.folder / modelfile.FILE_NAME}",
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "folder": str(self.folder),
            "sentences": self.sentences,
            "baseline": {"name": "most frequent tag", "accuracy": self.baseline},
            **self.evaluation.to_dict(),
        }


def run_tagger(
    data: str,
    folder: Path,
    choices: Mapping[str, Any],
    *,
    valid: str | None = None,
    validation_split: float | None = None,
    encoding: str | None = None,
    say: Callable[[str], None],
    verbose: bool = True,
) -> TagResult:
    """Train, write `model.safetensors` and `log.jsonl` into the folder, and judge the file as it was written.

    Args:
        data: a file of `timesteps.data.conll`, or `-`.
        folder: made if need be; a model in it is replaced.
        choices: parameters of `Tagger`.
        valid: a file to judge on; None holds out a share of the sentences, equal ones together.
        validation_split: that share, 0.1 by default.
        encoding: of the files.
        say: hears what was read.
        verbose: show progress.

    Raises:
        DataError: files that cannot be used, by the line.
        UsageError: choices that make no sense; a folder that cannot be written.
    """
    tagger = Tagger(**choices, verbose=verbose)
    train, judged = _read(data, tagger, valid, validation_split, encoding, say)
    tagger.fit(train.tokens, train.tags, validation_data=(judged.tokens, judged.tags))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot be made: {reason}", path=folder, mend="choose another --out") from error
    tagger.save(folder / modelfile.FILE_NAME)
    with atomic_write(folder / "log.jsonl") as file:
        file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in tagger.history_))
    evaluation = load(folder, verify=True).evaluate(judged.tokens, judged.tags)
    assert isinstance(evaluation, TagEvaluation)
    answers = MostFrequentTag(train.tokens, train.tags).predict(judged.tokens)
    right = [a == b for row, tags in zip(answers, judged.tags, strict=True) for a, b in zip(row, tags, strict=True)]
    return TagResult(folder, len(train), evaluation, float(np.mean(right)))


def rehearse_tagger(
    data: str,
    choices: Mapping[str, Any],
    *,
    valid: str | None = None,
    validation_split: float | None = None,
    encoding: str | None = None,
    say: Callable[[str], None],
) -> Rehearsal:
    """What `run_tagger` would train and what it would cost, with a diagnosis; nothing is trained or written."""
    tagger = Tagger(**choices)
    train, judged = _read(data, tagger, valid, validation_split, encoding, say)
    return tagger.rehearse(train.tokens, train.tags, validation_data=(judged.tokens, judged.tags))


def _read(
    data: str,
    tagger: Tagger,
    valid: str | None,
    validation_split: float | None,
    encoding: str | None,
    say: Callable[[str], None],
) -> tuple[TaggedSentences, TaggedSentences]:
    """Sentences to train on, and others to judge."""
    if valid is not None and validation_split is not None:
        raise UsageError(f"{option('valid')} and {option('validation_split')} were both given", mend="choose one")
    train = read_tagged(data, encoding)
    if valid is None:
        keys = ["\x1e".join(tokens).encode("utf-8", "surrogatepass") for tokens in train.tokens]
        share = _SHARE if validation_split is None else validation_split
        kept, held = split_groups(keys, None, share, tagger.random_state)
        train, judged = _taken(train, kept.tolist()), _taken(train, held.tolist())
    else:
        judged = read_tagged(valid, encoding)
    say(f"{len(train):,} sentences to train on, {len(judged):,} to judge")
    known = {tag for tags in train.tags for tag in tags}
    for line, tags in zip(judged.lines, judged.tags, strict=True):
        if unknown := [tag for tag in tags if tag not in known]:
            mend = "give a training file that has it"
            raise DataError(f"the tag {unknown[0]!r} is not in training", path=valid or data, line=line, mend=mend)
    return train, judged


def _taken(sentences: TaggedSentences, rows: list[int]) -> TaggedSentences:
    return TaggedSentences(
        [sentences.tokens[row] for row in rows],
        [sentences.tags[row] for row in rows],
        [sentences.lines[row] for row in rows],
        sentences.sha256,
    )
