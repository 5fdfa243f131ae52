"""Where a Modbus device is reached, as the rig file writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, PlainSerializer, PlainValidator

from bench.device import DriverConfig
from bench.quantities import SecondsField

_EXAMPLE = "write tcp://HOST:PORT?device=1 or rtu:///dev/ttyUSB0?baud=19200&device=1"


@dataclass(frozen=True, slots=True)
class ModbusAddress:
    """Where a Modbus device is reached.

    Attributes:
        line: "tcp://HOST:PORT" or "rtu://PATH": what devices on the same line have in common.
        device: the device's address on the line; 1 to 247, over TCP also 0 and 248 to 255.
        host: TCP host, or the path of the serial port.
        port: TCP port, or 0 for a serial line.
        baud: bits a second of a serial line.
        parity: "N", "E" or "O".
        stop_bits: 1 or 2.
    """

    line: str
    device: int
    host: str
    port: int = 0
    baud: int = 19200
    parity: str = "E"
    stop_bits: int = 1

    def __str__(self) -> str:
        return f"{self.line} device {self.device}"

    @property
    def shared_port(self) -> dict[str, str]:
        """The serial port and how it is used, which all devices on the line must agree on; nothing for TCP."""
        if self.port:
            return {}
        return {self.host: f"Modbus RTU at {self.baud} baud, 8{self.parity}{self.stop_bits}"}

    @classmethod
    def parse(cls, text: object) -> ModbusAddress:
        """Read `tcp://HOST[:502]?device=1` or `rtu://PATH?baud=19200&parity=E&stop=1&device=1`.

        Only `device` must be given; the serial settings default to 19200 8E1 (Modbus over Serial Line 1.02,
        section 2.5.1).

        Raises:
            ValueError: anything else; the sentence shows what to write.
        """
        if isinstance(text, ModbusAddress):
            return text
        if not isinstance(text, str):
            raise ValueError(f"{text!r} is not a Modbus resource: {_EXAMPLE}")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
            pairs = parse_qsl(parts.query, strict_parsing=bool(parts.query))
        except ValueError as error:
            raise ValueError(f"{text!r} is not a Modbus resource ({error}): {_EXAMPLE}") from None
        given = dict(pairs)
        known = {"tcp": ("device",), "rtu": ("device", "baud", "parity", "stop")}.get(parts.scheme)
        if known is None or parts.fragment or parts.username is not None:
            raise ValueError(f"{text!r} is not a Modbus resource: {_EXAMPLE}")
        for key, _ in pairs:
            if key not in known:
                raise ValueError(f"{text!r} has an unknown setting {key!r}: only {', '.join(known)} can be given")
        if len(given) != len(pairs):
            raise ValueError(f"{text!r} gives a setting twice")
        if "device" not in given:
            raise ValueError(f"{text!r} names no device on the line: add ?device=1, or whatever its address is")
        if parts.scheme == "tcp":
            if not host or parts.path not in ("", "/"):
                raise ValueError(f"{text!r} names no host: {_EXAMPLE}")
            port = 502 if port is None else port
            return cls(f"tcp://{host}:{port}", _number(text, given, "device", 0, 255), host, port)
        if host or not parts.path.strip("/"):
            raise ValueError(f"{text!r} names no serial port: {_EXAMPLE} (three slashes)")
        parity = given.get("parity", "E").upper()
        if parity not in ("N", "E", "O"):
            raise ValueError(f"{text!r}: parity is N, E or O, not {given['parity']!r}")
        return cls(
            f"rtu://{parts.path}",
            _number(text, given, "device", 1, 247),
            parts.path,
            baud=_number(text, given, "baud", 300, 4_000_000),
            parity=parity,
            stop_bits=_number(text, given, "stop", 1, 2),
        )


def _number(text: str, given: dict[str, str], key: str, low: int, high: int) -> int:
    written = given.get(key, {"baud": "19200", "stop": "1"}.get(key, ""))
    if not (written.isascii() and written.isdigit() and low <= int(written) <= high):
        raise ValueError(f"{text!r}: {key} is a whole number from {low} to {high}, not {written!r}")
    return int(written)


ModbusResource = Annotated[ModbusAddress, PlainValidator(ModbusAddress.parse), PlainSerializer(str, return_type=str)]


class ModbusConfig(DriverConfig):
    """What every Modbus device has in the rig file.

    Attributes:
        resource: `tcp://HOST:PORT?device=1` or `rtu:///dev/ttyUSB0?baud=19200&device=1`.
        timeout: how long the device may take to answer, and a connection to be made.
    """

    resource: ModbusResource
    timeout: Annotated[SecondsField, Field(gt=0, le=60)] = 1.0
