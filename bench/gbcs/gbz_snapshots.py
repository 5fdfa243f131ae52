"""Snapshots that a gas meter keeps of its registers, as ZigBee commands (GBCS section 19; SEP 1.2).

Each row of a log is asked for by a command of its own, with its number. Every command is answered: by the row, or by
a default response that there is no such row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.gbcs import gbz, times, use_case
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_commands import moment_from, moment_to, uint_from, uint_to
from bench.gbcs.gbz_use_cases import HARDWARE_FAILURE
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Response, UseCase, Values

GENERAL, END_OF_BILLING_PERIOD, MODE_OR_TARIFF_CHANGED = 0x01, 0x02, 0x6008
"""Why a snapshot was taken; the last one is change of mode, of supplier or of tariff."""

NOT_FOUND = 0x8B
"""ZCL status: there is no such row."""

_METERING, _PREPAYMENT = 0x0702, 0x0705
_TO_SERVER, _FROM_SERVER, _DEFAULT = 0x01, 0x19, 0x08
_RANGE = ("log_from", "log_to")
_TIERS, _TIERS_AND_BLOCKS = 4, 0x14
_MONEY = 6


@dataclass(frozen=True, slots=True)
class Snapshots:
    """One series of snapshots in a use case.

    Attributes:
        name: of the value: a tuple of rows, the oldest first.
        prepayment: of credit and debts, else of consumption.
        most: how many are asked for.
        cause: which, a bit map.
    """

    name: str
    prepayment: bool
    most: int
    cause: int

    @property
    def cluster(self) -> int:
        """Cluster id."""
        return _PREPAYMENT if self.prepayment else _METERING

    @property
    def asks(self) -> int:
        """Command id of the request for one."""
        return 0x07 if self.prepayment else 0x06

    @property
    def publishes(self) -> int:
        """Command id of the answer with one."""
        return 0x01 if self.prepayment else 0x06

    def write_row(self, row: Any, total: int) -> bytes:
        """Write the payload of an answer: a row out of `total`.

        Raises:
            GbcsError: it is no row of this series.
        """
        if not isinstance(row, tuple) or len(row) != (2 + _MONEY if self.prepayment else 5):
            raise GbcsError(f"a row of {self.name} is {row!r}", expected="a tuple of time, cause and registers")
        values = {self.name: row[1], "time": row[0]}
        raw = times.encode_zigbee(use_case.moment(values, "time"))[::-1]
        head = raw + raw + bytes([total, 0, 1]) + uint_to(values, self.name, 4)
        return head + (self._money(row[2:]) if self.prepayment else self._registers(row[2:]))

    def _registers(self, cells: Sequence[Any]) -> bytes:
        total, tiers, blocks = cells
        if len(tiers) != _TIERS or len(blocks) != _TIERS:
            raise GbcsError(f"a row of {self.name} has other registers", expected="4 by time of use and 4 by block")
        written = [uint_to({self.name: each}, self.name, 6) for each in (total, *tiers, *blocks)]
        lists = bytes([_TIERS]) + b"".join(written[1:5]) + bytes([_TIERS_AND_BLOCKS]) + b"".join(written[5:])
        return bytes([0x06]) + written[0] + lists

    def _money(self, cells: Sequence[Any]) -> bytes:
        for each in cells:
            if isinstance(each, bool) or not isinstance(each, int) or not -(1 << 31) <= each < 1 << 31:
                raise GbcsError(f"a row of {self.name} holds {each!r}", expected="whole numbers of 32 bits")
        return bytes([0x00]) + b"".join(each.to_bytes(4, "little", signed=True) for each in cells)

    def read_row(self, payload: bytes) -> tuple[Any, ...]:
        """Read the payload of an answer.

        Raises:
            GbcsError: it holds no row of this series.
        """
        reader = Reader(payload)
        reader.take(4, "snapshot id")
        time = moment_from(reader, "snapshot time")
        reader.take(1, "snapshots found")
        reader.literal(b"\x00\x01", "command index and commands")
        cause = uint_from(reader, 4, "snapshot cause")
        row = (time, cause, *(self._read_money(reader) if self.prepayment else self._read_registers(reader)))
        reader.finish("the snapshot")
        return row

    def _read_registers(self, reader: Reader) -> tuple[Any, ...]:
        reader.literal(b"\x06", "snapshot payload type")
        total = uint_from(reader, 6, "consumption")
        reader.literal(bytes([_TIERS]), "number of tiers")
        tiers = tuple(uint_from(reader, 6, "tier") for _ in range(_TIERS))
        reader.literal(bytes([_TIERS_AND_BLOCKS]), "number of tiers and blocks")
        return total, tiers, tuple(uint_from(reader, 6, "block") for _ in range(_TIERS))

    def _read_money(self, reader: Reader) -> tuple[int, ...]:
        reader.literal(b"\x00", "snapshot payload type")
        return tuple(int.from_bytes(reader.take(4, "amount"), "little", signed=True) for _ in range(_MONEY))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSnapshots(UseCase):
    """Read one or more series of snapshots from `log_from` to `log_to`.

    A row is a time and a cause, and then: of consumption the total, four registers by time of use and four by block;
    of prepayment the accumulated debt, time debts 1 and 2, the payment debt, the emergency credit and the balance. No
    row at all is no error. The id of a snapshot is its time: nothing else is published of it. The values of a refusal
    are `status`, with which every command is refused.

    Attributes:
        series: in their order.
    """

    series: tuple[Snapshots, ...]

    @property
    def _asked(self) -> list[tuple[Snapshots, int]]:
        return [(series, offset) for series in self.series for offset in range(series.most)]

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write one request for each row."""
        use_case.check_names(params, _RANGE, f"{self.name} command")
        limits = b"".join(moment_to(params, name) for name in _RANGE)
        return gbz.encode_components(
            *(
                Component(
                    each.cluster, _TO_SERVER, each.asks, limits + bytes([offset]) + each.cause.to_bytes(4, "little"), at
                )
                for at, (each, offset) in enumerate(self._asked)
            )
        )

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the requests, which must all be of one range."""
        components = gbz.decode_components(content)
        asked = self._asked
        found = [(each.cluster, each.frame_control, each.command) for each in components]
        if found != [(each.cluster, _TO_SERVER, each.asks) for each, _ in asked]:
            raise GbcsError(f"the commands are not those of {self.name}", expected=f"{len(asked)} of them")
        limits: dict[str, Any] = {}
        for component, (each, offset) in zip(components, asked, strict=True):
            reader = Reader(component.payload)
            for name in _RANGE:
                moment = moment_from(reader, name)
                if limits.setdefault(name, moment) != moment:
                    raise GbcsError(f"the commands of {self.name} say two things about {name}")
            reader.literal(bytes([offset]) + each.cause.to_bytes(4, "little"), "snapshot offset and cause")
            reader.finish("the command's payload")
        return limits

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write an answer to each request."""
        known = tuple(each.name for each in self.series)
        use_case.check_names(values, known if ok else ("status",), f"{self.name} response")
        status = NOT_FOUND if ok else use_case.integer({"status": HARDWARE_FAILURE, **values}, "status", 0xFF)
        components = []
        for at, (each, offset) in enumerate(self._asked):
            rows = values.get(each.name, ()) if ok else ()
            if len(rows) > each.most:
                raise GbcsError(f"{len(rows)} rows of {each.name}", expected=f"at most {each.most}")
            if offset < len(rows):
                payload = each.write_row(rows[offset], len(rows))
                components.append(Component(each.cluster, _FROM_SERVER, each.publishes, payload, at))
            else:
                refused = bytes([each.asks, status])
                components.append(Component(each.cluster, _DEFAULT, gbz.DEFAULT_RESPONSE, refused, at))
        return gbz.encode_components(*components)

    def decode_response(self, content: bytes) -> Response:
        """Read the answers."""
        components = gbz.decode_components(content)
        if [each.cluster for each in components] != [each.cluster for each, _ in self._asked]:
            raise GbcsError(f"the answers are not those of {self.name}", expected=f"{len(self._asked)} of them")
        rows: dict[str, list[Any]] = {each.name: [] for each in self.series}
        for component, (each, _) in zip(components, self._asked, strict=True):
            if component.command == gbz.DEFAULT_RESPONSE and not component.frame_control & 0x03:
                reader = Reader(component.payload)
                reader.literal(bytes([each.asks]), "command that is answered")
                status = reader.uint(1, "status")
                reader.finish("the default response")
                if status != NOT_FOUND:
                    return Response(False, {"status": status}, f"ZCL status {status:02X}")
            elif component.command == each.publishes and component.frame_control == _FROM_SERVER:
                rows[each.name].append(each.read_row(component.payload))
            else:
                raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
        return Response(True, {name: tuple(found) for name, found in rows.items()}, "success")
