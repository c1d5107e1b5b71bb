"""`timesteps export RUN FILE --to …`: a trained model for another library."""

from __future__ import annotations

from typing import Annotated

import typer

from timesteps.cli.talk import print_json, say


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or the model file in it.", show_default=False)],
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="What to write: .onnx, .safetensors, .keras, .arpa or .gz.", show_default=False
        ),
    ],
    to: Annotated[str, typer.Option("--to", metavar="LIBRARY", help="onnx, torch, keras or arpa.", show_default=False)],
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="What was found, as JSON on standard output.")
    ] = False,
) -> None:
    """Write a trained model for ONNX, PyTorch or Keras, or an n-gram model as an ARPA file.

    How far the two differ is measured. Both run on random inputs; nothing is written if they differ by more than 1e-5.
    For torch, the lines of Python that rebuild the module are printed.
    Text processing stays behind: the file reads token ids or numbers, or the units of an n-gram model.
    """
    from timesteps import interchange
    from timesteps.errors import UsageError

    if to not in interchange.TARGETS:
        raise UsageError(f"--to is {to!r}", mend=f"give one of {', '.join(interchange.TARGETS)}")
    exported = getattr(interchange, interchange.TARGETS[to])(run, file)
    for note in exported.notes:
        say(note)
    say(str(exported.check))
    if as_json:
        print_json(exported.to_dict())
    elif exported.python is not None:
        typer.echo(exported.python, nl=False)
