"""What a person sees while a network is trained: a live line in a terminal, plain lines elsewhere, all on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress import DownloadColumn
from rich.progress import Progress as Bar
from rich.text import Text

__all__ = ["LiveProgress", "PlainProgress", "Progress", "SilentProgress", "download_progress", "quiet", "terminal"]

_HIDDEN = ("epoch", "learning_rate", "padding_waste")  # in the log, but not on an epoch's line

Metrics = Callable[[], Mapping[str, float]]


class Progress(Protocol):
    """What the loop tells. Epochs, steps and members count from 1."""

    def member(self, number: int, members: int) -> None:
        """The run that begins next trains this one of several networks. Not called where there is one."""

    def begin(self, *, rows: int, epochs: int, steps: int, done: int) -> None:
        """A run begins: so many rows, epochs, steps an epoch, and epochs done before."""

    def advance(self, epoch: int, step: int, tokens: int, metrics: Metrics) -> None:
        """A step is over; it held so many time steps. `metrics` costs something: call it only to show it."""

    def stage(self, name: str) -> None:
        """Something else than steps begins, such as "validating"."""

    def epoch_end(self, record: Mapping[str, float]) -> None:
        """An epoch is over; the record is what the log gets."""

    def end(self) -> None:
        """The run is over, whatever ended it."""


class SilentProgress:
    """Says nothing."""

    def member(self, number: int, members: int) -> None:
        """Nothing."""

    def begin(self, *, rows: int, epochs: int, steps: int, done: int) -> None:
        """Nothing."""

    def advance(self, epoch: int, step: int, tokens: int, metrics: Metrics) -> None:
        """Nothing."""

    def stage(self, name: str) -> None:
        """Nothing."""

    def epoch_end(self, record: Mapping[str, float]) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class _Clock:
    """Speed and time left, and when to speak again."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._number = self._members = 1

    def member(self, number: int, members: int) -> None:
        """Which network of how many comes next."""
        self._number, self._members = number, members

    @property
    def who(self) -> list[str]:
        """The member as the first part of a line; nothing where there is one network."""
        return [f"member {self._number} of {self._members}"] if self._members > 1 else []

    def begin(self, *, rows: int, epochs: int, steps: int, done: int) -> None:
        """Start the clock."""
        self._epochs, self._steps = epochs, steps
        self._left = (epochs - done + epochs * (self._members - self._number)) * steps  # the members to come, too
        self._over, self._tokens = 0, 0
        self._begin = self._epoch_begin = self._spoke = time.monotonic()

    def tick(self, tokens: int) -> bool:
        """Count a step; whether it is time to speak."""
        self._over += 1
        self._tokens += tokens
        now = time.monotonic()
        if now - self._spoke < self._interval:
            return False
        self._spoke = now
        return True

    def line(self, epoch: int, step: int, metrics: Mapping[str, float]) -> str:
        """Where the run is."""
        seconds = time.monotonic() - self._begin
        eta = seconds / max(1, self._over) * max(0, self._left - self._over)  # steps of drawn lengths may be more
        parts = [
            *self.who,
            f"epoch {epoch}/{self._epochs}",
            f"step {step}/{max(step, self._steps)}",
            *(f"{name} {value:.4f}" for name, value in metrics.items()),
            f"{_short(self._tokens / max(seconds, 1e-9))} tokens/s",
            f"ETA {_clock(eta)}",
        ]
        return " · ".join(parts)

    def summary(self, record: Mapping[str, float]) -> str:
        """How an epoch went."""
        now = time.monotonic()
        seconds, self._epoch_begin, self._spoke = now - self._epoch_begin, now, now
        shown = {name: value for name, value in record.items() if name not in _HIDDEN}
        parts = [
            *self.who,
            f"epoch {int(record['epoch'])}/{self._epochs}",
            *(f"{name} {value:.4f}" for name, value in shown.items()),
            _clock(seconds),
        ]
        return " · ".join(parts)


class PlainProgress:
    """A line when a run begins, one an epoch, and one every half minute in long epochs.

    Args:
        stream: where to; None is stderr.
        interval: seconds between lines within an epoch.

    >>> progress = PlainProgress(sys.stdout)
    >>> progress.begin(rows=100, epochs=2, steps=4, done=0)
    training on 100 rows, 4 steps an epoch, 2 epochs
    """

    def __init__(self, stream: TextIO | None = None, interval: float = 30.0) -> None:
        self._stream, self._clock = stream, _Clock(interval)

    def member(self, number: int, members: int) -> None:
        """Name the member on its lines."""
        self._clock.member(number, members)

    def begin(self, *, rows: int, epochs: int, steps: int, done: int) -> None:
        """Say what is to come."""
        self._clock.begin(rows=rows, epochs=epochs, steps=steps, done=done)
        before = f", {done} of them done" if done else ""
        line = f"training on {rows} rows, {steps} steps an epoch, {epochs} epochs{before}"
        self._say(" · ".join([*self._clock.who, line]))

    def advance(self, epoch: int, step: int, tokens: int, metrics: Metrics) -> None:
        """Say where the run is, now and then."""
        if self._clock.tick(tokens):
            self._say(self._clock.line(epoch, step, metrics()))

    def stage(self, name: str) -> None:
        """Nothing: the epoch's line follows."""

    def epoch_end(self, record: Mapping[str, float]) -> None:
        """Say how the epoch went."""
        self._say(self._clock.summary(record))

    def end(self) -> None:
        """Nothing."""

    def _say(self, line: str) -> None:
        print(line, file=self._stream or sys.stderr, flush=True)


class LiveProgress:
    """One line that is redrawn, and one that stays for every epoch that is over.

    Args:
        console: None is stderr.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._clock = _Clock(0.1)
        self._text = ""
        self._live: Live | None = None

    def member(self, number: int, members: int) -> None:
        """Name the member on its lines."""
        self._clock.member(number, members)

    def begin(self, *, rows: int, epochs: int, steps: int, done: int) -> None:
        """Draw the line."""
        self._clock.begin(rows=rows, epochs=epochs, steps=steps, done=done)
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
        self._live.start()
        line = f"epoch {min(done + 1, epochs)}/{epochs} · first of {steps} steps on {rows} rows"
        self._draw(" · ".join([*self._clock.who, line]))

    def advance(self, epoch: int, step: int, tokens: int, metrics: Metrics) -> None:
        """Redraw the line, ten times a second."""
        if self._clock.tick(tokens):
            self._draw(self._clock.line(epoch, step, metrics()))

    def stage(self, name: str) -> None:
        """Say so behind the line."""
        self._draw(f"{self._text} · {name}")

    def epoch_end(self, record: Mapping[str, float]) -> None:
        """Leave a line behind."""
        self._console.print(Text(self._clock.summary(record)))

    def end(self) -> None:
        """Remove the line."""
        if self._live is not None:
            self._live.stop()

    def _draw(self, line: str) -> None:
        self._text = line
        if self._live is not None:
            self._live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)


def quiet() -> Progress:
    """Progress that says nothing."""
    return SilentProgress()


def terminal(stream: TextIO | None = None) -> Progress:
    """A live line where the stream (None: stderr) is a terminal, else plain lines."""
    stream = stream or sys.stderr
    return LiveProgress(Console(file=stream)) if stream.isatty() else PlainProgress(stream)


@contextmanager
def download_progress(console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """A function of (bytes here, bytes in all) that draws a bar, or says every tenth where there is no terminal.

    Args:
        console: None is stderr.
    """
    console = console or Console(stderr=True)
    if console.is_terminal:
        with Bar(*Bar.get_default_columns(), DownloadColumn(), console=console, transient=True) as bar:
            task = bar.add_task("downloading", total=None)
            yield lambda here, total: bar.update(task, completed=here, total=total)
        return
    said = -1

    def say(here: int, total: int) -> None:
        nonlocal said
        if total and here * 10 // total > said:
            said = here * 10 // total
            console.print(f"downloading: {here / 2**20:.0f} of {total / 2**20:.0f} MiB")

    yield say


def _short(number: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
