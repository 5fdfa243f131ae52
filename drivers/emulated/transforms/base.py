"""What a transformation is given, and what it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bench.duis.requests import Request
from bench.gbcs.load_control_fields import LAST_DAY, SECOND_LAST_DAY, DatePattern
from bench.gbcs.use_cases import UseCase, use_cases_for_service

NEVER = datetime(3000, 12, 31, tzinfo=UTC)
"""An execution date that cancels what is planned (DUIS)."""


class NotTransformable(Exception):
    """The DCC has no command for a request.

    Attributes:
        code: the response code that says so.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Command:
    """What a request becomes.

    Attributes:
        use_case: of the command.
        params: its parameters.
        instructions: how many of its instructions have a date of their own: so many 0x8F66 or 0x8F67 follow.
    """

    use_case: UseCase
    params: Mapping[str, Any] = field(default_factory=dict)
    instructions: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that is to become a command.

    Attributes:
        request: what was asked.
        target_type: the type of its target, in DUIS words.
        other_type: the type of the other device that it is about, where there is one.
        role: the DUIS User Role of the User.
        now: UTC.
        delivery_s: how long the command may be on its way.
        other_certificate: of the other device, for key agreement, DER.
        log: of an old hub that is to be restored, as far as the DCC has it: a `Backup` of a CHF; of a GPF the devices
            that it was joined to, with their types.
    """

    request: Request
    target_type: str
    other_type: str | None
    role: str
    now: datetime
    delivery_s: float
    other_certificate: bytes | None = None
    log: Any = None

    @property
    def params(self) -> Mapping[str, Any]:
        """The request's parameters."""
        return self.request.params

    @property
    def future(self) -> datetime | None:
        """When the device is to act, where the request says so."""
        moment = self.params.get("execution_date_time")
        assert moment is None or isinstance(moment, datetime)
        return moment

    @property
    def activation(self) -> datetime | str:
        """When a device that plans by itself is to act: a moment, "now", or "never", which cancels what is planned."""
        if self.future is None:
            return "now"
        return "never" if self.future >= NEVER else self.future

    @property
    def candidates(self) -> tuple[UseCase, ...]:
        """The use cases that the request may become for its target."""
        return use_cases_for_service(self.request.service_reference_variant, self.target_type)

    def command(self, name: str, params: Mapping[str, Any] | None = None, instructions: int = 0) -> Command:
        """The command of a use case of this name.

        Raises:
            NotTransformable: E11, the target has no such use case.
        """
        for use_case in self.candidates:
            if use_case.name == name:
                return Command(use_case, params or {}, instructions)
        raise NotTransformable("E11")

    def only(self, params: Mapping[str, Any] | None = None, instructions: int = 0) -> Command:
        """The command of the first use case that the request may become.

        Raises:
            NotTransformable: E11, there is none.
        """
        if not self.candidates:
            raise NotTransformable("E11")
        return Command(self.candidates[0], params or {}, instructions)


Transform = Callable[[Wanted], Command]
"""Makes the command of a request, or raises `NotTransformable`."""


def plain(wanted: Wanted) -> Command:
    """A command without parameters, of the only use case or the single-phase one."""
    return wanted.only()


def wildcard_date(given: Mapping[str, Any]) -> DatePattern:
    """The days that a date of DUIS stands for, in which everything may be left open."""
    day = given.get("specified_day_of_month")
    if given.get("last_day_of_month"):
        day = LAST_DAY
    elif given.get("second_last_day_of_month"):
        day = SECOND_LAST_DAY
    return DatePattern(
        given.get("specified_year"), given.get("specified_month"), day, given.get("specified_day_of_week")
    )
