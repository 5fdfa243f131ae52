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
from drivers.emulated.dcc_commands import Command, NotTransformable, transform
from drivers.emulated.dcc_inventory import (
    COMMISSIONED,
    DECOMMISSIONED,
    INSTALLED,
    PENDING,
    WHITELISTED,
    Entry,
    Inventory,
)
from drivers.emulated.dcc_mail import BrokerKeys, Mail, header
from drivers.emulated.dcc_rules import SUPPLIERS, Party, default_role, is_signed, refusal
from drivers.emulated.device import Sent, Surroundings
from drivers.emulated.schedule import Timer

GBCS_VERSION = "4.3"
"""The version of GBCS that pre-commands are made for."""

BAD_SIGNED_PRE_COMMAND = "E100"
"""Answers a signed pre-command whose signature or content is not right. No source gives the real code."""

_MOST_PRE_COMMANDS = 256
"""Transformed requests that are remembered until their User has signed them; the oldest are forgotten."""

_LOG_REQUEST = "update_han_device_log_service_request_id"
_NOT_DONE = {"12.2": "E120201", "8.4": "E080401", "8.2": "E19"}


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
        self._world, self._keys, self._mail, self.inventory = surroundings, keys, mail, inventory
        self._users = {user.eui: user for user in users}
        self._registered, self._on_supplier = registered, on_supplier
        self._hub: CommsHub | None = None
        self._pre_commands: dict[RequestId, tuple[Request, UseCase, Message]] = {}
        self._pending: dict[tuple[Eui64, Eui64, int], _Pending] = {}
        self._waiting: list[tuple[Eui64, bytes]] = []

    def attach(self, hub: CommsHub) -> None:
        """Reach devices through this Comms Hub."""
        self._hub = hub

    # Users -> DCC

    def handle(self, service: WebService, document: bytes) -> bytes:
        """Answer one Service Request, at once.

        Raises:
            Rejected: it is not signed by a User, or it is no Service Request at all.
        """
        try:
            verified = verify(document, [user.xml.certificate for user in self._users.values()])
            request = parse_request(verified.root)
        except CodecError as error:
            raise Rejected(str(error)) from None
        user = self._users.get(certificate_eui(verified.signer))
        party = Party(user.name, user.role, user.eui) if user else None
        code = refusal(
            request,
            service,
            party,
            dcc=self._world.dcc,
            find=self.inventory.find,
            serves=self._serves,
        )
        if code is not None or user is None:
            return self._answer(request, code or "E1")
        if service_request(request.service_reference_variant).target is Target.DCC:
            return self._update_inventory(request, user)
        try:
            return self._take(request, user)
        except NotTransformable as error:
            return self._answer(request, error.code)
        except CodecError:
            return self._answer(request, "E12")

    def _serves(self, entry: Entry, duty: str) -> Eui64 | None:
        if duty == "supplier" and entry.supplier is not None:
            return entry.supplier
        user = self._registered(entry.eui, duty)
        if user is not None:
            return user.eui
        role = default_role(entry, duty)
        return next((each.eui for each in self._users.values() if each.role == role), None)

    def _update_inventory(self, request: Request, user: User) -> bytes:
        variant, params = request.service_reference_variant, request.params
        if variant == "8.2":
            devices = self.inventory.read(params)
            if not devices:
                return self._answer(request, _NOT_DONE[variant])
            return self._mail.sign(duis.InventoryResponse(**self._header(request, "I0"), devices=devices))
        if variant == "12.2":
            supplier = user.eui if user.role in SUPPLIERS else None
            done = self.inventory.pre_notify(params, supplier)
            if done and supplier is not None:
                self._on_supplier(params["device_id"], user)
        elif variant == "8.4":
            done = self.inventory.update(params)
        else:
            done = True
            entry = self.inventory.find(params["device_id"])
            if entry is not None:
                entry.status, entry.commissioned = DECOMMISSIONED, None
        return self._answer(request, "I99" if done else _NOT_DONE[variant])

    def _take(self, request: Request, user: User) -> bytes:
        if is_signed(request):
            signed = self._signed_pre_command(request, user)
            if signed is None:
                return self._answer(request, BAD_SIGNED_PRE_COMMAND)
            original, use_case, message = signed
            self._send(original, use_case, message)
            return self._answer(request, "I99")
        target = self.inventory.find(request.request_id.target)
        assert target is not None  # the rules have seen it
        about = request.params.get("device_id") or request.params.get("other_device_id")
        other = self.inventory.find(about) if about is not None else None
        delivery_s = self._world.spec.device_timeout
        command = transform(request, target.type, other.type if other else None, self._mail.now, delivery_s)
        message = self._command_message(request, command)
        if request.command_variant != CV_TRANSFORM:
            self._send(request, command.use_case, message)
            return self._answer(request, "I99")
        self._pre_commands[request.request_id] = (request, command.use_case, message)
        if len(self._pre_commands) > _MOST_PRE_COMMANDS:
            del self._pre_commands[next(iter(self._pre_commands))]
        payload = replace(message, null_signature=True).encode()
        return self._mail.sign(
            duis.PreCommand(**self._header(request, "I0"), gbcs_version=GBCS_VERSION, payload=payload)
        )

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
            originator=self._world.dcc,
            recipient=request_id.target,
            originator_counter=self._mail.next_counter(),
            user=request_id.originator if for_user else None,
            user_counter=request_id.counter if for_user else None,
        )
        return crypto.sign(message, self._keys.signing.private_key) if use_case.broker_signs else message

    # DCC -> devices

    def _send(self, request: Request, use_case: UseCase, message: Message) -> None:
        target = message.recipient
        agreement = self._world.identities.device(target, KeyUse.KEY_AGREEMENT).private_key.public_key()
        key = crypto.message_key(message, self._keys.agreement.private_key, agreement)
        raw = crypto.seal(message, key).encode()
        awaited = (target, message.originator, message.originator_counter)
        if (repeated := self._pending.get(awaited)) is not None:
            repeated.timeout.cancel()
        timeout = self._world.schedule.after(self._world.spec.device_timeout, lambda: self._give_up(awaited))
        self._pending[awaited] = _Pending(request, use_case, raw, timeout)
        self._world.schedule.after(self._world.spec.wan_latency, lambda: self._pass_down(target, raw))

    def _pass_down(self, target: Eui64, raw: bytes) -> None:
        if self._hub is None or not self._hub.down(target, raw):
            self._waiting.append((target, raw))

    def _give_up(self, awaited: tuple[Eui64, Eui64, int]) -> None:
        pending = self._pending.pop(awaited)
        unsent = (awaited[0], pending.message)
        reached = unsent not in self._waiting
        if not reached:
            self._waiting.remove(unsent)
        error = duis.ErrorResponse(**self._header(pending.request, "E21" if reached else "E20"))
        self._mail.respond(pending.request.service_reference_variant, error)

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
            operator = self._users.get(self._serves(meter, "operator") or hub)
            mpxn = self.inventory.metering_point(meter)
            if operator is not None and mpxn:
                body = {"comms_hub_device_id": hub, "start_date_time": start, "mpxn": mpxn}
                self._mail.dcc_alert("AD1", "PowerOutageEvent", body, operator)

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
        outcome = pending.use_case.decode_response(message.content)
        variant = pending.request.service_reference_variant
        self._mail.respond(variant, duis.GbcsResponse(**self._header(pending.request, "I0"), payload=raw))
        self._take_note(pending.request, outcome.ok)

    def _take_note(self, request: Request, ok: bool) -> None:
        """What the DCC concludes from a device's response."""
        variant, params = request.service_reference_variant, request.params
        user = self._users[request.request_id.originator]
        if variant == "8.11":
            self._log_updated(request, user, ok)
        entry = self.inventory.find(request.request_id.target)
        if entry is None or not ok:
            return
        if variant == "8.1.1":
            entry.status, entry.commissioned, entry.supplier = COMMISSIONED, self._mail.now, user.eui
            self._on_supplier(entry.eui, user)
        elif variant == "6.20.1":
            entry.mpxn = params.get("import_mpan") or params.get("import_mprn")

    def _log_updated(self, request: Request, user: User, ok: bool) -> None:
        faults = self._world.faults
        entry = self.inventory.find(request.params["device_id"])
        if ok and entry is not None:
            entry.mpxn = request.params.get("import_mpxn", entry.mpxn)
            if request.params["request_type"] == "Add" and entry.status == PENDING:
                entry.status = WHITELISTED
            elif request.params["request_type"] == "Remove" and entry.status in (WHITELISTED, INSTALLED):
                entry.status = PENDING
        if faults.find("n24-missing"):
            return
        about = request.request_id
        if faults.find("n24-wrong-request"):
            about = replace(about, counter=about.counter - 1)
        self._mail.dcc_alert("N24" if ok else "N25", "UpdateHANDeviceLogResult", {_LOG_REQUEST: about}, user)

    def _device_alert(self, message: Message, raw: bytes) -> None:
        entry = self.inventory.find(message.originator)
        alert = alerts.decode_alert(message)
        if entry is None or alert is None or message.recipient not in self._users:
            return
        # Of a device that is not commissioned nobody is told more than that it has joined.
        if entry.status != COMMISSIONED and (entry.status, alert.code) != (INSTALLED, alerts.DEVICE_JOINED):
            return
        response_id = RequestId(message.originator, message.recipient, message.originator_counter)
        now = self._mail.now
        self._mail.post(
            duis.DeviceAlert(response_id=response_id, response_date_time=now, alert_code=alert.code, payload=raw)
        )

    def _header(self, request: Request, code: str) -> dict[str, Any]:
        return header(request, code, self._mail.now)

    def _answer(self, request: Request, code: str) -> bytes:
        kind = duis.Acknowledgement if code.startswith("I") else duis.ErrorResponse
        return self._mail.sign(kind(**self._header(request, code)))

    def raise_alert(self, code: str) -> None:
        """Send a DCC alert that nothing has caused, to whom such a one would go: a fault."""
        hub = self.inventory.of_type(DeviceType.CHF)
        if not hub:
            return
        if code == "AD1":
            self.power_outage(hub[0].eui, self._mail.now)
            return
        user = next(iter(self._users.values()))
        about = RequestId(user.eui, hub[0].eui, self._mail.next_counter())
        self._mail.dcc_alert(code, "UpdateHANDeviceLogResult", {_LOG_REQUEST: about}, user)
