"""An address at which several rigs receive, and a rig that does."""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import DeviceError
from drivers.concern import Interests
from drivers.receive_service import Deliver, Refused


@dataclass(frozen=True, slots=True)
class Address:
    """Where the DCC posts to, and how; `tls` tells one use of TLS from another, without its content."""

    host: str
    port: int
    path: str
    tls: str


@dataclass(frozen=True, slots=True)
class Member:
    """One rig's gateway.

    Attributes:
        rig: the rig's name.
        where: how errors name the device.
        interests: what concerns the rig.
        deliver: gets a document that does.
        refused: told of what never gets that far.
    """

    rig: str
    where: str
    interests: Interests
    deliver: Deliver
    refused: Refused


def used_otherwise(by: str, address: Address, where: str) -> DeviceError:
    """The error of a rig that names an address as another one does, and wants it used in another way.

    Args:
        by: who uses it.
        address: what is wanted.
        where: the device that wants it.
    """
    return DeviceError(
        f"{by} takes what is posted to {address.host} port {address.port} by another path, or other TLS",
        where=where,
        next_step="Write receive_path, receive_token and receive_tls alike in both rig files",
    )
