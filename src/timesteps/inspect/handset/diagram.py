"""A network unrolled over the steps of a sequence, as SVG: its values at each step and, of small ones, its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from timesteps.inspect.handset.canvas import Canvas, Point
from timesteps.inspect.handset.equations import packed, plain
from timesteps.inspect.handset.follow import Followed
from timesteps.runtime.display import columns_of, fitted, printable
from timesteps.runtime.session import Session

__all__ = ["diagram"]

_MOST, _FIRST, _LAST = 14, 9, 3  # steps that are drawn; of longer sequences, how many at either end
_LEFT, _RIGHT, _TITLE = 92, 40, 34
_RADIUS, _SQUARE = 19, 14
_TWO = 2  # units up to which every connection is drawn
_NOTE = 100  # columns of a line under the title


@dataclass(frozen=True)
class _Rows:
    """Heights of what lies above each other."""

    output: float
    hidden: float
    inputs: float
    axis: float


def diagram(
    session: Session,
    followed: Followed,
    title: str,
    inputs: Sequence[str],
    units: Sequence[str],
    notes: Sequence[str] = (),
    signs: Sequence[str] | None = None,
) -> str:
    """The drawing, as the text of an SVG file.

    Time runs to the right. Numbers on connections are weights, which are the same at every step and so stand there
    once; in the nodes are values. An LSTM of one unit shows its gates and its cell; layers of more than two units show
    their outputs in grey, white for the lowest and dark for the highest.

    Args:
        session: the network, of whose layers the last is drawn.
        followed: the values.
        title: stands above.
        inputs: names of the numbers of a step.
        units: names of the units.
        notes: lines under the title, such as equations.
        signs: what was typed for each step, if that says more than the numbers.
    """
    return _Drawing(session, followed, inputs, units, signs).draw(title, notes)


class _Drawing:
    def __init__(
        self,
        session: Session,
        followed: Followed,
        inputs: Sequence[str],
        units: Sequence[str],
        signs: Sequence[str] | None,
    ) -> None:
        self.session, self.followed, self.signs = session, followed, signs
        self.inputs, self.units = inputs, units
        self.canvas = Canvas()
        steps = len(followed)
        cut = steps > _MOST
        self.shown = [*range(_FIRST), *range(steps - _LAST, steps)] if cut else list(range(steps))
        self.gap = _FIRST if cut else -1  # the place among the shown steps before which some are left out
        self.output = next(iter(followed.states.values()))
        self.gated = self.output.shape[1] == 1 and "c" in followed.states
        self.crowd = len(units) > _TWO
        self.pitch = 118.0 if self.gated else 76.0 if self.crowd or len(units) == 1 else 124.0
        self.tensors = session.tensors

    def draw(self, title: str, notes: Sequence[str]) -> str:
        notes = packed([*notes, *self._hints()], _NOTE)
        top = _TITLE + 17 * len(notes) + 34
        height = 110.0 if self.gated else 14.0 * len(self.units) if self.crowd else 38.0 + 62 * (len(self.units) - 1)
        hidden = top + 64 + height / 2
        below = hidden + height / 2 + 62
        rows = _Rows(top, hidden, below, below + 44)
        texts = [9 * columns_of(title), *(6.4 * columns_of(note) for note in notes)]
        width = max(self._x(len(self.shown) - 1) + self.pitch / 2 + _RIGHT, 32 + max(texts))
        self.canvas.text((16, 20), title, "title", "start")
        for line, note in enumerate(notes):
            self.canvas.text((16, 40 + 17 * line), printable(note), "small", "start")
        self._names(rows)
        for place in range(len(self.shown)):
            self._connections(place, rows, height)
        for place in range(len(self.shown)):
            self._nodes(place, rows, height)
        self._axis(rows)
        steps = f"{len(self.followed)} steps, of which {len(self.shown)} are drawn" if self.gap > 0 else "all steps"
        return self.canvas.page(width, rows.axis + 34, title, f"The network unrolled over time, {steps}.")

    def _hints(self) -> list[str]:
        if self.crowd:
            return ["each column: the outputs of the units, light for low and dark for high"]
        return [] if self.gated else ["numbers on connections: weights, the same at every step"]

    def _x(self, place: int) -> float:
        gap = 0.8 * self.pitch if 0 < self.gap <= place else 0.0
        return _LEFT + (place + 0.5) * self.pitch + gap

    def _unit(self, place: int, unit: int, rows: _Rows) -> Point:
        """Units of one step stand aside from each other, so that no connection runs through a node."""
        aside = unit - (len(self.units) - 1) / 2
        return self._x(place) + 40 * aside, rows.hidden + 62 * aside

    def _names(self, rows: _Rows) -> None:
        def name(text: str, y: float) -> None:
            self.canvas.text((_LEFT - 16, y), fitted(printable(text), 12), "", "end")

        name("answer", rows.output)
        name(", ".join(self.inputs), rows.inputs)
        if self.crowd:
            name(f"{len(self.units)} units", rows.hidden)
        elif self.gated:
            name("cell, gates", rows.hidden)
        else:
            for unit, text in enumerate(self.units):
                name(text, self._unit(0, unit, rows)[1])

    def _connections(self, place: int, rows: _Rows, height: float) -> None:
        first, last = place == 0, place == len(self.shown) - 1
        kind = "edge gap" if place == self.gap else "edge"
        begins = [(self._input(place, number), rows.inputs - _SQUARE) for number in range(len(self.inputs))]
        x = self._x(place)
        if self.crowd or self.gated:
            half = height / 2
            for begin in begins:
                self._edge(begin, (begin[0], rows.hidden + half), "edge")
            self._edge((x, rows.hidden - half), (x, rows.output + _SQUARE), "edge")
            if place:
                wide = 46.0 if self.gated else 17.0
                y = rows.hidden - (38 if self.gated else 0)
                self._edge((self._x(place - 1) + wide, y), (x - wide, y), kind.replace("edge", "time"))
            return
        for unit, _ in enumerate(self.units):
            at = self._unit(place, unit, rows)
            for number, begin in enumerate(begins):
                label = plain(self.tensors["rnn.weight_ih_l0"][unit, number]) if first else ""
                self._edge(begin, self._rim(at, begin), "edge", label, 0.62 if len(self.units) > 1 > unit else 0.4)
            end = (x, rows.output + _SQUARE)
            label = plain(self.tensors["head.weight"][0, unit]) if last else ""
            self._edge(self._rim(at, end), end, "edge", label, 0.5)
            for other, _ in enumerate(self.units if place else ()):
                begin = self._unit(place - 1, other, rows)
                label = plain(self.tensors["rnn.weight_hh_l0"][unit, other]) if place == 1 else ""
                self._edge(self._rim(begin, at), self._rim(at, begin), kind, label, 0.3 if other != unit else 0.5)

    def _input(self, place: int, number: int) -> float:
        """Inputs of one step stand side by side."""
        return self._x(place) + 37 * (number - (len(self.inputs) - 1) / 2)

    def _rim(self, centre: Point, towards: Point) -> Point:
        """Where a connection meets a node."""
        dx, dy = towards[0] - centre[0], towards[1] - centre[1]
        length = float(np.hypot(dx, dy))
        return centre[0] + _RADIUS * dx / length, centre[1] + _RADIUS * dy / length

    def _edge(self, start: Point, end: Point, kind: str, label: str = "", share: float = 0.5) -> None:
        self.canvas.arrow(start, end, kind)
        if label:
            at = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
            self.canvas.text(at, label, "halo")

    def _nodes(self, place: int, rows: _Rows, height: float) -> None:
        t, x = self.shown[place], self._x(place)
        shades = self._shades()[t]
        for number, value in enumerate(self.followed.inputs[t].tolist()):
            at = (self._input(place, number), rows.inputs)
            self.canvas.box(at, 54 if len(self.inputs) == 1 else 34, 2 * _SQUARE - 2)
            sign = self.signs[t] if self.signs is not None and len(self.inputs) == 1 else None
            self.canvas.text(at, _short(value) if sign is None else f"{printable(sign)}  {_short(value)}")
        if self.crowd:
            for unit, shade in enumerate(shades):
                self.canvas.box((x, rows.hidden - height / 2 + 14 * (unit + 0.5)), 34, 14, shade, 0)
        elif self.gated:
            self._lstm((x, rows.hidden), t, height)
        else:
            for unit, shade in enumerate(shades):
                at = self._unit(place, unit, rows)
                self.canvas.circle(at, _RADIUS, shade)
                self.canvas.text(at, _short(self.output[t, unit]))
        answer = self.followed.answers[t]
        self.canvas.box((x, rows.output), 54, 2 * _SQUARE - 2, 0.0, 13)
        self.canvas.text((x, rows.output), _short(answer) if isinstance(answer, float) else fitted(str(answer), 8))

    def _lstm(self, at: Point, t: int, height: float) -> None:
        x, y = at
        self.canvas.box(at, 92, height)
        self.canvas.circle((x, y - 38), 13, self._shades("c")[t][0])
        self.canvas.text((x, y - 38), _short(self.followed.states["c"][t, 0]))
        self.canvas.text((x - 40, y - 38), "c", "small", "start")
        values = {**self.followed.gates, "h": self.output}
        for line, (name, part) in enumerate(values.items()):
            place = (x - 40, y - 12 + 14 * line)
            self.canvas.text(place, name, "small", "start")
            self.canvas.text((x + 40, place[1]), _short(part[t, 0]), "small", "end")

    def _shades(self, state: str | None = None) -> list[list[float]]:
        """Each unit's value between its lowest and its highest, (T, H); of many units, between -1 and 1."""
        values = self.output if state is None else self.followed.states[state]
        low, high = values.min(axis=0), values.max(axis=0)
        if self.crowd:
            low, high = np.full_like(low, values.min()), np.full_like(high, values.max())
        shades: list[list[float]] = ((values - low) / np.maximum(high - low, 1e-12)).tolist()
        return shades

    def _axis(self, rows: _Rows) -> None:
        y = rows.axis - 14
        self.canvas.arrow((_LEFT, y), (self._x(len(self.shown) - 1) + self.pitch / 2 + 20, y))
        for place, t in enumerate(self.shown):
            self.canvas.text((self._x(place), y + 14), str(t + 1), "small")
        if self.gap > 0:
            middle = (self._x(self.gap - 1) + self._x(self.gap)) / 2
            self.canvas.text((middle, rows.output), "…")
            self.canvas.text((middle, y + 14), "…", "small")
        self.canvas.text((_LEFT - 16, y), "time, steps", "small", "end")


def _short(value: float) -> str:
    """A number for a node: at most two decimals."""
    text = plain(round(float(value), 2))
    return text if len(text) <= 7 else f"{value:.2g}"
