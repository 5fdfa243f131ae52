"""The client end of Modbus TCP and RTU (Modbus Application Protocol 1.1b3), over pymodbus.

A `ModbusLine` is one TCP connection or one serial line; the devices on it share it and speak one at a time. A
`ModbusUnit` is one device on a line, as a driver sees it. Addresses count from zero, as they are on the wire.

A loss is met where it hurts least: the verb that meets it fails at once with one clear error, the next one
reconnects. RTU answers carry no transaction number, so after a time-out the line is left alone for as long again, and
whatever arrives then is thrown away: a late answer is never taken for the answer to the next request.
"""

from __future__ import annotations

import asyncio
import logging
import termios
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from bench.clock import Instant
from bench.device import DeviceContext
from bench.errors import DeviceError, DeviceLost, UsageError
from drivers.modbus_address import ModbusAddress, ModbusConfig
from drivers.modbus_serial import opener

# Everything that pymodbus would log reaches the bench as an error or a `wire` event.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_NEVER_S = 3600.0

# Modbus Application Protocol 1.1b3, section 7; those in _GATEWAY come from a gateway that cannot reach the device.
_EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
_GATEWAY = (10, 11)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer: `sent` just before the request went out, `answered` when its answer was complete."""

    sent: Instant
    answered: Instant
    response: ModbusPDU

    @property
    def middle(self) -> tuple[Instant, int]:
        """The best estimate of when the device acted, and half the width of the interval in which it lies, in ns."""
        return middle(self.sent, self.answered)


def middle(earliest: Instant, latest: Instant, *, slack_ns: int = 0) -> tuple[Instant, int]:
    """The middle of the interval from `earliest` to `latest` and `slack_ns` more, and half its width in ns."""
    half_ns = (latest.mono_ns - earliest.mono_ns + slack_ns) // 2
    return replace(earliest, mono_ns=earliest.mono_ns + half_ns, utc_ns=earliest.utc_ns + half_ns), half_ns


Call = Callable[[ModbusBaseClient], Awaitable[ModbusPDU]]


class ModbusLine:
    """One connection, shared by the devices on it; made by `acquire`, closed when the last user releases it."""

    _lines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, ModbusLine]] = WeakKeyDictionary()

    def __init__(self, address: ModbusAddress) -> None:
        self.address = address
        self._lock = asyncio.Lock()
        self._client: ModbusBaseClient | None = None
        self.users = 0
        self._pending = False
        self._received = self._request = b""
        self._quiet_until_s = 0.0
        self._cause = ""

    @classmethod
    def acquire(cls, address: ModbusAddress) -> ModbusLine:
        """The line of an address on the running loop, opened by its first exchange.

        Raises:
            UsageError: the line is in use with other serial settings.
        """
        lines = cls._lines.setdefault(asyncio.get_running_loop(), {})
        line = lines.get(address.line) or cls(address)
        if replace(line.address, device=0) != replace(address, device=0):
            raise UsageError(
                "two devices on this line have different serial settings",
                where=address.line,
                next_step="Give every device on the line the same baud, parity and stop",
            )
        lines[address.line] = line
        line.users += 1
        return line

    def release(self) -> None:
        """Stop using the line; once for each `acquire`."""
        self.users -= 1
        if not self.users:
            self._drop("the line was closed")
            self._lines[asyncio.get_running_loop()].pop(self.address.line, None)

    async def exchange(self, context: DeviceContext, call: Call, timeout_s: float) -> Exchange:
        """Send one request, when the line is free, and wait for its answer; both go on record as `wire` events.

        Cancelled, it has sent either nothing or a whole request, and the line finds its feet before the next one.

        Raises:
            DeviceLost: the line cannot be opened, breaks, or nothing answers.
            DeviceError: what answers cannot be read.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:
            client = await self._connected(timeout_s)
            if (wait_s := self._quiet_until_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            self._received = self._request = b""
            self._pending = True
            sent = context.clock.now()
            try:
                async with asyncio.timeout(timeout_s):
                    response = await call(client)
            except TimeoutError:
                self._upset(timeout_s)
                if self._received:
                    raise DeviceError(
                        f"what it answers is garbled: {len(self._received)} bytes that make no Modbus answer",
                        next_step="Check baud, parity, wiring and termination of the line",
                    ) from None
                raise DeviceLost(
                    f"it does not answer within {timeout_s:g} s",
                    next_step="Check its power, its wiring and its device address",
                ) from None
            except (ModbusException, OSError) as error:
                self._drop(str(error))
                if isinstance(error, _Unreadable):
                    raise DeviceError(f"what it answers is garbled: {error.string}") from None
                raise DeviceLost(f"the line broke: {error}") from None
            except asyncio.CancelledError:
                self._upset(timeout_s)
                raise
            finally:
                self._pending = False
                answered = context.clock.now()
                if self._request:
                    context.emit("wire", {"direction": "tx", "hex": self._request.hex()}, at=sent)
                if self._received:
                    context.emit("wire", {"direction": "rx", "hex": self._received.hex()}, at=answered)
            return Exchange(sent, answered, response)

    def _upset(self, timeout_s: float) -> None:
        """A request was left without an answer: nothing that comes for it later may be believed."""
        if self.address.port:
            self._drop("no answer")
        else:
            self._quiet_until_s = asyncio.get_running_loop().time() + timeout_s

    async def _connected(self, timeout_s: float) -> ModbusBaseClient:
        if self._client is not None and self._client.connected:
            return self._client
        self._drop("reconnecting")
        client, self._cause = self._make_client(), f"no connection within {timeout_s:g} s"
        try:
            async with asyncio.timeout(timeout_s):
                done = await client.connect()
        except TimeoutError:
            done = False
        if not done:
            client.close()
            raise DeviceLost(
                f"cannot open {self.address.line}: {self._cause}",
                next_step="Check that it is plugged in and switched on, and the resource in the rig file",
            )
        self._client, self._cause = client, ""
        return client

    def _make_client(self) -> ModbusBaseClient:
        address = self.address
        client: ModbusBaseClient
        if address.port:
            client = AsyncModbusTcpClient(
                address.host,
                port=address.port,
                timeout=_NEVER_S,
                retries=0,
                reconnect_delay=0,
                trace_packet=self._trace,
                trace_connect=self._trace_connection,
            )
        else:
            client = AsyncModbusSerialClient(
                address.host,
                baudrate=address.baud,
                parity=address.parity,
                stopbits=address.stop_bits,
                timeout=_NEVER_S,
                retries=0,
                reconnect_delay=0,
                trace_packet=self._trace,
                trace_connect=self._trace_connection,
            )
            client.ctx.call_create = opener(client)
        create, read = client.ctx.call_create, client.ctx.callback_data

        async def create_noting_why() -> object:
            try:
                return await create()
            except OSError as error:
                self._cause = str(error)
                raise
            except (termios.error, ValueError) as error:
                settings = f"{address.baud} 8{address.parity}{address.stop_bits}"
                self._cause = f"it does not take the settings {settings} ({error})"
                raise OSError(self._cause) from None

        def read_or_fail(data: bytes, addr: tuple[object, ...] | None = None) -> int:
            # pymodbus raises from here into the transport, which would log it and leave the caller waiting.
            try:
                return read(data, addr)
            except Exception as error:
                self._fail(_Unreadable(str(error)))
                return len(data)

        client.ctx.call_create = create_noting_why
        client.ctx.callback_data = read_or_fail  # type: ignore[method-assign]
        return client

    def _trace(self, sending: bool, packet: bytes) -> bytes:
        if sending:
            self._request = packet
        else:
            self._received = packet
        return packet

    def _trace_connection(self, connected: bool) -> None:
        if not connected:
            self._fail(ConnectionResetError("the connection was closed by the other end"))

    def _fail(self, error: Exception) -> None:
        """End the exchange under way; pymodbus alone would let it wait for its whole time-out."""
        if self._pending and self._client is not None and not self._client.ctx.response_future.done():
            self._client.ctx.response_future.set_exception(error)

    def _drop(self, cause: str) -> None:
        client = self._client
        if client is not None:
            self._fail(ConnectionResetError(cause))
            self._client = None
            client.close()


class _Unreadable(ModbusException):
    """An answer that pymodbus cannot decode."""


class ModbusUnit:
    """One device on a line, with its events: connected, lost, reconnected, garbled, closed."""

    def __init__(self, context: DeviceContext, config: ModbusConfig) -> None:
        self._context = context
        self._address, self._timeout_s = config.resource, config.timeout
        self._line: ModbusLine | None = None
        self._state = "closed"

    async def open(self, probe: Callable[[], Awaitable[object]]) -> None:
        """Take the line and make sure, by a probing exchange, that the device answers."""
        if self._line is not None:
            return
        self._line = ModbusLine.acquire(self._address)
        try:
            await probe()
        except BaseException:
            self._line.release()
            self._line = None
            raise
        self._note("connected", str(self._address))

    def close(self) -> None:
        """Give the line back; may be called twice."""
        if self._line is not None:
            self._line.release()
            self._line = None
            self._note("closed", "")

    async def read_bits(self, address: int, count: int = 1, *, inputs: bool = False) -> list[bool]:
        """Read coils (function 1) or discrete inputs (function 2)."""
        exchange = await self._exchange(
            lambda client: (client.read_discrete_inputs if inputs else client.read_coils)(
                address, count=count, device_id=self._address.device
            ),
            2 if inputs else 1,
        )
        bits = exchange.response.bits
        # Bits come in whole bytes.
        if len(bits) != (count + 7) // 8 * 8:
            raise self._garbled(f"{len(bits)} bits where {count} were asked for")
        return [bool(bit) for bit in bits[:count]]

    async def read_registers(self, address: int, count: int = 1, *, inputs: bool = False) -> tuple[list[int], Exchange]:
        """Read holding registers (function 3) or input registers (function 4)."""
        exchange = await self._exchange(
            lambda client: (client.read_input_registers if inputs else client.read_holding_registers)(
                address, count=count, device_id=self._address.device
            ),
            4 if inputs else 3,
        )
        registers = exchange.response.registers
        if len(registers) != count:
            raise self._garbled(f"{len(registers)} registers where {count} were asked for")
        return list(registers), exchange

    async def write_coil(self, address: int, value: bool) -> Exchange:
        """Write one coil (function 5)."""
        exchange = await self._exchange(
            lambda client: client.write_coil(address, value, device_id=self._address.device), 5
        )
        if exchange.response.address != address or exchange.response.bits[:1] != [value]:
            raise self._garbled("it confirms another write than the one it was sent")
        return exchange

    async def write_register(self, address: int, value: int) -> Exchange:
        """Write one holding register (function 6)."""
        exchange = await self._exchange(
            lambda client: client.write_register(address, value, device_id=self._address.device), 6
        )
        if exchange.response.address != address or exchange.response.registers != [value]:
            raise self._garbled("it confirms another write than the one it was sent")
        return exchange

    async def _exchange(self, call: Call, function: int) -> Exchange:
        where = f"{self._context.name} ({self._address})"
        if self._line is None:
            raise DeviceError("it is not connected", where=where)
        try:
            exchange = await self._line.exchange(self._context, call, self._timeout_s)
        except DeviceLost as error:
            error.where = where
            if self._state not in ("lost", "closed"):
                self._note("lost", error.what)
            raise
        except DeviceError as error:
            raise self._garbled(error.what) from None
        response = exchange.response
        if response.isError():
            code = int(response.exception_code)
            what = f"it refuses the request: {_EXCEPTIONS.get(code, 'unknown reason')} (Modbus exception {code})"
            if code in _GATEWAY:
                raise DeviceLost(what, where=where, next_step="Check the device behind the gateway")
            raise DeviceError(what, where=where, next_step="Check the addresses in the rig file with its manual")
        if response.function_code != function:
            raise self._garbled(f"it answers function {response.function_code} where {function} was asked")
        if self._state == "lost":
            self._note("reconnected", str(self._address))
        return exchange

    def _note(self, state: str, detail: str) -> None:
        self._state = state
        self._context.emit("device", {"state": state, "detail": detail})

    def _garbled(self, what: str) -> DeviceError:
        self._context.emit("device", {"state": "garbled", "detail": what})
        return DeviceError(what, where=f"{self._context.name} ({self._address})")
