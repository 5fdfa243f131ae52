"""Documents as one HTML file each, which needs nothing else."""

from __future__ import annotations

from html import escape
from pathlib import Path

import jinja2
from markupsafe import Markup

from bench.uept.document import Chart, Document, text_of

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 720, 260, 45, 30, 10, 150
_DASHES = ("6 4", "", "2 3", "8 3 2 3")
_COLOURS = ("#555555", "#005ea5", "#00703c", "#b58900")


def render(document: Document, path: Path) -> None:
    """Write a document.

    Raises:
        OSError: the file cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bench.uept", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    template = environment.get_template("document.html")
    text = template.render(document=document, text=text_of, kind=lambda block: type(block).__name__, chart=svg)
    path.write_text(text + "\n", encoding="utf-8")


def svg(chart: Chart) -> Markup:
    """A chart as SVG; lines differ by dashes as well as by colour."""
    most = max((value or 0 for _, values in chart.lines for value in values), default=0) or 1
    count = max(1, len(chart.days) - 1)

    def x(place: int) -> float:
        return _LEFT + place * (_WIDTH - _LEFT - _RIGHT) / count

    def y(value: int) -> float:
        return _HEIGHT - _BOTTOM - value * (_HEIGHT - _BOTTOM - _TOP) / most

    parts = [
        f'<svg role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(chart.title)}</title>",
        f'<path d="M{_LEFT} {_TOP} V{_HEIGHT - _BOTTOM} H{_WIDTH - _RIGHT}" fill="none" stroke="#888"/>',
        f'<text x="{_LEFT - 5}" y="{y(most) + 4:.1f}" text-anchor="end">{most}</text>',
        f'<text x="{_LEFT - 5}" y="{y(0):.1f}" text-anchor="end">0</text>',
    ]
    if chart.days:
        parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 10}">{chart.days[0]}</text>')
        parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 10}" text-anchor="end">{chart.days[-1]}</text>')
    for number, (name, values) in enumerate(chart.lines):
        points = [(x(place), y(value)) for place, value in enumerate(values) if value is not None]
        if not points:
            continue
        line = " ".join(f"{left:.1f},{top:.1f}" for left, top in points)
        style = f'stroke="{_COLOURS[number % 4]}" stroke-width="2" stroke-dasharray="{_DASHES[number % 4]}"'
        parts.append(f'<polyline points="{line}" fill="none" {style}/>')
        parts.append(f'<circle cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="3" fill="{_COLOURS[number % 4]}"/>')
        top = 20 + 18 * number
        parts.append(f'<path d="M{_WIDTH - _RIGHT + 10} {top} h25" fill="none" {style}/>')
        parts.append(f'<text x="{_WIDTH - _RIGHT + 40}" y="{top + 4}">{escape(name)}</text>')
    parts.append("</svg>")
    return Markup("".join(parts))
