"""Reading the tariff of a gas meter: GCS21f (GBCS section 19; SEP 1.2, calendar and price clusters).

Only the request is published; the responses follow SEP 1.2 as far as it goes without more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bench.gbcs import gbz, use_case
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_commands import FROM_SERVER, TO_SERVER, uint_from
from bench.gbcs.gbz_use_cases import HARDWARE_FAILURE
from bench.gbcs.reader import Reader
from bench.gbcs.tariff_gas_payloads import (
    CALENDAR,
    CURRENCIES,
    DIVISOR,
    GROWING,
    MULTIPLIER,
    PRICE,
    READERS,
    SWITCHING_NAMES,
    TRAILING_DIGITS,
    head,
    prices_of,
    read_head,
    thresholds_of,
    write_calendar,
)
from bench.gbcs.use_case import Response, UseCase, Values

_NOW, _NEVER = bytes(4), b"\xff" * 4
_THRESHOLDS, _BLOCK_PRICES = (0x0100, 0x0101, 0x0102), (0x0400, 0x0401, 0x0402, 0x0403)
_TIER_PRICES = (0x0410, 0x0420, 0x0430, 0x0440)
_IDS = (0x0203, 0x0202, *_THRESHOLDS, 0x0615, *_BLOCK_PRICES, *_TIER_PRICES, 0x0616, 0x0617, 0x0301)
_RETURNED = (
    *("issued_at", "activation_time", "active_price", "scheme", "prices", "standing_charge", "currency"),
    *SWITCHING_NAMES,
)
_SIZES = {0x0203: (0x22, 3), 0x0202: (0x22, 3), 0x0615: (0x30, 1), 0x0616: (0x21, 2), 0x0617: (0x18, 1)}
_QUESTIONS = (
    (PRICE, 0x00, gbz.READ_ATTRIBUTES, b"".join(each.to_bytes(2, "little") for each in _IDS)),
    (CALENDAR, TO_SERVER, 0x01, _NOW + _NEVER + b"\x01\x00"),
    (CALENDAR, TO_SERVER, 0x02, _NOW + _NEVER + b"\x01\x00"),
    (CALENDAR, TO_SERVER, 0x03, _NOW + _NEVER),
    (CALENDAR, TO_SERVER, 0x04, bytes(10) + _NEVER),
    (PRICE, TO_SERVER, 0x00, b"\x00"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadGasTariff(UseCase):
    """Read a tariff and what it makes gas cost now (GCS21f): the parameters of GCS01a and `active_price`."""

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the questions."""
        use_case.check_names(params, (), f"{self.name} command")
        return gbz.encode_components(*(Component(*each, index) for index, each in enumerate(_QUESTIONS)))

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the questions."""
        if content != self.encode_command({}, originator_counter=0):
            raise GbcsError(f"the commands are not those of {self.name}", expected=f"{len(_QUESTIONS)} of them")
        return {}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write attributes, calendar and price; a refusal is a default response."""
        if not ok:
            use_case.check_names(values, ("status",), f"{self.name} response")
            status = use_case.integer({"status": HARDWARE_FAILURE, **values}, "status", 0xFF)
            return gbz.encode_components(Component(PRICE, 0x08, gbz.DEFAULT_RESPONSE, bytes([0, status])))
        use_case.check_names(values, _RETURNED, f"{self.name} response")
        answers = [Component(PRICE, 0x08, gbz.READ_ATTRIBUTES_RESPONSE, self._attributes(values))]
        answers += [Component(cluster, FROM_SERVER, command, raw) for cluster, command, raw in write_calendar(values)]
        price = use_case.integer(values, "active_price").to_bytes(4, "little")
        answers.append(Component(PRICE, FROM_SERVER, 0x00, head(values) + price))
        return gbz.encode_components(*answers)

    def _attributes(self, values: Values) -> bytes:
        tou = use_case.present(values, "scheme") == "tou"
        found: dict[int, int] = {
            0x0203: DIVISOR,
            0x0202: MULTIPLIER,
            0x0615: 0,
            0x0616: use_case.choice(values, "currency", CURRENCIES),
            0x0617: TRAILING_DIGITS,
            0x0301: use_case.integer(values, "standing_charge"),
        }
        found |= dict(zip(_THRESHOLDS, thresholds_of(values), strict=False))
        found |= dict(zip(_TIER_PRICES if tou else _BLOCK_PRICES, prices_of(values), strict=False))
        return b"".join(each.to_bytes(2, "little") + self._attribute(each, found.get(each)) for each in _IDS)

    @staticmethod
    def _attribute(number: int, value: int | None) -> bytes:
        if value is None:
            return b"\x86"  # unsupported: the tariff has no such price or threshold
        kind, size = _SIZES.get(number, (0x25, 6) if number in _THRESHOLDS else (0x23, 4))
        limited = use_case.integer({f"{number:04x}": value}, f"{number:04x}", (1 << 8 * size) - 1)
        return b"\x00" + bytes([kind]) + limited.to_bytes(size, "little")

    def decode_response(self, content: bytes) -> Response:
        """Read attributes, calendar and price."""
        first, *rest = gbz.decode_components(content)
        if first.command == gbz.DEFAULT_RESPONSE and not first.frame_control & 0x03 and len(first.payload) == 2:
            status = first.payload[1]
            return Response(False, {"status": status}, f"ZCL status {status:02X}")
        values = self._read_attributes(Reader(first.payload))
        for component in rest:
            reader = Reader(component.payload)
            if (component.cluster, component.command) == (PRICE, 0x00):
                found = read_head(reader) | {"active_price": uint_from(reader, 4, "price")}
            else:
                read = READERS.get((component.cluster, component.command))
                if read is None:
                    raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
                found = read(reader)
            reader.finish("the payload")
            for name, value in found.items():
                values[name] = values.get(name, ()) + value if name in GROWING else value
        return Response(True, values, "success")

    def _read_attributes(self, reader: Reader) -> dict[str, Any]:
        found: dict[int, int] = {}
        for number in _IDS:
            reader.literal(number.to_bytes(2, "little"), "attribute id")
            if reader.uint(1, "attribute status"):
                continue
            kind, size = _SIZES.get(number, (0x25, 6) if number in _THRESHOLDS else (0x23, 4))
            reader.literal(bytes([kind]), "data type")
            found[number] = uint_from(reader, size, "attribute")
        reader.finish("the attributes")
        tou = not any(each in found for each in _BLOCK_PRICES)
        prices = (found[each] for each in (_TIER_PRICES if tou else _BLOCK_PRICES) if each in found)
        if not {0x0616, 0x0301} <= found.keys():
            raise GbcsError("the tariff has no currency or no standing charge")
        return {
            "scheme": "tou" if tou else "block",
            "prices": tuple(prices),
            "thresholds": tuple(found[each] for each in _THRESHOLDS if each in found),
            "standing_charge": found[0x0301],
            "currency": use_case.word(found[0x0616], CURRENCIES, "currency"),
        }


_OF_METERS = ReadGasTariff(
    message_code=0x009F,
    name="GCS21f",
    service_references=("4.11.1",),
    device_type="GSME",
    critical=False,
    response_signed=False,
)
USE_CASES: tuple[UseCase, ...] = (_OF_METERS, replace(_OF_METERS, device_type="GPF"))
"""A GPF has a copy of its GSME's tariff."""
