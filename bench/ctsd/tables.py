"""The tables of SEC Appendix R: the DUIS matrix of each User Role, alerts and Response Codes (8.1.5 to 8.1.26).

The text of the document has inserted and struck words run together. What is in force is told by its shape: the tables
whose cells say for which SMETS variant a test is Mandatory (inferred; see docs/ctsd.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any


class Role(StrEnum):
    """A User Role."""

    IS = "IS"
    """Import Supplier."""
    GS = "GS"
    """Gas Supplier."""
    ES = "ES"
    """Export Supplier."""
    ED = "ED"
    """Electricity Distributor."""
    GT = "GT"
    """Gas Transporter."""
    RSA = "RSA"
    """Registered Supplier Agent."""
    OU = "OU"
    """Other User."""


class Smets(StrEnum):
    """The kind of device that a test is executed on."""

    SMETS1 = "SMETS1"
    SMETS2 = "SMETS2+"


class Mark(StrEnum):
    """What a cell says (8.1.4)."""

    BOTH = "M"
    """Mandatory: once on a SMETS1 device and once on a SMETS2+ device, for a new User."""
    ONLY_SMETS1 = "M1"
    """Mandatory SMETS1."""
    ONLY_SMETS2 = "M2"
    """Mandatory SMETS2+."""
    OPTIONAL_SMETS2 = "O2"
    """Optional SMETS2+: may be run, and never stands in the way of completion (inferred)."""

    @property
    def words(self) -> str:
        """As the document says it."""
        return _WORDS[self]

    @property
    def mandatory(self) -> bool:
        """Whether the test has to be executed."""
        return self is not Mark.OPTIONAL_SMETS2

    @property
    def variants(self) -> tuple[Smets, ...]:
        """The kinds of device that it is due on, for a new User."""
        if self is Mark.BOTH:
            return (Smets.SMETS1, Smets.SMETS2)
        return (Smets.SMETS1,) if self is Mark.ONLY_SMETS1 else (Smets.SMETS2,)


_WORDS = {
    Mark.BOTH: "Mandatory",
    Mark.ONLY_SMETS1: "Mandatory SMETS1",
    Mark.ONLY_SMETS2: "Mandatory SMETS2+",
    Mark.OPTIONAL_SMETS2: "Optional SMETS2+",
}


class Column(StrEnum):
    """A column of the DUIS matrix: a Command Variant, on demand or future dated (FD)."""

    CV1 = "CV1"
    CV1_FD = "CV1-FD"
    CV2 = "CV2"
    CV3 = "CV3"
    CV4 = "CV4"
    CV5 = "CV5"
    CV5_FD = "CV5-FD"
    CV6 = "CV6"
    CV7 = "CV7"
    CV8 = "CV8"

    @property
    def command_variant(self) -> int:
        """1 to 8."""
        return int(self.value[2])

    @property
    def future_dated(self) -> bool:
        """Whether the request names a later moment."""
        return self.value.endswith("FD")

    @property
    def scenario(self) -> str:
        """The Test Scenario that exercises it: SR01 to SR10 (8.1.3)."""
        return f"SR{list(Column).index(self) + 1:02}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the DUIS matrix that holds a test.

    Attributes:
        variant: the Service Reference Variant, "6.20.1".
        column: the Command Variant and mode.
        mark: for which devices.
    """

    variant: str
    column: Column
    mark: Mark


@dataclass(frozen=True, slots=True)
class DeviceAlertRow:
    """One Device Alert to be received.

    Attributes:
        code: "0x8F35".
        alert_type: 1 (code and time stamp) or 2 (with specific data).
        notation: "DLMS" or "ZigBee".
        critical: whether it is signed.
    """

    code: str
    mark: Mark
    alert_type: int
    notation: str
    critical: bool


@dataclass(frozen=True, slots=True)
class DccAlertRow:
    """One DCC Alert to be received; of several codes on one row any will do.

    Attributes:
        registered: "previously", "now" or "": how the User has to be registered for the device of the test data.
    """

    codes: tuple[str, ...]
    mark: Mark
    registered: str

    @property
    def name(self) -> str:
        """How people name it: "N24", or "N49-N52" for a row of several codes."""
        return self.codes[0] if len(self.codes) == 1 else f"{self.codes[0]}-{self.codes[-1]}"


@dataclass(frozen=True, slots=True)
class ResponseCodeRow:
    """One Response Code to be received."""

    code: str
    mark: Mark
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A printed count that the cells contradict.

    Attributes:
        mark: "M", "M2", "N/A", or "tests" for all that are Mandatory.
        column: of the matrix, or "total".
    """

    mark: str
    column: str
    printed: int
    counted: int
    reason: str


@dataclass(frozen=True, slots=True)
class Footer:
    """What the document prints below a matrix.

    Attributes:
        clause: of the table.
        rows: how many it has.
        tests: the printed number of tests.
        printed: by mark, one count a column.
        totals: by mark.
        differences: where the cells say otherwise, and why.
    """

    clause: str
    rows: int
    tests: int
    printed: Mapping[str, tuple[int, ...]]
    totals: Mapping[str, int]
    differences: tuple[Difference, ...]


def _read(name: str) -> Any:
    return json.loads(resources.files("bench.ctsd").joinpath(f"{name}.json").read_text("utf-8"))


@cache
def matrix(role: Role) -> Mapping[str, tuple[Cell, ...]]:
    """The DUIS matrix of a role: by Service Reference Variant, in the order of the document, the cells with tests."""
    return {variant: tuple(_cells(variant, text)) for variant, text in _read("matrix")[role.value].items()}


def _cells(variant: str, text: str) -> list[Cell]:
    cells = []
    for each in text.split():
        column, _, mark = each.partition(":")
        name = f"CV{column[0]}" + ("-FD" if column.endswith("F") else "")
        cells.append(Cell(variant, Column(name), Mark(mark)))
    return cells


def cells(role: Role) -> tuple[Cell, ...]:
    """Every cell of a role that holds a test, in the order of the document."""
    return tuple(cell for row in matrix(role).values() for cell in row)


@cache
def footer(role: Role) -> Footer:
    """What the document prints below a role's matrix, and where that is wrong."""
    data = _read("footers")[role.value]
    return Footer(
        data["clause"],
        data["rows"],
        data["tests"],
        {mark: tuple(counts) for mark, counts in data["printed"].items()},
        data["totals"],
        tuple(Difference(**each) for each in data["differences"]),
    )


@cache
def device_alerts(role: Role, *, additive: bool = False) -> tuple[str, tuple[DeviceAlertRow, ...]]:
    """Clause and Device Alerts of a role; with `additive` those that 8.1.12 lists for Additive UEPT alone.

    The document has no such clause for RSA and OU, and says for ES and GT that there are none.
    """
    data = _read("alerts")["additive_device_alerts" if additive else "device_alerts"].get(role.value)
    if data is None:
        return "8.1.12", ()
    rows = tuple(
        DeviceAlertRow(each["code"], Mark(each["mark"]), each["type"], each["notation"], each["critical"])
        for each in data["rows"]
    )
    return data["clause"], rows


@cache
def dcc_alerts(role: Role) -> tuple[str, tuple[DccAlertRow, ...]]:
    """Clause and DCC Alerts of a role."""
    data = _read("alerts")["dcc_alerts"][role.value]
    rows = tuple(
        DccAlertRow(tuple(each["codes"]), Mark(each["mark"]), each.get("registered", "")) for each in data["rows"]
    )
    return data["clause"], rows


@cache
def response_codes(role: Role) -> tuple[str, tuple[ResponseCodeRow, ...]]:
    """Clause and Response Codes of a role."""
    data = _read("alerts")["response_codes"]
    rows = tuple(
        ResponseCodeRow(each["code"], Mark(each["mark"]), tuple(Role(name) for name in each["roles"]))
        for each in data["rows"]
    )
    return data["clause"], tuple(row for row in rows if role in row.roles)


@cache
def alert_counts(role: Role) -> Mapping[str, Mapping[str, int]]:
    """How many rows of each mark the document's alert tables have for a role, counted when they were taken over."""
    counts: Mapping[str, Mapping[str, int]] = _read("alerts")["counts"][role.value]
    return counts
