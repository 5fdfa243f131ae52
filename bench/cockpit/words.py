"""How values are written: short, with units, and with words wherever a colour says something too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bench.cockpit.model import NS, Awaited
from bench.durations import format_duration

MARKS = {
    "": "    ",
    "running": "RUN>",
    "passed": "pass",
    "failed": "FAIL",
    "undecided": "UNDC",
    "skipped": "skip",
    "blocked": "blkd",
    "to do": "todo",
}
"""Four characters for each verdict of a step."""


def volts(value: float | None, digits: int = 1) -> str:
    """A voltage, or dashes."""
    return "---.- V" if value is None else f"{value:.{digits}f} V"


def utc_time(utc_ns: int) -> str:
    """The time of day, in UTC, to the millisecond."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=utc_ns // 1000)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"


def ago(now_ns: int, then_ns: int | None) -> str:
    """How long ago, or that it never was."""
    return "never" if then_ns is None else f"{format_duration(max(0, now_ns - then_ns) / NS)} ago"


def countdown(awaited: Awaited, now_ns: int) -> str:
    """How long is left of a window, or what became of it."""
    if awaited.verdict:
        if awaited.latency_ns is None:
            return awaited.verdict
        spread = f" ± {format_duration(awaited.uncertainty_ns / NS)}" if awaited.uncertainty_ns else ""
        return f"{awaited.verdict} after {format_duration(awaited.latency_ns / NS)}{spread}"
    if awaited.due_ns is None:
        return f"waits for the {awaited.after}"
    left_s = (awaited.due_ns - now_ns) / NS
    return f"{format_duration(left_s)} left" if left_s > 0 else "time is over"


def fit(text: str, width: int) -> str:
    """A text in exactly so many cells; what is cut off is shown to be."""
    text = "".join(char if char.isprintable() else " " for char in text)
    return text.ljust(width) if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def hex_lines(data: bytes, offset: int = 0, per_line: int = 16) -> list[str]:
    """Bytes as lines of offset, hexadecimal and text."""
    lines = []
    for start in range(0, len(data), per_line):
        row = data[start : start + per_line]
        digits = row.hex(" ").ljust(per_line * 3 - 1)
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{offset + start:05x}  {digits}  {text}")
    return lines
