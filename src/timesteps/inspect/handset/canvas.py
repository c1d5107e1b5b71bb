"""SVG by a few strokes: what a drawing of a network needs, and nothing more."""

from __future__ import annotations

from timesteps.training.report_charts import clean

__all__ = ["Canvas", "Point"]

Point = tuple[float, float]

_FONT = "system-ui, 'Noto Sans KR', 'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif"
_STYLE = (
    f"text{{font-family:{_FONT};font-size:12px;fill:#111}}"
    ".title{font-size:15px;font-weight:600}.small{font-size:11px;fill:#444;white-space:pre}"
    ".halo{paint-order:stroke;stroke:#fff;stroke-width:4px}"
    ".edge{stroke:#777;stroke-width:1.2;fill:none}.time{stroke:#111;stroke-width:2;fill:none}"
    ".node{stroke:#111;stroke-width:1.2}.gap{stroke-dasharray:3 4}"
)


class Canvas:
    """Shapes one after the other, in units of a pixel."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def text(self, at: Point, text: str, kind: str = "", anchor: str = "middle") -> None:
        """A line of text whose middle is at that height."""
        place = f'x="{at[0]:.1f}" y="{at[1] + 4:.1f}"'  # of the line that its letters stand on
        self._parts.append(f'<text {place} class="{kind}" text-anchor="{anchor}">{clean(text)}</text>')

    def arrow(self, start: Point, end: Point, kind: str = "edge") -> None:
        """A straight line with a head."""
        way = f"M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}"
        self._parts.append(f'<path class="{kind}" marker-end="url(#head)" d="{way}"/>')

    def circle(self, at: Point, radius: float, shade: float = 0.0) -> None:
        """A node; shade 0 is white, 1 a grey on which black still reads well."""
        place = f'cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:g}"'
        self._parts.append(f'<circle class="node" {place} fill="{_grey(shade)}"/>')

    def box(self, at: Point, width: float, height: float, shade: float = 0.0, corner: float = 4) -> None:
        """The same as a box around its middle."""
        place = f'x="{at[0] - width / 2:.1f}" y="{at[1] - height / 2:.1f}" width="{width:g}" height="{height:g}"'
        self._parts.append(f'<rect class="node" {place} rx="{corner:g}" fill="{_grey(shade)}"/>')

    def page(self, width: float, height: float, title: str, description: str) -> str:
        """The whole drawing as a file."""
        size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
        head = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t d">'
            f'<title id="t">{clean(title)}</title><desc id="d">{clean(description)}</desc><style>{_STYLE}</style>'
            f'<defs><marker id="head" {head} orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>'
            f'<rect width="100%" height="100%" fill="#fff"/>{"".join(self._parts)}</svg>\n'
        )


def _grey(shade: float) -> str:
    level = round(255 - 95 * min(max(shade, 0.0), 1.0))
    return f"#{level:02x}{level:02x}{level:02x}"
