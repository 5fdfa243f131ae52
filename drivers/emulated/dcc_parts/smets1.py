"""SMETS1 devices behind their service provider: their requests, their alerts, N55, N56 and N57.

What a request does is what the same request does at a SMETS2 meter. It gets there in clear, by way of the service
provider, so that no command is transformed, signed by a User or delivered locally: Command Variant 4 of a critical
request is acknowledged, and its answer follows. Only 2.2 has Command Variants 2 and 3: with them the provider makes a
UTRN for the consumer to enter (N56). When N55 and N57 come is not sourced: here, N55 tells of a request that the
provider could not carry out, and N57 tells gas suppliers of new firmware for the Comms Hub.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request
from bench.duis.smets1_write import response_message, s1sp_alert_body
from bench.errors import CodecError
from bench.eui import Eui64
from bench.gbcs.use_cases import Response
from bench.parties import DeviceType, User
from drivers.emulated.commands import Values, carry_out_directly
from drivers.emulated.dcc_delivery import date_of
from drivers.emulated.dcc_inventory import COMMISSIONED, Entry
from drivers.emulated.dcc_parts.base import Answered, Part
from drivers.emulated.device import anchor_of
from drivers.emulated.functions.firmware import Firmware
from drivers.emulated.functions.smets1_credit import make_utrn, worth_pence
from drivers.emulated.identities import USER_ROLES, RemotePartyRole
from drivers.emulated.mmc.registry import content, element, is_answered, refusal
from drivers.emulated.s1sp import TOP_UP_REFUSED, UNREACHABLE, UTRN_MADE, S1sp
from drivers.emulated.smets1 import Smets1Device, Spoken
from drivers.emulated.smets1_installation import Smets1Installation
from drivers.emulated.transforms.base import NotTransformable

_RETRY_S = 30.0
_TOP_UP = "2.2"
_TO_CONSUMER = (2, 3)
"""Command Variants of a top-up whose UTRN goes to the consumer."""
_BY_CONSUMER = 2


@dataclass(frozen=True, slots=True)
class Job:
    """A request that waits for its device.

    Attributes:
        request: what was asked.
        user: the User ID of who asked.
        due: when it is to be carried out, UTC.
        schedule: the schedule that it comes from, and the RequestID under which that was made.
        utrn: of a top-up, the UTRN that the provider made for it.
    """

    request: Request
    user: Eui64
    due: datetime
    schedule: tuple[int, RequestId] | None = None
    utrn: str = ""


class Smets1(Part):
    """Requests to SMETS1 devices, and what these say.

    Attributes:
        jobs: what is not answered yet, by number.
        last: the number of the youngest job.
        utrns: how many UTRNs were made.
    """

    remembers: ClassVar[tuple[str, ...]] = ("jobs", "last", "utrns")

    def __init__(self, dcc: Any) -> None:
        super().__init__(dcc)
        self.jobs: dict[int, Job] = {}
        self.last = self.utrns = 0
        self._installation: Smets1Installation | None = None
        self._provider: S1sp | None = None

    def attach(self, installation: Smets1Installation, provider: S1sp) -> None:
        """Reach these devices, by way of this service provider."""
        self._installation, self._provider = installation, provider
        installation.on_join = self.dcc.joined

    def start(self) -> None:
        """Go on with what an earlier life of the world has left."""
        for number in self.jobs:
            self._plan(number)

    def take(self, request: Request, user: User, schedule: tuple[int, RequestId] | None = None) -> str:
        """Accept a request that the rules allow; return the response code that the User gets at once."""
        entry = self.dcc.inventory.find(request.request_id.target)
        variant = request.service_reference_variant
        if entry is None or self._provider is None or not is_answered(variant, entry.type):
            return "E12"
        now = self.dcc.mail.now
        job = Job(request, user.eui, max(date_of(request) or now, now), schedule)
        if variant == _TOP_UP:
            self.utrns += 1
            utrn = make_utrn(entry.eui, worth_pence(request.params["utrn"]), self.utrns)
            job = replace(job, utrn=utrn)
            if request.command_variant in _TO_CONSUMER:
                self._after_wan(partial(self._tell, "N56", UTRN_MADE, job, "UTRN for the consumer", utrn))
            if request.command_variant == _BY_CONSUMER:
                return "I99"
        self.last += 1
        self.jobs[self.last] = job
        self._plan(self.last)
        return "I99"

    def said(self, spoken: Spoken) -> None:
        """A device has said something: the provider signs it, the DCC passes it on to its User."""
        entry, provider = self.dcc.inventory.find(spoken.device), self._provider
        if entry is None or provider is None or entry.status != COMMISSIONED or spoken.user not in self.dcc.users:
            return
        self.dcc.mail.post(
            duis.Smets1Response(
                response_id=RequestId(spoken.device, spoken.user, spoken.counter),
                response_date_time=self.dcc.mail.now,
                raw=response_message(provider.alert(spoken)),
                device_alert_code=spoken.code,
            )
        )

    def hand_image(self, entry: Entry, image: bytes, version: str) -> bool:
        """Give a device a firmware image; false if it cannot be reached now.

        A meter keeps it until it is activated (11.3). A Comms Hub is updated by the provider at once.
        """
        device = self._reachable(entry.eui)
        if device is None:
            return False
        if entry.type == DeviceType.CHF:
            device.firmware = entry.firmware = version
            self.tell_hub_firmware(entry, version, "ActivationSuccessful")
            return True
        device.function(Firmware).receive(image, version)
        return True

    def tell_hub_firmware(self, hub: Entry, version: str, status: str) -> None:
        """Tell the suppliers of the gas meters around a Comms Hub of its firmware (N57)."""
        body = {"device_id": hub.eui, "firmware_version": version, "firmware_version_update_status": status}
        meters = [each for each in self.dcc.inventory.on_han(hub.eui) if each.type == DeviceType.GSME]
        suppliers = {user.eui: user for each in meters if (user := self.dcc.serving(each, "supplier")) is not None}
        for supplier in suppliers.values():
            self.dcc.mail.dcc_alert("N57", "SMETS1CHFirmwareNotification", body, supplier)

    # A request on its way

    def _after_wan(self, action: Callable[[], None]) -> None:
        self.dcc.world.schedule.after(self.dcc.world.spec.wan_latency, action)

    def _plan(self, number: int) -> None:
        spec, job = self.dcc.world.spec, self.jobs[number]
        wait_s = max(0.0, (job.due - self.dcc.mail.now).total_seconds())
        self.dcc.world.schedule.after(wait_s + 2 * (spec.wan_latency + spec.han_latency), partial(self._try, number))

    def _reachable(self, eui: Eui64) -> Smets1Device | None:
        installation = self._installation
        device = installation.find(eui) if installation is not None else None
        return device if device is not None and installation is not None and installation.reaches(device) else None

    def _try(self, number: int) -> None:
        job, schedule = self.jobs[number], self.dcc.world.schedule
        device = self._reachable(job.request.request_id.target)
        if device is None:
            self._wait_or_give_up(number, job)
            return
        awake_s = device.next_awake_s(schedule.now_s)
        if awake_s > schedule.now_s:
            schedule.at(awake_s, partial(self._try, number))
            return
        del self.jobs[number]
        self._carry_out(job, device)

    def _wait_or_give_up(self, number: int, job: Job) -> None:
        if self.dcc.mail.now - job.due < timedelta(seconds=self.dcc.world.spec.device_timeout):
            self.dcc.world.schedule.after(_RETRY_S, partial(self._try, number))
            return
        del self.jobs[number]
        self._tell("N55", UNREACHABLE, job, "the device cannot be reached")
        self._fail(job, "E20")

    def _fail(self, job: Job, code: str) -> None:
        head = self.dcc.header(job.request, code)
        if job.schedule is not None:
            head["request_id"] = job.schedule[1]
        self.dcc.mail.respond_to(job.request, duis.ErrorResponse(**head))

    def _carry_out(self, job: Job, device: Smets1Device) -> None:
        installation = self._installation
        assert installation is not None  # it has the device
        installation.heard(device)
        try:
            self._do(job, device)
        except NotTransformable as error:
            self._fail(job, error.code)
        except CodecError:
            self._fail(job, "E12")

    def _do(self, job: Job, device: Smets1Device) -> None:
        """Let the device do what the command of a SMETS2+ one would ask for.

        Raises:
            NotTransformable: there is no such command.
            CodecError: a parameter does not fit.
        """
        user = self.dcc.users[job.user]
        # The provider has waited for the date: the device does it now.
        params = {name: value for name, value in job.request.params.items() if name != "execution_date_time"}
        if job.utrn:
            params["utrn"] = job.utrn
        order = self.dcc.order(replace(job.request, params=params), user)
        role = USER_ROLES.get(user.role, RemotePartyRole.OTHER)
        sender = anchor_of(self.dcc.world.identities, user.eui, role)
        ok, values = False, dict[str, Any]()
        if order.use_case.name in device.actions:
            ok, given = carry_out_directly(device, order.message, sender, order.use_case)
            values.update(given)
        if job.utrn and not ok:
            self._tell("N55", TOP_UP_REFUSED, job, "the meter has refused the top-up")
        self._answer(job, device, values, ok=ok, error="" if ok else "the device has refused the command")
        detail = "success" if ok else "refused"
        entry = self.dcc.inventory.find(device.eui)
        answered = Answered(job.request, user, entry, order.use_case, Response(ok, values, detail))
        for part in self.dcc.parts:
            part.note(answered)

    def _answer(self, job: Job, device: Smets1Device, values: Values, *, ok: bool, error: str = "") -> None:
        request, provider = job.request, self._provider
        assert provider is not None  # it took the job
        variant = request.service_reference_variant
        signed = provider.answer(
            request.request_id,
            variant,
            element(variant),
            at=device.clock.utc(),
            success=ok,
            content=(content if ok else refusal)(variant, values, device),
            error=error,
        )
        number, request_id = job.schedule if job.schedule is not None else (None, request.request_id)
        response = duis.Smets1Response(
            request_id=request_id,
            response_id=request.request_id.response_id(),
            response_date_time=self.dcc.mail.now,
            service_reference=request.service_reference,
            service_reference_variant=variant,
            schedule_id=number,
            raw=response_message(signed, variant=variant, schedule_id=number),
        )
        self.dcc.mail.respond_to(request, response)

    def _tell(self, code: str, reason: str, job: Job, information: str, utrn: str | None = None) -> None:
        """Send an alert of the provider's own to the User of a request."""
        provider = self._provider
        assert provider is not None  # it took the job
        signed = provider.own_alert(
            reason,
            at=self.dcc.mail.now,
            request_id=job.request.request_id,
            device=job.request.request_id.target,
            information=information,
            utrn=utrn,
        )
        self.dcc.mail.dcc_alert(code, "S1SPAlertDSP", {}, self.dcc.users[job.user], raw_body=s1sp_alert_body(signed))


PARTS: tuple[type[Part], ...] = (Smets1,)
"""In the order in which they take note."""
