"""What the DCC refuses of requests to SMETS1 devices, and which devices make no installation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from bench.duis.default_params import default_params
from bench.errors import UsageError
from bench.eui import Eui64
from bench.parties import DeviceType, Dut
from tests.emulated.smets1_worlds import (
    S1_CHF,
    S1_DUTS,
    S1_ESME,
    S1_GPF,
    S1_GSME,
    S1_PPMID,
    ask,
    smets1_world,
)
from tests.emulated.worlds import ALL_USERS, CHF, DCC, ESME, small_world

ELIGIBLE = [
    ("IS", "3.1", S1_ESME, {"supplier_message": "hello"}),
    ("GS", "3.4", S1_GSME, {"supplier_name": "A", "supplier_telephone_number": "1"}),
    ("ES", "6.20.2", S1_ESME, {"export_mpan": "1312345678111"}),
    ("ED", "6.27", S1_ESME, {}),
    ("GT", "14.1", S1_GSME, {}),
    ("RSA", "6.2.7", S1_ESME, {}),
    ("OU", "4.17", S1_ESME, {}),
]


async def test_e60_a_request_that_there_is_not_for_smets1() -> None:
    with smets1_world() as small:
        for user, variant, target, own in ELIGIBLE:
            given = default_params(variant, None, now=small.world.mail.now) | own
            assert small.send(user, variant, target, given).response_code == "E60", user
        params = {"device_id": S1_CHF, "other_device_id": S1_ESME}
        assert small.send("IS", "8.14.3", DCC, params).response_code == "E60"


PAYLOAD = {"gbcs_payload": b"\xdf"}
INVALID = [
    ("IS", "7.2", 5, S1_ESME, PAYLOAD),
    ("GS", "7.2", 6, S1_GSME, PAYLOAD),
    ("GS", "7.3", 7, S1_GSME, PAYLOAD),
    ("ED", "4.8.2", 2, S1_ESME, {}),
    ("GT", "4.10", 3, S1_GSME, {}),
    ("ES", "7.4", 3, S1_ESME, {}),
    ("RSA", "7.4", 2, S1_ESME, {}),
    ("OU", "4.8.1", 3, S1_ESME, {}),
]


async def test_e63_a_command_variant_that_smets1_has_not() -> None:
    with smets1_world() as small:
        for user, variant, cv, target, params in INVALID:
            given = params or default_params(variant, cv, now=small.world.mail.now)
            assert small.send(user, variant, target, given, command_variant=cv).response_code == "E63", (user, cv)


@pytest.mark.parametrize(
    ("first", "second", "device", "key", "variant"),
    [
        ("IS", "IS2", S1_ESME, "supplier", "7.4"),
        ("GS", "GS2", S1_GSME, "supplier", "7.4"),
        ("ED", "OU", S1_ESME, "network_operator", "7.4"),
        ("GT", "OU", S1_GSME, "network_operator", "7.4"),
    ],
)
async def test_e64_another_user_id_than_the_one_that_was_notified(
    first: str, second: str, device: Eui64, key: str, variant: str
) -> None:
    """The same party has two User IDs, and has told the DCC which of them it uses for SMETS1."""
    name = "s1-esme" if device == S1_ESME else "s1-gsme"
    registered = {name: {key: first, f"notified_{key}": second}}
    with smets1_world(registered=registered) as small:
        assert small.send(first, variant, device).response_code == "E64"
    with smets1_world(registered={name: {key: first, f"notified_{key}": first}}) as small:
        assert (await ask(small, first, variant, device)).success
        if key == "supplier":
            assert small.send(second, variant, device).response_code == "E4", "another party's"
    if key == "supplier":
        with smets1_world(registered=registered) as small:
            assert (await ask(small, second, variant, device)).success


async def test_the_user_id_that_was_notified_hears_of_the_meter_until_it_has_another_supplier() -> None:
    registered = {"s1-esme": {"supplier": "IS", "notified_supplier": "IS2"}}
    with smets1_world(registered=registered) as small:
        for variant in ("7.2", "7.3"):
            assert (await ask(small, "IS2", variant, S1_ESME)).success
        await asyncio.sleep(5)
        assert small.alerts() == [("0x8F32", "IS2")]
        assert small.send("IS", "7.4", S1_ESME).response_code == "E64"
        # It is the party's own again after it was installed anew.
        details = {
            "device_id": S1_ESME,
            "device_type": "ESME",
            "device_manufacturer": "1234",
            "device_model": "00110001",
        }
        assert small.send("IS2", "8.3", DCC, {"device_id": S1_ESME}).response_code == "I99"
        left = {"device_id": S1_ESME, "update_device_status_except_ch": "Pending"}
        assert small.send("IS2", "8.4", DCC, left).response_code == "I99"
        assert small.send("IS2", "12.2", DCC, details).response_code == "I99"
        again = {"device_id": S1_ESME, "install_code": S1_DUTS["s1-esme"].install_code, "join_time_period": 600}
        assert (await ask(small, "IS2", "8.11", S1_CHF, {**again, "request_type": "Add"})).success
        await asyncio.sleep(60)
        assert small.send("IS", "7.4", S1_ESME).response_code == "E64"


async def test_a_smets1_gas_proxy_stays_when_the_other_hub_goes_back() -> None:
    with smets1_world() as small:
        params = default_params("8.14.3", 8, now=small.world.mail.now) | {"device_id": CHF, "other_device_id": ESME}
        assert small.send("IS", "8.14.3", DCC, params).response_code == "I99"
        assert (small.status(CHF), small.status(S1_GPF)) == ("Withdrawn", "Commissioned")


async def test_other_refusals_are_those_of_any_device() -> None:
    with smets1_world(inventory={"s1-esme": "Decommissioned"}) as small:
        assert small.send("IS", "7.1", S1_GSME, command_variant=4).response_code == "E11"
        assert small.send("GS", "7.1", S1_ESME, command_variant=4).response_code == "E2"
        assert small.send("IS", "7.4", S1_ESME).response_code == "E5"
        assert small.send("IS", "7.4", Eui64.parse("00-0A-BC-12-34-56-78-FF")).response_code == "E19"
        assert small.send("IS", "6.13", S1_PPMID, {}).response_code == "E11"


@pytest.mark.parametrize(
    "duts",
    [
        {"s1-esme": S1_DUTS["s1-esme"]},
        S1_DUTS | {"other": Dut("other", DeviceType.ESME, Eui64.parse("00-0A-BC-12-34-56-78-B0"), smets1=True)},
        {name: S1_DUTS[name] for name in ("s1-chf", "s1-gpf")},
        S1_DUTS | {"other": Dut("other", DeviceType.HCALCS, Eui64.parse("00-0A-BC-12-34-56-78-B0"), smets1=True)},
    ],
    ids=["no hub", "two meters", "no meter", "an HCALCS"],
)
async def test_devices_that_make_no_smets1_installation_are_refused(duts: Mapping[str, Dut]) -> None:
    with pytest.raises(UsageError, match="the SMETS1 devices under test are"), small_world(more_duts=duts):
        pass


async def test_a_registration_names_users_that_there_are() -> None:
    registered = {"s1-esme": {"notified_supplier": "XY"}}
    with pytest.raises(UsageError, match="there is no User 'XY'"), smets1_world(registered=registered):
        pass


async def test_what_is_refused_leaves_nothing_behind() -> None:
    with smets1_world() as small:
        for user in ALL_USERS:
            small.send(user, "3.5", S1_ESME)
        await asyncio.sleep(60)
        assert small.posts == []
