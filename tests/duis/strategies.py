"""Parameters that fit a shape, for hypothesis; made from what each kind says it expects."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from bench.duis import values as v
from bench.duis.shapes import Choice, Flag, Item, Leaf, Repeat
from bench.duis.values import Kind
from bench.eui import Eui64
from tests.duis.test_request_id import request_ids

_FIXED: list[tuple[Kind, st.SearchStrategy[Any]]] = [
    (v.EUI, st.binary(min_size=8, max_size=8).map(Eui64)),
    (v.REQUEST_ID, request_ids),
    (v.BASE64, st.binary(max_size=40)),
    (v.BOOLEAN, st.booleans()),
    (
        v.DATE_TIME,
        st.integers(0, 10**16).map(lambda each: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(microseconds=each)),
    ),
    (v.DATE, st.dates(date(2015, 1, 1), date(2099, 1, 1))),
    (
        v.CALENDAR_DATE,
        st.builds(
            lambda year, day: f"{year}-{day:%m-%d}",
            st.sampled_from([2014, 2099, 65535]),
            st.dates(date(2015, 1, 1), date(2015, 12, 31)),
        ),
    ),
    (v.TIME, st.builds(time, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))),
    (v.EUI_LIST, st.lists(st.binary(min_size=8, max_size=8).map(Eui64), min_size=1, max_size=3).map(tuple)),
    (v.MPAN, st.text("0123456789", min_size=13, max_size=13)),
    (v.IMPORT_MPXN, st.text("0123456789", min_size=1, max_size=13)),
    (v.MPRN, st.text("0123456789", min_size=1, max_size=10)),
]


def of_kind(kind: Kind) -> st.SearchStrategy[Any]:
    """Canonical values of a kind."""
    for fixed, strategy in _FIXED:
        if kind is fixed:
            return strategy
    expected = kind.expected
    if expected.startswith("one of "):
        return st.sampled_from(expected.removeprefix("one of ").split(", "))
    numbers = [int(each) for each in re.findall(r"-?\d+", expected)]
    if expected.startswith("a whole number"):
        return st.integers(*numbers)
    if expected.endswith("in hexadecimal"):
        return st.binary(min_size=numbers[0], max_size=numbers[-1])
    if expected.startswith("at most"):
        return st.binary(max_size=40)
    if expected.startswith("text of"):
        return st.text("0123456789", min_size=numbers[0], max_size=min(numbers[-1], 40))
    if expected.startswith("a number from"):
        lowest, highest = (Decimal(expected.split(" ")[word]).scaleb(numbers[-1]) for word in (3, 5))
        return st.integers(int(lowest), int(highest)).map(lambda each: Decimal(each).scaleb(-numbers[-1]))
    if expected == "a UTRN of 20 digits":
        return st.text("0123456789", min_size=20, max_size=20)
    if expected == "EUI-64s with commas between them":
        return st.lists(of_kind(v.EUI), min_size=1, max_size=3).map(lambda each: ",".join(map(str, each)))
    raise NotImplementedError(expected)


@st.composite
def params_of(draw: st.DrawFn, items: tuple[Item, ...]) -> dict[str, Any]:
    """Parameters that fit a shape: all that is required, some of what is not."""
    out: dict[str, Any] = {}
    for item in items:
        if isinstance(item, Choice):
            branches = list(item.branches)
            if item.required or draw(st.booleans()):
                # A branch that is chosen says something: without a parameter it could not be told from the others.
                out |= draw(params_of(draw(st.sampled_from(branches))).filter(bool))
        elif isinstance(item, Flag):
            if item.required or draw(st.booleans()):
                out[item.key] = True
        elif isinstance(item, Repeat):
            content = of_kind(item.content) if isinstance(item.content, Kind) else params_of(item.content)
            entries = draw(st.lists(content, min_size=item.minimum, max_size=min(item.maximum, item.minimum + 2)))
            if entries:
                out[item.key] = tuple(entries)
        elif item.required or draw(st.booleans()):
            if isinstance(item, Leaf):
                out[item.key] = draw(of_kind(item.kind))
            else:
                inner = draw(params_of(item.items))
                out |= {item.key: inner} if item.nests else inner
    return out
