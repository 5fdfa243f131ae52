"""The hand-held terminal: commands out as files, responses in, and only a device's own is believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.device import DeviceContext
from bench.duis import responses as duis
from bench.errors import DeviceError, DeviceLost
from bench.events import Event, EventStream
from drivers.emulated.hand_held import HandHeldWire
from drivers.emulated.spec import WireSpec
from drivers.emulated.wires import Place
from drivers.hand_held import HandHeldConfig, HandHeldTerminal
from tests.drivers.test_self_service import NoCounters
from tests.emulated.worlds import ESME, GSME, Small, small_world


@asynccontextmanager
async def terminal(
    tmp_path: Path, *, emulated: bool = True
) -> AsyncIterator[tuple[HandHeldTerminal, Small, list[Event]]]:
    with small_world() as small:
        spec = WireSpec.model_validate({"kind": "hand-held"})
        loop = asyncio.get_running_loop()
        wire = HandHeldWire(Place("terminal", {}, spec, small.world, tmp_path, "", loop))
        settings: dict[str, Any] = dict(await wire.start()) if emulated else {"folder": tmp_path}
        events: list[Event] = []
        stream = EventStream(small.world.clock)
        stream.subscribe(events.append)
        context = DeviceContext("terminal", stream, small.world.parties, NoCounters())
        driver = HandHeldTerminal(context, HandHeldConfig.model_validate(settings))
        await driver.connect()
        try:
            yield driver, small, events
        finally:
            await driver.close()
            await wire.close()


def leave(path: Path, text: str) -> None:
    """What somebody with a terminal leaves two seconds from now."""
    asyncio.get_running_loop().call_later(2, path.write_text, text)


def local(small: Small) -> bytes:
    answer = small.send("IS", "7.4", ESME, command_variant=2)
    assert isinstance(answer, duis.LocalCommand)
    return answer.payload


async def test_a_command_is_delivered_and_answered_by_its_device(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (driver, small, events):
        command = local(small)
        response = await driver.deliver(ESME, command)
        assert [event.data["hex"] for event in events if event.kind == "wire"] == [command.hex(), response.hex()]
        names = sorted(path.name for path in (tmp_path / "terminal").iterdir())
        assert names == [f"0001-{ESME}.command", f"0001-{ESME}.response"]
        assert driver.problems() == ()


async def test_a_command_that_nobody_takes_is_not_answered(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (driver, small, _):
        spoilt = bytearray(local(small))
        spoilt[-1] ^= 1
        with pytest.raises(DeviceError, match="no response of 00-DB"):
            await driver.deliver(ESME, bytes(spoilt))


@pytest.mark.parametrize(
    ("left", "what"),
    [("zz", "no hexadecimal"), ("00", "no GBCS message"), ("own", "no response of"), ("spoilt", "not to be believed")],
)
async def test_what_is_not_the_devices_own_is_not_believed(tmp_path: Path, left: str, what: str) -> None:
    async with terminal(tmp_path, emulated=False) as (driver, small, _):
        command = local(small)
        genuine = small.world.deliver_locally(command)
        assert genuine is not None
        text = {"own": command.hex(), "spoilt": (genuine[:-1] + bytes([genuine[-1] ^ 1])).hex()}.get(left, left)
        leave(tmp_path / f"0001-{ESME}.response", text)
        with pytest.raises(DeviceError, match=what):
            await driver.deliver(ESME, command)


async def test_a_response_of_another_device_is_not_taken(tmp_path: Path) -> None:
    async with terminal(tmp_path, emulated=False) as (driver, small, _):
        genuine = small.world.deliver_locally(command := local(small))
        assert genuine is not None
        leave(tmp_path / f"0001-{GSME}.response", genuine.hex())
        with pytest.raises(DeviceError, match="no response of 00-DB-12-34-56-78-90-A1"):
            await driver.deliver(GSME, command)


async def test_without_its_folder_it_is_lost(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (driver, _, _):
        gone = HandHeldTerminal(driver.context, HandHeldConfig(folder=tmp_path / "gone"))
        assert "is no folder" in str(gone.problems()[0])
        with pytest.raises(DeviceLost, match="is no folder"):
            await gone.connect()
        with pytest.raises(DeviceLost, match="cannot write"):
            await gone.deliver(ESME, b"")
