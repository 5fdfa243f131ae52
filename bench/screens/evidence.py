"""The evidence on the engine's computer: runs and nights of campaigns, what is different, whether it verifies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, Static

from bench.cockpit.model import Model
from bench.cockpit.report import hand_over, make_report, page_here
from bench.errors import BenchError
from bench.screens.base import BAD, View
from bench.screens.evidence_text import attempt_text, bundle_text, night_text
from bench.screens.showing import show_file

_RUNS, _NIGHTS, _NIGHT = "runs", "nights", "night"
_COLUMNS = {
    _RUNS: (("verdict", 9), ("runbook", 20), ("began (UTC)", 16), ("clock", 7)),
    _NIGHTS: (("verdict", 10), ("campaign", 20), ("began (UTC)", 16), ("clock", 7)),
    _NIGHT: (("verdict", 10), ("runbook", 20), ("entry, repeat, try", 22)),
}
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")


class EvidenceScreen(View):
    """The newest first: runs of this engine, or nights and what ran in one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "verify", "Verify"),
        Binding("o", "report", "Report"),
        Binding("h", "hand_over", "Hand over"),
        Binding("c", "campaigns", "Runs/Nights"),
        Binding("escape", "back", "Back", show=False),
        Binding("r", "reload", "Reload"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._listed = _RUNS
        self._night: Mapping[str, Any] = {}
        self._bundle: Mapping[str, Any] = {}
        self._chosen = ""
        self._verified: dict[str, tuple[bool, str]] = {}
        self._made: dict[str, dict[str, str]] = {}
        self._asked: tuple[object, ...] = ()

    def body(self) -> ComposeResult:
        """List and contents."""
        with Horizontal(id="evidence"):
            yield DataTable(id="bundles", cursor_type="row", zebra_stripes=True)
            with VerticalScroll(id="bundle-room"):
                yield Static("Choose a run.", id="bundle")

    def on_mount(self) -> None:
        """Columns."""
        self._start_list(_RUNS)
        self._table.border_title = "Runs"
        self.query_one("#bundle-room").border_title = "Evidence"
        self._table.focus()

    @property
    def _table(self) -> DataTable[str]:
        return self.query_one("#bundles", DataTable)

    def _tell(self, text: Content | str) -> None:
        self.query_one("#bundle", Static).update(text)

    def _start_list(self, listed: str) -> DataTable[str]:
        """Empty the list, and give it the columns of what is listed now."""
        table, self._listed = self._table, listed
        table.clear(columns=True)
        for label, width in _COLUMNS[listed]:
            table.add_column(label, width=width)
        self._chosen, self._bundle = "", {}
        return table

    def draw(self, model: Model, now_ns: int) -> None:
        """Ask again whenever a run has ended."""
        state = (model.pid, len(model.done), model.done[-1]["job"] if model.done else 0, model.hands_on is None)
        if model.attached and state != self._asked:
            self._asked = state
            if self._listed == _RUNS:
                self.action_reload()

    def action_campaigns(self) -> None:
        """Turn from the runs of this engine to the nights of campaigns, or back."""
        self._list(_NIGHTS if self._listed == _RUNS else _RUNS)

    def action_back(self) -> None:
        """From the runs of a night to the nights, and from there to the runs of this engine."""
        self._list(_NIGHTS if self._listed == _NIGHT else _RUNS)

    def action_reload(self) -> None:
        """Ask what there is."""
        self._list(_NIGHTS if self._listed == _NIGHT else self._listed)

    @work(exclusive=True, group="bundles")
    async def _list(self, listed: str) -> None:
        try:
            found = await self.cockpit.link.call("bundles" if listed == _RUNS else "nights")
        except BenchError as error:
            self.notify(str(error), severity="error")
            return
        before = self._night.get("name")
        table = self._start_list(listed)
        entries = found["bundles" if listed == _RUNS else "nights"]
        for each in entries:
            what = each["runbook" if listed == _RUNS else "campaign"]
            table.add_row(
                each["verdict"] or "no end", what, _when(each["name"]), each["clock"] or "-", key=each["name"]
            )
        table.border_title = f"{len(entries)} {listed} in {found['folder']}"
        if listed == _NIGHTS and before in table.rows:
            table.move_cursor(row=table.get_row_index(str(before)), animate=False)
        if not entries:
            self._tell("Choose a run." if listed == _RUNS else "There is no night of a campaign.")

    @on(DataTable.RowHighlighted, "#bundles")
    def _highlighted(self, event: DataTable.RowHighlighted) -> None:
        if event.row_key is not None and event.row_key.value is not None and event.row_key in self._table.rows:
            self._chosen = event.row_key.value
            self._load(self._chosen)

    @on(DataTable.RowSelected, "#bundles")
    def _selected(self, event: DataTable.RowSelected) -> None:
        if self._listed == _NIGHTS and event.row_key.value is not None:
            self._open_night(event.row_key.value)

    @work(exclusive=True, group="bundles")
    async def _open_night(self, name: str) -> None:
        """List what ran in a night."""
        try:
            self._night = await self.cockpit.link.call("night", night=name)
        except BenchError as error:
            self.notify(str(error), severity="error")
            return
        summary = self._night["summary"]
        if summary is None:
            self.notify("its runs are listed when it has come to its end")
            return
        table = self._start_list(_NIGHT)
        for number, case in enumerate(summary["cases"]):
            which = f"{case['entry']} {case['repeat']}"
            if not case["attempts"]:
                table.add_row(case["outcome"], case["runbook"], f"{which}, none", key=f"{number}/")
            for index, attempt in enumerate(case["attempts"]):
                of = f"{which}, {attempt['attempt']}"
                table.add_row(attempt["verdict"], case["runbook"], of, key=f"{number}/{index}")
        table.border_title = f"{table.row_count} runs of {name} (Esc: back)"

    def _run_of(self, chosen: str) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
        """The planned run of the night, and the attempt at it, of a line of the list."""
        number, _, index = chosen.partition("/")
        case = self._night["summary"]["cases"][int(number)]
        return case, case["attempts"][int(index)] if index else None

    def _named(self) -> dict[str, object] | None:
        """What names the chosen run to the engine; None where there is no evidence of it."""
        if self._listed == _RUNS and self._chosen:
            return {"bundle": self._chosen}
        if self._listed == _NIGHT and self._chosen:
            _, attempt = self._run_of(self._chosen)
            if attempt is not None and attempt["bundle"]:
                return {"bundle": Path(attempt["bundle"]).name, "night": self._night["name"]}
        return None

    @work(exclusive=True, group="bundle")
    async def _load(self, chosen: str) -> None:
        self._bundle = {}
        try:
            if self._listed == _NIGHTS:
                self._night = await self.cockpit.link.call("night", night=chosen)
                self._tell(night_text(self._night))
            elif named := self._named():
                self._bundle = await self.cockpit.link.call("bundle", **named)
                self._show()
            else:
                self._tell(attempt_text(self._night["name"], *self._run_of(chosen)))
        except BenchError as error:
            self._tell(Content.styled(str(error), BAD))

    def _show(self) -> None:
        name = self._bundle["name"]
        self._tell(bundle_text(self._bundle, self._verified.get(name), list(self._made.get(name, {}).values())))

    @work(exclusive=True, group="verify")
    async def action_verify(self) -> None:
        """Have the engine verify the chosen run."""
        named = self._named()
        if named is None:
            self.notify("choose a run of which there is evidence")
            return
        name = str(named["bundle"])
        self.notify(f"verifying {name} ...")
        try:
            report = await self.cockpit.link.call("verify", **named)
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
        """Make and open the report of the chosen run, or open the page of the chosen night."""
        try:
            if self._listed == _NIGHTS and self._night:
                path = page_here(self._night["page"])
            elif self._bundle:
                path = await make_report(self._bundle["folder"])
                self._note("report", f"report {path}")
            else:
                self.notify("choose a run of which there is evidence")
                return
        except BenchError as error:
            self.notify(str(error), severity="error", timeout=10)
            return
        show_file(self.app, path, "the page" if self._listed == _NIGHTS else "the report")

    @work(exclusive=True, group="report")
    async def action_hand_over(self) -> None:
        """Make one file of the chosen run's evidence, and say how whoever gets it checks it."""
        if not self._bundle:
            self.notify("choose a run of which there is evidence")
            return
        try:
            path, fingerprint = await hand_over(self._bundle["folder"])
        except BenchError as error:
            self.notify(str(error), severity="error", timeout=10, markup=False)
            return
        check = f"hilbench verify {path.name} --trust {fingerprint}"
        said = f"to hand over: {path}\n  checked by: {check}\n  Tell the fingerprint by another way."
        self._note("file", said)
        show_file(self.app, path, "the file to hand over", opens=False)

    def _note(self, kind: str, text: str) -> None:
        """Keep on the screen what was made of the chosen run."""
        self._made.setdefault(self._bundle["name"], {})[kind] = text
        self._show()


def _when(name: str) -> str:
    """The moment in the name of a run or a night: "11-27 22:00:00"."""
    found = _STAMP.search(name)
    return "{1}-{2} {3}:{4}:{5}".format(*found.groups()) if found else ""
