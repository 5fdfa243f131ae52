"""The emulated DCC: takes Service Requests, makes commands of them, and tells Users what devices answer and say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from cryptography.hazmat.primitives import serialization

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request, parse_request
from bench.duis.safe_xml import MAX_BYTES, MAX_FIRMWARE_BYTES
from bench.duis.service_requests import CV_TRANSFORM, Target, WebService, service_request
from bench.duis.signatures import certificate_eui, verify
from bench.errors import CodecError
from bench.eui import Eui64
from bench.gbcs import alerts, crypto
from bench.gbcs.hub_use_cases import Backup
from bench.gbcs.message import Cra, Framing, Message
from bench.gbcs.use_cases import Sender
from bench.parties import DeviceType, KeyUse, User
from drivers.emulated.comms_hub import CommsHub
from drivers.emulated.dcc_delivery import Delivery, Order, date_of
from drivers.emulated.dcc_inventory import COMMISSIONED, INSTALLED, PENDING, WHITELISTED, Entry, Inventory
from drivers.emulated.dcc_mail import BrokerKeys, Mail, header
from drivers.emulated.dcc_parts.base import Part, Service
from drivers.emulated.dcc_parts.device_logs import DeviceLogs
from drivers.emulated.dcc_parts.installation import LOG_REQUEST, LOG_RESULT
from drivers.emulated.dcc_parts.registry import PARTS
from drivers.emulated.dcc_parts.smets1 import Smets1
from drivers.emulated.dcc_rules import ALSO_LOCAL, ONLY_LOCAL, Party, default_role, is_signed, refusal
from drivers.emulated.device import Sent, Surroundings
from drivers.emulated.transforms.base import NEVER, Command, NotTransformable, Wanted
from drivers.emulated.transforms.registry import transform

_P = TypeVar("_P", bound=Part)

GBCS_VERSION = "4.3"
"""The version of GBCS that pre-commands are made for."""

_REJECTED = "E4"
BAD_SIGNED_PRE_COMMAND = "E100"
"""Answers a signed pre-command whose signature or content is not right. No source gives the real code."""

_MOST_PRE_COMMANDS = 256
"""Transformed requests that are remembered until their User has signed them; the oldest are forgotten."""


class Rejected(Exception):
    """A document that the DCC does not even answer in DUIS; the text says why."""


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
        notified: the User ID that whoever serves a SMETS1 device as "supplier" or "operator" has told the DCC to use.

    Attributes:
        world: what all models share.
        keys: its own key pairs.
        mail: the way to its Users.
        inventory: the devices that it knows.
        users: the Users, by User ID.
        on_supplier: told that a device has come to a supplier.
        delivery: its way to devices and back.
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
        notified: Callable[[Eui64, str], User | None] = lambda eui, duty: None,
    ) -> None:
        self.world, self.keys, self.mail, self.inventory = surroundings, keys, mail, inventory
        self.users = {user.eui: user for user in users}
        self._registered, self.on_supplier, self._notified = registered, on_supplier, notified
        self.delivery = Delivery(self, keys)
        self.parts = tuple(part(self) for part in PARTS)
        self._services: dict[str, Service] = {name: each for part in self.parts for name, each in part.services.items()}
        self._pre_commands: dict[RequestId, Order] = {}

    def attach(self, hub: CommsHub) -> None:
        """Reach devices through this Comms Hub."""
        self.delivery.hub = hub

    def part(self, kind: type[_P]) -> _P:
        """Its part of a kind."""
        return next(each for each in self.parts if isinstance(each, kind))

    def save(self) -> dict[str, Any]:
        """Everything that it knows, for another life of the world."""
        return {
            "inventory": self.inventory.save(),
            "counter": self.mail.counter,
            "pre_commands": list(self._pre_commands.values()),
            "delivery": self.delivery.save(),
            "parts": {type(part).__name__: part.save() for part in self.parts if part.remembers},
        }

    def load(self, saved: Mapping[str, Any], away_s: float) -> None:
        """Go on where an earlier life of the world stopped, `away_s` seconds ago."""
        self.inventory.load(saved["inventory"])
        self.mail.counter = max(self.mail.counter, saved["counter"])
        self._pre_commands = {order.request.request_id: order for order in saved["pre_commands"]}
        for part in self.parts:
            part.load(saved["parts"].get(type(part).__name__, {}))
        self.delivery.load(saved["delivery"], away_s, self._send_kept)

    # Users -> DCC

    def handle(self, service: WebService, document: bytes) -> bytes:
        """Answer one Service Request, at once.

        Raises:
            Rejected: it is not signed by a User, or it is no Service Request at all.
        """
        try:
            most = MAX_FIRMWARE_BYTES if service is WebService.DCC_ONLY else MAX_BYTES
            verified = verify(document, [user.xml.certificate for user in self.users.values()], max_bytes=most)
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
            unnotified=self._of_party,
        )
        if (rejects := self.world.faults.find("dcc-rejects")) is not None:
            code = code or rejects.argument or _REJECTED
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
        user = self._notified(entry.eui, duty) or self._registered(entry.eui, duty)
        if user is not None:
            return user.eui
        role = default_role(entry, duty)
        return next((each.eui for each in self.users.values() if each.role == role), None)

    def _of_party(self, entry: Entry, duty: str) -> Eui64 | None:
        """The first User ID of the party that serves a SMETS1 device, where that has notified another one for it."""
        notified, first = self._notified(entry.eui, duty), self._registered(entry.eui, duty)
        if notified is None or first is None or notified.eui not in (self._serves(entry, duty), first.eui):
            return None
        return first.eui

    def _serve(self, request: Request, user: User) -> bytes:
        """Answer a request that no device sees."""
        service = self._services.get(request.service_reference_variant)
        answer = "E12" if service is None else service(request, user)
        return self._answer(request, answer) if isinstance(answer, str) else self.mail.sign(answer)

    def _take(self, request: Request, user: User) -> bytes:
        if self._is_smets1(request):
            return self._answer(request, self.part(Smets1).take(request, user))
        if is_signed(request):
            signed = self._signed_pre_command(request, user)
            return self._answer(request, BAD_SIGNED_PRE_COMMAND) if signed is None else self._carry_out(request, signed)
        order = self.order(request, user)
        if request.command_variant != CV_TRANSFORM:
            return self._carry_out(request, order)
        self._pre_commands[request.request_id] = order
        if len(self._pre_commands) > _MOST_PRE_COMMANDS:
            del self._pre_commands[next(iter(self._pre_commands))]
        payload = replace(order.message, null_signature=True).encode()
        return self.mail.sign(duis.PreCommand(**self.header(request, "I0"), gbcs_version=GBCS_VERSION, payload=payload))

    def _carry_out(self, request: Request, order: Order) -> bytes:
        """Send a command, hand it out for local delivery, or keep it until its date: whatever the request says.

        A device that knows dates gets its command at once, and so does one that is to forget what it has planned; for
        all others the DCC waits.
        """
        date = date_of(request)
        at_once = date is None or order.instructions or date <= self.mail.now or date >= NEVER
        kept = None if at_once else date
        if kept is not None and request.command_variant in ALSO_LOCAL:
            return self._answer(request, "E17")
        if kept is not None:
            self.delivery.hold(kept, order, self._send_kept)
        elif request.command_variant not in ONLY_LOCAL:
            self.delivery.send(order)
        if request.command_variant not in ALSO_LOCAL:
            return self._answer(request, "I99")
        payload = self.delivery.hand_out(order)
        return self.mail.sign(duis.LocalCommand(**self.header(request, "I0"), payload=payload))

    def issue(self, request: Request, user: User, schedule: tuple[int, RequestId]) -> None:
        """Send the request of a schedule to its device.

        Raises:
            NotTransformable: there is no command for it.
            CodecError: a parameter does not fit.
        """
        if not self._is_smets1(request):
            self.delivery.send(self.order(request, user, schedule))
        elif (code := self.part(Smets1).take(request, user, schedule)) != "I99":
            raise NotTransformable(code)

    def _is_smets1(self, request: Request) -> bool:
        entry = self.inventory.find(request.request_id.target)
        return entry is not None and entry.smets1

    def _send_kept(self, order: Order) -> None:
        """Send what was kept; what says its own time is made anew, for the time that it is now."""
        request = order.request
        user = self.users[request.request_id.originator]
        try:
            self.delivery.send(order if order.use_case.critical else self.order(request, user))
        except NotTransformable as error:
            self._respond_error(request, error.code)

    def order(self, request: Request, user: User, schedule: tuple[int, RequestId] | None = None) -> Order:
        """Make the command of a request.

        Raises:
            NotTransformable: there is none; E19: the device is not known any more.
            CodecError: a parameter does not fit.
        """
        target = self.inventory.find(request.request_id.target)
        if target is None:
            raise NotTransformable("E19")
        about = request.params.get("device_id") or request.params.get("other_device_id")
        other = self.inventory.find(about) if about is not None else None
        delivery_s = self.world.spec.device_timeout
        wanted = Wanted(
            request,
            target.type,
            other.type if other else None,
            user.role,
            self.mail.now,
            delivery_s,
            self._certificate(other) if other is not None else None,
            self.part(DeviceLogs).restorable(request.params),
        )
        command = transform(wanted)
        known = user.eui in (self._serves(target, "supplier"), self._serves(target, "operator"))
        message = self._message(request, command, known=known)
        return Order(request, command.use_case, message, command.instructions, schedule)

    def _certificate(self, entry: Entry) -> bytes:
        """The certificate of a device for key agreement, from the SMKI repository."""
        pair = self.world.identities.device(entry.eui, KeyUse.KEY_AGREEMENT)
        return pair.certificate.public_bytes(serialization.Encoding.DER)

    def _signed_pre_command(self, request: Request, user: User) -> Order | None:
        """The command behind a signed pre-command, if it is what was transformed and the User signed it."""
        known = self._pre_commands.get(request.request_id)
        try:
            message = Message.parse(request.params["gbcs_payload"])
        except CodecError:
            return None
        key = user.signing.private_key.public_key()
        if known is None or message.framing is not Framing.SIGNED or message.tbs != known.message.tbs:
            return None
        if not crypto.verify_signature(message, key):
            return None
        del self._pre_commands[request.request_id]
        return replace(known, message=message)

    def _is_known_to_device(self, request_id: RequestId) -> bool:
        """Whether a device holds credentials of a User: of its supplier and its network operator only."""
        entry = self.inventory.find(request_id.target)
        assert entry is not None  # the rules have seen it
        return request_id.originator in [self._serves(entry, duty) for duty in ("supplier", "operator")]

    def _message(self, request: Request, command: Command, *, known: bool) -> Message:
        """The message of a command, signed by the broker where that is its part, not sealed yet."""
        use_case, request_id = command.use_case, request.request_id
        sender = use_case.sender
        if sender is Sender.USER and not use_case.critical and not self._is_known_to_device(request_id):
            sender = Sender.BROKER_FOR_USER
        if sender is Sender.USER:
            return use_case.build_command(
                command.params,
                originator=request_id.originator,
                recipient=request_id.target,
                originator_counter=request_id.counter,
            )
        for_user = sender is Sender.BROKER_FOR_USER
        certificate = None
        if for_user and use_case.protected:
            agreement = self.users[request_id.originator].agreement.certificate
            certificate = agreement.public_bytes(serialization.Encoding.DER)
        message = use_case.build_command(
            command.params,
            originator=self.world.dcc,
            recipient=request_id.target,
            originator_counter=self.mail.next_counter(),
            user=request_id.originator if for_user else None,
            user_counter=request_id.counter if for_user else None,
            user_certificate=certificate,
        )
        return crypto.sign(message, self.keys.signing.private_key) if use_case.broker_signs else message

    # Comms Hub -> DCC

    def hub_up(self) -> None:
        """The hub is connected again: what waits for it goes down now."""
        self.delivery.hub_up()

    def joined(self, device: Eui64) -> None:
        """A device has become a member of the HAN."""
        entry = self.inventory.find(device)
        if entry is not None and entry.status in (PENDING, WHITELISTED):
            entry.status = INSTALLED

    def log_changed(self, hub: Eui64, backup: Backup) -> None:
        """A hub has handed over its device log, as it is now."""
        self.part(DeviceLogs).keep(hub, backup)

    def power_outage(self, hub: Eui64, start: datetime) -> None:
        """The hub's supply is gone: AD1 to the network operator of every meter around it."""
        entry = self.inventory.find(hub)
        if entry is None or entry.status != COMMISSIONED:
            return
        for meter in self.inventory.on_han(hub):
            if meter.type not in (DeviceType.ESME, DeviceType.GSME):
                continue
            operator = self.serving(meter, "operator")
            mpxn = self.inventory.metering_point(meter)
            if operator is not None and mpxn:
                body = {"comms_hub_device_id": hub, "start_date_time": start, "mpxn": mpxn}
                self.mail.dcc_alert("AD1", "PowerOutageEvent", body, operator)

    def from_device(self, sent: Sent) -> None:
        """A device's message has come: hand it to the User that it is for."""
        message = Message.parse(sent.message)
        if message.cra is Cra.RESPONSE:
            self.delivery.response(message, sent.message)
        elif message.cra is Cra.ALERT:
            self._device_alert(message, sent.message)

    def _device_alert(self, message: Message, raw: bytes) -> None:
        entry = self.inventory.find(message.originator)
        alert = alerts.decode_alert(message)
        if entry is None or alert is None or self.delivery.instruction(message, alert, raw):
            return
        if message.recipient == self.world.dcc:
            # What is for the DCC is no User's: its parts take note of it, or nobody does.
            any(part.alert(entry, alert, message) for part in self.parts)
            return
        if message.recipient not in self.users:
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

    def _respond_error(self, request: Request, code: str) -> None:
        self.mail.respond_to(request, duis.ErrorResponse(**self.header(request, code)))

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
