"""Schedules that the DCC keeps for Users (5.1 to 5.3): readings that it asks devices for, time and again.

The schema of DUIS lists the codes of refusals (E0501xx and so on) and not what they mean; which one says what is
this emulation's choice.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request, complete_params
from bench.duis.service_requests import CV_TO_DEVICE, service_request
from bench.eui import Eui64
from bench.parties import User
from drivers.emulated.dcc_parts.base import Part, Service
from drivers.emulated.dcc_rules import eligible_roles
from drivers.emulated.schedule import Timer
from drivers.emulated.transforms.base import NotTransformable

MOST = 99
"""Schedules that one User may have for a device: as many as one answer to 5.2 holds."""

UNFIT, NOT_FOR_ROLE, TOO_MANY, DATES = "E050101", "E050102", "E050103", "E050105"
_UNREADABLE, _UNDELETABLE = "E050201", "E050301"

_READS = {
    "4.2": "dsp_read_instantaneous_export_registers",
    "4.6.1": "dsp_retrieve_import_daily_read_log",
    "4.6.2": "dsp_retrieve_export_daily_read_log",
    "4.8.1": "dsp_read_active_import_profile_data",
    "4.8.2": "dsp_read_reactive_import_profile_data",
    "4.8.3": "dsp_read_export_profile_data",
    "4.10": "dsp_read_network_data",
    "4.12.1": "dsp_read_maximum_demand_import_registers",
    "4.12.2": "dsp_read_maximum_demand_export_registers",
    "4.14": "dsp_read_prepayment_daily_read_log",
    "4.15": "dsp_read_load_limit_data",
    "4.16": "dsp_read_active_power_import",
    "4.17": "dsp_retrieve_daily_consumption_log",
    "14.1": "dsp_record_network_data_gas",
}
"""What each Service Reference Variant reads, as a schedule names it."""

_MONTHS = {"Monthly": 1, "Quarterly": 3, "Half-Yearly": 6, "Yearly": 12}
_DAYS = {"Daily": 1, "Weekly": 7}


class Schedules(Part):
    """Every User's schedules.

    A schedule runs on its start date, at its execution time (midnight UTC unless it says otherwise), and then once a
    day, week, month, quarter, half-year or year, on the last day of a month that has no such day. Responses come as
    DSPScheduledMessage under the RequestID of the 5.1.

    Attributes:
        schedules: by number, what 5.1 said; `user` and `made` say whose it is and by which request it was made.
        last: the number of the youngest schedule that there was.
    """

    remembers: ClassVar[tuple[str, ...]] = ("schedules", "last")

    def __init__(self, dcc: Any) -> None:
        super().__init__(dcc)
        self.schedules: dict[int, dict[str, Any]] = {}
        self.last = 0
        self._timers: dict[int, Timer] = {}

    @property
    def services(self) -> Mapping[str, Service]:
        """The requests that it answers."""
        return {"5.1": self._create, "5.2": self._read, "5.3": self._delete}

    def start(self) -> None:
        """Let every schedule run that there is."""
        for number in self.schedules:
            self._plan(number)

    def of(self, device: Eui64, user: Eui64) -> tuple[int, ...]:
        """The numbers of a User's schedules for a device."""
        return tuple(
            number
            for number, each in self.schedules.items()
            if each["details"]["device_id"] == device and each["user"] == user
        )

    def remove(self, number: int) -> None:
        """End a schedule."""
        del self.schedules[number]
        timer = self._timers.pop(number, None)
        if timer is not None:
            timer.cancel()

    def _create(self, request: Request, user: User) -> str | duis.ServiceResponse:
        details = request.params
        refusal = self._refusal(details, user)
        if refusal is not None:
            return refusal
        self.last += 1
        self.schedules[self.last] = {"user": user.eui, "made": request.request_id, "details": dict(details)}
        self._plan(self.last)
        head = self.dcc.header(request, "I0")
        return duis.DspResponse(**head, name="DSPScheduleID", values={"dsp_schedule_id": self.last})

    def _refusal(self, details: Mapping[str, Any], user: User) -> str | None:
        variant = details["dsp_scheduled_service_reference_variant"]
        read = service_request(variant)
        if _READS[variant] not in details or read.reference != details["dsp_scheduled_service_reference"]:
            return UNFIT
        if user.role not in eligible_roles().get(variant, ()):
            return NOT_FOR_ROLE
        entry = self.dcc.inventory.find(details["device_id"])
        if entry is None or entry.type not in read.device_types:
            return "E11"
        end = details.get("schedule_end_date")
        if details["schedule_start_date"] < self.dcc.mail.now.date() or (
            end is not None and end < details["schedule_start_date"]
        ):
            return DATES
        return TOO_MANY if len(self.of(entry.eui, user.eui)) >= MOST else None

    def _read(self, request: Request, user: User) -> str | duis.ServiceResponse:
        found = self._asked(request, user)
        if not found:
            return _UNREADABLE
        rows = tuple(
            {"dsp_schedule_id": number, "dsp_schedule_details": self.schedules[number]["details"]} for number in found
        )
        head = self.dcc.header(request, "I0")
        return duis.DspResponse(**head, name="DSPSchedulesRead", values={"dsp_schedules": rows})

    def _delete(self, request: Request, user: User) -> str:
        found = self._asked(request, user)
        for number in found:
            self.remove(number)
        return "I99" if found else _UNDELETABLE

    def _asked(self, request: Request, user: User) -> tuple[int, ...]:
        """The User's own schedules that a request names; nobody else's can be seen."""
        if "device_id" in request.params:
            return self.of(request.params["device_id"], user.eui)
        number = request.params["dsp_schedule_id"]
        known = self.schedules.get(number)
        return (number,) if known is not None and known["user"] == user.eui else ()

    def _plan(self, number: int) -> None:
        moment = next_run(self.schedules[number]["details"], self.dcc.mail.now)
        if moment is not None:
            delay_s = (moment - self.dcc.mail.now).total_seconds()
            self._timers[number] = self.dcc.world.schedule.after(delay_s, lambda: self._run(number, moment))

    def _run(self, number: int, moment: datetime) -> None:
        schedule = self.schedules[number]
        details, user, made = schedule["details"], self.dcc.users[schedule["user"]], schedule["made"]
        variant = details["dsp_scheduled_service_reference_variant"]
        read = service_request(variant)
        request_id = RequestId(user.eui, details["device_id"], self.dcc.mail.next_counter())
        params = complete_params(variant, CV_TO_DEVICE, read_params(details, moment))
        request = Request(request_id, CV_TO_DEVICE, read.reference, variant, read.body, params)
        try:
            self.dcc.issue(request, user, (number, made))
        except NotTransformable as error:
            head = self.dcc.header(request, error.code) | {"request_id": made}
            self.dcc.mail.respond_to(request, duis.ErrorResponse(**head))
        self._plan(number)


def next_run(details: Mapping[str, Any], after: datetime) -> datetime | None:
    """The first moment after another at which a schedule runs; None if it runs no more."""
    first: date = details["schedule_start_date"]
    end: date | None = details.get("schedule_end_date")
    at: time = details.get("schedule_execution_start_time", time(0, 0))
    turn = 0
    while True:
        day = _turn(first, details["schedule_frequency"], turn)
        if end is not None and day > end:
            return None
        moment = datetime.combine(day, _utc(at))
        if moment > after:
            return moment
        turn += 1


def _utc(moment: time) -> time:
    """A time of day, in UTC."""
    return moment.replace(tzinfo=UTC)


def _turn(first: date, frequency: str, turn: int) -> date:
    if frequency in _DAYS:
        return first + timedelta(days=_DAYS[frequency] * turn)
    month = first.month - 1 + _MONTHS[frequency] * turn
    year, month = first.year + month // 12, month % 12 + 1
    return date(year, month, min(first.day, calendar.monthrange(year, month)[1]))


def read_params(details: Mapping[str, Any], moment: datetime) -> dict[str, Any]:
    """The parameters of the request that a schedule makes at a moment."""
    wanted = details[_READS[details["dsp_scheduled_service_reference_variant"]]]
    params: dict[str, Any] = {}
    if isinstance(wanted, Mapping):
        for name in ("start", "end"):
            day = moment.date() + timedelta(days=wanted[f"{name}_date_offset"])
            params[f"{name}_date_time"] = datetime.combine(day, _utc(wanted[f"{name}_time"]))
    credential = details.get("ka_public_security_credential")
    return params if credential is None else params | {"ka_public_security_credentials": credential}


PARTS: tuple[type[Part], ...] = (Schedules,)
"""In the order in which they take note."""
