"""The time line: everything in the order in which it happened, not in that in which it was told."""

from __future__ import annotations

from bisect import bisect_right

from bench.cockpit.model import Model, Moment


def note(model: Model, at_ns: int, kind: str, text: str, good: bool | None = None) -> None:
    """Put a line into the time line, where it belongs: what caused something is often told after it."""
    moment, moments = Moment(at_ns, kind, text, good), model.moments
    if not moments or moments[-1].at_ns <= at_ns:
        moments.append(moment)
        return
    place = bisect_right([each.at_ns for each in moments], at_ns)
    if len(moments) == moments.maxlen:
        moments.popleft()
        place = max(0, place - 1)
    moments.insert(place, moment)
