"""What a document of a project consists of, apart from how it is drawn (HTML, XLSX, PDF)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

Value = str | int | float | date


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Missing:
    """What somebody has to say before the document is whole.

    Attributes:
        question: to people.
        how: the command, or the act, that answers it.
    """

    question: str
    how: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table: a row has a value for each heading."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over days: each has a value for each day, None for days that have not come.

    Attributes:
        title: in words, since a picture may not be seen.
        unit: of the values.
    """

    title: str
    unit: str
    days: tuple[date, ...]
    lines: tuple[tuple[str, tuple[int | None, ...]], ...]


Block = Text | Missing | Table | Chart


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document: one item that SEC Appendix R names, or what belongs beside it.

    Attributes:
        item: the item's number; empty for none.
        title: its heading.
        blocks: what it says.
    """

    item: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a project.

    Attributes:
        name: as in `changes.DOCUMENTS`, and of the file.
        title: for people.
        clause: of SEC Appendix R that asks for it.
        about: Party, User Role and so on, as pairs.
        made_at: UTC.
        notes: what a reader must know before all else: a rehearsal, a draft.
        sections: in order.
    """

    name: str
    title: str
    clause: str
    about: tuple[tuple[str, str], ...]
    made_at: datetime
    notes: tuple[str, ...] = ()
    sections: tuple[Section, ...] = field(default=())

    @property
    def missing(self) -> tuple[tuple[str, Missing], ...]:
        """What is missing, with the item that it belongs to."""
        return tuple(
            (section.item, block) for section in self.sections for block in section.blocks if isinstance(block, Missing)
        )


def table(headings: Sequence[str], rows: Iterator[Sequence[Value]] | Sequence[Sequence[Value]]) -> Table:
    """A table of rows of any kind."""
    return Table(tuple(headings), tuple(tuple(row) for row in rows))


def text_of(value: Value) -> str:
    """A value as people read it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value)
