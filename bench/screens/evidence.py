"""The evidence on the engine's computer: every run, how it ended, how it differs, whether it verifies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, Static

from bench.cockpit.model import NS, Model
from bench.cockpit.report import make_report
from bench.cockpit.words import MARKS
from bench.durations import format_duration
from bench.errors import BenchError
from bench.screens.base import BAD, GOOD, STRONG, WEAK, View, mark


class EvidenceScreen(View):
    """The newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "verify", "Verify"),
        Binding("o", "report", "Open report"),
        Binding("r", "reload", "Reload"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._bundle: Mapping[str, Any] = {}
        self._chosen = ""
        self._verified: dict[str, tuple[bool, str]] = {}
        self._asked: tuple[object, ...] = ()

    def body(self) -> ComposeResult:
        """List and contents."""
        with Horizontal(id="evidence"):
            yield DataTable(id="bundles", cursor_type="row", zebra_stripes=True)
            with VerticalScroll(id="bundle-room"):
                yield Static("Choose a run.", id="bundle")

    def on_mount(self) -> None:
        """Columns."""
        table: DataTable[str] = self.query_one("#bundles", DataTable)
        for label, width in (("verdict", 9), ("runbook", 20), ("began (UTC)", 16), ("clock", 7)):
            table.add_column(label, width=width)
        table.border_title = "Runs"
        self.query_one("#bundle-room").border_title = "Evidence"
        table.focus()

    def draw(self, model: Model, now_ns: int) -> None:
        """Ask again whenever a run has ended."""
        state = (model.pid, len(model.done), model.done[-1]["job"] if model.done else 0, model.hands_on is None)
        if model.attached and state != self._asked:
            self._asked = state
            self.action_reload()

    @work(exclusive=True, group="bundles")
    async def action_reload(self) -> None:
        """Ask what there is."""
        try:
            found = await self.cockpit.link.call("bundles")
        except BenchError as error:
            self.notify(str(error), severity="error")
            return
        table: DataTable[str] = self.query_one("#bundles", DataTable)
        table.clear()
        for each in found["bundles"]:
            stamp = each["name"].partition("Z-")[0]
            when = f"{stamp[4:6]}-{stamp[6:8]} {stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}"
            clock = each["clock"] or "-"
            table.add_row(each["verdict"] or "no end", each["runbook"], when, clock, key=each["name"])
        table.border_title = f"{len(found['bundles'])} runs in {found['folder']}"

    @on(DataTable.RowHighlighted, "#bundles")
    def _highlighted(self, event: DataTable.RowHighlighted) -> None:
        if event.row_key is not None and event.row_key.value is not None:
            self._chosen = event.row_key.value
            self._load(self._chosen)

    @work(exclusive=True, group="bundle")
    async def _load(self, name: str) -> None:
        try:
            self._bundle = await self.cockpit.link.call("bundle", bundle=name)
        except BenchError as error:
            self.query_one("#bundle", Static).update(Content.styled(str(error), BAD))
            return
        self._show()

    def _show(self) -> None:
        checked = self._verified.get(self._bundle["name"])
        self.query_one("#bundle", Static).update(bundle_text(self._bundle, checked))

    @work(exclusive=True, group="verify")
    async def action_verify(self) -> None:
        """Have the engine verify the chosen run."""
        name = self._chosen
        if not name:
            return
        self.notify(f"verifying {name} ...")
        try:
            report = await self.cockpit.link.call("verify", bundle=name)
        except BenchError as error:
            self.notify(str(error), severity="error")
            return
        said = ": ".join(part for part in (report["level"], report["problem"]) if part)
        said = "\n  ".join([said, *report["notes"]])
        self._verified[name] = (report["level"] != "failed", said)
        if self._bundle.get("name") == name:
            self._show()

    @work(exclusive=True, group="report")
    async def action_report(self) -> None:
        """Make and open the report of the chosen run."""
        if not self._bundle:
            return
        try:
            path = await make_report(self._bundle["folder"])
        except BenchError as error:
            self.notify(str(error), severity="error", timeout=10)
            return
        self.notify(f"the report is {path}", timeout=10)
        self.app.open_url(path.as_uri())


def bundle_text(found: Mapping[str, Any], checked: tuple[bool, str] | None) -> Content:
    """A run as its journal tells it."""
    parts: list[Content | str | tuple[str, str]] = [(f"{found['name']}\n", STRONG)]
    if checked is None:
        parts.append(("not verified yet (v)\n", WEAK))
    else:
        parts.append((f"{checked[1]}\n", GOOD if checked[0] else BAD))
    verdict = found["verdict"]
    reason = f": {found['reason']}" if found["reason"] else ""
    parts.append((f"{(verdict or 'no end').upper()}{reason}\n", mark({"passed": True}.get(verdict, False))))
    parts.append((f"\nDifferences from {found['before'] or 'the last: there is none'}\n", STRONG))
    parts.extend(f"  {each}\n" for each in found["differences"] or (["none"] if found["before"] else []))
    parts.append(("\nSteps\n", STRONG))
    for step in found["steps"]:
        took = format_duration(step["duration_ns"] / NS)
        style = {"passed": GOOD, "failed": BAD, "undecided": BAD}.get(step["verdict"], "")
        parts.append((f"{MARKS.get(step['verdict'], step['verdict'])} ", style))
        parts.append(f"{took:>11}  {step['name']}\n")
        if step["reason"] and step["verdict"] not in ("passed", "blocked"):
            parts.append((f"     {step['reason']}\n", style))
        for label, latency_ns, uncertainty_ns in step["latencies"] or ():
            spread = f" ± {format_duration(uncertainty_ns / NS)}" if uncertainty_ns else ""
            parts.append((f"     {label} after {format_duration(latency_ns / NS)}{spread}\n", WEAK))
    for title, key in (("Findings", "findings"), ("Problems", "problems"), ("Done by hand, answered, aborted", "acts")):
        if found[key]:
            parts.append((f"\n{title}\n", STRONG))
            parts.extend(f"  {each}\n" for each in found[key])
    return Content.assemble(*parts)
