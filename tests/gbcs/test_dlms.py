"""DLMS data, access lists and OBIS codes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gbcs import dlms
from bench.gbcs.dlms import Access, AccessResult, Data, Tag, Target, Verb
from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import Reader, encode_length


def integers(tag: Tag, low: int, high: int) -> st.SearchStrategy[Data]:
    return st.integers(low, high).map(lambda value: Data(tag, value))


def strings(tag: Tag, low: int, high: int) -> st.SearchStrategy[Data]:
    return st.binary(min_size=low, max_size=high).map(lambda value: Data(tag, value))


LEAVES: st.SearchStrategy[Data] = st.one_of(
    st.just(dlms.NULL),
    integers(Tag.BOOLEAN, 0, 255),
    integers(Tag.INT8, -128, 127),
    integers(Tag.INT16, -(2**15), 2**15 - 1),
    integers(Tag.INT32, -(2**31), 2**31 - 1),
    integers(Tag.INT64, -(2**63), 2**63 - 1),
    integers(Tag.UINT8, 0, 255),
    integers(Tag.UINT16, 0, 2**16 - 1),
    integers(Tag.UINT32, 0, 2**32 - 1),
    integers(Tag.UINT64, 0, 2**64 - 1),
    integers(Tag.ENUM, 0, 255),
    strings(Tag.OCTET_STRING, 0, 300),
    strings(Tag.VISIBLE_STRING, 0, 20),
    strings(Tag.UTF8_STRING, 0, 20),
    strings(Tag.DATE_TIME, 12, 12),
    strings(Tag.DATE, 5, 5),
    strings(Tag.TIME, 4, 4),
    st.binary(min_size=2, max_size=2).map(lambda bits: Data(Tag.BIT_STRING, b"\x0c" + bits)),
    st.binary(max_size=200).map(
        lambda rows: Data(Tag.COMPACT_ARRAY, b"\x02\x02\x06\x06" + encode_length(len(rows)) + rows)
    ),
)


def nested(children: st.SearchStrategy[Data]) -> st.SearchStrategy[Data]:
    tags = st.sampled_from([Tag.ARRAY, Tag.STRUCTURE])
    return st.builds(lambda tag, items: Data(tag, tuple(items)), tags, st.lists(children, max_size=4))


DATA = st.recursive(LEAVES, nested, max_leaves=12)
TARGETS = st.builds(
    Target,
    st.integers(0, 0xFFFF),
    st.binary(min_size=6, max_size=6).map(dlms.format_obis),
    st.integers(0, 255),
)
PLAIN = st.builds(Access, st.sampled_from([Verb.GET, Verb.SET, Verb.ACTION]), TARGETS, DATA)
SELECTED = st.builds(Access, st.just(Verb.GET_SELECTED), TARGETS, DATA, st.integers(0, 255), DATA)
RESULTS = st.builds(AccessResult, st.sampled_from([Verb.GET, Verb.SET, Verb.ACTION]), st.integers(0, 255), DATA)


@given(DATA)
def test_data_round_trip(data: Data) -> None:
    reader = Reader(dlms.encode_data(data))
    assert dlms.read_data(reader) == data
    assert reader.remaining == 0


@given(st.integers(0, 2**64 - 1), st.lists(PLAIN | SELECTED, max_size=5))
def test_request_round_trip(counter: int, items: list[Access]) -> None:
    invoke_id, found = dlms.decode_request(dlms.encode_request(counter, tuple(items)))
    assert invoke_id == 0x20000000 | counter & 0xFFFFFF
    assert found == tuple(items)


@given(st.integers(0, 2**64 - 1), st.lists(RESULTS, max_size=5))
def test_response_round_trip(counter: int, items: list[AccessResult]) -> None:
    assert dlms.decode_response(dlms.encode_response(counter, tuple(items)))[1] == tuple(items)


@given(st.binary(max_size=100), st.sampled_from([b"", b"\xd9\x20\x00\x00\x01\x00", b"\xda\x20\x00\x00\x01\x00\x00"]))
def test_noise_raises_nothing_else(noise: bytes, head: bytes) -> None:
    for read in (dlms.decode_request, dlms.decode_response):
        try:
            read(head + noise)
        except GbcsError:
            continue


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("63", "63 is no data type"),
        ("06 0000", "UINT32 is cut short"),
        ("09 05 00", "OCTET_STRING is cut short"),
        ("09 81 05 0000000000", "shortest form"),
        ("09 84 00000001 00", "starts with 84"),
        ("02 01 " * 40 + "00", "nested too deep"),
        ("13" + "02 01" * 40, "nested too deep"),
        ("13 01 0002 06 08 00", "compact array is cut short"),
        ("02 FF", "element count starts with ff"),
    ],
)
def test_broken_data_is_refused(content: str, complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        dlms.read_data(Reader(bytes.fromhex(content)))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("DA 20000001 00 00", "access request tag is da"),
        ("D9 20000001 0C", "date-time is 0c"),
        ("D9 20000001 00 01 05", "05 is no access specification"),
        ("D9 20000001 00 01 01 0001 010020230004 02 02 00 00", "2 pieces of data; expected 1"),
        ("D9 20000001 00 00 00 00", "1 bytes follow the end"),
    ],
)
def test_broken_request_is_refused(content: str, complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        dlms.decode_request(bytes.fromhex(content))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("DA 20000001 00 00 01 00 02 0100", "2 results; expected 1"),
        ("DA 20000001 00 00 01 00 01 0400", "04 is no access result"),
    ],
)
def test_broken_response_is_refused(content: str, complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        dlms.decode_response(bytes.fromhex(content))


def test_fault_in_an_inner_part_has_the_outer_offset() -> None:
    with pytest.raises(GbcsError) as caught:
        dlms.decode_request(bytes.fromhex("D9 20000001 00 01 01 0001 010020230004 02 01 63"))
    assert caught.value.offset == 18


@pytest.mark.parametrize("text", ["1-0:32.35.0.4", "0-0:96.3.10.255"])
def test_obis(text: str) -> None:
    assert dlms.format_obis(dlms.parse_obis(text)) == text


@pytest.mark.parametrize(
    "text", ["", "1.0.32.35.0.4", "1-0:32.35.0", "1-0:32.35.0.256", "1-0:32.35.0.x", "01-0:32.35.0.4"]
)
def test_what_is_no_obis(text: str) -> None:
    with pytest.raises(GbcsError, match="OBIS"):
        dlms.parse_obis(text)


@pytest.mark.parametrize("data", [Data(Tag.UINT8, 256), Data(Tag.INT8, -129), Data(Tag.UINT32, -1)])
def test_number_that_does_not_fit(data: Data) -> None:
    with pytest.raises(GbcsError, match="does not fit"):
        dlms.encode_data(data)


def test_value_of_another_type() -> None:
    wrong: list[Any] = [Data(Tag.OCTET_STRING, b"1"), dlms.NULL, Data(Tag.ARRAY, ())]
    for data in wrong:
        with pytest.raises(GbcsError, match="where a number belongs"):
            _ = data.integer
    for data in (dlms.uint32(1), dlms.NULL, Data(Tag.BIT_STRING, b"\x00")):
        with pytest.raises(GbcsError, match="where a string belongs"):
            _ = data.octets
