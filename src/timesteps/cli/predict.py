"""`timesteps predict RUN [FILE|-]`: a line in, a line out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from queue import Queue
from threading import Thread
from typing import Annotated

import typer

#: Lines judged together at the most.
BATCH = 1024


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
    """Classify texts: for each line of the input, a line `label <tab> probability`."""
    from timesteps.data.lines import iter_lines
    from timesteps.errors import ModelError
    from timesteps.runtime.display import printable
    from timesteps.runtime.session import load

    session = load(run)
    if session.spec.text is None or session.spec.text.tokenizer == "ids":
        raise ModelError("this model reads numbers, not lines of text", path=run, mend="use timesteps.load in Python")
    names = [str(label) for label in session.classes]
    shown = [printable(name) for name in names]  # a label with a tab or a line's end in it would break the columns
    for batch in _waiting(text for _, text in iter_lines(file, encoding=encoding)):
        for row in session.predict_proba(batch):
            best = int(row.argmax())
            if as_json:
                probabilities = dict(zip(names, map(float, row), strict=True))
                answer = {"label": names[best], "probability": float(row[best]), "probabilities": probabilities}
                print(json.dumps(answer, ensure_ascii=False))
            else:
                print(f"{shown[best]}\t{row[best]:.4f}")
        sys.stdout.flush()


def _waiting(lines: Iterable[str]) -> Iterator[list[str]]:
    """Batches of the lines that have arrived: one when they come singly, up to BATCH when they pour in.

    So a person who types, or a program that waits for each answer, gets it at once, and a long file is still judged
    in large batches.
    """
    arrived: Queue[str | BaseException | None] = Queue(maxsize=BATCH)

    def read() -> None:
        try:
            for line in lines:
                arrived.put(line)
            arrived.put(None)
        except BaseException as error:  # handed to the main thread, which raises it after the lines before it
            arrived.put(error)

    Thread(target=read, daemon=True).start()
    item = arrived.get()
    while isinstance(item, str):
        batch = [item]
        while len(batch) < BATCH and not arrived.empty() and isinstance(item := arrived.get(), str):
            batch.append(item)
        yield batch
        if isinstance(item, str):
            item = arrived.get()
    if item is not None:
        raise item
