"""The emulated DCC: takes Service Requests, makes commands of them, and tells Users what devices answer and say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request, parse_request
from bench.duis.service_requests import CV_TRANSFORM, Target, WebService, service_request
from bench.duis.signatures import certificate_eui, verify
from bench.errors import CodecError
from bench.eui import Eui64
from bench.gbcs import alerts, crypto
from bench.gbcs.message import Cra, Framing, Message
from bench.gbcs.use_cases import Sender, UseCase
from bench.parties import DeviceType, KeyUse, User
from drivers.emulated.comms_hub import CommsHub
from drivers.emulated.dcc_inventory import COMMISSIONED, INSTALLED, PENDING, WHITELISTED, Entry, Inventory
from drivers.emulated.dcc_mail import BrokerKeys, Mail, header
from drivers.emulated.dcc_parts.base import Answered, Service
from drivers.emulated.dcc_parts.installation import LOG_REQUEST, LOG_RESULT
from drivers.emulated.dcc_parts.registry import PARTS
from drivers.emulated.dcc_rules import Party, default_role, is_signed, refusal
from drivers.emulated.device import Sent, Surroundings
from drivers.emulated.schedule import Timer
from drivers.emulated.transforms.base import Command, NotTransformable, Wanted
from drivers.emulated.transforms.registry import transform

GBCS_VERSION = "4.3"
"""The version of GBCS that pre-commands are made for."""

BAD_SIGNED_PRE_COMMAND = "E100"
"""Answers a signed pre-command whose signature or content is not right. No source gives the real code."""

_MOST_PRE_COMMANDS = 256
"""Transformed requests that are remembered until their User has signed them; the oldest are forgotten."""


class Rejected(Exception):
    """A document that the DCC does not even answer in DUIS; the text says why."""


@dataclass(slots=True)
class _Pending:
    """A command that a device has not answered yet."""

    request: Request
    use_case: UseCase
    message: bytes
    timeout: Timer


class Dcc:
    """The DCC as its Users and a Comms Hub see it.

    Args:
        surroundings: the world.
        users: the Users that it knows.
        keys: its own key pairs.
        mail: the way to its Users.
        inventory: the devices that it knows.
        registered: which User serves a device as "supplier" or "operator", where nothing else is known.
        on_supplier: told that a device has come to a supplier.

    Attributes:
        world: what all models share.
        mail: the way to its Users.
        inventory: the devices that it knows.
        users: the Users, by User ID.
        on_supplier: told that a device has come to a supplier.
        hub: the Comms Hub through which devices are reached, once it is attached.
        parts: what it does besides passing on.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        users: Sequence[User],
        keys: BrokerKeys,
        mail: Mail,
        inventory: Inventory,
        registered: Callable[[Eui64, str], User | None],
        on_supplier: Callable[[Eui64, User], None],
    ) -> None:
        self.world, self._keys, self.mail, self.inventory = surroundings, keys, mail, inventory
        self.users = {user.eui: user for user in users}
        self._registered, self.on_supplier = registered, on_supplier
        self.hub: CommsHub | None = None
        self.parts = tuple(part(self) for part in PARTS)
        self._services: dict[str, Service] = {name: each for part in self.parts for name, each in part.services.items()}
        self._pre_commands: dict[RequestId, tuple[Request, UseCase, Message]] = {}
        self._pending: dict[tuple[Eui64, Eui64, int], _Pending] = {}
        self._waiting: list[tuple[Eui64, bytes]] = []

    def attach(self, hub: CommsHub) -> None:
        """Reach devices through this Comms Hub."""
        self.hub = hub

    # Users -> DCC

    def handle(self, service: WebService, document: bytes) -> bytes:
        """Answer one Service Request, at once.

        Raises:
            Rejected: it is not signed by a User, or it is no Service Request at all.
        """
        try:
            verified = verify(document, [user.xml.certificate for user in self.users.values()])
            request = parse_request(verified.root)
        except CodecError as error:
            raise Rejected(str(error)) from None
        user = self.users.get(certificate_eui(verified.signer))
        party = Party(user.name, user.role, user.eui) if user else None
        code = refusal(
            request,
            service,
            party,
            dcc=self.world.dcc,
            find=self.inventory.find,
            serves=self._serves,
        )
        if code is not None or user is None:
            return self._answer(request, code or "E1")
        if service_request(request.service_reference_variant).target is Target.DCC:
            return self._serve(request, user)
        try:
            return self._take(request, user)
        except NotTransformable as error:
            return self._answer(request, error.code)
        except CodecError:
            return self._answer(request, "E12")

    def serving(self, entry: Entry, duty: str) -> User | None:
        """The User that serves a device as "supplier" or "operator", as far as it is one that the DCC knows."""
        return self.users.get(self._serves(entry, duty) or self.world.dcc)

    def _serves(self, entry: Entry, duty: str) -> Eui64 | None:
        if duty == "supplier" and entry.supplier is not None:
            return entry.supplier
        user = self._registered(entry.eui, duty)
        if user is not None:
            return user.eui
        role = default_role(entry, duty)
        return next((each.eui for each in self.users.values() if each.role == role), None)

    def _serve(self, request: Request, user: User) -> bytes:
        """Answer a request that no device sees."""
        service = self._services.get(request.service_reference_variant)
        answer = "E12" if service is None else service(request, user)
        return self._answer(request, answer) if isinstance(answer, str) else self.mail.sign(answer)

    def _take(self, request: Request, user: User) -> bytes:
        if is_signed(request):
            signed = self._signed_pre_command(request, user)
            if signed is None:
                return self._answer(request, BAD_SIGNED_PRE_COMMAND)
            original, use_case, message = signed
            self.send(original, use_case, message)
            return self._answer(request, "I99")
        target = self.inventory.find(request.request_id.target)
        assert target is not None  # the rules have seen it
        about = request.params.get("device_id") or request.params.get("other_device_id")
        other = self.inventory.find(about) if about is not None else None
        delivery_s = self.world.spec.device_timeout
        wanted = Wanted(request, target.type, other.type if other else None, user.role, self.mail.now, delivery_s)
        command = transform(wanted)
        message = self._command_message(request, command)
        if request.command_variant != CV_TRANSFORM:
            self.send(request, command.use_case, message)
            return self._answer(request, "I99")
        self._pre_commands[request.request_id] = (request, command.use_case, message)
        if len(self._pre_commands) > _MOST_PRE_COMMANDS:
            del self._pre_commands[next(iter(self._pre_commands))]
        payload = replace(message, null_signature=True).encode()
        return self.mail.sign(duis.PreCommand(**self.header(request, "I0"), gbcs_version=GBCS_VERSION, payload=payload))

    def _signed_pre_command(self, request: Request, user: User) -> tuple[Request, UseCase, Message] | None:
        """The command behind a signed pre-command, if it is what was transformed and the User signed it."""
        known = self._pre_commands.get(request.request_id)
        try:
            message = Message.parse(request.params["gbcs_payload"])
        except CodecError:
            return None
        key = user.signing.private_key.public_key()
        if known is None or message.framing is not Framing.SIGNED or message.tbs != known[2].tbs:
            return None
        if not crypto.verify_signature(message, key):
            return None
        del self._pre_commands[request.request_id]
        return known[0], known[1], message

    def _command_message(self, request: Request, command: Command) -> Message:
        """The message of a command, signed by the broker where that is its part, not sealed yet."""
        use_case, request_id = command.use_case, request.request_id
        if use_case.sender is Sender.USER:
            return use_case.build_command(
                command.params,
                originator=request_id.originator,
                recipient=request_id.target,
                originator_counter=request_id.counter,
            )
        for_user = use_case.sender is Sender.BROKER_FOR_USER
        message = use_case.build_command(
            command.params,
            originator=self.world.dcc,
            recipient=request_id.target,
            originator_counter=self.mail.next_counter(),
            user=request_id.originator if for_user else None,
            user_counter=request_id.counter if for_user else None,
        )
        return crypto.sign(message, self._keys.signing.private_key) if use_case.broker_signs else message

    # DCC -> devices

    def send(self, request: Request, use_case: UseCase, message: Message) -> None:
        """Seal a command and send it to its device; its response goes to the User of the request."""
        target = message.recipient
        agreement = self.world.identities.device(target, KeyUse.KEY_AGREEMENT).private_key.public_key()
        key = crypto.message_key(message, self._keys.agreement.private_key, agreement)
        raw = crypto.seal(message, key).encode()
        awaited = (target, message.originator, message.originator_counter)
        if (repeated := self._pending.get(awaited)) is not None:
            repeated.timeout.cancel()
        timeout = self.world.schedule.after(self.world.spec.device_timeout, lambda: self._give_up(awaited))
        self._pending[awaited] = _Pending(request, use_case, raw, timeout)
        self.world.schedule.after(self.world.spec.wan_latency, lambda: self._pass_down(target, raw))

    def _pass_down(self, target: Eui64, raw: bytes) -> None:
        if self.hub is None or not self.hub.down(target, raw):
            self._waiting.append((target, raw))

    def _give_up(self, awaited: tuple[Eui64, Eui64, int]) -> None:
        pending = self._pending.pop(awaited)
        unsent = (awaited[0], pending.message)
        reached = unsent not in self._waiting
        if not reached:
            self._waiting.remove(unsent)
        request = pending.request
        error = duis.ErrorResponse(**self.header(request, "E21" if reached else "E20"))
        self.mail.respond(request.service_reference_variant, error)
        for part in self.parts:
            part.undelivered(request, self.users[request.request_id.originator], reached)

    # Comms Hub -> DCC

    def hub_up(self) -> None:
        """The hub is connected again: what waits for it goes down now."""
        waiting, self._waiting = self._waiting, []
        for target, raw in waiting:
            self._pass_down(target, raw)

    def joined(self, device: Eui64) -> None:
        """A device has become a member of the HAN."""
        entry = self.inventory.find(device)
        if entry is not None and entry.status in (PENDING, WHITELISTED):
            entry.status = INSTALLED

    def power_outage(self, hub: Eui64, start: datetime) -> None:
        """The hub's supply is gone: AD1 to the network operator of every meter around it."""
        entry = self.inventory.find(hub)
        if entry is None or entry.status != COMMISSIONED:
            return
        for meter in self.inventory.of_type(DeviceType.ESME, DeviceType.GSME):
            operator = self.serving(meter, "operator")
            mpxn = self.inventory.metering_point(meter)
            if operator is not None and mpxn:
                body = {"comms_hub_device_id": hub, "start_date_time": start, "mpxn": mpxn}
                self.mail.dcc_alert("AD1", "PowerOutageEvent", body, operator)

    def from_device(self, sent: Sent) -> None:
        """A device's message has come: hand it to the User that it is for."""
        message = Message.parse(sent.message)
        if message.cra is Cra.RESPONSE:
            self._device_response(message, sent.message)
        elif message.cra is Cra.ALERT:
            self._device_alert(message, sent.message)

    def _device_response(self, message: Message, raw: bytes) -> None:
        pending = self._pending.pop((message.originator, message.recipient, message.originator_counter), None)
        if pending is None:
            return
        pending.timeout.cancel()
        request = pending.request
        outcome = pending.use_case.decode_response(message.content)
        variant = request.service_reference_variant
        self.mail.respond(variant, duis.GbcsResponse(**self.header(request, "I0"), payload=raw))
        entry = self.inventory.find(request.request_id.target)
        answered = Answered(request, self.users[request.request_id.originator], entry, pending.use_case, outcome)
        for part in self.parts:
            part.note(answered)

    def _device_alert(self, message: Message, raw: bytes) -> None:
        entry = self.inventory.find(message.originator)
        alert = alerts.decode_alert(message)
        if entry is None or alert is None or message.recipient not in self.users:
            return
        # Of a device that is not commissioned nobody is told more than that it has joined.
        if entry.status != COMMISSIONED and (entry.status, alert.code) != (INSTALLED, alerts.DEVICE_JOINED):
            return
        if any(part.alert(entry, alert, message) for part in self.parts):
            return
        response_id = RequestId(message.originator, message.recipient, message.originator_counter)
        now = self.mail.now
        self.mail.post(
            duis.DeviceAlert(response_id=response_id, response_date_time=now, alert_code=alert.code, payload=raw)
        )

    def header(self, request: Request, code: str) -> dict[str, Any]:
        """What every answer to a request has."""
        return header(request, code, self.mail.now)

    def _answer(self, request: Request, code: str) -> bytes:
        kind = duis.Acknowledgement if code.startswith("I") else duis.ErrorResponse
        return self.mail.sign(kind(**self.header(request, code)))

    def raise_alert(self, code: str) -> None:
        """Send a DCC alert that nothing has caused, to whom such a one would go: a fault."""
        hub = self.inventory.of_type(DeviceType.CHF)
        if not hub:
            return
        if code == "AD1":
            self.power_outage(hub[0].eui, self.mail.now)
            return
        user = next(iter(self.users.values()))
        about = RequestId(user.eui, hub[0].eui, self.mail.next_counter())
        self.mail.dcc_alert(code, LOG_RESULT, {LOG_REQUEST: about}, user)
