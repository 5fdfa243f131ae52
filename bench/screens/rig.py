"""The rig: what feeds what with live values, the voltage over time, and every device."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from bench.cockpit.model import Device, Model, SupplyPath
from bench.cockpit.words import ago, fit, volts
from bench.screens.base import BAD, STRONG, WEAK, View

_BOX = 12


class RigScreen(View):
    """The first thing that a person sees."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "zoom(-1)", "Shorter time"),
        Binding("minus", "zoom(1)", "Longer time"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._plot: Any = None

    def body(self) -> ComposeResult:
        """Picture above; below it plot and devices."""
        yield Static(id="path")
        with Horizontal(id="rig-body"):
            yield Vertical(id="plot-room")
            with VerticalScroll(id="devices-room"):
                yield Static(id="devices")

    def on_mount(self) -> None:
        """The plot takes a while to load: first everything else is shown."""
        self.query_one("#plot-room").border_title = "Voltage"
        self.query_one("#devices-room").border_title = "Devices"
        self.call_after_refresh(self.set_timer, 0.05, self._load_plot)

    def _load_plot(self) -> None:
        from bench.screens.plot import VoltagePlot

        self._plot = VoltagePlot()
        self.query_one("#plot-room").mount(self._plot)
        self.call_after_refresh(self.cockpit.redraw, always=True)

    def action_zoom(self, by: int) -> None:
        """Show a longer or a shorter time."""
        if self._plot is not None:
            self._plot.zoom(by)
            self.cockpit.redraw(always=True)

    def draw(self, model: Model, now_ns: int) -> None:
        """Draw all three."""
        self.query_one("#path", Static).update(supply_picture(model.supply))
        self.query_one("#devices", Static).update(device_table(model, now_ns, self.query_one("#devices").size.width))
        if self._plot is not None:
            self._plot.draw(model, now_ns)


def supply_picture(supply: SupplyPath) -> Content:
    """Source, relay, meter, device under test and Comms Hub as boxes, with what each of them says."""
    live = supply.live
    contact = {True: "closed", False: "OPEN", None: "?"}[supply.closed]
    hub = supply.hub
    boxes = [
        (
            supply.source or "source",
            [f"{'on' if supply.on else 'OFF' if supply.on is False else '?'} {volts(supply.set_v)}"],
            f"is {volts(supply.source_v)}",
        ),
        (supply.relay or "no relay", [contact if supply.relay else "-"], ""),
        (supply.meter or "no meter", [volts(supply.meter_v, 2)], "measured"),
        (supply.feeds or "meter", [{True: "has power", False: "NO POWER", None: "?"}[live]], "under test"),
        (
            "Comms Hub",
            [f"power {hub.get('power', '?')}"],
            f"W {hub.get('wan', '?')} H {hub.get('han', '?')}",
        ),
    ]
    # A wire carries power up to where it is cut.
    cut = [supply.on is False, live is False, live is False, hub.get("power") == "off" or live is False]
    lines: list[list[tuple[str, str]]] = [[], [], [], [], []]
    for index, (name, first, second) in enumerate(boxes):
        style = BAD if index and cut[index - 1] else ""
        lines[0].append((f"╭{'─' * _BOX}╮", style))
        lines[1].append((f"│{fit(name, _BOX)}│", style or STRONG))
        lines[2].append((f"│{fit(first[0], _BOX)}│", style))
        lines[3].append((f"│{fit(second, _BOX)}│", style))
        lines[4].append((f"╰{'─' * _BOX}╯", style))
        if index < len(cut):
            wire = "╌╌" if cut[index] else "─▶"
            for row, line in enumerate(lines):
                line.append((wire if row == 2 else "  ", BAD if cut[index] and row == 2 else ""))
    parts: list[Content | str | tuple[str, str]] = []
    for line in lines:
        parts.extend((*line, "\n"))
    return Content.assemble(*parts[:-1])


def device_table(model: Model, now_ns: int, width: int) -> Content:
    """Every device with its state, how long ago it was heard of, and where it is."""
    lines: list[Content | str | tuple[str, str]] = []
    name_w, kind_w, state_w, seen_w = 8, 14, 10, 15
    rest_w = max(10, width - name_w - kind_w - state_w - seen_w - 4)
    heads = zip(
        ("name", "kind", "state", "last seen", "address"), (name_w, kind_w, state_w, seen_w, rest_w), strict=True
    )
    lines.extend(((" ".join(fit(head, cells) for head, cells in heads), WEAK), "\n"))
    for device in model.devices.values():
        text = (device.name, device.kind, device.state, ago(now_ns, device.seen_ns), device.address)
        cells = zip(text, (name_w, kind_w, state_w, seen_w, rest_w), strict=True)
        bad = device.state in ("lost", "garbled", "tripped")
        lines.extend(((" ".join(fit(part, size) for part, size in cells).rstrip(), BAD if bad else ""), "\n"))
        if bad and device.detail:
            lines.extend(((f"  {fit(device.detail, width - 2)}".rstrip(), BAD), "\n"))
    heads = zip(
        ("name", "type", "clock", "last heard", "EUI-64"), (name_w, kind_w, state_w, seen_w, rest_w), strict=True
    )
    lines.extend(("\n", ("under test", STRONG), "\n"))
    lines.extend(((" ".join(fit(head, cells) for head, cells in heads), WEAK), "\n"))
    for dut in model.duts.values():
        text = (dut.name, dut.kind, _offset(dut), ago(now_ns, dut.seen_ns), dut.address)
        cells = zip(text, (name_w, kind_w, state_w, seen_w, rest_w), strict=True)
        lines.extend((" ".join(fit(part, size) for part, size in cells).rstrip(), "\n"))
    return Content.assemble(*lines[:-1])


def _offset(dut: Device) -> str:
    """How far its clock is off, as its last alert showed it; the time of its way is in it."""
    return "?" if dut.offset_s is None else f"{dut.offset_s:+.1f} s"
