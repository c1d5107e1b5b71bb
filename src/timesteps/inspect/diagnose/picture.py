"""Gradient flow of several networks in one picture: an SVG file that stands alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from timesteps.errors import UsageError
from timesteps.inspect.diagnose.charts import flow_chart
from timesteps.inspect.diagnose.flow import Flow
from timesteps.runtime.atomic import atomic_write
from timesteps.training.report_charts import clean

__all__ = ["write_picture"]

_TITLE, _WIDTH = 30, 490  # height above the chart, and width with room for names, in its units

#: Told apart by dashes and by their names at their ends, so in grey, too.
_STYLE = """
svg { background: #fff; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
text { fill: #1d2024; } .tick, .name { fill: #5c636c; } .title { font-size: 14px; font-weight: 600; }
.end { font-weight: 600; } .end.a { fill: #1f5fa8; } .end.b { fill: #b4530c; } .end.c { fill: #1b6a45; }
.grid { stroke: #e9e9e4; } .axis { stroke: #5c636c; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.a { stroke: #1f5fa8; } .line.b { stroke: #b4530c; stroke-dasharray: 6 4; }
.line.c { stroke: #1b6a45; stroke-dasharray: 2 3; }
"""


def write_picture(path: str | os.PathLike[str], title: str, flows: Mapping[str, Flow]) -> None:
    """Write one to three flows, each with its name at its end.

    Raises:
        UsageError: none, or more than three.
        OSError: the file cannot be written.
    """
    if not 1 <= len(flows) <= 3:
        raise UsageError(f"{len(flows)} flows in one picture", mend="give one to three")
    chart = flow_chart("flow", title, list(flows.items()), band=len(flows) == 1)
    body = chart[chart.index(">") + 1 : -len("</svg>")]
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {-_TITLE} {_WIDTH} {290 + _TITLE}" width="735" '
        f'height="480" role="img" aria-labelledby="flow-t flow-d"><style>{_STYLE}</style>'
        f'<rect x="0" y="{-_TITLE}" width="{_WIDTH}" height="{290 + _TITLE}" fill="#fff"/>'
        f'<text class="title" x="12" y="-10">{clean(title)}</text>{body}</svg>\n'
    )
    with atomic_write(Path(path)) as file:
        file.write(drawn.encode())
