"""Storms of alerts: what passes, what is held back, and what one alert says of the others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bench.duis import responses as duis
from drivers.emulated.faults import STORM
from tests.emulated.test_memory import again
from tests.emulated.worlds import ESME, Small, small_world


def alerts(small: Small) -> list[duis.DeviceAlert]:
    return [post.message for post in small.posts if isinstance(post.message, duis.DeviceAlert)]


def throttled(small: Small) -> list[tuple[int | None, int | None]]:
    found = [(alert.throttled_sequence_id, alert.throttled_count) for alert in alerts(small)]
    return [each for each in found if each != (None, None)]


def spec(most: int, window: str) -> dict[str, Any]:
    return {"world": {"throttle": {"most": str(most), "window": window}}}


async def arm(small: Small) -> None:
    assert (await small.ask("IS", "7.2", ESME)).ok
    assert (await small.ask("IS", "7.3", ESME)).ok


async def test_a_storm_passes_up_to_its_limit_and_one_alert_tells_of_each_window() -> None:
    with small_world("alert-storm:0x8F32", **spec(10, "60 s")) as small:
        await arm(small)
        await asyncio.sleep(400)
        plain = [alert for alert in alerts(small) if alert.throttled_count is None]
        assert len(plain) == 10
        told = throttled(small)
        assert [sequence for sequence, _ in told] == [1, 1]
        assert sum(count or 0 for _, count in told) == STORM - 10
        assert all(small.protection(post) == "valid" for post in small.posts if post.code == "0x8F32")


async def test_a_new_storm_has_a_new_number() -> None:
    with small_world(**spec(1, "60 s")) as small:
        for _ in range(2):
            for _ in range(3):
                small.world.esme.raise_alert(0x8F32)
            await asyncio.sleep(300)
        assert throttled(small) == [(1, 2), (2, 2)]


async def test_other_codes_pass_meanwhile() -> None:
    with small_world(**spec(1, "60 s")) as small:
        for code in (0x8F32, 0x8F32, 0x8F30, 0x8F32):
            small.world.esme.raise_alert(code)
        await asyncio.sleep(30)
        assert [alert.alert_code for alert in alerts(small)] == [0x8F32, 0x8F30]


@pytest.mark.parametrize(("most", "passed"), [(0, STORM), (STORM, STORM), (20, 20)])
async def test_the_limit_can_be_set(most: int, passed: int) -> None:
    with small_world("alert-storm:0x8F32@0.1s", **spec(most, "300 s")) as small:
        await arm(small)
        await asyncio.sleep(60)
        assert len(alerts(small)) == passed


async def test_what_is_held_back_survives_the_world() -> None:
    with small_world(**spec(1, "60 s")) as small:
        for _ in range(4):
            small.world.esme.raise_alert(0x8F32)
        await asyncio.sleep(30)
        other = again(small, **spec(1, "60 s"))
        await asyncio.sleep(60)
        assert throttled(other) == [(1, 3)]
        other.world.close()
