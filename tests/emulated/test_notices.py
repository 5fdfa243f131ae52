"""DCC alerts about a change of a device, to those whom it concerns and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bench.duis import responses as duis
from bench.duis.default_params import default_params
from bench.eui import Eui64
from tests.emulated.worlds import ALL_USERS, DCC, ESME, GSME, Small, small_world

AWAKE = {"gsme_wake": "60 s"}


def notices(small: Small, *codes: str) -> list[tuple[str, Eui64, Mapping[str, Any]]]:
    """Code, recipient and body of each such alert."""
    found = []
    for post in small.posts:
        alert = post.message
        if isinstance(alert, duis.DccAlert) and alert.alert_code in codes:
            assert alert.response_id is not None
            found.append((alert.alert_code, alert.response_id.target, alert.body))
    return found


async def change_supplier(small: Small, target: Eui64, new: str) -> None:
    user = small.world.users[new]
    signing, agreement = (pair.certificate.public_bytes(Encoding.DER) for pair in (user.signing, user.agreement))
    change = {
        "supplier_floor_seq_number": 0,
        "digital_signing_certificate": signing,
        "key_agreement_certificate": agreement,
        "certificate": [signing],
        "import_mpxn": small.world.esme.mpxn,
    }
    response = await small.ask(new, "6.23", target, change)
    assert response.ok, response.detail


async def test_a_meter_that_leaves_is_told_to_those_who_are_registered_for_it() -> None:
    with small_world(users=tuple(ALL_USERS)) as small:
        users = small.world.users
        assert small.send("IS", "8.3", DCC, {"device_id": ESME}).response_code == "I99"
        await asyncio.sleep(5)
        told = notices(small, "N1", "N2")
        assert [(code, eui) for code, eui, _ in told] == [
            ("N1", eui) for name, eui in ((name, users[name].eui) for name in users) if name in ("ES", "ED")
        ]
        body = told[0][2]
        assert body["device_id"] == ESME
        assert "GSME" in str(body)
        assert small.send("IS", "8.3", DCC, {"device_id": ESME}).response_code in ("I99", "E5", "E4", "E1")
        await asyncio.sleep(5)
        assert len(notices(small, "N1")) == 2, "it left once"


async def test_a_gas_meter_that_leaves_is_told_to_the_transporter() -> None:
    with small_world(users=tuple(ALL_USERS)) as small:
        assert small.send("GS", "8.3", DCC, {"device_id": GSME}).response_code == "I99"
        await asyncio.sleep(5)
        assert [(code, eui) for code, eui, _ in notices(small, "N1", "N2")] == [("N2", small.world.users["GT"].eui)]


async def test_a_meter_that_is_commissioned_is_confirmed_to_its_operator() -> None:
    with small_world(users=tuple(ALL_USERS), inventory={"esme": "InstalledNotCommissioned"}) as small:
        assert (await small.ask("IS", "8.1.1", ESME, {"current_date_time": small.world.mail.now})).ok
        await asyncio.sleep(5)
        ((code, eui, body),) = notices(small, "N16")
        assert (code, eui) == ("N16", small.world.users["ED"].eui)
        assert body["meter_identity"]["import_mpxn"] == small.world.esme.mpxn


@pytest.mark.parametrize("scheduled", [True, False])
async def test_a_supplier_who_loses_a_meter_is_told_and_loses_his_schedules(scheduled: bool) -> None:
    registered = {"esme": {"supplier": "IS"}}
    with small_world(users=tuple(ALL_USERS), registered=registered) as small:
        if scheduled:
            params = default_params("5.1", 8, now=small.world.mail.now) | {"device_id": ESME}
            assert small.send("IS", "5.1", DCC, params).response_code == "I0"
        old, new = small.world.users["IS"], small.world.users["IS2"]
        await change_supplier(small, ESME, "IS")
        assert notices(small, "N17", "N27") == [], "he has it already"
        await change_supplier(small, ESME, "IS2")
        await asyncio.sleep(5)
        told = notices(small, "N17", "N27")
        assert [(code, eui) for code, eui, _ in told] == [("N17", old.eui)] * scheduled + [("N27", old.eui)]
        assert told[-1][2] == {"device_id": ESME, "device_type": "ESME", "import_mpxn": small.world.esme.mpxn}
        assert small.send("IS", "7.2", ESME).response_code == "E4"
        assert (await small.ask("IS2", "7.2", ESME)).ok
        assert small.world.dcc.serving(small.world.dcc.inventory.find(ESME), "supplier") == new
        listed = small.send("IS", "5.2", DCC, {"device_id": ESME})
        assert not scheduled or listed.response_code != "I0" or not dict(listed.values).get("schedules")
