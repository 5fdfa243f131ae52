"""What the gateway says about when messages come, what is still to come, and every Command Variant through it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bench.duis import responses as duis
from bench.duis.default_params import default_params
from bench.duis.signatures import verify
from bench.events import Event
from bench.parties import KeyUse
from drivers.emulated.bench import EmulatedBench
from drivers.gateway import Gateway
from tests.drivers.test_gateway_mutual_tls import ask, bench, gateway
from tests.emulated.worlds import ESME

PLAIN: dict[str, Any] = {}


def seen(events: list[Event], kind: str) -> list[Mapping[str, Any]]:
    return [event.data for event in events if event.kind == f"seen.{kind}"]


def keep_post(emulated: EmulatedBench) -> list[bytes]:
    """Everything that the DCC delivers from now on, beside its way to the bench."""
    documents: list[bytes] = []
    deliver = emulated.world.outbox

    def both(document: bytes) -> None:
        documents.append(document)
        deliver(document)

    emulated.world.outbox = both
    return documents


async def test_an_ordinary_exchange_has_nothing_strange() -> None:
    async with bench(PLAIN) as emulated, gateway(emulated) as (driver, events):
        await ask(driver, events)
        assert [data.get("strange") for data in seen(events, "response")] == [None, None]


async def test_a_duplicate_is_kept_and_called_one() -> None:
    async with bench(PLAIN) as emulated, gateway(emulated) as (driver, events):
        documents = keep_post(emulated)
        await ask(driver, events)
        emulated.world.outbox(documents[0])
        await asyncio.sleep(5)
        assert [data.get("strange") for data in seen(events, "response")] == [None, None, ["duplicate"]]


async def test_a_late_response_is_kept_and_called_late() -> None:
    async with bench(PLAIN) as emulated, gateway(emulated, late=0.5) as (driver, events):
        assert (await ask(driver, events))["strange"] == ["late"]


async def test_a_response_to_a_request_that_nobody_here_has_sent_is_unsolicited() -> None:
    async with bench(PLAIN) as emulated:
        documents = keep_post(emulated)
        async with gateway(emulated) as (driver, events):
            await ask(driver, events)
        async with gateway(emulated) as (driver, events):
            emulated.world.outbox(documents[0])
            await asyncio.sleep(5)
            (data,) = seen(events, "response")
            assert (data["strange"], data["signature"]) == (["unsolicited"], "valid")


async def test_an_answer_after_what_follows_it_is_out_of_order() -> None:
    async with bench(PLAIN) as emulated, gateway(emulated) as (driver, events):
        client = driver._client
        assert client is not None
        post = client.post

        async def delayed(service: str, document: bytes) -> Any:
            """The acknowledgement is on its way for ten seconds, while the device answers."""
            answer = await post(service, document)
            await asyncio.sleep(10)
            return answer

        client.post = delayed  # type: ignore[method-assign]
        await driver.request("IS", "7.4", ESME, {})
        assert [(data["synchronous"], data.get("strange")) for data in seen(events, "response")] == [
            (False, None),
            (True, ["out of order"]),
        ]


async def test_a_future_dated_command_is_complete_once_all_its_instructions_are_in() -> None:
    async with bench(PLAIN) as emulated, gateway(emulated) as (driver, events):
        date = emulated.world.mail.now.replace(microsecond=0) + timedelta(hours=30)
        params = dict(default_params("6.4.1", 4)) | {"execution_date_time": date}
        await driver.request("IS", "6.4.1", ESME, params)
        signed = [event.data["text"] for event in events if event.data.get("channel") == "serviceS"][0]
        assert f"ExecutionDateTime>{date:%Y-%m-%dT%H:%M:%S}" in signed
        await asyncio.sleep(60)
        assert seen(events, "response")[-1]["gbcs"]["ok"]
        await asyncio.sleep(30 * 3600)
        alerts = [data for data in seen(events, "device_alert") if data["code"] == "0x8F66"]
        total = alerts[0]["total"]
        assert [data["instruction"] for data in alerts] == list(range(1, total + 1))
        assert [data["complete"] for data in alerts] == [False] * (total - 1) + [True]
        assert [data["missing"] for data in alerts] == [
            list(range(each + 1, total + 1)) for each in range(1, total + 1)
        ]
        assert all(data["failed"] == [] and "strange" not in data for data in alerts)


def local_command(emulated: EmulatedBench, events: list[Event], service: str) -> bytes:
    """The command in the last answer of a service."""
    texts = [event.data["text"] for event in events if event.kind == "wire" and event.data.get("channel") == service]
    certificates = emulated.parties.certificates.all(KeyUse.XML_SIGN)
    answer = duis.parse_response(verify(texts[-1].encode(), certificates).root)
    assert isinstance(answer, duis.LocalCommand)
    return answer.payload


async def by_hand(driver: Gateway, emulated: EmulatedBench, payload: bytes) -> str:
    """Carry a local command to its device, and return the response to the DCC (8.13)."""
    response = emulated.world.deliver_locally(payload)
    assert response is not None
    returned = await driver.request("IS", "8.13", emulated.parties.dcc, {"device_gbcs_response": response})
    return returned.response_code


async def test_local_commands_of_every_command_variant_go_through() -> None:
    async with bench(PLAIN) as emulated, gateway(emulated) as (driver, events):
        for variant, command_variant, service in (
            ("7.4", 2, "serviceD"),
            ("7.4", 3, "serviceS"),
            ("7.2", 6, "serviceD"),
            ("7.2", 7, "serviceS"),
        ):
            exchange = await driver.request("IS", variant, ESME, {}, command_variant)
            assert exchange.response_code == "I0"
            answer = next(data for data in seen(events, "response") if data["request_id"] == exchange.request_id)
            assert (answer["local_command"], answer["synchronous"]) == (True, True)
            payload = local_command(emulated, events, service)
            if command_variant in (2, 6):
                assert await by_hand(driver, emulated, payload) == "I99"
            else:
                await asyncio.sleep(30)
                responses = [data for data in seen(events, "response") if data["request_id"] == exchange.request_id]
                assert [data["synchronous"] for data in responses] == [True, False]
        assert seen(events, "refused") == []
