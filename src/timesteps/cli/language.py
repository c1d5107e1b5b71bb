"""What the verbs of language models share: which runs they are for, their lines in, their errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from timesteps.runtime.language.model import LanguageModel
    from timesteps.runtime.language.spelling.lexicon import Lexicon

Run = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Run folder of a language model, or the file in it.", show_default=False),
]
File = Annotated[str, typer.Argument(metavar="FILE", help="One sentence a line; - is standard input.")]
Encoding = Annotated[
    str | None, typer.Option("--encoding", metavar="NAME", help="Encoding of the file. Default: UTF-8.")
]
JsonLines = Annotated[bool, typer.Option("--json", metavar="", help="One JSON object a line.")]


def is_language_run(run: str) -> bool:
    """Whether a run holds a language model. `ModelError` if it holds nothing that can be opened."""
    from timesteps.runtime import modelfile
    from timesteps.runtime.language.loading import TASKS
    from timesteps.runtime.language.mixture_file import is_mixture

    return is_mixture(run) or modelfile.task(modelfile.find(run)) in TASKS


def open_language(run: str) -> LanguageModel:
    """The language model of a run. `ModelError` names the verb's run, and what else it holds."""
    from timesteps.runtime.language.loading import load_language

    return load_language(run)


def sentences(file: str, encoding: str | None) -> Iterator[list[tuple[int, str]]]:
    """Batches of numbered lines as they arrive. `DataError` for a file without a line."""
    from timesteps.cli.arriving import arriving
    from timesteps.data.lines import iter_lines
    from timesteps.errors import DataError

    nothing = True
    for batch in arriving(iter_lines(file, encoding=encoding)):
        nothing = False
        yield batch
    if nothing:
        raise DataError("is empty", path=file, mend="give one sentence a line")


@contextmanager
def of_line(file: str, number: int) -> Iterator[None]:
    """Errors inside name the line of the file."""
    from timesteps.errors import DataError, ModelError, UsageError

    try:
        yield
    except UsageError as error:
        raise DataError(error.what, path=file, line=number, mend=error.mend) from error
    except ModelError as error:
        raise ModelError(error.what, path=file, line=number, mend=error.mend) from error


def lexicon(run: str, words: str | None) -> Lexicon | None:
    """The list of words that was named, or that training left in the run's folder; None if there is neither."""
    from timesteps.data.lines import iter_lines
    from timesteps.runtime.language.spelling.lexicon import Lexicon

    return Lexicon.of_run(run) if words is None else Lexicon.read(iter_lines(words), name=words)
