"""Acts by hand: a list of them, the form of the one that is chosen, and what became of those that were done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.css.query import NoMatches
from textual.widgets import Button, Input, Label, OptionList, Select, Static
from textual.widgets.option_list import Option

from bench.cockpit.acts import ACTS, REQUEST, Act, Field, request_step, step_of
from bench.cockpit.model import Model
from bench.errors import BenchError
from bench.screens.base import BAD, WEAK, View

_BY_NAME = {act.name: act for act in ACTS}


class HandsOnScreen(View):
    """Choose, fill in, do it; the engine refuses what is beyond the rig's limits."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "app.park", "Give back (park)"),
        Binding("X,shift+x", "app.abort", "Abort (safe)"),
        Binding("escape", "leave", "Back to the acts", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._act: Act = ACTS[0]
        self._form: Mapping[str, Any] = {}
        self._shown: tuple[object, ...] = ()
        self._entering = False

    def body(self) -> ComposeResult:
        """Acts on the left; form and outcome on the right."""
        with Horizontal(id="hands"):
            yield OptionList(*(Option(act.title, id=act.name) for act in ACTS), id="acts")
            with Vertical(id="form-room"):
                with VerticalScroll(id="form"):
                    yield Static("Attaching ...")
                yield Static(id="complaint")
                yield Button("Do it", id="do", variant="warning")
        with VerticalScroll(id="done-room"):
            yield Static(id="done")

    def on_mount(self) -> None:
        """Name the rooms."""
        for name, title in (("acts", "By hand"), ("form-room", "What, exactly"), ("done-room", "Done")):
            self.query_one(f"#{name}").border_title = title
        self.query_one("#acts").focus()

    def draw(self, model: Model, now_ns: int) -> None:
        """Draw what was done, and the limits."""
        state = (len(model.acts), model.acts[-1] if model.acts else "", str(model.hands_on), model.state, model.pid)
        if state == self._shown:
            return
        if model.rig and (not self._shown or self._shown[-1] != model.pid):
            self._fill()
        self._shown = state
        limits = model.rig.get("limits")
        said = ""
        if limits:
            said = (
                f"{limits['lowest_v']:g} to {limits['highest_v']:g} V, {limits['lowest_hz']:g} to "
                f"{limits['highest_hz']:g} Hz, {limits['slope_v_per_s']:g} V/s, outage {limits['outage_s'] / 60:g} min"
            )
        self.query_one("#form-room").border_subtitle = f"limits: {said}"
        hands = model.hands_on
        going = f"{hands['who']} has the rig. {hands['act'] or 'k gives it back: parked'}\n" if hands else ""
        lines: list[Content | str | tuple[str, str]] = [(going, "bold")]
        for act in reversed(model.acts):
            lines.append((f"{act}\n", BAD if act.startswith("not done") else ""))
        if not hands and not model.acts:
            lines.append(("The first act opens a journal of its own. k gives the rig back.", WEAK))
        self.query_one("#done", Static).update(Content.assemble(*lines))

    @on(OptionList.OptionHighlighted, "#acts")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._act = _BY_NAME[event.option.id or "set"]
        self._complain("")
        if self.cockpit.model.rig:
            self._fill()

    @on(OptionList.OptionSelected, "#acts")
    def _selected(self) -> None:
        self._entering = True
        self._fill()

    @work(exclusive=True, group="form")
    async def _fill(self) -> None:
        """Show the form of the chosen act."""
        room = self.query_one("#form", VerticalScroll)
        await room.remove_children()
        if self._act.name == REQUEST:
            await self._fill_request(room)
            self._enter()
            return
        for field in self._act.fields:
            await room.mount(Label(field.label), self._widget(field))
        if not self._act.fields:
            await room.mount(Static(f"{self._act.title}: nothing more to say."))
        self._enter()

    def action_leave(self) -> None:
        """Leave the form."""
        self.query_one("#acts").focus()

    def _enter(self) -> None:
        """Go to the first thing to fill in, if the act was chosen and not only looked at."""
        if self._entering:
            self._entering = False
            first = next(iter(self.query("#form Input, #form Select")), None)
            (first or self.query_one("#do")).focus()

    def _widget(self, field: Field) -> Input | Select[str]:
        if not field.choose:
            return Input(placeholder=field.example, id=f"field-{field.key}", compact=True)
        choices = self._choices(field.choose)
        return _select(f"field-{field.key}", [(each, each) for each in choices], choices[0])

    def _choices(self, what: str) -> list[str]:
        rig = self.cockpit.model.rig
        if what == "consoles":
            found = [f"{each['name']} {command}" for each in rig["devices"] for command in each["commands"]]
            return found or ["none"]
        return list(rig["users"] if what == "users" else rig["duts"])

    async def _fill_request(self, room: VerticalScroll) -> None:
        try:
            requests = (await self.cockpit.link.call("requests"))["requests"]
        except BenchError as error:
            self._complain(str(error))
            return
        variants = [(f"{each['variant']} {each['name']}", each["variant"]) for each in requests]
        duts = self._choices("devices")
        users = [(each, each) for each in self._choices("users")]
        await room.mount(
            Label("Service Request (type to find it)"),
            _select("variant", variants, "7.4"),
            Label("As"),
            _select("user", users, users[0][1]),
            Label("To"),
            _select("target", [("dcc", "dcc"), *((each, each) for each in duts)], duts[0]),
            Label("About (another device)"),
            _select("about", [("-", ""), *((each, each) for each in duts)], ""),
            Vertical(id="params"),
        )

    @on(Select.Changed, "#variant")
    @on(Select.Changed, "#user")
    @on(Select.Changed, "#target")
    @on(Select.Changed, "#about")
    def _request_changed(self) -> None:
        self._fill_params()

    @work(exclusive=True, group="params")
    async def _fill_params(self) -> None:
        """Show the parameters of the chosen Service Request."""
        try:
            room = self.query_one("#params", Vertical)
            variant, user, target, about = (self._chosen(name) for name in ("variant", "user", "target", "about"))
        except NoMatches:
            return
        try:
            form = await self.cockpit.link.call(
                "form", service_request=variant, to=target, device=about, **{"as": user}
            )
        except BenchError as error:
            self._complain(str(error))
            return
        self._form = form
        kept = {each.id: each.value for each in room.query(Input)}
        await room.remove_children()
        critical = "critical: transformed and signed" if form["critical"] else "not critical"
        await room.mount(
            Static(f"{form['name']}; for {'the DCC' if form['target'] == 'dcc' else 'a device'}; {critical}")
        )
        for field in form["fields"]:
            await room.mount(Label(_label(field, form["filled"])), _param(field, form["filled"], kept))

    def _chosen(self, name: str) -> str:
        return str(self.query_one(f"#{name}", Select).value)

    @on(Button.Pressed, "#do")
    def _do(self) -> None:
        try:
            step = self._step()
        except BenchError as error:
            self._complain(str(error))
            return
        self._act_now(step)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._do()

    def _step(self) -> dict[str, Any]:
        if self._act.name == REQUEST:
            given = {each.id.removeprefix("param-"): each.value for each in self.query(Input) if each.id}
            user, target, about = (self._chosen(name) for name in ("user", "target", "about"))
            return request_step(self._form, given, user=user, target=target, about=about)
        values = {}
        for field in self._act.fields:
            widget = self.query_one(f"#field-{field.key}")
            values[field.key] = str(widget.value) if isinstance(widget, Input | Select) else ""
        return step_of(self._act, values)

    @work(group="act")
    async def _act_now(self, step: dict[str, Any]) -> None:
        try:
            await self.cockpit.link.call("act", step=step)
        except BenchError as error:
            self._complain(f"REFUSED: {error}")
        else:
            self._complain("")

    def _complain(self, text: str) -> None:
        self.query_one("#complaint", Static).update(Content.styled(text, BAD))


def _select(name: str, choices: Sequence[tuple[str, str]], value: str) -> Select[str]:
    return Select(choices, value=value, allow_blank=False, id=name, compact=True, type_to_search=True)


def _label(field: Mapping[str, Any], filled: list[str]) -> str:
    needed = " (needed)" if field["required"] and field["default"] is None and field["key"] not in filled else ""
    return f"{field['key']}{needed}: {field['expected']}"


def _param(field: Mapping[str, Any], filled: list[str], kept: Mapping[str | None, str]) -> Input:
    name = f"param-{field['key']}"
    known = "filled in by the rig" if field["key"] in filled else ""
    default = f"{field['default']} unless given" if field["default"] is not None else ""
    json = "as JSON" if field["kind"] in ("list", "mapping") else ""
    hint = "; ".join(each for each in (known, default, json) if each)
    return Input(kept.get(name, ""), placeholder=hint, id=name, password=bool(field["secret"]), compact=True)
