"""`timesteps verify RUN`: does the model answer here, in every engine, as it did when it was written?"""

from __future__ import annotations

from typing import Annotated

import typer

from timesteps.cli.talk import print_json


def verify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or the model file in it.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="As JSON on standard output.")] = False,
) -> None:
    """Replay the inputs stored in the file with their logits, in every engine present.

    Engines: the compiled core, single steps, plain numpy, PyTorch, ONNX Runtime.
    Leaves with 4 if one of them answers differently.
    """
    from timesteps.inspect.verification import verify

    found = verify(run)
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(str(found))
    found.check()
