"""A run: choose a runbook and see its plan, then its steps, what is awaited, and everything in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from bench.cockpit.model import NS, Model, Moment, Run
from bench.cockpit.words import MARKS, countdown, fit
from bench.durations import format_duration
from bench.errors import BenchError
from bench.screens.base import BAD, GOOD, STRONG, WEAK, View, mark

Part = Content | str | tuple[str, str]

_VERDICTS = {"passed": GOOD, "failed": BAD, "undecided": BAD, "running": STRONG}
_SHOWN_MOMENTS = 300


class RunScreen(View):
    """Two faces: choosing a runbook, and watching a run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "choose", "Choose"),
        Binding("s", "start", "Start"),
        Binding("p", "app.pause", "Pause"),
        Binding("x", "app.abort_step", "Abort step"),
        Binding("X,shift+x", "app.abort", "Abort run"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._chosen = ""
        self._shown_job: int | None = None
        self._row = 0

    def body(self) -> ComposeResult:
        """Both faces; one is shown."""
        with Horizontal(id="choose"):
            yield OptionList(id="runbooks")
            with Vertical(id="plan-room"):
                with VerticalScroll(id="plan-scroll"):
                    yield Static("Choose a runbook: its plan is shown before anything is done.", id="plan")
                yield Button("Start (s)", id="start", variant="success", disabled=True)
        with Vertical(id="watch"):
            yield Static(id="head")
            with Horizontal(id="watch-body"):
                with Vertical(id="left"):
                    with VerticalScroll(id="steps-room"):
                        yield Static(id="steps")
                    with VerticalScroll(id="open-room"):
                        yield Static(id="open")
                with VerticalScroll(id="time-room"):
                    yield Static(id="time")

    def on_mount(self) -> None:
        """Name the rooms, and ask what there is to run."""
        for name, title in (
            ("runbooks", "Runbooks"),
            ("plan-room", "Plan"),
            ("steps-room", "Steps"),
            ("open-room", "Awaited now"),
            ("time-room", "Time line"),
        ):
            self.query_one(f"#{name}").border_title = title
        run = self.cockpit.model.run
        self._shown_job = run.job if run is not None else None
        self._face(choose=run is None)
        self.list_runbooks()

    @property
    def choosing(self) -> bool:
        """Whether a runbook is being chosen."""
        return bool(self.query_one("#choose").display)

    def _face(self, *, choose: bool) -> None:
        self.query_one("#choose").display = choose
        self.query_one("#watch").display = not choose
        self.query_one("#runbooks" if choose else "#time-room").focus()

    def action_choose(self) -> None:
        """Turn from one face to the other."""
        self._face(choose=not self.choosing or self.cockpit.model.run is None)
        if self.choosing:
            self.list_runbooks()
        self.cockpit.redraw(always=True)

    @work(exclusive=True, group="runbooks")
    async def list_runbooks(self) -> None:
        """Ask the engine what runbooks there are."""
        try:
            found = (await self.cockpit.link.call("runbooks"))["runbooks"]
        except BenchError:
            # Asked again when the engine is there.
            return
        choices = self.query_one("#runbooks", OptionList)
        if [option.id for option in choices.options] == [each["name"] for each in found]:
            return
        choices.clear_options()
        for each in found:
            text = Content.assemble((each["name"], STRONG), "\n", (each["title"] or each["error"], WEAK))
            choices.add_option(Option(text, id=each["name"]))

    @on(OptionList.OptionHighlighted, "#runbooks")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._chosen = event.option.id or ""
        self._show_plan(self._chosen)

    @on(OptionList.OptionSelected, "#runbooks")
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.query_one("#start").focus()

    @work(exclusive=True, group="plan")
    async def _show_plan(self, name: str) -> None:
        start = self.query_one("#start", Button)
        start.disabled = True
        try:
            plan = (await self.cockpit.link.call("plan", runbooks=[name]))["plans"][0]
        except BenchError as error:
            self.query_one("#plan", Static).update(Content.assemble(("It cannot run here:\n", BAD), str(error)))
            return
        self.query_one("#plan", Static).update(plan_text(plan))
        self.query_one("#plan-scroll").scroll_home(animate=False)
        start.disabled = self.cockpit.link.view_only

    @on(Button.Pressed, "#start")
    def _pressed(self) -> None:
        self.action_start()

    def action_start(self) -> None:
        """Start the chosen runbook."""
        if not self.choosing:
            self.action_choose()
        elif self._chosen:
            self.cockpit.command("run", "", runbooks=[self._chosen])

    def draw(self, model: Model, now_ns: int) -> None:
        """Draw the face that is shown."""
        run = model.run
        if run is not None and run.job != self._shown_job:
            self._shown_job = run.job
            self._face(choose=False)
        if not self.query_one("#runbooks", OptionList).option_count and model.attached:
            self.list_runbooks()
        if run is None and not self.choosing:
            # Another engine than the one whose run was watched.
            self._shown_job = None
            self._face(choose=True)
        if run is None or self.choosing:
            return
        self.query_one("#head", Static).update(head(run, now_ns))
        width = self.query_one("#steps").size.width
        text, row = steps(run, now_ns, width)
        self.query_one("#steps", Static).update(text)
        if row != self._row:
            self._row = row
            height = self.query_one("#steps-room").size.height
            self.query_one("#steps-room").scroll_to(y=max(0, row - height // 2), animate=False)
        self.query_one("#open", Static).update(awaited(run, now_ns, self.query_one("#open").size.width))
        room = self.query_one("#time-room", VerticalScroll)
        at_end = room.scroll_offset.y >= room.max_scroll_y - 1
        self.query_one("#time", Static).update(time_line(list(model.moments), run.began_ns))
        if at_end:
            room.scroll_end(animate=False)


def plan_text(plan: Mapping[str, Any]) -> Content:
    """What a runbook would do."""
    parts: list[Part] = [(f"{plan['runbook']}  {plan['title']}\n", STRONG)]
    usual, longest = format_duration(plan["usual_s"]), format_duration(plan["longest_s"])
    parts.append(f"takes about {usual}, at most {longest}\n")
    if plan["highest_v"] is not None:
        parts.append(f"voltage from {plan['lowest_v']:g} V to {plan['highest_v']:g} V\n")
    if plan["outage_s"]:
        parts.append(f"longest outage {format_duration(plan['outage_s'])}\n")
    if plan["covers"]:
        parts.append(f"covers {', '.join(plan['covers'])}\n")
    parts.extend((f"note: {note}\n", WEAK) for note in plan["notes"])
    group = ""
    for step in plan["steps"]:
        if step["group"] != group:
            group = step["group"]
            parts.append((f"\n{group}\n", WEAK))
        user = f" as {step['user']}" if step["user"] else ""
        parts.append((f"  {step['name']}{user}\n", STRONG))
        parts.append(f"      {step['act']}\n")
    return Content.assemble(*parts)


def head(run: Run, now_ns: int) -> Content:
    """The run in one line."""
    end_ns = run.ended_ns if run.over and run.ended_ns else now_ns
    took = format_duration(max(0, end_ns - run.began_ns) / NS) if run.began_ns else ""
    if not run.over:
        usual = format_duration(run.plan["usual_s"]) if run.plan else "?"
        state = "PAUSED" if run.paused else "RUNNING"
        return Content.assemble((f"{run.runbook} {state}", STRONG), f" for {took}, usually {usual}. {run.title}")
    reason = f": {run.reason}" if run.reason else ""
    style = _VERDICTS.get(run.verdict, STRONG)
    kept = f"\nThe evidence (5) is {run.bundle}" if run.bundle else ""
    return Content.assemble((f"{run.runbook} {run.verdict.upper()}", style), f" in {took}{reason}", (kept, WEAK))


def steps(run: Run, now_ns: int, width: int) -> tuple[Content, int]:
    """Every step with its verdict, and the row of the one that runs, or else of the last that ended."""
    parts: list[Part] = []
    group, rows, current = "", 0, 0
    for line in run.steps:
        if line.group == "precondition" and line.act.startswith(("send", "inventory")) and not line.verdict:
            # Done only if it is needed.
            continue
        if line.group != group:
            group = line.group
            parts.append((f"{group}\n", WEAK))
            rows += 1
        if line.verdict not in ("", "blocked"):
            current = rows
        if line.duration_ns is not None:
            took = format_duration(line.duration_ns / NS)
        else:
            took = format_duration((now_ns - line.began_ns) / NS) if line.began_ns is not None else ""
        style = _VERDICTS.get(line.verdict, "")
        text = fit(f"{line.user:3} {line.name}", max(10, width - 16))
        parts.append((f"{MARKS.get(line.verdict, line.verdict[:4])} ", style))
        parts.append(f"{text}{took:>11}\n")
        rows += 1
        if line.reason and line.verdict not in ("blocked", "passed"):
            parts.append((f"     {line.reason}\n", style))
            rows += 1 + (len(line.reason) + 5) // max(1, width)
    return Content.assemble(*parts), current


def awaited(run: Run, now_ns: int, width: int) -> Content:
    """What must come and what must not, and how long it still may take."""
    if not run.awaited:
        return Content.styled("nothing", WEAK)
    parts: list[Part] = []
    for each in run.awaited:
        word = "must come" if each.must == "come" else "must NOT "
        to = f" to {each.to}" if each.to else ""
        text = each.label.removeprefix("no ") if each.must != "come" else each.label
        left = countdown(each, now_ns)
        style = _VERDICTS.get(each.verdict, "")
        parts.append((f"{word} {fit(text + to, max(12, width - 12 - len(left)))} {left}\n", style))
        if each.verdict == "failed":
            parts.append((f"     {each.reason}\n", BAD))
    return Content.assemble(*parts)


def time_line(moments: list[Moment], began_ns: int | None) -> Content:
    """Stimulus, HAN frames, alerts, responses and verdicts in their order, in seconds since the run began."""
    parts: list[Part] = []
    for moment in moments[-_SHOWN_MOMENTS:]:
        since_s = (moment.at_ns - (began_ns or 0)) / NS
        good = {True: "+", False: "!", None: " "}[moment.good]
        parts.append((f"{since_s:10.3f} {good} {fit(moment.kind, 8)} ", mark(moment.good) or WEAK))
        parts.append((f"{moment.text}\n", mark(moment.good)))
    return Content.assemble(*parts)
