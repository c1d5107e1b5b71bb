"""`timesteps correct RUN [FILE|-]`: what did the writer mean?"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from timesteps.cli import language


def correct(
    run: language.Run,
    file: language.File = "-",
    words: Annotated[
        str | None,
        typer.Option(
            "--words",
            metavar="FILE",
            help="Correct words with their frequencies, `word 123` a line. Default: words.txt in the run's folder, "
            "or the model's own words.",
        ),
    ] = None,
    caution: Annotated[
        float | None,
        typer.Option("--caution", metavar="X", help="Nats by which a correction must be better. Default: 1."),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option("--weight", metavar="X", help="Of the language model beside the keyboard's slips. Default: 1."),
    ] = None,
    blanks: Annotated[
        bool,
        typer.Option(
            "--blanks/--no-blanks",
            help="Whether two words may have been written as one, and one as two: Korean spacing, too. Default: no.",
        ),
    ] = False,
    as_json: language.JsonLines = False,
    encoding: language.Encoding = None,
) -> None:
    """Each line as it was meant: misspelled words, and words that are words but not the ones that were meant.

    Candidates are near on the keyboard (QWERTY, Korean 2-beolsik), and judged in their sentence.
    """
    from timesteps.runtime.language.spelling.corrector import Corrector, Settings

    usual = Settings()
    settings = Settings(
        caution=usual.caution if caution is None else caution,
        weight=usual.weight if weight is None else weight,
        blanks=blanks,
    )
    model = language.open_language(run)
    corrector = Corrector(model, language.lexicon(run, words), settings=settings)
    for batch in language.sentences(file, encoding):
        try:
            for number, line in batch:
                with language.of_line(file, number):
                    found = corrector.correct(line)
                print(json.dumps(found.to_dict(), ensure_ascii=False) if as_json else found.text)
        finally:
            sys.stdout.flush()
