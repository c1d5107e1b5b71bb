"""`timesteps export RUN FILE --to …`: a trained model for another library, or a smaller one in int8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesteps.cli.talk import print_json, say

if TYPE_CHECKING:
    from timesteps.interchange.int8_out import Int8Export


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or the model file in it.", show_default=False)],
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="What to write: .onnx, .keras, .safetensors, .arpa (or .gz) or, for int8, a folder.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="LIBRARY", help="onnx, torch, keras, int8 or arpa.", show_default=False)
    ],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="For int8: labelled data to judge on. Default: the run's own validation rows.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="What was found, as JSON on standard output.")
    ] = False,
) -> None:
    """Write a trained model for ONNX, PyTorch or Keras, a smaller one in int8, or an n-gram model as an ARPA file.

    How far the two differ is measured: both run on random inputs; nothing is written if they differ by more than 1e-5.
    An int8 model is one of ours: it is judged on labelled rows, and its card says what was lost.
    For torch, the lines of Python that rebuild the module are printed.
    Text processing stays behind: the file reads token ids or numbers, or the units of an n-gram model.
    """
    from timesteps import interchange
    from timesteps.errors import UsageError

    if to not in interchange.TARGETS:
        raise UsageError(f"--to is {to!r}", mend=f"give one of {', '.join(interchange.TARGETS)}")
    if data is not None and to != "int8":
        raise UsageError(f"--data is not for --to {to}", mend="leave it out: both sides run on random inputs")
    convert: Any = getattr(interchange, interchange.TARGETS[to])
    exported = convert(run, file) if to != "int8" else _to_int8(run, file, data)
    for note in exported.notes:
        say(note)
    say(str(exported.check))
    if as_json:
        print_json(exported.to_dict())
    elif exported.python is not None:
        typer.echo(exported.python, nl=False)


def _to_int8(run: str, file: str, data: str | None) -> Int8Export:
    """Judged on the data, or on the rows that the run was judged on."""
    from timesteps.cli.fetch import fetch
    from timesteps.interchange import to_int8
    from timesteps.runtime.layout import reads_texts
    from timesteps.runtime.session import load
    from timesteps.tasks.classify.validation import rows_to_judge

    if data is not None:
        fetch(data)
    session = load(run)
    judged = session.spec.task == "classify" and (reads_texts(session.spec) or session.spec.numeric is not None)
    rows = rows_to_judge(run, data, session.classes, say) if judged else None
    return to_int8(run, file) if rows is None else to_int8(run, file, rows.inputs, rows.labels, rows.source)
