"""What alert codes and message codes stand for; the data are in the JSON files beside this module."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import Any

GENERIC_CRITICAL = 0x1000
"""Message code of a critical alert whose alert code has no message code of its own."""
GENERIC_NON_CRITICAL = 0x1001
"""Message code of a non-critical alert whose alert code has no message code of its own."""


class Encoding(Enum):
    """In which of the three notations content is written."""

    DLMS = "DLMS"
    """ESME and CHF."""
    GBZ = "GBZ"
    """GSME and GPF: ZigBee clusters."""
    ASN1 = "ASN1"
    """Security use cases of every device."""


@dataclass(frozen=True, slots=True)
class AlertEntry:
    """What is known of one alert code.

    Attributes:
        code: alert code, 16 bits.
        meaning: in a few words.
        critical: a critical alert is signed, a non-critical one MACed; None where no source says.
        type: 1 is code and time only, 2 adds specific data; None where no source says.
        recipient: role of the party that it goes to.
        smets: of which equipment the bench's specifications expect it: SMETS1 (in messages of a SMETS1 Service
            Provider), SMETS2+ or both.
        message_codes: its own message code by encoding; empty where the generic codes serve.
        in_gbcs: False for the codes that only SMETS1 messages carry.
        sources: keys into `sources()`.
    """

    code: int
    meaning: str
    critical: bool | None
    type: int | None
    recipient: str
    smets: tuple[str, ...]
    message_codes: dict[Encoding, int]
    in_gbcs: bool
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UseCaseName:
    """The names that a message code goes by.

    Attributes:
        message_code: 16 bits.
        names: GBCS use cases, such as ECS29a; more than one where several share the code.
        service_references: Service Reference Variants that lead to it, in the same order; empty for alerts.
        title: what it is for, in a few words; empty where the names say it.
    """

    message_code: int
    names: tuple[str, ...]
    service_references: tuple[str, ...]
    title: str = ""


def _load(name: str) -> Any:
    return json.loads((files("bench.gbcs") / name).read_text(encoding="utf-8"))


@cache
def alert_entries() -> dict[int, AlertEntry]:
    """Return every alert code of the catalogue, by code."""
    return {
        int(row["code"], 16): AlertEntry(
            code=int(row["code"], 16),
            meaning=row["meaning"],
            critical=row["critical"],
            type=row["type"],
            recipient=row["recipient"],
            smets=tuple(row["smets"]),
            message_codes={Encoding[k]: int(v, 16) for k, v in row.get("message_codes", {}).items()},
            in_gbcs=row.get("gbcs", True),
            sources=tuple(row["source"]),
        )
        for row in _load("alert_codes.json")["alerts"]
    }


@cache
def sources() -> dict[str, str]:
    """Return what each source key of an `AlertEntry` means."""
    return dict(_load("alert_codes.json")["sources"])


def alert_entry(code: int) -> AlertEntry | None:
    """Return what is known of an alert code, or None."""
    return alert_entries().get(code)


def alert_meaning(code: int) -> str:
    """Return the meaning of an alert code, or a text that says that it is not in the catalogue."""
    entry = alert_entry(code)
    return entry.meaning if entry else f"alert 0x{code:04X} (not in the catalogue)"


@cache
def use_case_names() -> dict[int, UseCaseName]:
    """Return the names of every message code of the catalogue, by message code."""
    return {
        int(code, 16): UseCaseName(
            int(code, 16), tuple(row["names"]), tuple(row.get("service_references", ())), row.get("title", "")
        )
        for code, row in _load("use_case_names.json").items()
    }


def use_case_name(message_code: int) -> str:
    """Return how a message code is called, several names joined by a slash; its number where it has none."""
    entry = use_case_names().get(message_code)
    return " / ".join(entry.names) if entry else f"message code 0x{message_code:04X}"
