"""The command `timesteps`: parses and prints, decides nothing. Data on standard output, talk on standard error."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    0 done · 1 anything else · 2 usage · 3 data · 4 model · 130 interrupted. An error is one line on standard error;
    `--debug` anywhere on the line shows the traceback instead.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    code = _run([word for word in words if word != "--debug"], debug)
    if threading.active_count() > 1:
        # The thread that reads standard input for `predict` may be waiting there, holding a lock that an orderly
        # exit would want. All output has been flushed.
        os._exit(code)
    sys.exit(code)


def _run(words: list[str], debug: bool) -> int:
    try:
        code = _invoke(words)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as error:
        return _fail(f"interrupted{_one_line(error) and ', '}{_one_line(error)}", 130)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`), which is its right.
        _drop_output()
        return 0
    except Exception as error:
        if debug:
            raise
        return _explain(error)


def _invoke(words: list[str]) -> int:
    import typer

    from timesteps.cli.app import app

    # Not `app(words)`: it turns Ctrl-C and a closed pipe into exit codes before they can be explained here.
    command = typer.main.get_command(app)
    try:
        with command.make_context("timesteps", words) as context:
            command.invoke(context)
    except typer.Exit as leave:
        return leave.exit_code
    return 0


def _explain(error: Exception) -> int:
    from timesteps.errors import TimestepsError

    if isinstance(error, TimestepsError):
        from timesteps.tasks.classify.request import flag_words

        return _fail(_one_line(error.spelled(lambda *option: shlex.join(flag_words(*option)))), error.exit_code)
    if isinstance(error, MemoryError):
        return _fail("out of memory; lower --batch-size, --max-length or --num-words", 1)
    # Typer's own usage errors (they are click's, whichever copy of click it brings) know how to say themselves.
    say = getattr(error, "format_message", None)
    if say is not None:
        said = " ".join(str(say()).split()).removesuffix(".").replace("Value error, ", "")
        code = int(getattr(error, "exit_code", 2))
        return _fail(f"{said}; see --help", code) if said else code  # nothing to add to the help that was shown
    if isinstance(error, OSError) and error.strerror is not None:
        where = "standard output" if error.filename is None else os.fsdecode(error.filename)
        if error.filename is None:
            _drop_output()
        return _fail(f"{where}: {error.strerror.lower()}; free some space or choose another place to write to", 2)
    return _fail(f"{type(error).__name__}: {_one_line(error)}; --debug shows where", 1)


def _fail(message: str, code: int) -> int:
    print(f"timesteps: {message}", file=sys.stderr)
    return code


def _drop_output() -> None:
    """Point standard output elsewhere, so that the interpreter's last flush does not complain about it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _one_line(error: BaseException | str) -> str:
    from timesteps.runtime.display import printable

    return printable(" ".join(str(error).split()))
