"""Reading personal data of an ESME: get-protected-attributes of a data protection object (class 30, DLMS UA 1000-1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.gbcs import dlms, protected, times, use_case
from bench.gbcs.dlms import NULL, Data, Tag, Target, Verb
from bench.gbcs.dlms_use_case import Field, Item
from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Values

_PROTECTION_CLASS, _GET_PROTECTED_ATTRIBUTES = 30, 1
_EVERYTHING, _DATES = 0, 1


@dataclass(frozen=True, slots=True)
class ProtectedAttribute:
    """An attribute that is read through a data protection object.

    Attributes:
        target: which.
        between: names of the two parameters that limit its rows to a range of date-times; None reads all of it.
    """

    target: Target
    between: tuple[str, str] | None = None

    def write(self, params: Values) -> Data:
        """Write the object definition of a command."""
        return Data(
            Tag.STRUCTURE,
            (
                Data(Tag.UINT16, self.target.class_id),
                dlms.octet_string(dlms.parse_obis(self.target.obis)),
                Data(Tag.INT8, self.target.index),
                Data(Tag.UINT16, 0),
                self._restriction(params),
            ),
        )

    def _restriction(self, params: Values) -> Data:
        if self.between is None:
            return Data(Tag.STRUCTURE, (Data(Tag.ENUM, _EVERYTHING), NULL))
        ends = (dlms.octet_string(times.encode_dlms(use_case.moment(params, name))) for name in self.between)
        return Data(Tag.STRUCTURE, (Data(Tag.ENUM, _DATES), Data(Tag.STRUCTURE, tuple(ends))))

    def read(self, data: Data) -> dict[str, Any]:
        """Read the range from an object definition.

        Raises:
            GbcsError: it defines something else.
        """
        if self.between is None:
            if data != self.write({}):
                raise GbcsError(f"another object than {self.target} is asked for")
            return {}
        try:
            *_, restriction = _elements(data)
            _, ends = _elements(restriction)
            start, end = (times.decode_dlms(each.octets) for each in _elements(ends))
        except ValueError:
            raise GbcsError(f"no range of {self.target} is given", expected="two date-times") from None
        params = dict(zip(self.between, (start, end), strict=True))
        if data != self.write(params):
            raise GbcsError(f"another object than {self.target} is asked for")
        return params


def protected_item(label: str, through: str, attributes: tuple[ProtectedAttribute, ...], returned: Field) -> Item:
    """Return the one access of a use case that reads protected attributes; the use case must be `protected`.

    Args:
        label: what to call the access.
        through: OBIS code of the data protection object.
        attributes: what is read.
        returned: the values, and the data which the octet-string of the response holds before it is encrypted.
    """
    names = tuple(dict.fromkeys(name for attribute in attributes for name in attribute.between or ()))

    def write_command(params: Values) -> Data:
        objects = Data(Tag.ARRAY, tuple(attribute.write(params) for attribute in attributes))
        return Data(Tag.STRUCTURE, (objects, protected.UNADDRESSED))

    def read_command(data: Data) -> dict[str, Any]:
        parts = _elements(data)
        if len(parts) != 2 or not protected.are_parameters(parts[1]):
            raise GbcsError("the access asks for no protected attributes", expected="objects and protection parameters")
        objects = _elements(parts[0])
        if len(objects) != len(attributes):
            raise GbcsError(f"{len(objects)} attributes are asked for", expected=str(len(attributes)))
        params: dict[str, Any] = {}
        for attribute, found in zip(attributes, objects, strict=True):
            params.update(attribute.read(found))
        return params

    def write_response(values: Values) -> Data:
        plain = dlms.octet_string(dlms.encode_data(returned.write(values)))
        return Data(Tag.STRUCTURE, (protected.UNADDRESSED, plain))

    def read_response(data: Data) -> dict[str, Any]:
        parts = _elements(data)
        if len(parts) != 2 or not protected.are_parameters(parts[0]):
            raise GbcsError("the response holds no protected attributes", expected="protection parameters and content")
        if parts[1].octets.startswith(protected.SECURITY_HEADER):
            raise GbcsError("the content is encrypted for its User", expected="plain content: reveal it first")
        reader = Reader(parts[1].octets)
        values = returned.read(dlms.read_data(reader))
        reader.finish("the protected attributes")
        return values

    return Item(
        Verb.ACTION,
        Target(_PROTECTION_CLASS, through, _GET_PROTECTED_ATTRIBUTES),
        sent=Field(names, write_command, read_command),
        returned=Field(returned.names, write_response, read_response),
        label=label,
    )


def _elements(data: Data) -> tuple[Data, ...]:
    if not isinstance(data.value, tuple):
        raise GbcsError(f"found {data.tag.name.lower()} data", expected="a structure or array")
    return data.value
