"""One receive address for rigs of several processes: whichever engine accepts a message passes it on to its rig.

No engine is in charge. The first one opens the address, the others get the same listening socket from it, and all of
them accept from its one queue. So the address is there as long as one engine is; a message that waits in the queue
when an engine dies is another's; an engine that hangs accepts nothing. Which rig a message is for, each engine knows
by itself (bench/shared_address.py), so that only the engine of that rig has to answer before the DCC is answered. If
that is gone, or hangs, the message is kept on disk for it, and the others' messages do not wait behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import socket
import ssl
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from bench.duis.request_id import RequestId
from bench.errors import BenchError, DeviceError
from bench.eui import Eui64
from bench.kept_messages import keep
from bench.shared_address import (
    Directory,
    Entry,
    Known,
    Part,
    forget,
    kept_of,
    make_folder,
    new_entry,
    read_entries,
    socket_of,
)
from bench.tasks import stop
from drivers.concern import Interests, mentions
from drivers.member_socket import Door, NotTakenError, Taken, fetch_listener, note, offered
from drivers.receive_address import Address, Member, used_otherwise
from drivers.receive_service import NotNow, ReceiveService

JOIN_S = 8.0
"""How long a rig tries to get at an address that an engine has which does not answer: its guard will have ended it."""

AWAY_S = 3600.0
"""How long messages for a rig whose engine is gone are kept, from the first one on."""

LOOK_S = 1.0
"""How often an engine looks for what another one kept for it."""

_AGAIN_S = 0.1
_BACKLOG = 128
_MOST_NOTES = 64


class RoutedReceive:
    """One rig's part in an address. `take_part` makes it.

    Attributes:
        port: the TCP port.
    """

    def __init__(self, address: Address, member: Member, folder: Path) -> None:
        self.port = address.port
        self._address, self._member, self._folder = address, member, folder
        self._directory = Directory(folder)
        self._part: Part | None = None
        self._away_since_s: dict[str, float] = {}
        self._notes: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue(_MOST_NOTES)
        self._door: Door | None = None
        self._complete = asyncio.Event()
        self._kept_stays = False
        self._open = AsyncExitStack()

    async def start(self, tls: ssl.SSLContext | None) -> None:
        """Take part.

        Raises:
            DeviceError: the address cannot be had, or another rig uses it in another way.
        """
        interests, member = self._member.interests, self._member
        entry = new_entry(
            member.rig,
            member.where,
            hashlib.sha256(f"{self._address.path}\0{self._address.tls}".encode()).hexdigest(),
            users=interests.users,
            devices=interests.devices,
            dcc=interests.dcc,
        )
        async with AsyncExitStack() as stack:
            listener = stack.enter_context(await self._listener(entry))
            self._door = door = Door(member.deliver, member.refused, listener)
            await stack.enter_async_context(door.open(socket_of(self._folder, entry)))
            self._part = Part(self._folder, entry)
            stack.callback(self._part.leave)
            for work, title in (
                (self._tell_others(), "what nobody can place"),
                (self._look_for_kept(), "what was kept"),
            ):
                stack.push_async_callback(_ended, asyncio.create_task(work, name=title))
            service = ReceiveService(
                self._address.host,
                self._address.port,
                self._address.path,
                tls=tls,
                deliver=self._deliver,
                refused=self._refused,
                where=member.where,
                listener=stack.enter_context(listener.dup()),
            )
            stack.push_async_callback(service.stop)
            await service.start()
            self._open = stack.pop_all()

    async def leave(self, member: Member) -> None:
        """Take no part any more. Who is left goes on; the last one closes the address."""
        await self._open.aclose()

    def asked(self, request_id: RequestId) -> None:
        """Let the other engines know of a request, before it is sent.

        Raises:
            StorageError: it cannot be written.
        """
        if self._part is not None:
            self._part.asked(request_id)

    async def _listener(self, own: Entry) -> socket.socket:
        """The listening socket: another engine's, or a new one where nobody takes part."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + JOIN_S
        while True:
            silent: list[Entry] = []
            others = [entry for entry in read_entries(self._folder) if entry.here]
            for entry in others:
                self._check(own, entry)
            for entry in others:
                try:
                    return await asyncio.to_thread(fetch_listener, socket_of(self._folder, entry))
                except NotTakenError as error:
                    silent += [] if error.gone else [entry]
            try:
                return _bound(self._address)
            except OSError as error:
                # Two that come at the same moment: one of them has it, and the other one asks it.
                if error.errno != errno.EADDRINUSE or loop.time() > deadline_s:
                    raise self._not_had(error, silent) from None
            await asyncio.sleep(_AGAIN_S)

    def _check(self, own: Entry, other: Entry) -> None:
        if other.name == own.name:
            at = f"{self._address.host} port {self._address.port}"
            raise DeviceError(f"{other} takes what is posted to {at} already", where=own.device)
        if other.use != own.use:
            raise used_otherwise(str(other), self._address, own.device)

    def _not_had(self, error: OSError, silent: Sequence[Entry]) -> DeviceError:
        step = (
            "End the other program that listens there, or change `receive_host` or `receive_port`. An engine shares "
            "the address only if it runs as this user, with its state in the same folder (HILBENCH_STATE)"
        )
        why = error.strerror or str(error)
        if silent:
            why += f", and does not answer: {', '.join(map(str, silent))}"
            step = f"End process {silent[0].pid}"
        at = f"{self._address.host} port {self._address.port}"
        return DeviceError(
            f"the receive service cannot listen at {at}: {why}", where=self._member.where, next_step=step
        )

    async def _deliver(self, document: bytes, peer: str) -> str | None:
        """Hand a document to those whom it concerns most; why it is refused, or None."""
        found = mentions(document)
        concerns = [(_interests(known).concern(found), known.entry) for known in self._still_known()]
        most = max((concern for concern, _ in concerns), default=0)
        if not most:
            why = "it is for no device and no User of the rigs that share this address"
            # Whoever sent it, every rig's record shows that something came that nobody can place.
            self._member.refused("a message at the receive service", why, peer)
            await self._note("a message at the receive service", why, peer)
            return why
        entries = [entry for concern, entry in concerns if concern == most]
        return await self._hand_over(entries, document, peer, readable=found is not None)

    async def _hand_over(self, entries: Sequence[Entry], document: bytes, peer: str, *, readable: bool) -> str | None:
        """Offer a document to rigs; what one does not take is kept for it, if it is for that rig or nobody has it."""
        async with AsyncExitStack() as stack:

            async def offer(entry: Entry) -> Taken | NotTakenError:
                try:
                    return await stack.enter_async_context(offered(socket_of(self._folder, entry), document, peer))
                except NotTakenError as error:
                    return error

            answers, kept = await asyncio.gather(*(offer(entry) for entry in entries)), False
            taken = [answer for answer in answers if isinstance(answer, Taken)]
            for entry, answer in zip(entries, answers, strict=True):
                if isinstance(answer, Taken):
                    self._away_since_s.pop(entry.token, None)
                    continue
                if answer.gone:
                    self._away_since_s.setdefault(entry.token, asyncio.get_running_loop().time())
                if not readable or (entry.left and taken):
                    continue
                try:
                    await asyncio.to_thread(keep, kept_of(self._folder, entry), document, peer)
                except BenchError as error:
                    # Those that have it take it once only when it is posted again.
                    return NotNow(f"rig {entry.rig} does not take it: {error.what}")
                kept = True
            if not taken:
                return None if kept else NotNow("no rig takes it yet")
            for each in taken:
                each.settle()
            refusals = [each.refusal for each in taken]
            return None if None in refusals else refusals[0]

    def _still_known(self) -> list[Known]:
        """Everybody who takes part, and those that are not away for too long."""
        now_s, found = asyncio.get_running_loop().time(), []
        for known in self._directory.read():
            since_s = self._away_since_s.get(known.entry.token)
            if since_s is None or now_s - since_s < AWAY_S:
                found.append(known)
            else:
                with contextlib.suppress(OSError):
                    forget(self._folder, known.entry)
        return found

    def _refused(self, what: str, why: str, peer: str) -> None:
        """Put on record here and, unless too much of it comes, elsewhere what never became a message."""
        self._member.refused(what, why, peer)
        with contextlib.suppress(asyncio.QueueFull):
            self._notes.put_nowait((what, why, peer))

    async def _tell_others(self) -> None:
        while True:
            await self._note(*await self._notes.get())

    def rig_connected(self) -> None:
        """All devices of the rig are there: from now on it takes what comes, and soon what was kept for it.

        A rig that does not become complete closes again, and would forget what it took. What was kept comes when what
        the DCC posts again would: there is somebody then who puts it on record.
        """
        self._complete.set()
        if self._door is not None:
            self._door.ready = True

    async def _take_kept(self) -> None:
        if self._part is None or self._door is None:
            return
        try:
            await self._door.take_kept(kept_of(self._folder, self._part.entry))
        except BenchError as error:
            if not self._kept_stays:
                self._member.refused("a message that was kept", str(error), "")
            self._kept_stays = True

    async def _look_for_kept(self) -> None:
        await self._complete.wait()
        while True:
            await asyncio.sleep(LOOK_S)
            await self._take_kept()

    async def _note(self, what: str, why: str, peer: str) -> None:
        own = self._part.entry if self._part is not None else None
        others = [entry for entry in read_entries(self._folder) if entry.here and entry != own]
        await asyncio.gather(*(note(socket_of(self._folder, entry), what, why, peer) for entry in others))


async def take_part(address: Address, tls: ssl.SSLContext | None, member: Member, shared: Path) -> RoutedReceive:
    """Take part in what is delivered to an address, with rigs of other processes, until `leave`.

    Args:
        address: where and how the DCC posts.
        tls: context for https.
        member: the rig's gateway.
        shared: the folder of what rigs share.

    Raises:
        DeviceError: the address cannot be had, or another rig uses it in another way.
        StorageError: the folder of the address cannot be used.
    """
    try:
        routed = RoutedReceive(address, member, make_folder(shared, address.host, address.port))
        await routed.start(tls)
    except BenchError as error:
        error.where = error.where or member.where
        raise
    return routed


async def _ended(task: asyncio.Task[None]) -> None:
    stop(task)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _bound(address: Address) -> socket.socket:
    """A socket that listens; raises OSError if the address cannot be had."""
    listener = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _interests(known: Known) -> Interests:
    entry = known.entry
    users, devices = (frozenset(map(Eui64.parse, texts)) for texts in (entry.users, entry.devices))
    return Interests(known.requests, users, devices, Eui64.parse(entry.dcc))
