"""The boost button, at the meter's console."""

from __future__ import annotations

import pytest

from bench.capabilities import Console
from bench.errors import DeviceError
from tests.emulated.benches import rig


async def test_a_button_is_pressed_at_the_console() -> None:
    async with rig() as (session, _):
        console = session.capability(Console)
        assert (await console.ask("switches", {}))["closed"] == "none"
        await console.ask("boost", {"minutes": "15"})
        assert (await console.ask("switches", {}))["closed"] == "none"
        with pytest.raises(DeviceError, match="a boost of 20 min"):
            await console.ask("boost", {"minutes": "20"})
