"""Emulated Modbus devices: the server end of Modbus TCP, and of RTU on a pseudo-terminal.

A `ModbusSlave` is a register map whose values come from the model's callables and whose writes go to them. Wires
carry any number of slaves. The protocol is Modbus Application Protocol 1.1b3 (functions 1 to 6, 15 and 16) over
Modbus Messaging on TCP/IP 1.0b and Modbus over Serial Line 1.02.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from drivers.emulated.pty_line import PtyLine
from drivers.emulated.schedule import Schedule

Read = Callable[[], Sequence[int]]
Write = Callable[[Sequence[int]], None]

_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE, _NO_TARGET = 1, 2, 3, 11
_FORMATS = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "float32": "f"}


class _Refused(Exception):
    """Answered by an exception response."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class SlaveFaults:
    """What is wrong with an emulated slave; every field may change at any time.

    Attributes:
        silent: it answers nothing.
        delay_s: it answers this much later than it should.
        garbled: what it answers is damaged on its way.
        exception: the exception code with which it refuses everything, or None.
        ignore_writes: it confirms writes and does nothing.
        half: of what it answers the second half is lost.
        drops: decides which answers are lost, one of two on average; None loses none.
    """

    silent: bool = False
    delay_s: float = 0.0
    garbled: bool = False
    exception: int | None = None
    ignore_writes: bool = False
    half: bool = False
    drops: Random | None = None

    def lose(self, frame: bytes) -> bytes:
        """What is left of an answer on its way; nothing if it is lost."""
        if self.drops is not None and self.drops.random() < 0.5:
            return b""
        return frame[: len(frame) // 2] if self.half else frame


@dataclass(slots=True)
class _Cells:
    """Adjacent addresses with one source: both words of a float are read at one moment."""

    read: Read
    write: Write | None


class _Table:
    """One of the four address spaces of a slave."""

    def __init__(self) -> None:
        self._cells: dict[int, tuple[_Cells, int]] = {}

    def add(self, address: int, size: int, read: Read, write: Write | None) -> None:
        cells = _Cells(read, write)
        for offset in range(size):
            if self._cells.setdefault(address + offset, (cells, offset))[0] is not cells:
                raise ValueError(f"address {address + offset} is taken already")

    def read(self, start: int, count: int) -> list[int]:
        values: list[int] = []
        while len(values) < count:
            cells, offset = self._find(start + len(values))
            values.extend(cells.read()[offset : offset + count - len(values)])
        return values

    def write(self, start: int, values: Sequence[int]) -> None:
        changed: list[tuple[Write, list[int]]] = []
        done = 0
        while done < len(values):
            cells, offset = self._find(start + done)
            if cells.write is None:
                raise _Refused(_ILLEGAL_ADDRESS)
            whole = list(cells.read())
            part = values[done : done + len(whole) - offset]
            whole[offset : offset + len(part)] = part
            changed.append((cells.write, whole))
            done += len(part)
        for write, whole in changed:
            write(whole)

    def _find(self, address: int) -> tuple[_Cells, int]:
        found = self._cells.get(address)
        if found is None:
            raise _Refused(_ILLEGAL_ADDRESS)
        return found


@dataclass(slots=True)
class ModbusSlave:
    """One device on a line.

    Attributes:
        device_id: its address on the line, 1 to 247 (0 to 255 over TCP).
        faults: what is wrong with it.
        on_heard: told of each request that gets to it.
    """

    device_id: int
    faults: SlaveFaults = field(default_factory=SlaveFaults)
    on_heard: Callable[[], None] = field(default=lambda: None, repr=False)
    _coils: _Table = field(default_factory=_Table, repr=False)
    _discretes: _Table = field(default_factory=_Table, repr=False)
    _holdings: _Table = field(default_factory=_Table, repr=False)
    _inputs: _Table = field(default_factory=_Table, repr=False)

    def coil(self, address: int, read: Callable[[], bool], write: Callable[[bool], None]) -> None:
        """Add a coil."""
        self._coils.add(address, 1, lambda: (read(),), lambda values: write(bool(values[0])))

    def discrete_input(self, address: int, read: Callable[[], bool]) -> None:
        """Add a discrete input."""
        self._discretes.add(address, 1, lambda: (read(),), None)

    def holding_register(self, address: int, read: Callable[[], int], write: Callable[[int], None]) -> None:
        """Add a holding register of 16 bits."""
        self._holdings.add(address, 1, lambda: (read(),), lambda values: write(values[0]))

    def value(
        self,
        table: str,
        address: int,
        read: Callable[[], float],
        *,
        type: str = "float32",
        scale: float = 1.0,
        word_order: str = "big",
    ) -> None:
        """Add a number to be read: "input" or "holding" table; `scale` is what a client multiplies by."""
        kind = _FORMATS[type]

        def words() -> Sequence[int]:
            number = read() / scale
            packed = struct.pack(f">{kind}", number if kind == "f" else round(number))
            big: tuple[int, ...] = struct.unpack(f">{len(packed) // 2}H", packed)
            return big if word_order == "big" else big[::-1]

        size = struct.calcsize(f">{kind}") // 2
        {"input": self._inputs, "holding": self._holdings}[table].add(address, size, words, None)

    def answer(self, request: bytes) -> bytes:
        """Carry out one request and answer it: function code and data, without address and check."""
        function = request[0]
        self.on_heard()
        try:
            if self.faults.exception is not None:
                raise _Refused(self.faults.exception)
            return bytes([function]) + self._carry_out(function, request[1:])
        except _Refused as refusal:
            return bytes([function | 0x80, refusal.code])

    def _carry_out(self, function: int, body: bytes) -> bytes:
        if function not in (1, 2, 3, 4, 5, 6, 15, 16):
            raise _Refused(_ILLEGAL_FUNCTION)
        if len(body) < 4:
            raise _Refused(_ILLEGAL_VALUE)
        start, number = struct.unpack_from(">HH", body)
        if function <= 4:
            return self._read(function, start, number, body)
        values = _values_to_write(function, number, body)
        if not self.faults.ignore_writes:
            (self._coils if function in (5, 15) else self._holdings).write(start, values)
        return body[:4]

    def _read(self, function: int, start: int, count: int, body: bytes) -> bytes:
        if len(body) != 4 or not 1 <= count <= (2000 if function <= 2 else 125):
            raise _Refused(_ILLEGAL_VALUE)
        table = {1: self._coils, 2: self._discretes, 3: self._holdings, 4: self._inputs}[function]
        values = table.read(start, count)
        data = struct.pack(f">{count}H", *values) if function >= 3 else _pack_bits(values)
        return bytes([len(data)]) + data


def _values_to_write(function: int, number: int, body: bytes) -> list[int]:
    if function == 5 and len(body) == 4 and number in (0, 0xFF00):
        return [number >> 15]
    if function == 6 and len(body) == 4:
        return [number]
    if function == 15 and 1 <= number <= 1968 and len(body) == 5 + (number + 7) // 8 and body[4] == len(body) - 5:
        return [body[5 + index // 8] >> index % 8 & 1 for index in range(number)]
    if function == 16 and 1 <= number <= 123 and len(body) == 5 + 2 * number and body[4] == 2 * number:
        return list(struct.unpack(f">{number}H", body[5:]))
    raise _Refused(_ILLEGAL_VALUE)


def _pack_bits(values: Sequence[int]) -> bytes:
    packed = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        packed[index // 8] |= bool(value) << index % 8
    return bytes(packed)


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_CRC_OF_BYTE = tuple(_crc_of_byte(byte) for byte in range(256))


def crc16(data: bytes) -> bytes:
    """The CRC of Modbus over Serial Line 1.02, section 6.2.2, in the order in which it is sent."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_OF_BYTE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


class ModbusTcpWire:
    """A listener for Modbus TCP.

    A device that is not there is answered for as by a gateway: exception 11.

    Args:
        slaves: the devices behind it.
        schedule: for late answers.
        host: where it listens.
        port: where it listens; 0 takes a free one, which it keeps.
    """

    def __init__(
        self, slaves: Iterable[ModbusSlave], schedule: Schedule, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._slaves = {slave.device_id: slave for slave in slaves}
        self._schedule = schedule
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._transports: list[asyncio.Transport] = []

    @property
    def port(self) -> int:
        """The TCP port, known once it was started."""
        return self._port

    async def start(self) -> None:
        """Listen; again, on the same port, after `stop`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _TcpConnection(self), self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Drop all connections and refuse new ones; may be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self.drop()
            await server.wait_closed()

    def drop(self) -> None:
        """Drop all connections; new ones are welcome."""
        for transport in tuple(self._transports):
            transport.abort()

    def opened(self, transport: asyncio.Transport) -> None:
        """A connection was made."""
        self._transports.append(transport)

    def closed(self, transport: asyncio.Transport) -> None:
        """A connection is gone."""
        self._transports.remove(transport)

    def handle(self, transport: asyncio.Transport, header: bytes, request: bytes) -> None:
        """Answer one request, now or later."""
        slave = self._slaves.get(header[6])
        if slave is None:
            answer, faults = bytes([request[0] | 0x80, _NO_TARGET]), SlaveFaults()
        elif slave.faults.silent:
            return
        else:
            answer, faults = slave.answer(request), slave.faults
        frame = header[:4] + struct.pack(">HB", len(answer) + 1, header[6]) + answer
        if faults.garbled:
            frame = frame[:2] + bytes(byte ^ 0x55 for byte in frame[2:])
        frame = faults.lose(frame)

        def send() -> None:
            if frame and not transport.is_closing():
                transport.write(frame)

        if faults.delay_s:
            self._schedule.after(faults.delay_s, send)
        else:
            send()


class ModbusRtuWire(PtyLine):
    """A serial line with Modbus RTU devices; one that is not there stays silent.

    What is wrong with the whole line is set on it as on any `PtyLine`; what is wrong with one device, on its slave.

    Args:
        link: the stable path of the line.
        slaves: the devices on it.
        schedule: for late answers.
        rng: chooses which bytes to garble.
        gap_s: a silence within a request that ends it; 3.5 characters on a real line.
    """

    def __init__(
        self, link: Path, slaves: Iterable[ModbusSlave], schedule: Schedule, rng: Random, *, gap_s: float = 0.02
    ) -> None:
        super().__init__(link, lambda _line: None, rng)
        self._slaves = {slave.device_id: slave for slave in slaves}
        self._schedule, self._gap_s = schedule, gap_s
        self._frame = b""
        self._heard_s = 0.0

    def _receive(self, data: bytes) -> None:
        now_s = self._schedule.now_s
        self._frame = data if now_s - self._heard_s > self._gap_s else self._frame + data
        self._heard_s = now_s
        while (length := _request_length(self._frame)) is not None and len(self._frame) >= length:
            frame, self._frame = self._frame[:length], self._frame[length:]
            if crc16(frame[:-2]) == frame[-2:]:
                self._handle(frame[0], frame[1:-2])
            else:
                self._frame = b""  # who is out of step waits for the next silence

    def _handle(self, device_id: int, request: bytes) -> None:
        slave = self._slaves.get(device_id)
        if slave is None or slave.faults.silent:
            return
        frame = bytes([device_id]) + slave.answer(request)
        frame += crc16(frame)
        if slave.faults.garbled:
            frame = frame[:-1] + bytes([frame[-1] ^ 0x55])
        if not (frame := slave.faults.lose(frame)):
            return
        if slave.faults.delay_s:
            self._schedule.after(slave.faults.delay_s, lambda: self.send(frame))
        else:
            self.send(frame)


def _request_length(frame: bytes) -> int | None:
    """How long a request is with its address and CRC, or None while nobody can tell."""
    if len(frame) < 2:
        return None
    if frame[1] in (15, 16):
        return 9 + frame[6] if len(frame) >= 7 else None
    return 8


class _TcpConnection(asyncio.Protocol):
    def __init__(self, wire: ModbusTcpWire) -> None:
        self._wire = wire
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._wire.opened(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.closed(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 8:
            protocol, length = struct.unpack_from(">HH", self._buffer, 2)
            if protocol or not 2 <= length <= 254:
                self._transport.abort()
                return
            if len(self._buffer) < 6 + length:
                return
            header, request = self._buffer[:7], self._buffer[7 : 6 + length]
            self._buffer = self._buffer[6 + length :]
            self._wire.handle(self._transport, header, request)
