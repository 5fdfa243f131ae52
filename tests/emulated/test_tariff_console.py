"""The price at the meter's console."""

from __future__ import annotations

from bench.capabilities import Console
from tests.emulated.benches import rig


async def test_the_console_says_what_energy_costs_now() -> None:
    async with rig() as (session, _):
        console = session.capability(Console)
        assert await console.ask("tariff", {}) == {"price": "0", "counts": "tou_1"}
