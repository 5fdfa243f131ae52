"""Firmware for small worlds."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from bench.eui import Eui64
from tests.emulated.worlds import Small

IMAGE, VERSION = b"a firmware image", "00010002"
IMAGE_HASH = hashlib.sha256(IMAGE).digest()


def update(*devices: Eui64, **more: Any) -> dict[str, Any]:
    """Parameters of 11.1."""
    return {"firmware_image": IMAGE, "firmware_version": VERSION, "device_id_list": list(devices)} | more


async def distribute(small: Small, user: str, *devices: Eui64, **more: Any) -> None:
    """Bring an image to devices."""
    assert small.send(user, "11.1", params=update(*devices, **more)).response_code == "I99"
    await asyncio.sleep(300)
