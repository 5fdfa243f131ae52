"""What a consumer does about credit, at the meter's console, and his supplier through the gateway."""

from __future__ import annotations

import asyncio

import pytest

from bench.capabilities import Console, DccGateway
from bench.errors import DeviceError
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
