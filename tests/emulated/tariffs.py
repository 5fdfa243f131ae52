"""Tariffs for tests, as the parameters of Service Requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time
from typing import Any

from bench.duis import responses as duis
from bench.eui import Eui64
from bench.gbcs.alerts import FutureDatedAction
from bench.gbcs.crypto import sign_pre_command
from tests.emulated.worlds import Small

NEVER_REACHED = 0xFFFFFFFF


def numbered(values: Iterable[int], name: str = "price") -> tuple[dict[str, int], ...]:
    """Values with their index, from 1 on."""
    return tuple({"index": index, name: value} for index, value in enumerate(values, start=1))


def day(number: int, *times: tuple[time, int], action: str = "tou") -> dict[str, Any]:
    """A day profile of an ESME."""
    schedule = tuple({"start_time": at, f"{action}_tariff_action": script} for at, script in times)
    return {"day_name": number, "profile_schedule": schedule}


def week(number: int, *days: int) -> dict[str, Any]:
    """A week profile; one day is every day."""
    return {"week_name": number, "referenced_day_name": numbered(days * (7 // len(days)), "day_name")}


def season(name: str, week_number: int, **start: int) -> dict[str, Any]:
    """A season that begins on a day."""
    return {"season_name": name, "season_start_date": date(**start), "referenced_week_name": week_number}


def date(**given: int) -> dict[str, Any]:
    """A date of an ESME; `year`, `month`, `day_of_month`, `day_of_week`, and -1 is the last day of a month."""
    made: dict[str, Any] = {}
    for part in ("year", "month", "day_of_month", "day_of_week"):
        if part not in given:
            made[f"non_specified_{part}"] = True
        elif given[part] == -1:
            made["last_day_of_month"] = True
        else:
            made[f"specified_{part}"] = given[part]
    return made


def prices(*tou: int, charge: int = 2000, blocks: Mapping[int, Sequence[int]] | None = None) -> dict[str, Any]:
    """Price elements of an ESME: 1e-5 of the currency; the standing charge 1e-4. Blocks by time of use."""
    form: dict[str, Any] = {}
    if blocks:
        form["block_prices"] = tuple({"index": at, "block_price": numbered(each)} for at, each in blocks.items())
    if tou:
        form["tou_price"] = numbered(tou)
    name = "hybrid_tariff" if tou and blocks else "block_tariff" if blocks else "tou_tariff"
    scales = {"standing_charge": charge, "standing_charge_scale": -4, "price_scale": -5}
    return {"electricity_price_elements": {**scales, name: form}}


EVER = season("all", 1)


def tariff(
    days: Sequence[Mapping[str, Any]],
    weeks: Sequence[Mapping[str, Any]] = (week(1, 1),),
    seasons: Sequence[Mapping[str, Any]] = (EVER,),
    special_days: Sequence[Mapping[str, Any]] = (),
    thresholds: Mapping[int, Sequence[int]] | None = None,
) -> dict[str, Any]:
    """Tariff elements of an ESME."""
    limits = dict.fromkeys(range(1, 9), (NEVER_REACHED,)) | dict(thresholds or {})
    rows = tuple({"index": at, "block_threshold": numbered(each, "threshold")} for at, each in limits.items())
    elements: dict[str, Any] = {
        "currency_units": "GBP",
        "day_profile": tuple(days),
        "week_profile": tuple(weeks),
        "season": tuple(seasons),
        "thresholds": rows,
    }
    if special_days:
        elements["special_day"] = tuple(special_days)
    return {"elec_tariff_elements": elements}


DAY_AND_NIGHT = tariff([day(1, (time(), 2), (time(7), 1))])
"""From 07:00 on price 1, from midnight on price 2."""


async def planned(
    small: Small, user: str, variant: str, target: Eui64, params: Mapping[str, Any], when: datetime
) -> Any:
    """Send a future-dated critical request, what its User signed, and wait for the response."""
    answer = small.send(user, variant, target, {**params, "execution_date_time": when})
    assert isinstance(answer, duis.PreCommand) and answer.request_id is not None, answer
    signed = {
        "gbcs_payload": sign_pre_command(answer.payload, small.world.users[user].signing.private_key),
        "execution_date_time": when,
    }
    before = len(small.posts)
    sent = small.send(user, variant, target, signed, command_variant=5, counter=answer.request_id.counter)
    assert sent.response_code == "I99", sent
    for _ in range(600):
        await asyncio.sleep(0.25)
        for post in small.posts[before:]:
            if isinstance(post.message, duis.GbcsResponse) and post.message.request_id == sent.request_id:
                return small.decode(post)
    raise TimeoutError(variant)


def instructions(small: Small) -> list[tuple[str, int | None, int | None]]:
    """Every alert of a future-dated instruction: what was acted on, its number and how many there are."""
    found = []
    for post in small.posts:
        if isinstance(post.message, duis.FutureDatedDeviceAlert):
            specific = post.alert.specific
            assert isinstance(specific, FutureDatedAction)
            found.append((str(specific.target), post.message.instruction_number, post.message.total_instructions))
    return found


async def read(small: Small, user: str, variant: str, target: Eui64) -> dict[str, Any]:
    """Ask for something, and return the values of the response."""
    response = await small.ask(user, variant, target)
    assert response.ok, response.detail
    values: dict[str, Any] = response.values
    return values


def secondary(*four: int, days: Sequence[Mapping[str, Any]] = (day(1, (time(), 1)),), **more: Any) -> dict[str, Any]:
    """The body of 1.1.2."""
    table = {"day_profile": tuple(days), "week_profile": (week(1, 1),), "season": (EVER,)}
    return {**table, **more, "electricity_price_element": numbered(four), "price_scale": -5}


def gas_tariff(
    *days: int,
    weeks: Sequence[Mapping[str, Any]] = (week(1, 1),),
    thresholds: Sequence[int] = (NEVER_REACHED,),
    special_days: Sequence[Mapping[str, Any]] = (),
    **start: int,
) -> dict[str, Any]:
    """Tariff elements of a GSME: of each day its time of use, or 0 for blocks."""
    profiles = tuple(
        {"day_name": name, **({"tou_tariff_action": tou} if tou else {"block_tariff": True})}
        for name, tou in enumerate(days, start=1)
    )
    begins = {"season_start_date": gas_date(**start), "referenced_week_name": 1}
    elements: dict[str, Any] = {
        "day_profile": profiles,
        "week_profile": tuple(weeks),
        "season": (begins,),
        "block_threshold": numbered(thresholds, "threshold"),
    }
    if special_days:
        elements["special_day"] = tuple(special_days)
    return {"gas_tariff_elements": elements}


def gas_date(**given: int) -> dict[str, Any]:
    """A date of a GSME."""
    made = date(**given)
    if "non_specified_day_of_month" in made:
        made["gas_non_specified_day_of_month"] = made.pop("non_specified_day_of_month")
    return made


def gas_prices(*each: int, charge: int = 30_000, thresholds_in_use: int = 0) -> dict[str, Any]:
    """Price elements of a GSME, 1e-5 of the currency; blocks if thresholds are in use."""
    elements: dict[str, Any] = {"currency_units": "GBP", "standing_charge": charge}
    if thresholds_in_use:
        form = {"block_price": numbered(each), "number_of_thresholds": thresholds_in_use}
        return {"gas_price_elements": {**elements, "block_tariff": form}}
    return {"gas_price_elements": {**elements, "tou_tariff": {"tou_price": numbered(each)}}}
