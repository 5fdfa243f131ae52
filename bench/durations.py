"""How a duration is written, apart from the quantities that files hold: whoever only shows one loads nothing more."""

from __future__ import annotations

import math


def format_duration(duration_s: float) -> str:
    """A duration as people read it: "850 ms", "12.4 s", "3 min 20 s", "8 h 0 min"."""
    if not math.isfinite(duration_s):
        return "no known time"
    if duration_s < 0.9995:
        return f"{duration_s * 1000:.0f} ms"
    if duration_s < 59.95:
        return f"{duration_s:.1f} s"
    total_s = round(duration_s)
    if total_s < 3600:
        return f"{total_s // 60} min {total_s % 60} s"
    return f"{total_s // 3600} h {total_s % 3600 // 60} min"
