"""The time line of a run as SVG inside its page: the voltage, the steps, and what came."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from bench.quantities import format_duration
from bench.report.clean import clean
from bench.report.run import RunReport

if TYPE_CHECKING:
    from markupsafe import Markup

_WIDTH, _LEFT, _RIGHT = 1000.0, 60.0, 10.0
_VOLT_TOP, _VOLT_HEIGHT = 10.0, 90.0
_STEP_TOP, _MARK_TOP, _HEIGHT = 112.0, 140.0, 192.0
_POINTS = 1500
_ROWS = {"alert": 0, "response": 1, "han": 2, "hub": 2, "supply": 3, "safe": 3, "note": 3, "lost": 3, "refused": 3}


def timeline_svg(report: RunReport) -> Markup:
    """Draw it; every text in it is escaped."""
    from markupsafe import Markup

    whole_s = max(report.duration_s, 1e-3)

    def x(at_s: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(max(at_s, 0.0), whole_s) / whole_s

    parts = [f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="time line of the run">']
    parts += _volts(report, x)
    for step in report.steps:
        width = max(1.0, x(step.at_s + step.duration_s) - x(step.at_s))
        title = _text(f"{step.name}: {step.verdict}, {format_duration(step.duration_s)}")
        parts.append(
            f'<rect class="v-{_text(step.verdict)}" x="{x(step.at_s):.1f}" y="{_STEP_TOP:g}" width="{width:.1f}" '
            f'height="16"><title>{title}</title></rect>'
        )
    for came in report.came:
        y = _MARK_TOP + 9 * _ROWS.get(came.kind, 3)
        title = _text(f"{format_duration(came.at_s)}: {came.source}: {came.text}")
        parts.append(
            f'<circle class="k-{came.kind}" cx="{x(came.at_s):.1f}" cy="{y:g}" r="3.5"><title>{title}</title></circle>'
        )
    for part in range(6):
        at_s = whole_s * part / 5
        anchor = "start" if part == 0 else "end" if part == 5 else "middle"
        parts.append(
            f'<text x="{x(at_s):.1f}" y="{_HEIGHT - 8:g}" text-anchor="{anchor}">{format_duration(at_s)}</text>'
        )
    parts.append("</svg>")
    # Made here, of numbers and escaped text.
    return Markup("\n".join(parts))


def _text(text: str) -> str:
    return escape(clean(text))


def _volts(report: RunReport, x: Callable[[float], float]) -> list[str]:
    points = report.volts[:: max(1, len(report.volts) // _POINTS)]
    if not points:
        return []
    low, high = min(volts for _, volts in points), max(volts for _, volts in points)
    low, high = min(low, high - 1), high
    line = " ".join(
        f"{x(at_s):.1f},{_VOLT_TOP + _VOLT_HEIGHT * (high - volts) / (high - low):.1f}" for at_s, volts in points
    )
    return [
        f'<polyline class="volts" points="{line}"/>',
        f'<text x="{_LEFT - 4:g}" y="{_VOLT_TOP + 8:g}" text-anchor="end">{high:.1f} V</text>',
        f'<text x="{_LEFT - 4:g}" y="{_VOLT_TOP + _VOLT_HEIGHT:g}" text-anchor="end">{low:.1f} V</text>',
    ]
