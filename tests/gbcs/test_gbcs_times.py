"""Moments in the three notations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gbcs import times
from bench.gbcs.errors import GbcsError

SECONDS = st.integers(0, 2**32 - 2).map(lambda seconds: times.ZIGBEE_EPOCH + timedelta(seconds=seconds))


@given(SECONDS, st.integers(0, 99), st.booleans())
def test_dlms_round_trip(second: datetime, hundredths: int, weekday: bool) -> None:
    moment = second + timedelta(milliseconds=10 * hundredths)
    raw = times.encode_dlms(moment, weekday=weekday)
    assert times.decode_dlms(raw) == moment
    assert times.has_weekday(raw) is weekday


@given(SECONDS)
def test_other_round_trips(moment: datetime) -> None:
    assert times.decode_zigbee(times.encode_zigbee(moment)) == moment
    assert times.decode_generalized(times.encode_generalized(moment)) == moment


def test_known_answers() -> None:
    moment = datetime(2015, 1, 1, tzinfo=UTC)
    assert times.encode_dlms(moment).hex() == "07df0101ff000000008000ff"
    assert times.encode_dlms(moment, weekday=True).hex() == "07df010104000000008000ff"
    assert times.encode_zigbee(moment).hex() == "1c374a80"
    assert times.encode_generalized(moment) == b"20150101000000Z"
    summer = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=1)))
    assert times.encode_generalized(summer) == b"20260701110000Z"


@pytest.mark.parametrize(
    "raw",
    ["ffffffffffffffffff8000ff", "07ea020aff250000008000ff", "07ea021eff000000008000ff", "0000000000000000008000ff"],
)
def test_no_valid_dlms_time(raw: str) -> None:
    assert times.decode_dlms(bytes.fromhex(raw)) is None


def test_status_and_unspecified_hundredths_do_not_matter() -> None:
    assert times.decode_dlms(bytes.fromhex("07df0101ff000000ff800004")) == datetime(2015, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("raw", [b"", b"20150101000000", b"20150101000000z", b"2015010100000AZ", b"150101000000Z"])
def test_what_is_no_generalized_time(raw: bytes) -> None:
    with pytest.raises(GbcsError, match="GeneralizedTime"):
        times.decode_generalized(raw)


def test_generalized_time_on_no_day() -> None:
    assert times.decode_generalized(b"20150230000000Z") is None


@pytest.mark.parametrize("read", [times.decode_dlms, times.decode_zigbee])
def test_wrong_length(read: object) -> None:
    with pytest.raises(GbcsError, match="bytes"):
        read(b"123")  # type: ignore[operator]
