"""Fields of the account, credits and charges of an ESME (GBCS section 18; Blue Book 4.6: classes 111 to 113).

Money is in thousandths of pence: the currency unit with a scale of -5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.gbcs import dlms, use_case
from bench.gbcs.dlms import Data, Tag
from bench.gbcs.dlms_use_case import Field
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import Values

MODES = {1: "credit", 2: "prepayment"}
"""Payment modes of an account."""

CREDITS = {
    "0-0:19.10.0.255": "meter balance",
    "0-0:19.10.1.255": "emergency credit",
    "0-0:19.10.2.255": "accumulated debt",
}
"""What charges are taken from, by OBIS code."""
CHARGES = {
    "0-0:19.20.0.255": "price",
    "0-0:19.20.4.255": "standing charge",
    "0-0:19.20.1.255": "time debt 1",
    "0-0:19.20.2.255": "time debt 2",
    "0-0:19.20.3.255": "payment debt",
    "0-0:19.20.5.255": "secondary price",
}
"""What is charged, by OBIS code."""

ALWAYS, NOT_WHILE_KEPT_ON = 0xE0, 0xC0
"""When a charge is collected: bits for while disconnected, while load is limited, and in non-disablement periods."""

_BITS = 3
_ACTIVE = 1
_STATUSES = {1: "new and inactive", 2: "active", 3: "closed"}
_RATE = ("price_scale", "rate")
_NO_COMMODITY = Data(Tag.STRUCTURE, (Data(Tag.UINT16, 0), dlms.octet_string(bytes(6)), Data(Tag.INT8, 0)))


@dataclass(frozen=True, slots=True)
class Collection:
    """That a charge is taken from a credit.

    Attributes:
        credit: one of `CREDITS`.
        charge: one of `CHARGES`.
        when: three bits, the highest of a byte.
    """

    credit: str
    charge: str
    when: int = ALWAYS


_FROM_BALANCE = ("price", "standing charge", "time debt 1", "time debt 2", "payment debt")
_FROM_EMERGENCY = ("payment debt", "price", "standing charge", "time debt 1", "time debt 2")
_ACCUMULATED = ("standing charge", "time debt 1", "time debt 2")
_TIME_DEBTS = ("time debt 1", "time debt 2")


def credit_collections() -> tuple[Collection, ...]:
    """What a meter with one element collects in credit mode, and from what.

    The list is that of a published command for two elements without the secondary price.
    """
    return tuple(Collection("meter balance", charge) for charge in ("price", "standing charge"))


def prepayment_collections(*, suspend_debt_disabled: bool, suspend_debt_emergency: bool) -> tuple[Collection, ...]:
    """What a meter with one element collects in prepayment mode, and from what.

    Published are three of the four, told apart by gas commands that carry the same settings: under
    `suspend_debt_disabled` time debts are collected in non-disablement periods too, and under
    `suspend_debt_emergency` nothing is added to the accumulated debt.
    """
    when = ALWAYS if suspend_debt_disabled else NOT_WHILE_KEPT_ON
    credits = {"meter balance": _FROM_BALANCE, "emergency credit": _FROM_EMERGENCY}
    drawn = (Collection(credit, each, _when(each, when)) for credit, charges in credits.items() for each in charges)
    accumulated = () if suspend_debt_emergency else _ACCUMULATED
    return (*drawn, *(Collection("accumulated debt", each) for each in accumulated))


def _when(charge: str, time_debts: int) -> int:
    return time_debts if charge in _TIME_DEBTS else ALWAYS


def suspensions(collections: tuple[Collection, ...]) -> tuple[bool, bool]:
    """`suspend_debt_disabled` and `suspend_debt_emergency` of what a meter collects in prepayment mode."""
    kept_on = all(each.when == ALWAYS for each in collections if each.charge in _TIME_DEBTS)
    return kept_on, not any(each.credit == "accumulated debt" for each in collections)


def whole(name: str, tag: Tag = Tag.INT32) -> Field:
    """Return a field that holds one number with its sign."""
    bits = {Tag.INT32: 32, Tag.INT16: 16}[tag]

    def read(data: Data) -> dict[str, Any]:
        if data.tag is not tag:
            raise GbcsError(f"{name} is {data.tag.name.lower()}", expected=tag.name.lower())
        return {name: data.integer}

    return Field((name,), lambda values: Data(tag, use_case.signed(values, name, bits)), read)


def mode_to_come(mode: str) -> Field:
    """Return the mode and status of an account that is still to be activated."""
    number = next(number for number, word in MODES.items() if word == mode)
    data = _pair(Tag.ENUM, number, _ACTIVE)

    def read(found: Data) -> dict[str, Any]:
        if found != data:
            raise GbcsError(f"the mode is not {mode}")
        return {}

    return Field((), lambda _: data, read)


def mode_and_status() -> Field:
    """Return the mode and status of the account: `payment_mode` and `account_status`."""
    names = ("payment_mode", "account_status")

    def write(values: Values) -> Data:
        numbers = (use_case.choice(values, name, words) for name, words in zip(names, (MODES, _STATUSES), strict=True))
        return _pair(Tag.ENUM, *numbers)

    def read(data: Data) -> dict[str, Any]:
        mode, status = _cells(data, 2)
        return {
            "payment_mode": use_case.word(mode.integer, MODES, "the payment mode"),
            "account_status": use_case.word(status.integer, _STATUSES, "the account's status"),
        }

    return Field(names, write, read)


def collections(name: str = "collections") -> Field:
    """Return the credit and charge configuration of an account: a tuple of `Collection`."""

    def write(values: Values) -> Data:
        rows = use_case.present(values, name)
        if not isinstance(rows, tuple) or not all(isinstance(row, Collection) for row in rows):
            raise GbcsError(f"{name} is {rows!r}", expected="a tuple of Collection")
        return Data(Tag.ARRAY, tuple(_collection(row) for row in rows))

    def read(data: Data) -> dict[str, Any]:
        if data.tag is not Tag.ARRAY or not isinstance(data.value, tuple):
            raise GbcsError(f"{name} is {data.tag.name.lower()}", expected="an array")
        return {name: tuple(_read_collection(row) for row in data.value)}

    return Field((name,), write, read)


def _collection(row: Collection) -> Data:
    bits = use_case.integer({"when": row.when}, "when", 0xFF)
    if bits & 0x1F:
        raise GbcsError(f"a charge is collected at {bits:02x}", expected="three bits, the highest of a byte")
    return Data(
        Tag.STRUCTURE,
        (
            _reference(row.credit, CREDITS, "credit"),
            _reference(row.charge, CHARGES, "charge"),
            Data(Tag.BIT_STRING, bytes([_BITS, bits])),
        ),
    )


def _reference(word: str, names: Mapping[str, str], what: str) -> Data:
    for obis, name in names.items():
        if name == word:
            return dlms.octet_string(dlms.parse_obis(obis))
    raise GbcsError(f"the {what} is {word!r}", expected=" or ".join(names.values()))


def _read_collection(row: Data) -> Collection:
    credit, charge, when = _cells(row, 3)
    if when.tag is not Tag.BIT_STRING or not isinstance(when.value, bytes) or len(when.value) != 2:
        raise GbcsError("a charge is collected at no bit string", expected=f"{_BITS} bits")
    count, bits = when.value
    if count != _BITS or bits & 0x1F:
        raise GbcsError(f"a charge is collected at {count} bits", expected=f"{_BITS}")
    return Collection(_word(credit, CREDITS, "credit"), _word(charge, CHARGES, "charge"), bits)


def _word(data: Data, names: Mapping[str, str], what: str) -> str:
    for obis, name in names.items():
        if data.octets == dlms.parse_obis(obis):
            return name
    raise GbcsError(f"the {what} is {data.octets.hex()}", expected=" or ".join(names))


def charge_rate(name: str) -> Field:
    """Return the unit charge of a debt: `NAME_rate`, 16 bits with sign, and `NAME_price_scale`, its power of ten."""
    scale_name, rate_name = (f"{name}_{part}" for part in _RATE)

    def write(values: Values) -> Data:
        scales = Data(Tag.STRUCTURE, (Data(Tag.INT8, 0), Data(Tag.INT8, use_case.signed(values, scale_name, 8))))
        rate = Data(Tag.STRUCTURE, (dlms.octet_string(b""), Data(Tag.INT16, use_case.signed(values, rate_name, 16))))
        return Data(Tag.STRUCTURE, (scales, _NO_COMMODITY, Data(Tag.ARRAY, (rate,))))

    def read(data: Data) -> dict[str, Any]:
        scales, commodity, table = _cells(data, 3)
        rows = table.value if table.tag is Tag.ARRAY and isinstance(table.value, tuple) else ()
        if commodity != _NO_COMMODITY or len(rows) != 1:
            raise GbcsError(f"{name} is a charge for something else, or has several rates", expected="one rate")
        label, rate = _cells(rows[0], 2)
        unit, scale = _cells(scales, 2)
        found = {scale_name: scale.integer, rate_name: rate.integer}
        if label.octets or unit.integer or data != write(found):
            raise GbcsError(f"{name} is no plain rate")
        return found

    return Field((rate_name, scale_name), write, read)


def threshold(name: str) -> Field:
    """Return the only threshold of a register monitor, with its sign."""
    field = whole(name)

    def read(data: Data) -> dict[str, Any]:
        if data.tag is not Tag.ARRAY or not isinstance(data.value, tuple) or len(data.value) != 1:
            raise GbcsError(f"{name} is {data.tag.name.lower()}", expected="an array of one")
        return field.read(data.value[0])

    return Field((name,), lambda values: Data(Tag.ARRAY, (field.write(values),)), read)


def _pair(tag: Tag, *numbers: int) -> Data:
    return Data(Tag.STRUCTURE, tuple(Data(tag, number) for number in numbers))


def _cells(data: Data, count: int) -> tuple[Data, ...]:
    if data.tag is not Tag.STRUCTURE or not isinstance(data.value, tuple) or len(data.value) != count:
        raise GbcsError(f"found {data.tag.name.lower()} data", expected=f"a structure of {count}")
    return data.value
