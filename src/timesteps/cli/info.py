"""`timesteps info RUN`: what is in the model file?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from timesteps.cli.talk import print_json

if TYPE_CHECKING:
    from timesteps.runtime.summary import Summary


def info(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or the model file in it.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="As JSON on standard output.")] = False,
) -> None:
    """Layers, output shapes, parameters, size: like Keras' summary; of a language model, its kind and sizes."""
    describe(run, as_json, str)


def describe(run: str, as_json: bool, told: Callable[[Summary], str]) -> None:
    """Print what any run's file holds; of networks, the summary as it is to be told."""
    from timesteps.cli.language import is_language_run, open_language

    if is_language_run(run):
        from timesteps.runtime.language.summary import language_lines, language_summary

        found = language_summary(open_language(run))
        if as_json:
            print_json(found)
        else:
            typer.echo("\n".join(language_lines(found)))
        return
    from timesteps.runtime.forecast.forecaster import TrainedForecaster
    from timesteps.runtime.forecast.summary import forecast_lines, forecast_summary
    from timesteps.runtime.session import open_network
    from timesteps.runtime.summary import summary

    session = open_network(run)
    result = summary(session)
    forecaster = None if session.spec.forecast is None else TrainedForecaster(session.spec, session.tensors)
    if as_json:
        print_json(result.to_dict() | ({} if forecaster is None else {"forecast": forecast_summary(forecaster)}))
        return
    typer.echo(told(result))
    if forecaster is not None:
        typer.echo("\n".join(forecast_lines(forecaster)))
