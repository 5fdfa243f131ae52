"""What Service Requests there are: for each Service Reference Variant its name, body, Command Variants and target.

Variants, bodies and Command Variants are those of DUIS Schema V5.4, with these corrections, since comments of the
schema contradict themselves there: 7.12 is critical (the Common Test Scenarios have it under CV4 and CV5); 7.13 is
critical (a Pre-Command of it is published) and the reads 7.14 and 7.15 are not.

Device types come from published messages of each variant and from the GBCS use cases that serve it (ECS: ESME, GCS:
GSME and GPF, CCS: CHF); an empty list says that it is not established which may be targeted, and nothing is checked.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from bench.errors import UsageError

CV_TO_DEVICE = 1
CV_TRANSFORM = 4
CV_SIGNED = 5
CV_DCC_ONLY = 8
SIGNED_VARIANTS = (5, 6, 7)
"""Command Variants whose body is a Signed Pre-Command, whatever the Service Request."""


class WebService(StrEnum):
    """The DCC's services for requests, by the letters of the DUIS schema's table of Command Variants."""

    TRANSFORM = "T"
    SEND_COMMAND = "SC"
    DCC_ONLY = "DO"


class Target(StrEnum):
    """Whom a RequestID names after the User."""

    DEVICE = "device"
    DCC = "dcc"


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """One Service Reference Variant.

    Attributes:
        variant: "8.11", "6.20.1".
        name: its name in the Common Test Scenarios.
        body: the element in the request's body, unless a Signed Pre-Command takes its place.
        command_variants: those that it may have.
        device_types: those that it may be sent to, in DUIS names; empty where that is not established.
    """

    variant: str
    name: str
    body: str
    command_variants: tuple[int, ...]
    device_types: tuple[str, ...]

    @property
    def reference(self) -> str:
        """The Service Reference: the first two numbers of the variant."""
        return ".".join(self.variant.split(".")[:2])

    @property
    def critical(self) -> bool:
        """Whether it must be transformed and signed by the User."""
        return CV_TRANSFORM in self.command_variants

    @property
    def target(self) -> Target:
        """The device, or the DCC for a request that no device sees."""
        return Target.DCC if self.command_variants == (CV_DCC_ONLY,) else Target.DEVICE

    @property
    def usual_command_variant(self) -> int:
        """The first that is sent if nobody asks for another: 4 for a critical one, 8 for the DCC, else 1."""
        return self.command_variants[0]

    def __str__(self) -> str:
        return f"{self.variant} {self.name}"


def web_service(command_variant: int) -> WebService:
    """The web service to which a request with this Command Variant (1 to 8) goes."""
    if command_variant == CV_TRANSFORM:
        return WebService.TRANSFORM
    return WebService.DCC_ONLY if command_variant in (2, 6, 8) else WebService.SEND_COMMAND


@cache
def all_service_requests() -> Mapping[str, ServiceRequest]:
    """Every variant by its number, in the order of the DUIS schema."""
    rows = json.loads(resources.files("bench.duis").joinpath("service_requests.json").read_text("utf-8"))
    return {
        row["variant"]: ServiceRequest(
            row["variant"], row["name"], row["body"], tuple(row["command_variants"]), tuple(row["device_types"])
        )
        for row in rows
    }


def service_request(variant: str) -> ServiceRequest:
    """The Service Request of a variant.

    Raises:
        UsageError: there is none.
    """
    known = all_service_requests()
    if variant not in known:
        below = [each for each in known if each.startswith(f"{variant}.")]
        near = below or difflib.get_close_matches(variant, known, 3, 0.5)
        hint = f"Did you mean {', '.join(near)}?" if near else "See the variants of DUIS Schema V5.4"
        raise UsageError(f"there is no Service Reference Variant {variant!r}", next_step=hint)
    return known[variant]
