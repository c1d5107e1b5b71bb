"""`timesteps predict RUN [FILE|-]`: a line in, a line out."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from timesteps.cli.arriving import arriving
from timesteps.cli.talk import answers

if TYPE_CHECKING:
    from timesteps.runtime.session import Session


def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or the model file in it.", show_default=False)],
    file: Annotated[str, typer.Argument(metavar="FILE", help="One text a line; - is standard input.")] = "-",
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="One JSON object a line, with every class.")
    ] = False,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="Encoding of the file. Default: UTF-8.")
    ] = None,
) -> None:
    """Classify texts: for each line of the input, a line `label <tab> probability`.

    A classifier of sequences of numbers reads a file of the form that it was trained on, with or without labels; it
    writes `sequence <tab> label <tab> probability`.

    A tagger reads a token a line (columns behind it are not read), and a blank line behind each sentence; it writes
    `token <tab> tag`.
    """
    from timesteps.data.lines import iter_lines
    from timesteps.errors import ModelError
    from timesteps.runtime.session import load

    session = load(run)
    if session.spec.task == "tag" and session.spec.text is not None and session.spec.text.tokenizer == "tokens":
        _tag(session, file, encoding, as_json)
        return
    if session.spec.task == "classify" and session.spec.numeric is not None:
        _sequences(session, run, file, encoding, as_json)
        return
    if session.spec.task != "classify" or session.spec.text is None or session.spec.text.tokenizer == "ids":
        raise ModelError("this model reads numbers, not lines of text", path=run, mend="use timesteps.load in Python")
    say = answers(session.classes, as_json)
    for batch in arriving(text for _, text in iter_lines(file, encoding=encoding)):
        for row in session.predict_proba(batch):
            print(say(row))
        sys.stdout.flush()


def _sequences(session: Session, run: str, file: str, encoding: str | None, as_json: bool) -> None:
    """Sequences of numbers, in the columns that the run was trained on."""
    import msgspec

    from timesteps.cli.talk import say as tell
    from timesteps.data.sequence_table import SequenceTable
    from timesteps.runtime.display import printable
    from timesteps.tasks.classify.given import check_width, inputs_of, open_rows, request_of
    from timesteps.tasks.classify.request import Request

    request = request_of(run) or Request()
    table = open_rows(msgspec.structs.replace(request, encoding=encoding or request.encoding), file, labelled=False)
    assert isinstance(table, SequenceTable)
    check_width(table, session.spec)
    for note in table.notes:
        tell(note)
    answer = answers(session.classes, as_json)
    for name, row in zip(table.names, session.predict_proba(inputs_of(table)), strict=True):
        said = answer(row)
        print(
            json.dumps({"sequence": name, **json.loads(said)}, ensure_ascii=False)
            if as_json
            else f"{printable(name)}\t{said}"
        )


def _tag(session: Session, file: str, encoding: str | None, as_json: bool) -> None:
    """Sentences as they arrive, each answered whole."""
    from timesteps.data.conll import sentences
    from timesteps.data.lines import iter_lines
    from timesteps.runtime.display import printable

    rows = ([columns[0] for _, columns in found] for found in sentences(iter_lines(file, encoding=encoding)))
    for batch in arriving(rows):
        for tokens, tags in zip(batch, session.predict(batch), strict=True):
            if as_json:
                print(json.dumps({"tokens": tokens, "tags": tags}, ensure_ascii=False))
            else:
                print("".join(f"{printable(a)}\t{printable(str(b))}\n" for a, b in zip(tokens, tags, strict=True)))
        sys.stdout.flush()
