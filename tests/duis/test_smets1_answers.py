"""What the emulated service provider writes, against the schemas of DUIS and of the Message Mapping Catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from typing import Any

import pytest
from lxml import etree

from bench.duis.request_id import RequestId
from bench.duis.safe_xml import parse
from drivers.emulated.dcc_rules import eligible_roles, smets1_variants
from drivers.emulated.mmc.registry import element, is_answered, refusal
from drivers.emulated.s1sp import S1sp
from drivers.emulated.smets1_setup import provider_keys
from tests.emulated.cells import Cell
from tests.emulated.smets1_cells import ADDRESSES, params_of
from tests.emulated.smets1_worlds import S1_CHF, S1_ESME, S1_GSME, S1_PPMID, ask, smets1_world
from tests.emulated.tariffs import (
    EVER,
    date,
    day,
    gas_date,
    gas_prices,
    gas_tariff,
    prices,
    season,
    tariff,
    week,
)
from tests.emulated.worlds import DCC, Small

REMOVED = {"request_type": "Remove", "device_id": S1_PPMID}
TOP_UP = {"utrn": "10050012345678901234"}
PREPAYMENT = {"suspend_debt_disabled": True, "suspend_debt_emergency": False, "disablement_threshold": 0}
TARIFF = tariff(
    [day(1, (time(), 2), (time(7), 1)), day(2, (time(), 3), action="block")],
    weeks=(week(1, 1), week(2, 2)),
    seasons=(season("winter", 1, month=10, day_of_month=-1), EVER, season("summer", 2, month=4, day_of_week=7)),
    special_days=({"date": date(year=2027, month=1, day_of_month=1), "referenced_day_name": 2},),
    thresholds={3: (1000, 2000, 3000)},
) | prices(1000, 500, blocks={3: (100, 200, 300, 400)})
GAS_TARIFF = gas_tariff(
    0, 1, special_days=({"date": gas_date(month=12, day_of_month=25), "referenced_day_name": 2},), thresholds=(5, 10)
) | gas_prices(2000, 3000, 4000, thresholds_in_use=2)
SETTINGS: tuple[tuple[str, str, str, Mapping[str, Any]], ...] = (
    ("IS", "1.1.1", "ESME", TARIFF),
    ("GS", "1.1.1", "GSME", GAS_TARIFF),
    ("IS", "2.1", "ESME", {}),
    ("GS", "2.1", "GSME", {}),
    ("IS", "2.3", "ESME", {"payment_debt_register": 5000, "debt_recovery_per_payment": 2500}),
    ("GS", "2.3", "GSME", {"payment_debt_register": 5000, "debt_recovery_per_payment": 2500}),
    *((user, "1.6", kind, PREPAYMENT) for user, kind in (("IS", "ESME"), ("GS", "GSME"))),
    *((user, "2.2", kind, TOP_UP) for user, kind in (("IS", "ESME"), ("GS", "GSME"))),
)
"""What gives the reads something to say."""
CALENDARS: tuple[Mapping[str, Any], ...] = (
    {"daily": True},
    {"weekly": 3},
    {"monthly": 28},
    *({form: {"day_of_month": 1, "billing_period_start_month": 2}} for form in ("quarterly", "six_monthly", "yearly")),
)
LAST = ("8.8.1", "8.8.2", "6.23", "7.2", "7.3", "8.11")
NOT_AGAIN = ("1.5", "1.6", "2.2", "2.5", "7.3", "8.7.1", "8.7.2", "8.8.1", "8.8.2", "11.3")
"""Variants that a device may refuse after all that was done before."""


def _cells(small: Small) -> Iterator[tuple[Cell, str]]:
    """Every variant at every type of device that answers it; what changes whom a device trusts comes last."""
    for variant in ["8.1.1", *sorted(smets1_variants() - {"8.1.1", *LAST}), *LAST]:
        for kind in ADDRESSES:
            user = "GS" if kind in ("GSME", "GPF") else "IS"
            roles = eligible_roles()[variant]
            if is_answered(variant, kind) and (variant != "8.1.1" or kind == "GSME"):
                yield Cell(user if user in roles else "ED", variant, 1), kind


async def _set(small: Small, role: str, variant: str, kind: str, changes: Mapping[str, Any]) -> None:
    whole = bool({"1.1.1", "1.6"} & {variant}) and changes
    params = changes if whole else params_of(Cell(role, variant, 4), small, {}) | dict(changes)
    assert (await ask(small, role, variant, ADDRESSES[kind], params)).success, (variant, kind)


async def _set_calendar(small: Small, calendar: Mapping[str, Any]) -> None:
    params = {"electricity_billing_calendar": {"billing_time": time(1), **calendar}}
    assert (await ask(small, "IS", "6.8", S1_ESME, params)).success


@pytest.mark.soak
async def test_every_answer_and_alert_is_valid(duis_schema: etree.XMLSchema) -> None:
    answered = 0
    with smets1_world(world={"gsme_wake": "60 s"}) as small:
        daily = {"billing_period_start": small.world.mail.now, "periodicity": "Daily"}
        assert (await ask(small, "GS", "6.8", S1_GSME, {"gas_billing_calendar": daily})).success
        await _set_calendar(small, {"daily": True})
        await asyncio.sleep(24 * 3600)
        bill = await ask(small, "IS", "4.4.3", S1_ESME)
        assert bill.values["electricity"]["esme_billing_data_log_entry"]["timestamp"] == "2026-01-01T01:00:00Z"
        for setting in SETTINGS:
            await _set(small, *setting)
        answer = await ask(small, "IS", "4.6.1", S1_ESME)
        assert answer.values["log_entry"]["timestamp"] == "2026-01-02T00:00:00Z"
        for log in ("Security", "PowerEvent", "ALCSEvent"):
            assert (await ask(small, "IS", "6.13", S1_ESME, {"log_to_read": log})).success
        for calendar in CALENDARS:
            await _set_calendar(small, calendar)
            read = await ask(small, "IS", "6.2.3", S1_ESME)
            assert next(iter(calendar)).replace("_", "") in str(read.values).replace("_", "")
        entry = small.world.dcc.inventory.find(S1_GSME)
        assert entry is not None
        entry.status = "InstalledNotCommissioned"
        for cell, kind in _cells(small):
            params = REMOVED if cell.variant == "8.11" else params_of(cell, small, {})
            if "start_date_time" in params:
                now = small.world.mail.now
                params |= {"start_date_time": now - timedelta(hours=48), "end_date_time": now}
            answer = await ask(small, cell.role, cell.variant, ADDRESSES[kind], params)
            assert answer.name == element(cell.variant)
            assert answer.success or cell.variant in NOT_AGAIN, (str(cell), kind, answer.debug)
            answered += 1
        small.world.source_node.step(268.0)
        await asyncio.sleep(3700)
        small.send("ED", "6.13", S1_ESME, {"log_to_read": "PowerEvent"})
        await asyncio.sleep(5)
        small.send("IS2", "2.2", S1_ESME, TOP_UP, command_variant=3)
        image = {"firmware_image": b"image", "firmware_version": "01020305", "device_id_list": [S1_CHF]}
        assert small.send("IS", "11.1", DCC, image).response_code == "I99"
        await asyncio.sleep(600)
        small.world.source_node.step(0.0)
        await asyncio.sleep(1)
        small.send("ED", "7.4", S1_ESME)
        await asyncio.sleep(3600)
        assert {"N24", "N55", "N57", "0x8F40"} <= set(small.codes())
        for post in small.posts:
            duis_schema.assertValid(parse(post.raw))
    assert answered > 120


async def test_every_refusal_is_valid(duis_schema: etree.XMLSchema) -> None:
    with smets1_world() as small:
        provider = S1sp(provider_keys(small.world.surroundings.identities, small.world.spec.s1sp))
        installation = small.world.smets1
        assert installation is not None
        for cell, kind in _cells(small):
            device = installation.find(ADDRESSES[kind])
            assert device is not None
            written = provider.answer(
                RequestId(small.world.users[cell.role].eui, device.eui, 1),
                cell.variant,
                element(cell.variant),
                at=small.world.mail.now,
                success=False,
                content=refusal(cell.variant, {}, device),
                error="no",
            )
            duis_schema.assertValid(parse(written))
