"""What a Comms Hub monitor publishes, as docs/comms-hub-mqtt.md lays down: parts, payloads, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

MAX_PAYLOAD = 4096
"""Bytes; a longer payload is refused unread."""

MONITOR = "monitor"
"""The part that says whether the monitor itself is there; its will is `{"state": "offline"}`."""

_Name = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class _Payload(BaseModel):
    """Members that are not known are ignored, so that monitors may say more."""

    model_config = ConfigDict(strict=True, frozen=True)


class MonitorPayload(_Payload):
    """Whether the monitor is connected."""

    state: Literal["online", "offline"]


class _Part(_Payload):
    """A part of the hub's state, and since when it is so, by the monitor's clock."""

    since: AwareDatetime


class PowerPayload(_Part):
    """The hub's supply and whether it has booted."""

    state: Literal["on", "off", "booting"]


class LinkPayload(_Part):
    """The SM WAN or the HAN."""

    state: Literal["up", "down"]


class LedPayload(_Part):
    """Every LED by its name: "on", "off" or a blink pattern."""

    state: Annotated[Mapping[_Name, _Name], Field(max_length=32)]


PARTS: Mapping[str, type[PowerPayload | LinkPayload | LedPayload]] = {
    "power": PowerPayload,
    "wan": LinkPayload,
    "han": LinkPayload,
    "led": LedPayload,
}
"""The parts of a hub's state, in the order in which a monitor publishes them."""


def read(part: str, payload: bytes) -> MonitorPayload | PowerPayload | LinkPayload | LedPayload:
    """Read the payload of a part.

    Raises:
        ValueError: the part is not known, or the payload is not what the part carries; the sentence says how.
    """
    model = MonitorPayload if part == MONITOR else PARTS.get(part)
    if model is None:
        raise ValueError(f"there is no part {part!r}")
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"{len(payload)} bytes are more than the {MAX_PAYLOAD} that are read")
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "payload"
        raise ValueError(f"{place}: {first['msg']}") from None


def iso(moment: datetime) -> str:
    """A moment in UTC with microseconds and a Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
