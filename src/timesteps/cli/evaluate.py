"""`timesteps evaluate RUN DATA`: how good is the model on rows with known labels?"""

from __future__ import annotations

from typing import Annotated

import typer

from timesteps.cli.talk import percent, print_json, say


def evaluate(
    run: Annotated[str, typer.Argument(help="Run folder, or the model file in it.", show_default=False)],
    data: Annotated[str, typer.Argument(help="Labelled data, in any form that `train` takes.", show_default=False)],
    text_column: Annotated[str | None, typer.Option("--text-column", help="Name or number of the text column.")] = None,
    label_column: Annotated[str | None, typer.Option("--label-column", help="Name or number of the label column.")] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Encoding of the file.", show_default="UTF-8")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON on standard output.")] = False,
) -> None:
    """Accuracy with a 95 % interval, macro-F1, log loss and the confusion matrix."""
    from timesteps.data.source import open_source
    from timesteps.runtime.session import load

    session = load(run)
    table = open_source(data, text_column=text_column, label_column=label_column, encoding=encoding)
    for note in table.notes:
        say(note)
    result = session.evaluate(table.texts, table.labels or [])
    if as_json:
        print_json({**result.to_dict(), "rows_read": table.rows_read, "rows_skipped": len(table.skipped)})
        return
    low, high = result.accuracy_interval
    typer.echo(f"accuracy   {percent(result.accuracy)}  (95 % interval {percent(low)} to {percent(high)})")
    typer.echo(f"macro-F1   {result.macro_f1:.4f}")
    typer.echo(f"log loss   {result.log_loss:.4f}")
    typer.echo(f"rows       {result.n} judged, {len(table.skipped)} skipped, {table.rows_read} read")
    typer.echo(result.matrix_text())
