"""`timesteps info RUN`: what is in the model file?"""

from __future__ import annotations

from typing import Annotated

import typer

from timesteps.cli.talk import print_json


def info(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or the model file in it.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="As JSON on standard output.")] = False,
) -> None:
    """Layers, output shapes, parameters, size: like Keras' summary."""
    from timesteps.inspect.summary import summary
    from timesteps.runtime.session import load

    result = summary(load(run))
    if as_json:
        print_json(result.to_dict())
    else:
        typer.echo(str(result))
