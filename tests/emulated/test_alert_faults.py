"""Faults of alerts that only some alerts can have, and replays of what was sent before."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from bench.duis import responses as duis
from bench.duis.errors import SignatureError
from bench.errors import UsageError
from drivers.emulated.faults import Fault
from tests.emulated.worlds import CHF, ESME, Small, small_world


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alert-bad-signature:0x8002", "no signature: alert-bad-mac:0x8002"),
        ("alert-bad-mac:0x8F35", "no MAC: alert-bad-signature:0x8F35"),
        ("alert-bad-mac:AD1", "no MAC: alert-bad-signature:AD1"),
        ("alert-wrong-device:N24", "from no device"),
    ],
)
def test_what_an_alert_does_not_have_cannot_be_wrong(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Fault.parse(text)


async def outage(small: Small, length_s: float = 200.0, rest_s: float = 100.0) -> None:
    small.world.source_node.step(0.0)
    await asyncio.sleep(length_s)
    small.world.source_node.step(230.0)
    await asyncio.sleep(rest_s)


def ad1(small: Small) -> list[duis.DccAlert]:
    """Every AD1 that came to ED."""
    found = [post.message for post in small.posts if post.code == "AD1" and post.user == "ED"]
    return [message for message in found if isinstance(message, duis.DccAlert)]


async def test_a_power_outage_of_yesterday() -> None:
    with small_world("alert-replay:AD1") as small:
        began = small.world.mail.now
        await outage(small)
        (alert,) = ad1(small)
        start = alert.body["start_date_time"]
        assert isinstance(start, datetime)
        assert abs(began - timedelta(days=1) - start) < timedelta(seconds=1)
        assert alert.response_id is not None and alert.response_date_time is not None
        assert alert.response_id.counter < 1_767_225_600_000
        assert alert.response_date_time < began


async def test_from_a_moment_on_what_was_sent_before_comes_again() -> None:
    with small_world("alert-replay:AD1@300s", "alert-replay:0x8F36@300s") as small:
        await outage(small)
        await outage(small)
        for code in ("AD1", "0x8F36"):
            first, second = (post for post in small.posts if (post.code, post.user) == (code, "ED"))
            assert first.raw == second.raw if code == "AD1" else first.gbcs == second.gbcs
            assert second.at_s > first.at_s + 200


async def test_an_alert_of_the_dcc_that_is_badly_signed() -> None:
    documents: list[bytes] = []
    with small_world("alert-bad-signature:AD1") as small:
        small.world.outbox = documents.append
        await outage(small)
    assert len(documents) == 3
    for document in documents[:2]:
        with pytest.raises(SignatureError, match="does not verify"):
            small.receive(document)
    small.receive(documents[2])


async def test_an_alert_about_another_comms_hub() -> None:
    with small_world("alert-wrong-device:AD1") as small:
        await outage(small)
        (alert,) = ad1(small)
        assert alert.device_id not in (CHF, None)


async def test_armed_is_forbidden_after_disabling_as_well() -> None:
    with small_world("forbidden-alert:0x8F32@20s") as small:
        asked_s = small.loop.time()
        await small.ask("IS", "7.2", ESME)
        await asyncio.sleep(60)
        assert small.post("0x8F32").at_s == pytest.approx(asked_s + 20 + 1, abs=1)
