"""The shape of one area of what the DCC does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bench.duis import responses as duis
from bench.duis.requests import Request
from bench.gbcs.alerts import Alert
from bench.gbcs.message import Message
from bench.gbcs.use_cases import Response, UseCase
from bench.parties import User
from drivers.emulated.dcc_inventory import Entry

if TYPE_CHECKING:
    from drivers.emulated.dcc import Dcc
    from drivers.emulated.dcc_delivery import Order

Service = Callable[[Request, User], "str | duis.ServiceResponse"]
"""Answers a request that no device sees: with a response code, or with a response."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A device's response, as the DCC takes note of it.

    Attributes:
        request: what was asked; of a critical one the request that was transformed.
        user: who asked.
        entry: the device, or None if the inventory has lost it meanwhile.
        use_case: of the command.
        response: what the device answered.
    """

    request: Request
    user: User
    entry: Entry | None
    use_case: UseCase
    response: Response

    @property
    def variant(self) -> str:
        """The Service Reference Variant."""
        return self.request.service_reference_variant


class Part:
    """One area of what the DCC does.

    Args:
        dcc: whose it is.

    Attributes:
        remembers: names of the attributes that are kept when a world is stopped and started again.
    """

    remembers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, dcc: Dcc) -> None:
        self.dcc = dcc

    @property
    def services(self) -> Mapping[str, Service]:
        """The requests that it answers itself, by Service Reference Variant."""
        return {}

    def note(self, answered: Answered) -> None:
        """Take note of a device's response, which its User has got."""

    def undelivered(self, order: Order, user: User, reached: bool) -> None:
        """Take note that a device did not answer; `reached` says whether the command left the DCC."""

    def instruction(self, order: Order, alert: Alert) -> None:
        """Take note that a device has carried a future-dated instruction out, or could not."""

    def alert(self, entry: Entry, alert: Alert, message: Message) -> bool:
        """Take note of a device's alert; true if it is dealt with, and goes to nobody as it is."""
        return False

    def start(self) -> None:
        """Begin to work: everything of the world is there now."""

    def save(self) -> dict[str, Any]:
        """What it remembers, by attribute."""
        return {name: getattr(self, name) for name in self.remembers}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Remember what an earlier life saved."""
        for name in self.remembers:
            if name in saved:
                setattr(self, name, saved[name])
