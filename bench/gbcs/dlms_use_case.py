"""Use cases whose content is a list of DLMS accesses, described item by item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.eui import Eui64
from bench.gbcs import dlms, times, use_case
from bench.gbcs.dlms import NULL, Access, AccessResult, Data, Tag, Target, Verb
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import HARDWARE_FAULT, Response, UseCase, Values

NOT_DONE = 250
"""Result code "other reason": the items after one that failed, which are not attempted."""

_BY_RANGE = 1
RESULTS = {
    0: "success",
    1: "hardware fault",
    2: "temporary failure",
    3: "read-write denied",
    4: "object undefined",
    9: "object class inconsistent",
    11: "object unavailable",
    12: "type unmatched",
    13: "scope of access violated",
    250: "other reason",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One piece of data of a use case, and the values it stands for.

    Attributes:
        names: names of the values; none where the data are constant.
        write: makes the data from all values of the command or response.
        read: takes the values from the data; raises `GbcsError` where they cannot be.
    """

    names: tuple[str, ...]
    write: Callable[[Values], Data]
    read: Callable[[Data], dict[str, Any]]


def constant(data: Data) -> Field:
    """Return a field that never changes; anything else is refused on reading."""

    def read(found: Data) -> dict[str, Any]:
        if found != data:
            raise GbcsError(f"found {found.tag.name.lower()} {found.value!r}", expected=f"{data.value!r}")
        return {}

    return Field((), lambda _: data, read)


def _nothing_read(_: Data) -> dict[str, Any]:
    return {}


NOTHING = Field((), lambda _: NULL, _nothing_read)
"""Null data; what comes in its place is not looked at."""


def number(name: str, tag: Tag = Tag.UINT32, maximum: int = 0xFFFFFFFF) -> Field:
    """Return a field that holds one unsigned number."""

    def read(data: Data) -> dict[str, Any]:
        if data.tag is not tag:
            raise GbcsError(f"{name} is {data.tag.name.lower()}", expected=tag.name.lower())
        return {name: data.integer}

    return Field((name,), lambda values: Data(tag, use_case.integer(values, name, maximum)), read)


def enumeration(name: str, words: Mapping[int, str]) -> Field:
    """Return a field that holds one enumeration, named by words."""
    return Field(
        (name,),
        lambda values: Data(Tag.ENUM, use_case.choice(values, name, words)),
        lambda data: {name: use_case.word(data.integer, words, name)},
    )


def device(name: str) -> Field:
    """Return a field that holds one EUI-64 as an octet-string."""
    return Field(
        (name,),
        lambda values: dlms.octet_string(use_case.device(values, name).raw),
        lambda data: {name: read_eui(data)},
    )


def read_eui(data: Data) -> Eui64:
    """Return the EUI-64 in an octet-string of eight bytes.

    Raises:
        GbcsError: it has another length.
    """
    if len(data.octets) != 8:
        raise GbcsError(f"an EUI-64 has {len(data.octets)} bytes", expected="8")
    return Eui64(data.octets)


def digits(name: str, length: int) -> Field:
    """Return a field that holds decimal digits as an octet-string."""

    def read(data: Data) -> dict[str, Any]:
        if not data.octets.isdigit():
            raise GbcsError(f"{name} is {data.octets!r}", expected=f"{length} digits")
        return {name: data.octets.decode("ascii")}

    return Field((name,), lambda values: dlms.octet_string(use_case.digits(values, name, length)), read)


def date_time(name: str) -> Field:
    """Return a field that holds a date-time as an octet-string; None where the device gives no valid one."""

    def write(values: Values) -> Data:
        moment = None if values.get(name, 0) is None else use_case.moment(values, name)
        return dlms.octet_string(times.encode_dlms(moment))

    return Field((name,), write, lambda data: {name: times.decode_dlms(data.octets)})


@dataclass(frozen=True, slots=True)
class Item:
    """One access of a use case.

    Attributes:
        verb: get, set or action.
        target: of what.
        sent: data of the command.
        returned: data of the response, where the access succeeded.
        selection: parameters of a selective get, by selector 1.
        label: what to call the item in a message when it has no named value.
    """

    verb: Verb
    target: Target
    sent: Field = NOTHING
    returned: Field = NOTHING
    selection: Field | None = None
    label: str = ""

    @property
    def name(self) -> str:
        """What to call the item."""
        names = self.sent.names or self.returned.names
        return names[0] if names else self.label

    @property
    def params(self) -> tuple[str, ...]:
        """Names of the parameters that its command takes."""
        return self.sent.names + (self.selection.names if self.selection else ())

    @property
    def result(self) -> Verb:
        """How the response names the access: a selective get answers as a get."""
        return Verb.GET if self.verb is Verb.GET_SELECTED else self.verb

    def access(self, params: Values) -> Access:
        """Return the access that a command makes of the item."""
        if self.selection is None:
            return Access(self.verb, self.target, self.sent.write(params))
        return Access(self.verb, self.target, self.sent.write(params), _BY_RANGE, self.selection.write(params))

    def read(self, access: Access) -> dict[str, Any]:
        """Take the parameters from an access of a command."""
        params = self.sent.read(access.data)
        if self.selection is not None and access.parameters is not None:
            if access.selector != _BY_RANGE:
                raise GbcsError(f"the access selector is {access.selector}", expected=f"{_BY_RANGE}")
            params.update(self.selection.read(access.parameters))
        return params


@dataclass(frozen=True, slots=True, kw_only=True)
class DlmsUseCase(UseCase):
    """A use case that is a fixed list of accesses.

    Where a command fails, the response's values are those that were read before, `failed_item`, `failure_code`, and
    `result_codes` where the codes are not simply "success up to the failure, not done after it".

    Attributes:
        items: the accesses, in their order.
    """

    items: tuple[Item, ...]

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the access request."""
        use_case.check_names(params, tuple(n for item in self.items for n in item.params), f"{self.name} command")
        return dlms.encode_request(originator_counter, tuple(item.access(params) for item in self.items))

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the access request."""
        _, accesses = dlms.decode_request(content)
        found = [(access.verb, access.target) for access in accesses]
        wanted = [(item.verb, item.target) for item in self.items]
        if found != wanted:
            raise GbcsError(f"the accesses are not those of {self.name}", expected=f"{len(wanted)} of them")
        params: dict[str, Any] = {}
        for item, access in zip(self.items, accesses, strict=True):
            params.update(item.read(access))
        return params

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the access response."""
        known = tuple(n for item in self.items for n in item.returned.names)
        failure = () if ok else ("failed_item", "failure_code", "result_codes")
        use_case.check_names(values, known + failure, f"{self.name} response")
        codes = [0] * len(self.items) if ok else self._result_codes(values)
        results = tuple(
            AccessResult(item.result, code, NULL if code else item.returned.write(values))
            for item, code in zip(self.items, codes, strict=True)
        )
        return dlms.encode_response(originator_counter, results)

    def decode_response(self, content: bytes) -> Response:
        """Read the access response."""
        _, results = dlms.decode_response(content)
        if [result.verb for result in results] != [item.result for item in self.items]:
            raise GbcsError(f"the results are not those of {self.name}", expected=f"{len(self.items)} of them")
        values: dict[str, Any] = {}
        failed: Item | None = None
        for item, result in zip(self.items, results, strict=True):
            if result.code == 0:
                values.update(item.returned.read(result.data))
            elif failed is None:
                failed = item
                values.update(failed_item=item.name, failure_code=result.code)
        if failed is None:
            return Response(True, values, "success")
        codes = [result.code for result in results]
        if codes != self._codes_from(failed.name, values["failure_code"]):
            values["result_codes"] = codes
        code = values["failure_code"]
        return Response(False, values, f"{failed.name}: {RESULTS.get(code, 'result')} ({code})")

    def _result_codes(self, values: Values) -> list[int]:
        codes = values.get("result_codes")
        if codes is None:
            code = use_case.integer({"failure_code": HARDWARE_FAULT, **values}, "failure_code", 0xFF)
            return self._codes_from(values.get("failed_item", self.items[0].name), code)
        if len(codes) != len(self.items):
            raise GbcsError(f"{len(codes)} result codes", expected=str(len(self.items)))
        return [use_case.integer({"result_codes": code}, "result_codes", 0xFF) for code in codes]

    def _codes_from(self, failed_item: str, code: int) -> list[int]:
        names = [item.name for item in self.items]
        if failed_item not in names:
            raise GbcsError(f"{self.name} has no item {failed_item!r}", expected=" or ".join(names))
        index = names.index(failed_item)
        return [0] * index + [code] + [NOT_DONE] * (len(names) - index - 1)
