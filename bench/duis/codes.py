"""What response codes and DCC Alert Codes mean, and where that is known from.

Every code that DUIS Schema V5.4 allows is listed. Where no public source says what one means its meaning is empty:
nothing is guessed. Which body a DCC Alert has is known from a published message for N24, else inferred from the names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

_SPECIFIC = re.compile(r"[EW](\d\d)(\d\d)\d\d")


@dataclass(frozen=True, slots=True)
class ResponseCode:
    """One response code.

    Attributes:
        code: "I0", "E13", "E081101".
        meaning: what it says; empty where that is not published.
        source: who says so; empty where nobody does.
    """

    code: str
    meaning: str
    source: str

    @property
    def is_error(self) -> bool:
        """Whether the DCC did not do what was asked."""
        return self.code.startswith("E")

    @property
    def service_reference(self) -> str | None:
        """The one Service Reference that a code such as E081101 belongs to, "8.11"; None for a general code."""
        form = _SPECIFIC.fullmatch(self.code)
        return f"{int(form[1])}.{int(form[2])}" if form else None

    def __str__(self) -> str:
        kind = "error" if self.is_error else "warning"
        belongs = f"{kind} of {self.service_reference}" if self.service_reference else "meaning not published"
        return f"{self.code} ({self.meaning or belongs})"


@dataclass(frozen=True, slots=True)
class DccAlertCode:
    """One DCC Alert Code.

    Attributes:
        code: "AD1", "N24".
        meaning: what it says; empty where that is not published.
        body: the element that its message holds; empty where that is not known.
        source: who says so; empty where nobody does.
    """

    code: str
    meaning: str
    body: str
    source: str

    def __str__(self) -> str:
        return f"{self.code} ({self.meaning or 'meaning not published'})"


def _rows(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(resources.files("bench.duis").joinpath(name).read_text("utf-8"))
    return rows


@cache
def response_codes() -> Mapping[str, ResponseCode]:
    """Every response code, in the order of the schema."""
    return {row["code"]: ResponseCode(**row) for row in _rows("response_codes.json")}


@cache
def dcc_alert_codes() -> Mapping[str, DccAlertCode]:
    """Every DCC Alert Code, in the order of the schema."""
    return {row["code"]: DccAlertCode(**row) for row in _rows("dcc_alerts.json")}


def response_code(code: str) -> ResponseCode:
    """What is known of a response code; of one that the schema does not have, nothing."""
    return response_codes().get(code) or ResponseCode(code, "", "")


def dcc_alert_code(code: str) -> DccAlertCode:
    """What is known of a DCC Alert Code; of one that the schema does not have, nothing."""
    return dcc_alert_codes().get(code) or DccAlertCode(code, "", "", "")
