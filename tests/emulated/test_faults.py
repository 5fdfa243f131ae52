"""Every fault does what its description says, and a name that is not known is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from bench.duis import responses as duis
from bench.errors import UsageError
from bench.gbcs.alerts import SupplyOutage
from drivers.emulated.faults import KNOWN, Fault, Faults
from tests.emulated.worlds import CHF, CODES, ESME, GPF, GSME, Small, small_world

VOLTAGE = {"voltage": {"period": "60 s", "over": "253 V", "under": "207 V"}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("alert-never", Fault("alert-never", None, 0.0)),
        ("alert-never:0x8f36", Fault("alert-never", "0x8F36", 0.0)),
        ("alert-late:8F36@30s", Fault("alert-late", "0x8F36", 30.0)),
        ("alert-late:AD1", Fault("alert-late", "AD1", 3600.0)),
        ("forbidden-alert:n25@1.5 min", Fault("forbidden-alert", "N25", 90.0)),
        ("device-clock-off:-12.5", Fault("device-clock-off", "-12.5", 0.0)),
        ("device-clock-off:2 min", Fault("device-clock-off", "120.0", 0.0)),
        ("response-late:6.20.1@90 s", Fault("response-late", "6.20.1", 90.0)),
        ("source-silent@10 s", Fault("source-silent", None, 10.0)),
        ("hub-boot-slow", Fault("hub-boot-slow", None, 1800.0)),
    ],
)
def test_faults_are_read(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alert-newer", "Did you mean alert-never"),
        ("nonsense", "Known faults: alert-never, alert-late"),
        ("", "Known faults"),
        ("alert-late:0x8F36@soon", "duration"),
        ("alert-late@-3 s", "negative"),
        ("alert-never:8F", "0x8F35, AD1 or N24"),
        ("alert-never@3 s", "takes no delay"),
        ("n24-missing:8.11", "takes no argument"),
        ("forbidden-alert", "needs an argument"),
        ("response-error:now", "8.11 or 6.20.1"),
        ("device-clock-off:late", "duration"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_can(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Faults([text])


@given(st.text(max_size=40))
def test_any_text_is_a_fault_or_a_clear_error(text: str) -> None:
    try:
        assert Fault.parse(text).name in KNOWN
    except UsageError as error:
        assert str(error)


def test_a_name_that_is_no_fault_is_a_mistake_of_the_emulator() -> None:
    with pytest.raises(KeyError):
        Faults().find("alert-newer")


async def outage(small: Small, length_s: float = 200.0, rest_s: float = 100.0) -> None:
    small.world.source_node.step(0.0)
    await asyncio.sleep(length_s)
    small.world.source_node.step(230.0)
    await asyncio.sleep(rest_s)


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ((), ["AD1", "AD1", "0x8F36"]),
        (("alert-never:0x8F36",), ["AD1", "AD1"]),
        (("alert-never:0x8F35",), ["AD1", "AD1", "0x8F36"]),
        (("alert-never",), []),
        (("alert-never:AD1",), ["0x8F36"]),
        (("alert-twice:0x8F36",), ["AD1", "AD1", "0x8F36", "0x8F36"]),
        (("alert-wrong-code:0x8F36",), ["AD1", "AD1", "0x8F35"]),
        (("alert-late:0x8F36@10min",), ["AD1", "AD1"]),
        (("alert-late:0x8F36@20s",), ["AD1", "AD1", "0x8F36"]),
        (("forbidden-alert:0x8F35@50s",), ["AD1", "AD1", "0x8F36", "0x8F35"]),
        (("forbidden-alert:N25@50s",), ["AD1", "AD1", "0x8F36"]),
        (("forbidden-alert:N53@50s",), ["AD1", "AD1", "0x8F36", "N53"]),
        (("forbidden-alert:AD1@10s",), ["AD1", "AD1", "AD1", "AD1", "0x8F36"]),
        (("forbidden-alert:0x8002@50s",), ["AD1", "AD1", "0x8F36"]),
        (("forbidden-alert:0x81A0@50s",), ["AD1", "AD1", "0x8F36", "0x81A0"]),
    ],
)
async def test_alerts_of_an_outage(faults: tuple[str, ...], expected: list[str]) -> None:
    with small_world(*faults) as small:
        await outage(small)
        assert small.codes() == expected
        for post in small.posts:
            if isinstance(post.message, duis.DeviceAlert):
                assert small.protection(post) == "valid"


async def test_a_late_alert_is_as_late_as_it_was_told_to_be() -> None:
    with small_world("alert-late:0x8F36@10min") as small:
        await outage(small, rest_s=700)
        assert small.post("0x8F36").at_s == pytest.approx(200 + 3 + 600 + 1)


async def test_a_duplicate_is_the_very_same_message() -> None:
    with small_world("alert-twice:0x8F36@7s") as small:
        await outage(small)
        first, second = (post for post in small.posts if post.code == "0x8F36")
        assert first.message.payload == second.message.payload  # type: ignore[attr-defined]
        assert second.at_s - first.at_s == pytest.approx(7, abs=45)


@pytest.mark.parametrize(
    ("fault", "protection"),
    [
        ("alert-bad-signature:0x8F36", "the GBCS signature does not verify"),
        ("alert-bad-mac:0x8002", "the MAC does not verify"),
    ],
)
async def test_bad_protection(fault: str, protection: str) -> None:
    with small_world(fault, world=VOLTAGE) as small:
        await outage(small)
        small.world.source_node.step(260.0)
        await asyncio.sleep(130)
        found = [small.protection(post) for post in small.posts if isinstance(post.message, duis.DeviceAlert)]
        assert sorted(found) == sorted([protection, "valid"])


async def test_wrong_device_and_wrong_user_are_duly_protected() -> None:
    with small_world("alert-wrong-device:0x8F36", "alert-wrong-user:0x8002", world=VOLTAGE) as small:
        await outage(small)
        small.world.source_node.step(260.0)
        await asyncio.sleep(130)
        wrong_device, wrong_user = small.post("0x8F36"), small.post("0x8002")
        assert wrong_device.gbcs is not None
        assert wrong_device.gbcs.originator == CHF
        assert (wrong_device.user, wrong_user.user) == ("ED", "IS")
        assert small.protection(wrong_device) == small.protection(wrong_user) == "valid"


async def test_a_replay_is_an_earlier_message_or_one_of_yesterday() -> None:
    with small_world("alert-replay:0x8F36") as small:
        await outage(small)
        yesterday = small.post("0x8F36")
        assert small.protection(yesterday) == "valid"
        assert yesterday.gbcs is not None
        assert yesterday.gbcs.originator_counter < 1_767_225_600_000
        specific = yesterday.alert.specific
        assert isinstance(specific, SupplyOutage)
        assert specific.interrupted.day == 31


async def test_the_log_update_fails_or_is_answered_wrongly() -> None:
    added = {"device_id": ESME, "install_code": CODES["esme"]}
    pending = {"esme": "Pending"}
    with small_world("n24-missing", inventory=pending) as small:
        assert (await small.ask("IS", "8.11", CHF, added)).ok
        await asyncio.sleep(2)
        assert small.codes() == []
    with small_world("n24-wrong-request", inventory=pending) as small:
        answer = small.send("IS", "8.11", CHF, added)
        await asyncio.sleep(5)
        about = small.post("N24").message.about_request  # type: ignore[attr-defined]
        assert about != answer.request_id
    with small_world("log-update-rejected", inventory=pending) as small:
        assert not (await small.ask("IS", "8.11", CHF, added)).ok
        await asyncio.sleep(60)
        assert small.codes() == ["N25"]
        assert small.status(ESME) == "Pending"
        assert small.air == []


@pytest.mark.parametrize("variant", ["7.4", "6.2.1", "6.20.1"])
async def test_a_device_refuses_what_it_is_told_to(variant: str) -> None:
    user, params = ("ED", {}) if variant == "6.2.1" else ("IS", {})
    if variant == "6.20.1":
        params = {"import_mpan": "1012345678901"}
    with small_world(f"response-error:{variant}") as small:
        answer: Any = await small.ask(user, variant, ESME, params)
        assert not answer.ok


async def test_every_use_case_can_be_refused() -> None:
    """Also those whose refusal says more than no."""
    faults = [f"response-error:{variant}" for variant in ("7.2", "7.3", "7.4", "8.1.1", "6.20.1", "6.21", "8.7.2")]
    with small_world(*faults, inventory={"gsme": "InstalledNotCommissioned"}, world={"gsme_wake": "10 s"}) as small:
        users = small.world.users
        der = users["GS"].signing.certificate.public_bytes(Encoding.DER)
        now = {"current_date_time": small.world.mail.now}
        asked: list[tuple[Any, dict[str, Any]]] = [
            ("7.2", {}),
            ("7.3", {}),
            ("7.4", {}),
            ("8.7.2", {"other_device_id": GPF}),
            ("6.20.1", {"import_mprn": "7412345604"}),
            ("8.1.1", now),
        ]
        for variant, params in asked:
            assert not (await small.ask("GS", variant, GSME, params)).ok, variant
        handover = {"digital_signing_certificate": der, "certificate": [der]}
        assert not (await small.ask("GS", "6.21", GPF, handover)).ok
        assert small.status(GSME) == "InstalledNotCommissioned"


async def test_responses_are_late_or_never() -> None:
    with small_world("response-late:7.4@30s", "response-never:6.2.1") as small:
        small.send("IS", "7.4", ESME)
        small.send("ED", "6.2.1", ESME)
        await asyncio.sleep(29)
        assert small.posts == []
        await asyncio.sleep(10)
        assert [post.code for post in small.posts] == ["7.4"]


async def test_a_blip_is_over_before_a_mean_can_cross() -> None:
    with small_world("voltage-blip@5s", world=VOLTAGE) as small:
        await asyncio.sleep(100)
        small.world.source_node.step(260.0)
        await asyncio.sleep(4)
        assert small.world.esme.node.volts == 260.0
        await asyncio.sleep(2)
        assert small.world.esme.node.volts == 230.0
        await asyncio.sleep(200)
        assert small.codes() == []
        await outage(small)
        assert "0x8F36" in small.codes()


async def test_a_forbidden_alert_counts_from_the_last_stimulus() -> None:
    with small_world("forbidden-alert:0x8006@120s", world=VOLTAGE) as small:
        await asyncio.sleep(300)
        assert small.codes() == []
        small.world.source_node.step(260.0)
        await asyncio.sleep(100)
        small.world.source_node.step(258.0)
        changed = small.loop.time()
        await asyncio.sleep(300)
        assert small.post("0x8006").at_s == pytest.approx(changed + 120, abs=0.01)


async def test_a_forbidden_answer_to_a_log_update_follows_the_update() -> None:
    with small_world("forbidden-alert:N25@20s", "forbidden-alert:0x8F32@20s", inventory={"esme": "Pending"}) as small:
        await small.ask("IS", "8.11", CHF, {"device_id": ESME, "install_code": CODES["esme"]})
        await asyncio.sleep(100)
        assert sorted(small.codes()) == ["0x8183", "N24", "N25"]
        assert small.post("N25").user == "IS"
