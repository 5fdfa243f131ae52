from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.duis.errors import DuisError
from bench.duis.request_id import MAX_COUNTER, RequestId
from bench.eui import Eui64

USER, DEVICE = "90-B3-D5-1F-30-01-00-00", "00-DB-12-34-56-78-90-A0"

request_ids = st.builds(
    RequestId,
    st.binary(min_size=8, max_size=8).map(Eui64),
    st.binary(min_size=8, max_size=8).map(Eui64),
    st.integers(0, MAX_COUNTER),
)


def test_it_is_read_and_written_as_duis_prints_it() -> None:
    text = f"{USER}:{DEVICE}:1660751141087"
    read = RequestId.parse(text.lower())
    assert read == RequestId(Eui64.parse(USER), Eui64.parse(DEVICE), 1660751141087)
    assert str(read) == text


def test_a_response_reverses_the_parties_and_keeps_the_counter() -> None:
    assert str(RequestId.parse(f"{USER}:{DEVICE}:7").response_id()) == f"{DEVICE}:{USER}:7"


@given(request_ids)
def test_round_trip(request_id: RequestId) -> None:
    assert RequestId.parse(str(request_id)) == request_id
    assert request_id.response_id().response_id() == request_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1:2:3",
        f"{USER}:{DEVICE}",
        f"{USER}:{DEVICE}:",
        f"{USER}:{DEVICE}:-1",
        f"{USER}:{DEVICE}:01",
        f"{USER}:{DEVICE}:1:2",
        f"{USER}:{DEVICE}:{MAX_COUNTER + 1}",
        f"{USER}:{DEVICE}:\u0661",
        f"{USER.replace('-', '')}:{DEVICE}:1",
        f"{USER[:-1]}G:{DEVICE}:1",
        f"-{USER[1:]}:{DEVICE}:1",
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(DuisError, match="EUI:EUI:counter"):
        RequestId.parse(text)


def test_a_counter_has_64_bits() -> None:
    with pytest.raises(ValueError, match="64 bits"):
        RequestId(Eui64.parse(USER), Eui64.parse(DEVICE), MAX_COUNTER + 1)
