"""The serial line under Modbus RTU: what pymodbus needs of one, without pyserial's waiting.

pyserial reads by way of select(2), which knows no descriptor from 1024 on: a process with a few dozen rigs has more.
The event loop has already said that there is something to read, so nothing here waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from typing import Any

import serial
from pymodbus.client.base import ModbusBaseClient
from pymodbus.transport.serialtransport import SerialTransport

_READ_SIZE = 1024

Opened = tuple[asyncio.Transport, asyncio.BaseProtocol]


class _Line(SerialTransport):
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send at once what the line takes; the rest, and whatever is wrong, is for when the loop finds it ready."""
        if not self.intern_write_buffer:
            with contextlib.suppress(OSError):
                data = data[os.write(self.sync_serial.fileno(), data) :]
        if data:
            super().write(data)

    def intern_read_ready(self) -> None:
        """Hand on what is there."""
        try:
            data = os.read(self.sync_serial.fileno(), _READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.close(serial.SerialException(f"read failed: {error}"))
            return
        if not data:
            # A device that is gone is always ready, and says nothing.
            self.close(serial.SerialException("the device is gone"))
            return
        self.intern_protocol.data_received(data)  # type: ignore[attr-defined]


def opener(client: ModbusBaseClient) -> Callable[[], Coroutine[Any, Any, Opened]]:
    """What opens the line of a client, in place of its own `ctx.call_create`.

    The coroutine raises OSError, termios.error or ValueError if the line cannot be opened or takes no such settings.
    """

    async def create() -> Opened:
        loop, settings = asyncio.get_running_loop(), client.comm_params
        protocol = client.ctx.handle_new_connection()
        line = _Line(
            loop,
            protocol,
            settings.host,
            settings.baudrate,
            settings.bytesize,
            settings.parity,
            settings.stopbits,
            settings.timeout_connect,
        )
        loop.call_soon(line.setup)
        return line, protocol

    return create
