"""`timesteps explain RUN TEXT|SERIES`: why does the model answer as it does?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesteps.cli.talk import print_json, say

if TYPE_CHECKING:
    from timesteps.inspect.explain_language import Surprise
    from timesteps.inspect.explanation import Explanation
    from timesteps.runtime.session import Session


def explain(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or the model file in it.", show_default=False)],
    row: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|SERIES",
            help="The text; for a model of numbers a file with a step a line, or the numbers themselves, steps parted "
            "by semicolons. - is standard input.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="The page; - is standard output. Default: explain.html."),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="CLASS", help="Class to explain. Default: the answer.")
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            "--step", metavar="N", help="Of a tagger: step whose tag is explained, from 1. Default: the least certain."
        ),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option("--unit", metavar="UNIT", help="Colour the steps by a unit first: h.5, c.5, f.5, …"),
    ] = None,
    layer: Annotated[
        str | None, typer.Option("--layer", metavar="LAYER", help="Where that unit is: l0, l0_reverse, …")
    ] = None,
    member: Annotated[
        int, typer.Option("--member", metavar="N", help="Of an ensemble: whose gates are shown, from 0.")
    ] = 0,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="Where the nearest rows are looked for: any form that `train` takes. "
            "Default: the data of the run, if they are there.",
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="Encoding of the data. Default: UTF-8.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="All numbers as JSON on standard output; a page only with --out.")
    ] = False,
) -> None:
    """Write a page: what each step contributes to the answer, every gate and state, and what pooling took.

    Contributions are integrated gradients, and the answer without each step. Of a language model: the surprise of each
    token.
    """  # fmt: skip
    from timesteps.cli.language import is_language_run
    from timesteps.errors import UsageError, option
    from timesteps.inspect.explanation import explain
    from timesteps.runtime.session import load

    if as_json and out == "-":
        raise UsageError("--json and --out - both want standard output", mend="give the page a file")
    if is_language_run(run):
        named = {"target": target, "step": step, "unit": unit, "layer": layer, "data": data}
        for name, value in named.items():
            if value is not None:
                raise UsageError(f"{option(name)} is not for language models", mend="leave it out")
        _explain_language(run, sys.stdin.read() if row == "-" else row, out, as_json)
        return
    session = load(run)
    given = sys.stdin.read() if row == "-" else row
    found = explain(
        session,
        _row(session, given, None if row == "-" else row),
        target=_target(session, target),
        step=None if step is None else step - 1,
        unit=unit,
        layer=layer,
        member=member,
        data=_rows(session, run, data, encoding),
        title=Path(run).resolve().name,
    )
    for note in found.notes:
        say(note)
    _deliver(found, out, as_json, f"{found.chosen.answer}: {found.chosen.name} is {found.chosen.value:.4g}")


def _explain_language(run: str, text: str, out: str | None, as_json: bool) -> None:
    """What surprises a language model."""
    from timesteps.cli.language import open_language
    from timesteps.inspect.explain_language import surprise

    found = surprise(open_language(run), text.strip("\n"), Path(run).resolve().name)
    _deliver(found, out, as_json)


def _deliver(found: Explanation | Surprise, out: str | None, as_json: bool, *lines: str) -> None:
    """The numbers, the page on standard output, or the page in a file and these lines of talk."""
    if as_json:
        print_json(found.to_dict())
        if out is None:
            return
    if out == "-":
        sys.stdout.write(found.to_html())
        return
    path = found.save(out or "explain.html")
    for line in lines:
        say(line)
    say(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB); open it in a browser")


def _row(session: Session, given: str, path: str | None) -> Any:
    """What the user gave, as the model reads it."""
    from timesteps.data.numbers import read_numbers

    if session.spec.numeric is not None:
        return read_numbers(given, path, session.spec.numeric.features)
    tokenizer = "word" if session.spec.text is None else session.spec.text.tokenizer
    if tokenizer == "ids":
        return [int(number) for number in read_numbers(given, None, 1)]
    return given.split() if tokenizer == "tokens" else given.rstrip("\n")


def _target(session: Session, target: str | None) -> str | int | None:
    """A class by its name, or the place of a number."""
    if target is None or session.spec.targets is None:
        return target
    return int(target) if target.isdecimal() else target


def _rows(
    session: Session, run: str, data: str | None, encoding: str | None
) -> tuple[Sequence[Any], Sequence[Any] | None, str] | None:
    """Rows where the nearest are looked for, their labels, and what to call them; None where there are none."""
    from timesteps.errors import UsageError

    text = session.spec.text
    if text is None or text.tokenizer == "ids":
        if data is not None:
            raise UsageError("--data is for models of texts, and this one reads numbers", mend="use timesteps.inspect")
        return None
    if text.tokenizer == "tokens":
        return None if data is None else _sentences(data, encoding)
    if data is None:
        return _run_rows(run)
    from timesteps.data.source import open_source

    table = open_source(data, labelled=None, encoding=encoding)
    if session.spec.task == "classify" and table.labels is not None:
        from timesteps.tasks.classify.rows import check_labels

        check_labels(table, session.classes)
    return table.texts, table.labels, table.source


def _sentences(data: str, encoding: str | None) -> tuple[Sequence[Any], None, str]:
    """For a tagger: sentences, tagged as in training."""
    from timesteps.data.conll import read_tagged

    return read_tagged(data, encoding).tokens, None, data


def _run_rows(run: str) -> tuple[Sequence[Any], Sequence[Any] | None, str] | None:
    """The data that a run was trained on and judged by, where they are still there; nothing is downloaded."""
    from timesteps.data.catalogue import Dataset, locate
    from timesteps.data.source import open_source, resolve
    from timesteps.data.streams import is_stdin
    from timesteps.tasks.classify.request import Request

    folder = Path(run)
    if not (folder / "request.json").is_file():
        return None
    request = Request.read(folder)
    source = request.place(request.data)
    found = resolve(source)
    if locate(found.name) is None if isinstance(found, Dataset) else is_stdin(found) or not found.exists():
        return None
    table = open_source(
        source, text_column=request.text_column, label_column=request.label_column, encoding=request.encoding
    )
    return table.texts, table.labels, f"{table.source}, the data of the run"
