"""`timesteps lab`: networks set by hand at work, and which cells can learn what they do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from timesteps.cli.talk import print_json, say

if TYPE_CHECKING:
    from timesteps.inspect.expressivity import Expressivity


def lab(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Which network, or expressivity. None: lists them.", show_default=False),
    ] = None,
    text: Annotated[
        str | None,
        typer.Argument(metavar="INPUT", help="A sequence; - is standard input. None: an example.", show_default=False),
    ] = None,
    cell: Annotated[
        list[str] | None,
        typer.Option(
            "--cell",
            metavar="NAME",
            help="Train this cell to do the same: rnn, lstm, gru, mingru, minlstm. With expressivity, again for more.",
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", metavar="NAME", help="For expressivity: parity, count, copy, add; again for more."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of training.")] = 0,
    svg: Annotated[
        str | None, typer.Option("--svg", metavar="FILE", help="Draw the network, unrolled over the steps.")
    ] = None,
    save: Annotated[
        str | None, typer.Option("--save", metavar="FILE", help="Write the network as a model file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="As JSON on standard output.")] = False,
) -> None:
    """Watch a small network compute: every step with its inputs, gates and states, as a table and a drawing.

    timesteps lab parity 0101101011; timesteps lab parity 0101101011 --cell lstm; timesteps lab expressivity
    """
    from timesteps.errors import UsageError, option
    from timesteps.inspect.lab import EXPRESSIVITY
    from timesteps.inspect.lab import lab as run

    if name is None:
        _list(as_json)
        return
    if (wrong := next((word for word in (name, text or "") if word.startswith("--")), None)) is not None:
        raise UsageError(f"no such option: {wrong}", mend="see --help")
    if name == EXPRESSIVITY:
        for given, flag in ((text, "INPUT"), (svg, "--svg"), (save, "--save")):
            if given is not None:
                raise UsageError(f"expressivity takes no {flag}", mend=f"leave out {given!r}")
        _compare(cell, task, seed, as_json)
        return
    if task:
        raise UsageError(f"{option('task', task[0])} with {name!r}", mend="it is for expressivity")
    if cell and len(cell) > 1:
        raise UsageError(f"{option('cell')} is given {len(cell)} times", mend="give one, or use expressivity")
    shown = run(name, sys.stdin.read() if text == "-" else text, cell[0] if cell else None, seed=seed)
    if svg is not None:
        shown.draw(svg)
    if save is not None:
        shown.save(save)
    if as_json:
        print_json(shown.to_dict())
        return
    from timesteps.inspect.handset.equations import packed

    typer.echo("\n".join([shown.title, *packed(shown.notes, 80), "", *shown.lines()]))
    for path, what in ((svg, "drawn in"), (save, "saved as")):
        if path is not None:
            say(f"{what} {path}")


def _list(as_json: bool) -> None:
    from timesteps.inspect.handset import HANDSETS
    from timesteps.inspect.lab import EXPRESSIVITY

    rows = [(each.name, each.what, each.example) for each in HANDSETS.values()]
    if as_json:
        print_json([{"lab": name, "what": what, "example": example} for name, what, example in rows])
        return
    for name, what, _ in [*rows, (EXPRESSIVITY, "which cells can learn such rules?", "")]:
        typer.echo(f"{name:<14}{what}")


def _compare(cells: list[str] | None, tasks: list[str] | None, seed: int, as_json: bool) -> None:
    from timesteps.inspect.expressivity import CELLS, TASKS, expressivity, task

    names, chosen = [task(name).name for name in tasks or TASKS], cells or CELLS
    found = []
    for name in names:
        for cell in chosen:
            one = expressivity(cell, name, seed=seed)
            if not as_json:
                _say_row(one, first=cell == chosen[0])
            found.append(one)
    if as_json:
        print_json([one.to_dict() for one in found])
        return
    say(f"percent of steps answered rightly, by the length of the sequences; trained on up to {found[0].trained_to}")
    for reason in dict.fromkeys(one.theory for one in found):
        if reason is not None:
            say(reason)


def _say_row(one: Expressivity, first: bool) -> None:
    """A line a cell; before the first of a task, the task, the lengths, and what guessing gives."""

    def line(name: str, shares: dict[int, float], end: str = "") -> str:
        return f"  {name:<10}" + "".join(f"{_floored(share):>8}" for share in shares.values()) + end

    if first:
        typer.echo(f"{one.task.name}: {one.task.what}")
        typer.echo(f"  {'steps':<10}" + "".join(f"{length:>8,}" for length in one.accuracy) + "   learned")
        typer.echo(line("guess", one.chance))
    typer.echo(line(one.cell, one.accuracy, "   yes" if one.can else "   no"))


def _floored(share: float) -> str:
    """In percent; only what is exact is 100."""
    return "100" if share == 1 else f"{int(1000 * share) / 10:.1f}"
