"""The voltage over time: what was set, what the source reads, what the reference meter reads, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget
from textual_plotext import PlotextPlot

from bench.cockpit.model import NS, Model

SPANS_S = (60, 180, 600, 1800, 3600)
_AVERAGE = ("average rms over voltage", "average rms under voltage")


class VoltagePlot(PlotextPlot):
    """Redrawn only when something in it changed, or a second went by."""

    def __init__(self) -> None:
        super().__init__(id="voltage")
        self._span = 1
        self._drawn: tuple[object, ...] = ()

    def zoom(self, by: int) -> None:
        """Show a longer (1) or shorter (-1) time."""
        self._span = min(max(self._span + by, 0), len(SPANS_S) - 1)

    def draw(self, model: Model, now_ns: int) -> None:
        """Draw what is in the window that ends now."""
        trace, now_s, span_s = model.trace, now_ns / NS, SPANS_S[self._span]
        state = (round(now_s), span_s, len(trace.marks), len(trace.outages), self.size)
        if state == self._drawn:
            return
        self._drawn = state
        plt = self.plt
        plt.clear_figure()
        began_s = now_s - span_s
        meter, source = _window(trace.meter, began_s, now_s), _window(trace.source, began_s, now_s)
        set_to = list(_window(trace.set, began_s, now_s))
        last_before = [each for each in trace.set if each[0] < began_s][-1:]
        set_to = [(-float(span_s), each[1]) for each in last_before] + set_to
        if set_to:
            set_to.append((0.0, set_to[-1][1]))
        seen = [value for _, value in (*meter, *source, *set_to)] or [230.0]
        low, high = min(seen), max(seen)
        shown = {name: limit for name, limit in self._thresholds(model).items() if low - 30 <= limit <= high + 30}
        low, high = min(low, *shown.values(), low) - 3, max(high, *shown.values(), high) + 5
        for name, limit in shown.items():
            plt.hline(limit, color="orange")
            plt.text(f"{name} {limit:g} V", x=-span_s, y=limit, color="orange", alignment="left")
        for began, ended in trace.outages:
            left, right = (began or 0) - now_s, 0.0 if ended is None else ended - now_s
            if right < -span_s:
                continue
            for edge in (left, right):
                if -span_s <= edge < 0:
                    plt.vline(edge, color="red")
            plt.text("[outage]", x=max(left, -span_s * 0.98), y=low + (high - low) * 0.1, color="red", alignment="left")
        if set_to:
            plt.plot([x for x, _ in set_to], [y for _, y in set_to], marker="-", color="gray")
        if source:
            plt.scatter([x for x, _ in source], [y for _, y in source], marker="+", color="magenta")
        if meter:
            plt.plot([x for x, _ in meter], [y for _, y in meter], marker="braille", color="cyan")
        marks = [(at_s, code) for at_s, code in trace.marks if began_s <= at_s <= now_s]
        for index, (at_s, code) in enumerate(marks):
            plt.vline(at_s - now_s, color="green")
            # On four heights, since alerts like to come together.
            height = high - (high - low) * (0.08 + 0.1 * (index % 4))
            left = at_s - now_s < -span_s * 0.15
            plt.text(f"!{code}", x=at_s - now_s, y=height, color="green", alignment="left" if left else "right")
        plt.xlim(-span_s, 0)
        plt.ylim(low, high)
        if isinstance(self.parent, Widget):
            self.parent.border_title = f"Voltage, the last {span_s} s (+/-)"
            self.parent.border_subtitle = "set -  source +  meter ⠒  ! alert"
        self.refresh()

    def _thresholds(self, model: Model) -> dict[str, float]:
        """Those of the average voltage by short names, and the limits of the rig."""
        known = model.trace.thresholds
        found = {name.split()[2]: known[name] for name in _AVERAGE if name in known}
        limits = model.rig.get("limits") or {}
        if "highest_v" in limits:
            found |= {"limit": limits["highest_v"], "limit ": limits["lowest_v"]}
        return found


def _window(points: Iterable[tuple[float, float]], began_s: float, now_s: float) -> list[tuple[float, float]]:
    return [(at_s - now_s, value) for at_s, value in points if began_s <= at_s <= now_s + 1]
