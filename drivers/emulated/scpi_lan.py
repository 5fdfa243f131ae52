"""LAN wires for emulated instruments: HiSLIP (IVI-6.1) and VXI-11 (TCP/IP Instrument Protocol 1.0, VXIbus Consortium).

Only what carries messages, device clear and status: no locks, no service requests, no TLS.
"""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod
from typing import ClassVar, cast

from drivers.emulated.scpi_grammar import Interpreter
from drivers.emulated.scpi_wire import ScpiSession, WireFaults, WireServer

_HISLIP = struct.Struct("!2sBBIQ")
_MOST_PAYLOAD = 1 << 20


class _Connection(asyncio.Protocol, ABC):
    """A framed protocol: `frame` takes one frame off the buffer and returns its length, or 0 for more bytes."""

    def __init__(self, server: WireServer) -> None:
        self._server = server
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.add(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while not self._transport.is_closing() and (length := self.frame(self._buffer)):
            self._buffer = self._buffer[length:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.remove(self._transport)
        self.end()

    @abstractmethod
    def frame(self, buffer: bytes) -> int:
        """Act on the first frame, and say how long it is; 0 if it is not whole yet."""

    def end(self) -> None:
        """The connection is gone."""


class _Hislip(_Connection):
    """One of the two channels of a HiSLIP session (IVI-6.1, table 4: message types)."""

    _INITIALIZE, _INITIALIZE_RESPONSE, _FATAL_ERROR = 0, 1, 2
    _DATA, _DATA_END, _CLEAR_COMPLETE, _CLEAR_ACKNOWLEDGE = 6, 7, 8, 9
    _REMOTE_LOCAL, _REMOTE_LOCAL_RESPONSE, _TRIGGER, _MAX_SIZE, _MAX_SIZE_RESPONSE = 10, 11, 12, 15, 16
    _ASYNC_INITIALIZE, _ASYNC_INITIALIZE_RESPONSE, _ASYNC_CLEAR = 17, 18, 19
    _STATUS, _STATUS_RESPONSE, _ASYNC_CLEAR_ACKNOWLEDGE = 21, 22, 23
    _VERSION_1_0 = 0x0100

    def __init__(self, server: WireServer, interpreter: Interpreter, faults: WireFaults, numbers: list[int]) -> None:
        super().__init__(server)
        self._numbers = numbers
        self._session = ScpiSession(interpreter, faults, self._reply)
        self._message = b""
        self._message_ids: list[int] = []

    def frame(self, buffer: bytes) -> int:
        if len(buffer) < _HISLIP.size:
            return 0
        prologue, kind, _control, parameter, length = _HISLIP.unpack_from(buffer)
        if prologue != b"HS" or length > _MOST_PAYLOAD:
            self._send(self._FATAL_ERROR, control=1)
            self._transport.close()
            return 0
        end = int(_HISLIP.size + length)
        if len(buffer) < end:
            return 0
        self._take(kind, parameter, buffer[_HISLIP.size : end])
        return end

    def end(self) -> None:
        self._session.clear()

    def _take(self, kind: int, parameter: int, payload: bytes) -> None:
        if kind == self._INITIALIZE:
            self._numbers[0] = self._numbers[0] % 0xFFFF + 1
            self._send(self._INITIALIZE_RESPONSE, parameter=self._VERSION_1_0 << 16 | self._numbers[0])
        elif kind == self._ASYNC_INITIALIZE:
            self._send(self._ASYNC_INITIALIZE_RESPONSE, parameter=int.from_bytes(b"EM", "big"))
        elif kind == self._MAX_SIZE:
            self._send(self._MAX_SIZE_RESPONSE, payload=struct.pack("!Q", _MOST_PAYLOAD))
        elif kind in (self._DATA, self._DATA_END):
            self._message += payload
            if kind == self._DATA_END:
                message, self._message = self._message, b""
                self._message_ids.append(parameter)
                self._session.receive(message.rstrip(b"\r\n"))
        elif kind == self._ASYNC_CLEAR:
            self._send(self._ASYNC_CLEAR_ACKNOWLEDGE)
        elif kind == self._CLEAR_COMPLETE:
            self._session.clear()
            self._message = b""
            self._send(self._CLEAR_ACKNOWLEDGE)
        elif kind == self._STATUS:
            self._send(self._STATUS_RESPONSE)
        elif kind == self._REMOTE_LOCAL:
            self._send(self._REMOTE_LOCAL_RESPONSE)
        elif kind != self._TRIGGER:
            self._send(3, control=1)

    def _reply(self, data: bytes) -> None:
        # IVI-6.1 3.1.2: a response carries the MessageID of the message that holds its query.
        self._send(self._DATA_END, parameter=self._message_ids[-1], payload=data + b"\n")

    def _send(self, kind: int, *, control: int = 0, parameter: int = 0, payload: bytes = b"") -> None:
        self._transport.write(_HISLIP.pack(b"HS", kind, control, parameter, len(payload)) + payload)


def hislip_server(interpreter: Interpreter, faults: WireFaults) -> WireServer:
    """A HiSLIP server (`TCPIP::HOST::hislip0,PORT::INSTR`), not yet listening."""
    numbers = [0]
    return WireServer(lambda server: _Hislip(server, interpreter, faults, numbers))


class _Vxi11(_Connection):
    """The core channel over ONC RPC (RFC 5531), one record a call."""

    _CREATE, _WRITE, _READ, _READ_STATUS, _CLEAR, _DESTROY = 10, 11, 12, 13, 15, 23
    _HARMLESS: ClassVar = (14, 16, 17, 18, 19)  # trigger, remote, local, lock, unlock
    _TIMEOUT, _END_OF_MESSAGE, _NOT_SUPPORTED = 15, 4, 8

    def __init__(self, server: WireServer, interpreter: Interpreter, faults: WireFaults) -> None:
        super().__init__(server)
        self._session = ScpiSession(interpreter, faults, self._reply)
        self._message = b""
        self._replies: list[bytes] = []
        self._reader: tuple[int, asyncio.TimerHandle] | None = None

    def frame(self, buffer: bytes) -> int:
        if len(buffer) < 4:
            return 0
        end = 4 + (int.from_bytes(buffer[:4], "big") & 0x7FFF_FFFF)
        if end > _MOST_PAYLOAD:
            self._transport.close()
            return 0
        if len(buffer) < end:
            return 0
        try:
            self._call(buffer[4:end])
        except struct.error:
            self._transport.close()
        return end

    def end(self) -> None:
        self._session.clear()
        self._forget_reader()

    def _call(self, record: bytes) -> None:
        call_id, _type, _rpc, _program, _version, procedure = struct.unpack_from("!6I", record)
        offset = 24
        for _ in range(2):  # credentials and verifier
            (length,) = struct.unpack_from("!I", record, offset + 4)
            offset += 8 + (length + 3 & ~3)
        arguments = record[offset:]
        if procedure == self._CREATE:
            self._answer(call_id, struct.pack("!4I", 0, 1, 0, _MOST_PAYLOAD // 2))
        elif procedure == self._WRITE:
            _link, _io_ms, _lock_ms, flags, length = struct.unpack_from("!5I", arguments)
            self._message += arguments[20 : 20 + length]
            self._answer(call_id, struct.pack("!2I", 0, length))
            if flags & 8:
                message, self._message = self._message, b""
                self._session.receive(message.rstrip(b"\r\n"))
        elif procedure == self._READ:
            _link, _size, io_ms = struct.unpack_from("!3I", arguments)
            self._read(call_id, io_ms)
        elif procedure == self._READ_STATUS:
            self._answer(call_id, struct.pack("!2I", 0, 16 if self._replies else 0))
        elif procedure == self._CLEAR:
            self._session.clear()
            self._replies.clear()
            self._message = b""
            self._answer(call_id, struct.pack("!I", 0))
        else:
            known = procedure == self._DESTROY or procedure in self._HARMLESS
            self._answer(call_id, struct.pack("!I", 0 if known else self._NOT_SUPPORTED))

    def _read(self, call_id: int, io_ms: int) -> None:
        self._forget_reader()
        if self._replies:
            self._deliver(call_id, self._replies.pop(0))
        else:
            timer = asyncio.get_running_loop().call_later(io_ms / 1000, self._read_timed_out, call_id)
            self._reader = call_id, timer

    def _reply(self, data: bytes) -> None:
        if self._reader is None:
            self._replies.append(data + b"\n")
            return
        call_id, _timer = self._reader
        self._forget_reader()
        self._deliver(call_id, data + b"\n")

    def _read_timed_out(self, call_id: int) -> None:
        self._reader = None
        self._answer(call_id, struct.pack("!3I", self._TIMEOUT, 0, 0))

    def _deliver(self, call_id: int, data: bytes) -> None:
        padded = data + b"\0" * (-len(data) % 4)
        self._answer(call_id, struct.pack("!3I", 0, self._END_OF_MESSAGE, len(data)) + padded)

    def _forget_reader(self) -> None:
        if self._reader is not None:
            self._reader[1].cancel()
            self._reader = None

    def _answer(self, call_id: int, result: bytes) -> None:
        reply = struct.pack("!6I", call_id, 1, 0, 0, 0, 0) + result
        self._transport.write(struct.pack("!I", 0x8000_0000 | len(reply)) + reply)


def vxi11_server(interpreter: Interpreter, faults: WireFaults) -> WireServer:
    """A VXI-11 server (`TCPIP::HOST,PORT::inst0::INSTR`; no port mapper), not yet listening."""
    return WireServer(lambda server: _Vxi11(server, interpreter, faults))
