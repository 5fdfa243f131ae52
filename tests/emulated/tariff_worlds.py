"""Small worlds whose meters have tariffs."""

from __future__ import annotations

import asyncio
from datetime import time, timedelta
from typing import Any

from drivers.emulated.functions.readings import BASE_W, Metering
from drivers.emulated.functions.tariff import Tariff
from tests.emulated.tariffs import (
    NEVER_REACHED,
    day,
    prices,
    tariff,
)
from tests.emulated.worlds import ALL_USERS, ESME, Small, small_world

KWH = BASE_W / 1000
"""What the premises use in an hour."""
BLOCKS = tariff([day(1, (time(), 1), action="block")], thresholds={1: (1000, 3000, NEVER_REACHED)})
BLOCK_PRICES = prices(blocks={1: (1000, 2000, 4000)})


def everybody(*faults: str, **spec: Any) -> Any:
    return small_world(*faults, users=tuple(ALL_USERS), **spec)


def own(small: Small) -> Tariff:
    return small.world.esme.function(Tariff)


def metering(small: Small) -> Metering:
    return small.world.esme.function(Metering)


async def hours(count: float) -> None:
    await asyncio.sleep(count * 3600)


def by_time(*each: int) -> dict[str, int]:
    return {f"tou_{tou}": price for tou, price in enumerate(each, start=1)}


async def until(small: Small, *, hour: int, minute: int = 0, days: int = 0) -> None:
    now = small.world.mail.now
    wanted = now.replace(hour=hour, minute=minute, second=0, microsecond=0) + timedelta(days=days)
    await asyncio.sleep((wanted - now).total_seconds())


async def done(small: Small, variant: str, params: dict[str, Any] | None = None) -> None:
    response = await small.ask("IS", variant, ESME, params)
    assert response.ok, response.detail
