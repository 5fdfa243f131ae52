"""Modbus devices in the rig file."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from drivers.modbus_address import ModbusAddress
from drivers.reference_meter import MeterConfig
from drivers.relay import RelayConfig


@pytest.mark.parametrize(
    ("resource", "line", "device"),
    [
        ("tcp://bench-3:1502?device=0", "tcp://bench-3:1502", 0),
        ("tcp://10.0.0.7?device=255", "tcp://10.0.0.7:502", 255),
        ("rtu:///dev/ttyUSB0?device=247", "rtu:///dev/ttyUSB0", 247),
    ],
)
def test_resources(resource: str, line: str, device: int) -> None:
    address = ModbusAddress.parse(resource)
    assert (address.line, address.device) == (line, device)


def test_serial_settings() -> None:
    address = ModbusAddress.parse("rtu:///dev/ttyS1?baud=9600&parity=n&stop=2&device=3")
    assert (address.host, address.baud, address.parity, address.stop_bits) == ("/dev/ttyS1", 9600, "N", 2)
    default = ModbusAddress.parse("rtu:///dev/ttyS1?device=3")
    assert (default.baud, default.parity, default.stop_bits) == (19200, "E", 1)


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ("", "write tcp://HOST"),
        ("udp://x?device=1", "write tcp://HOST"),
        ("tcp://x", "names no device"),
        ("tcp://?device=1", "names no host"),
        ("tcp://x:99999?device=1", "write tcp://HOST"),
        ("tcp://x?device=256", "from 0 to 255"),
        ("tcp://x?device=1&baud=9600", "unknown setting 'baud'"),
        ("rtu://dev/ttyUSB0?device=1", "three slashes"),
        ("rtu:///dev/ttyUSB0?device=0", "from 1 to 247"),
        ("rtu:///dev/ttyUSB0?device=1&device=2", "twice"),
        ("rtu:///dev/ttyUSB0?device=one", "whole number"),
        ("rtu:///dev/ttyUSB0?device=1&parity=Q", "parity is N, E or O"),
        ("rtu:///dev/ttyUSB0?device=1&baud", "write tcp://HOST"),
        (7, "write tcp://HOST"),
    ],
)
def test_bad_resources_are_refused_in_plain_words(resource: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RelayConfig.model_validate({"resource": resource, "coil": 0})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "either a coil or a holding_register"),
        ({"coil": 0, "holding_register": 0}, "either a coil or a holding_register"),
        ({"coil": 65536}, "less than or equal to 65535"),
        ({"holding_register": 0, "on_value": 0}, "could not be switched"),
        ({"coil": 0, "on_value": 2}, "belong to a register"),
        ({"coil": 0, "timeout": "0 s"}, "greater than 0"),
        ({"coil": 0, "timeout": "3"}, "number and a unit"),
        ({"coil": 0, "kontact": "x"}, "Extra inputs"),
    ],
)
def test_bad_relays_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RelayConfig.model_validate({"resource": "tcp://x?device=1"} | fields)


@pytest.mark.parametrize(
    ("registers", "words"),
    [
        ({}, "at least 1"),
        ({"pressure": {"address": 0}}, "voltage"),
        ({"voltage": {"address": 0, "unit": "A"}}, "write V, mV or kV"),
        ({"voltage": {"address": 0, "unit": "MV"}}, "write V, mV or kV"),
        ({"voltage": {"address": 0, "type": "double"}}, "float32"),
        ({"voltage": {"address": 0, "scale": "inf"}}, "finite"),
    ],
)
def test_bad_register_maps_are_refused(registers: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MeterConfig.model_validate({"resource": "tcp://x?device=1", "registers": registers})
