"""What a consumer does about credit, at the meter's console, and his supplier through the gateway."""

from __future__ import annotations

import asyncio

import pytest

from bench.capabilities import Console, DccGateway
from bench.errors import DeviceError
from bench.eui import Eui64
from bench.gbcs import utrn
from bench.parties import KeyUse
from tests.emulated.benches import rig
from tests.emulated.worlds import ESME


async def test_a_consumer_tops_up_and_enables_the_supply() -> None:
    async with rig() as (session, _):
        console, dcc = session.capability(Console), session.capability(DccGateway)
        assert (await console.ask("credit", {}))["mode"] == "credit"
        with pytest.raises(DeviceError, match="emergency credit is not available"):
            await console.ask("emergency", {})
        prepayment = {"suspend_debt_disabled": False, "suspend_debt_emergency": False, "disablement_threshold": 0}
        assert (await dcc.request("IS", "1.6", ESME, prepayment)).response_code == "I99"
        await asyncio.sleep(10)
        assert (await console.ask("status", {}))["supply"] == "disabled"
        await console.ask("emergency", {})
        await asyncio.sleep(5)
        said = await console.ask("credit", {})
        assert (said["mode"], said["emergency"]) == ("prepayment", "5.00")
        await console.ask("enable", {})
        assert (await console.ask("status", {}))["supply"] == "enabled"

        supplier, meter = session.parties.users["IS"], session.parties.duts["esme"].eui
        own = session.parties.certificates.public_key(meter, KeyUse.KEY_AGREEMENT)
        assert own is not None
        texts = [
            utrn.issue(1500, number, supplier.agreement.private_key, own, supplier.eui, meter) for number in (3, 4)
        ]
        assert (await console.ask("topup", {"utrn": texts[0]}))["added"] == "15.00"
        with pytest.raises(DeviceError, match="used before"):
            await console.ask("topup", {"utrn": texts[0]})
        assert (await dcc.request("IS", "2.2", ESME, {"utrn": texts[1]})).response_code == "I99"
        await asyncio.sleep(10)
        assert 29.9 < float((await console.ask("credit", {}))["balance"]) <= 30
        with pytest.raises(DeviceError, match="the supply is enabled, not armed"):
            await console.ask("enable", {})


async def test_five_wrong_codes_suspend_entry_for_an_hour_and_the_supplier_gets_through() -> None:
    async with rig() as (session, _):
        console, dcc = session.capability(Console), session.capability(DccGateway)
        told: list[str] = []
        session.stream.subscribe(
            lambda event: told.append(event.data["code"]) if event.kind == "seen.device_alert" else None
        )
        supplier, meter = session.parties.users["IS"], session.parties.duts["esme"].eui
        own = session.parties.certificates.public_key(meter, KeyUse.KEY_AGREEMENT)
        assert own is not None

        def code(number: int, whose: Eui64 | None = None) -> str:
            return utrn.issue(1500, number, supplier.agreement.private_key, own, supplier.eui, whose or meter)

        async def wrong(times: int, says: str = "not authentic") -> None:
            for _ in range(times):
                with pytest.raises(DeviceError, match=says):
                    await console.ask("topup", {"utrn": code(9, supplier.eui)})
                await asyncio.sleep(20)

        await wrong(4)
        assert (await console.ask("topup", {"utrn": code(3)}))["added"] == "15.00"
        await wrong(4)
        for _ in range(6):
            with pytest.raises(DeviceError, match="used before"):
                await console.ask("topup", {"utrn": code(3)})
        await asyncio.sleep(600)
        await wrong(4)
        assert "0x81C4" not in told, "a right one, ten minutes, and one used before: none of it adds up"
        await wrong(1)
        assert told[-2:] == ["0x8F63", "0x81C4"]
        await wrong(1, "entry of UTRNs is suspended")
        with pytest.raises(DeviceError, match="entry of UTRNs is suspended"):
            await console.ask("topup", {"utrn": code(4)})
        await asyncio.sleep(20)
        assert told[-2:] == ["0x81C5", "0x81C5"]
        assert (await dcc.request("IS", "2.2", ESME, {"utrn": code(5)})).response_code == "I99"
        await asyncio.sleep(3500)
        with pytest.raises(DeviceError, match="entry of UTRNs is suspended"):
            await console.ask("topup", {"utrn": code(4)})
        await asyncio.sleep(100)
        assert (await console.ask("topup", {"utrn": code(4)}))["added"] == "15.00"
