"""What the DCC has promised is kept in another life of the world: schedules, images on their way, local commands."""

from __future__ import annotations

import asyncio

from bench.duis import responses as duis
from tests.emulated.firmware_worlds import IMAGE_HASH, update
from tests.emulated.test_dcc_schedules import DAY_S, make
from tests.emulated.test_memory import again
from tests.emulated.worlds import ESME, small_world


async def test_promises_survive() -> None:
    with small_world() as small:
        number = make(small)
        local = small.send("IS", "7.4", ESME, command_variant=2)
        assert isinstance(local, duis.LocalCommand)
        assert small.send("IS", "11.1", params=update(ESME)).response_code == "I99"
        await asyncio.sleep(30)
        second = again(small)
        try:
            await asyncio.sleep(300)
            assert second.alerts() == [("0x8F72", "IS")]
            assert (await second.ask("IS", "11.3", ESME, {"firmware_hash": IMAGE_HASH})).ok
            response = second.world.deliver_locally(local.payload)
            assert second.send("IS", "8.13", params={"device_gbcs_response": response}).response_code == "I99"
            await asyncio.sleep(DAY_S)
            scheduled = [post.message for post in second.posts if isinstance(post.message, duis.GbcsResponse)]
            assert scheduled[-1].schedule_id == number
            assert make(second) == number + 1
        finally:
            second.world.close()
