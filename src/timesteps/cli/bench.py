"""`timesteps bench`: how fast are the recurrent layers here, beside PyTorch's?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from timesteps.cli.talk import print_json, say

if TYPE_CHECKING:
    from timesteps.inspect.speed import Case, Measured


def bench(
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", metavar="NAME", help="RNN, LSTM or GRU; again for more. Default: all."),
    ] = None,
    hidden: Annotated[
        list[int] | None, typer.Option("--hidden", metavar="H", help="Hidden and input size. Default: 8, 64 and 256.")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option("--batch", metavar="B", help="Rows of a batch. Default: 1 and 32.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", metavar="N", help="Threads of both sides.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="All figures as JSON on standard output.")
    ] = False,
) -> None:
    """Time this library's layers and torch.nn's in turn, half a minute: torch's time divided by ours.

    100 steps, as many inputs as hidden units, float32; medians of at least nine rounds. See docs/speed.md.
    """
    from dataclasses import asdict

    from timesteps.inspect.overhead import measure_overhead
    from timesteps.inspect.speed import GATES, WORKS, faults, grid, measure
    from timesteps.runtime import native

    cases = grid(layer or list(GATES), hidden or [8, 64, 256], batch or [1, 32], WORKS, [threads])
    say(native.explain())
    if not as_json:
        typer.echo(f"{'layer':<6}{'H':>5}{'B':>5}  {'work':<10}{'torch ÷ ours':>13}{'ours, µs':>12}{'% of peak':>11}")
    rows = []
    for case in cases:
        measured = measure(case)
        rows.append((case, measured, faults(measured.errors, measured.torch_errors)))
        if not as_json:
            typer.echo(_line(*rows[-1]))
    if as_json:
        print_json([{**asdict(case), **measured.to_dict(), "faults": wrong} for case, measured, wrong in rows])
        return
    if native.core is not None:
        for work, beyond in ((work, measure_overhead(cases[0].cell, work).beyond) for work in WORKS):
            say(f"a call beyond its kernels, {cases[0].cell}, H = 8, B = 1, {work}: {1e6 * beyond.median:.0f} µs")
    for how in {measured.peak for _, measured, _ in rows} - {None}:
        say(f"peak: {how}")
    if any(measured.ratio.noisy for _, measured, _ in rows):
        say("~ the rounds differ by more than a fifth: something else was using this machine")


def _line(case: Case, measured: Measured, wrong: list[str]) -> str:
    share = "" if measured.peak_share is None else f"{100 * measured.peak_share.median:.0f}"
    ratio = f"{'~' * measured.ratio.noisy}{measured.ratio.median:.2f}"
    line = f"{case.cell:<6}{case.hidden:>5}{case.batch:>5}  {case.work:<10}{ratio:>13}"
    line += f"{1e6 * measured.seconds['timesteps']:>12,.0f}{share:>11}"
    return line + "".join(f"  {each}" for each in wrong)
