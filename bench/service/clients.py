"""The clients of an engine: what each of them is sent, and when one is too slow to be kept."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Mapping
from typing import Any

from bench.events import Event
from bench.service.lines import encode, event_message

KEPT_EVENTS = 20_000
"""How many events back a client may ask for."""

MOST_UNSENT = 8 * 1024 * 1024
"""Bytes that may wait for one client; beyond that it is dropped, and may come again and ask for what it missed."""


class Client:
    """One connection.

    Attributes:
        name: for messages: "client 3".
        subscribed: whether it gets events.
        wire: whether it gets those of kind `wire` as well.
        live: whether it gets what the supply path reads just now.
        view_only: whether it may only look.
        dropped: whether it was too slow.
    """

    def __init__(self, number: int, writer: asyncio.StreamWriter) -> None:
        self.name = f"client {number}"
        self.subscribed = self.wire = self.live = self.view_only = self.dropped = False
        self._writer = writer

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message; never waits."""
        self.send_line(encode(message))

    def send_line(self, line: bytes) -> None:
        """Send a line that is encoded already; never waits."""
        transport = self._writer.transport
        if self.dropped or transport.is_closing():
            return
        if transport.get_write_buffer_size() > MOST_UNSENT:
            # A half-sent line may be the last it gets: what it misses it can ask for by number.
            self.dropped = True
            transport.abort()
            return
        self._writer.write(line)


class Clients:
    """Everybody who is connected, and the events that they may ask for."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._clients: list[Client] = []
        self._kept: deque[tuple[int, Event]] = deque(maxlen=KEPT_EVENTS)
        self._count = 0

    @property
    def events(self) -> int:
        """The number of the last event."""
        return self._count

    def add(self, writer: asyncio.StreamWriter) -> Client:
        """Take a connection in."""
        client = Client(next(self._numbers), writer)
        self._clients.append(client)
        return client

    def remove(self, client: Client) -> None:
        """Forget a connection."""
        self._clients.remove(client)

    def __len__(self) -> int:
        return len(self._clients)

    def receive(self, event: Event) -> None:
        """Hand an event to everybody who subscribed: a listener of the engine's stream."""
        self._count += 1
        wire = event.kind == "wire"
        if not wire:
            self._kept.append((self._count, event))
        line = b""
        for client in self._clients:
            if client.subscribed and (client.wire or not wire):
                line = line or encode(event_message(self._count, event))
                client.send_line(line)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message to everybody who subscribed."""
        for client in self._clients:
            if client.subscribed:
                client.send(message)

    def anybody_live(self) -> bool:
        """Whether anybody wants to know what the supply path reads just now."""
        return any(client.subscribed and client.live for client in self._clients)

    def tell_live(self, message: Mapping[str, Any]) -> None:
        """Send what it reads to those who want to know."""
        for client in self._clients:
            if client.subscribed and client.live:
                client.send(message)

    def subscribe(self, client: Client, after: int | None, *, wire: bool) -> int:
        """Begin to send events to a client, first those kept after a number; how many were lost for ever.

        Args:
            client: who.
            after: the number of the last event that it has; None for none of the past.
            wire: whether it wants what goes over the wires; of that nothing is kept.
        """
        missed = 0
        if after is not None:
            first = self._kept[0][0] if self._kept else self._count + 1
            missed = max(0, first - after - 1)
            for number, event in self._kept:
                if number > after:
                    client.send(event_message(number, event))
        client.subscribed, client.wire = True, wire
        return missed
