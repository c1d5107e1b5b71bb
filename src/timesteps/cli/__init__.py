"""The command `timesteps`: parses and prints, decides nothing. Data on standard output, talk on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    0 done · 1 anything else · 2 usage · 3 data · 4 model · 130 interrupted. An error is one line on standard error;
    `--debug` anywhere on the line shows the traceback instead.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    sys.exit(_run(words, debug))


def _run(words: list[str], debug: bool) -> int:
    from timesteps.cli.app import app
    from timesteps.errors import TimestepsError

    try:
        code = app(words, prog_name="timesteps", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except TimestepsError as error:
        if debug:
            raise
        print(f"timesteps: {_one_line(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as error:
        print(f"timesteps: interrupted{_one_line(error) and ': '}{_one_line(error)}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`). Standard output is pointed elsewhere so that the
        # interpreter's last flush does not complain about it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        if debug:
            raise
        print("timesteps: out of memory; lower --batch-size, --max-length or --num-words", file=sys.stderr)
        return 1
    except Exception as error:
        if debug:
            raise
        # Typer's own usage errors (they are click's, whichever copy of click it brings) know how to say themselves.
        say = getattr(error, "format_message", None)
        if say is not None:
            print(f"timesteps: {' '.join(str(say()).split())}; see --help", file=sys.stderr)
            return int(getattr(error, "exit_code", 2))
        print(f"timesteps: {type(error).__name__}: {_one_line(error)}; --debug shows where", file=sys.stderr)
        return 1


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
