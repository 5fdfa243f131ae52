"""One receive service for several rigs: a DCC that posts to one address, and messages that find their rig.

The rigs live in one process and name the same address; whoever comes first opens it, whoever goes last closes it. How
much a message concerns each is known by its requests, devices and Users, and those that it concerns most get it. Rigs
that other processes may reach, too, share an address with those (drivers/routed_receive.py).
"""

from __future__ import annotations

import asyncio
import ssl
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from bench.duis.request_id import RequestId
from drivers.concern import mentions
from drivers.receive_address import Address, Member, used_otherwise
from drivers.receive_service import ReceiveService

if TYPE_CHECKING:
    from drivers.routed_receive import RoutedReceive


class SharedReceive:
    """The service of one address. `join` makes it, or finds it.

    Attributes:
        address: where and how it listens.
    """

    def __init__(self, address: Address, tls: ssl.SSLContext | None, where: str) -> None:
        self.address = address
        self._members: list[Member] = []
        self._service = ReceiveService(
            address.host, address.port, address.path, tls=tls, deliver=self._deliver, refused=self._refused, where=where
        )
        self._changing = asyncio.Lock()
        self._started = False

    async def add(self, member: Member) -> None:
        """Let a rig take part; the first one opens the address.

        Raises:
            DeviceError: it cannot be had.
        """
        async with self._changing:
            if not self._started:
                await self._service.start()
                self._started = True
            self._members.append(member)

    async def leave(self, member: Member) -> None:
        """Take no part any more; the last one closes the address."""
        async with self._changing:
            self._members.remove(member)
            if not self._members:
                self._started = False
                await self._service.stop()

    def asked(self, request_id: RequestId) -> None:
        """Nobody has to be told of a request: within a process, all see what the others have sent."""

    def rig_connected(self) -> None:
        """Nothing waits for that here."""

    @property
    def rigs(self) -> str:
        """Who takes part, for people."""
        return ", ".join(f"rig {member.rig}" for member in self._members) or "another rig"

    @property
    def used(self) -> bool:
        """Whether a rig takes part."""
        return bool(self._members) or self._changing.locked()

    @property
    def port(self) -> int:
        """The TCP port that it listens at."""
        return self._service.port

    def _deliver(self, document: bytes, peer: str) -> str | None:
        """Hand a document to those whom it concerns most; why it is refused, or None."""
        found = mentions(document)
        concerns = [(member.interests.concern(found), member) for member in self._members]
        most = max((concern for concern, _ in concerns), default=0)
        if not most:
            # Whoever sent it, every rig's record shows that something came that nobody can place.
            why = "it is for no device and no User of the rigs that share this address"
            self._refused("a message at the receive service", why, peer)
            return why
        answers = [member.deliver(document, peer) for concern, member in concerns if concern == most]
        return None if None in answers else answers[0]

    def _refused(self, what: str, why: str, peer: str) -> None:
        for member in tuple(self._members):
            member.refused(what, why, peer)


_services: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, int], SharedReceive]] = (
    weakref.WeakKeyDictionary()
)
"""The services of each event loop, by host and port: what an operating system's table of ports is to processes."""


async def join(
    address: Address, tls: ssl.SSLContext | None, member: Member, shared: Path | None = None
) -> SharedReceive | RoutedReceive:
    """Take part in what is delivered to an address, until `leave`.

    Args:
        address: where and how the DCC posts.
        tls: context for https.
        member: the rig's gateway.
        shared: the folder of what rigs of several processes share; None for rigs of this process alone.

    Raises:
        DeviceError: the address cannot be had, or another rig uses it in another way.
        StorageError: the folder of the address cannot be used.
    """
    if shared is not None and address.port:
        from drivers.routed_receive import take_part

        return await take_part(address, tls, member, shared)
    services = _services.setdefault(asyncio.get_running_loop(), {})
    found = services.get((address.host, address.port))
    if found is None or (not found.used and found.address != address):
        found = services[address.host, address.port] = SharedReceive(address, tls, member.where)
    if found.address != address:
        raise used_otherwise(found.rigs, address, member.where)
    await found.add(member)
    return found
