"""Everything that was received: filtered, searched, and any message opened as a tree with its bytes beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import DataTable, Input, Static, Tree

from bench.cockpit.model import Message, Model
from bench.cockpit.words import hex_lines, utc_time
from bench.errors import BenchError
from bench.gbcs.tree import Node
from bench.screens.base import View

if TYPE_CHECKING:
    from bench.cockpit.messages import Opened

_MOST_SHOWN = 200


class MessagesScreen(View):
    """The newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search"),
        Binding("escape", "close", "Close"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[object, ...] = ()
        self._opened: Opened | None = None

    def body(self) -> ComposeResult:
        """Search, list, and the message that is open."""
        yield Input(
            placeholder="search: words that must all be there, such as: alert 0x8002 esme", id="search", compact=True
        )
        yield DataTable(id="messages", cursor_type="row", zebra_stripes=True)
        with Horizontal(id="opened"):
            yield Tree("", id="tree")
            with VerticalScroll(id="hex-room"):
                yield Static(id="hex")

    def on_mount(self) -> None:
        """Columns, and nothing open."""
        table: DataTable[str] = self.query_one("#messages", DataTable)
        for label, width in (("UTC", 12), ("kind", 12), ("code", 8), ("from", 8), ("to", 4), ("note", 60)):
            table.add_column(label, width=width)
        self.query_one("#opened").display = False
        self.query_one("#tree", Tree).show_root = False
        self.query_one("#hex-room").border_title = "Bytes"
        table.focus()

    def action_search(self) -> None:
        """Go to the search."""
        self.query_one("#search").focus()

    def action_close(self) -> None:
        """Close the message, or clear the search."""
        if self.query_one("#opened").display:
            self.query_one("#opened").display = False
            self.query_one("#messages").remove_class("-under")
        else:
            self.query_one("#search", Input).value = ""
        self.query_one("#messages").focus()

    @on(Input.Submitted, "#search")
    def _searched(self) -> None:
        self.query_one("#messages").focus()

    @on(Input.Changed, "#search")
    def _typed(self) -> None:
        self.cockpit.redraw(always=True)

    def draw(self, model: Model, now_ns: int) -> None:
        """Show the newest that fit the search; the cursor stays on its message."""
        words = self.query_one("#search", Input).value.lower().split()
        newest = model.messages[-1].n if model.messages else 0
        state = (newest, len(model.messages), tuple(words))
        if state == self._shown:
            return
        self._shown = state
        found = select(model, words)
        table: DataTable[str] = self.query_one("#messages", DataTable)
        at = self._cursor_key(table)
        table.clear()
        for each in found:
            cells = (utc_time(each.utc_ns), each.kind, each.code, each.source, each.to, each.note)
            table.add_row(*cells, key=str(each.n))
        if at is not None and at in table.rows:
            table.move_cursor(row=table.get_row_index(at), animate=False)
        table.border_title = f"{len(found)} of {len(model.messages)} messages, the newest first"

    @staticmethod
    def _cursor_key(table: DataTable[str]) -> Any:
        if not table.row_count or table.cursor_row == 0:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key

    @on(DataTable.RowSelected, "#messages")
    def _chosen(self, event: DataTable.RowSelected) -> None:
        number = int(event.row_key.value or 0)
        message = next((each for each in self.cockpit.model.messages if each.n == number), None)
        if message is not None:
            self._open(message)

    @work(exclusive=True, group="open")
    async def _open(self, message: Message) -> None:
        wire: list[dict[str, Any]] = []
        complaint = ""
        try:
            wire = (await self.cockpit.link.call("raw", n=message.n))["wire"]
        except BenchError as error:
            complaint = str(error)
        # The codecs take a while to load: nobody waits for them before the first message is opened.
        from bench.cockpit.messages import open_message

        self._opened = opened = open_message(message, wire, complaint)
        tree: Tree[Node] = self.query_one("#tree", Tree)
        tree.clear()
        for node in opened.trees:
            _grow(tree.root, node)
        tree.root.expand_all()
        self.query_one("#opened").display = True
        self.query_one("#messages").add_class("-under")
        self.query_one("#tree").border_title = f"{message.kind} {message.code} from {message.source}"
        tree.focus()
        # How many bytes go into a line is known when it is laid out.
        self.call_after_refresh(self._bytes, None)

    @on(Tree.NodeHighlighted, "#tree")
    def _highlighted(self, event: Tree.NodeHighlighted[Node]) -> None:
        self._bytes(event.node.data)

    def _bytes(self, node: Node | None) -> None:
        """Show the bytes of a part, or of the whole."""
        opened = self._opened
        if opened is None:
            return
        data = opened.bytes_of(node)
        offset = 0
        title = "Bytes"
        if node is not None and node.offset is not None and data:
            offset, length = node.offset, node.length or len(data) - node.offset
            title = f"Bytes {offset} to {offset + length - 1}: {node.name}"
            data = data[offset : offset + length]
        self.query_one("#hex-room").border_title = title
        per_line = 16 if self.query_one("#hex-room").size.width >= 74 else 8
        text = "\n".join(hex_lines(data, offset, per_line)) if data else opened.text_of(node)
        self.query_one("#hex", Static).update(text, layout=True)


def select(model: Model, words: list[str]) -> list[Message]:
    """The newest messages in which all these words are."""
    found: list[Message] = []
    for each in reversed(model.messages):
        if all(word in each.text for word in words):
            found.append(each)
            if len(found) == _MOST_SHOWN:
                break
    return found


def _grow(branch: Any, node: Node) -> None:
    value = "" if node.value is None else f": {str(node.value)[:80]}"
    note = f"  ({node.note})" if node.note else ""
    label = f"{'! ' if node.fault else ''}{node.name}{value}{note}"
    if not node.children:
        branch.add_leaf(_plain(label), data=node)
        return
    below = branch.add(_plain(label), data=node)
    for child in node.children:
        _grow(below, child)


def _plain(label: str) -> Any:
    from rich.text import Text

    return Text(label)
