"""Commands on their way between the DCC and devices: sealed, sent, awaited, kept for later, given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request
from bench.errors import CodecError
from bench.eui import Eui64
from bench.gbcs import asn1, crypto
from bench.gbcs.alerts import FUTURE_DATED_DONE, FUTURE_DATED_FAILED, Alert, FutureDatedAction
from bench.gbcs.message import Message
from bench.gbcs.use_cases import UseCase
from bench.parties import KeyUse, User
from drivers.emulated.comms_hub import CommsHub
from drivers.emulated.dcc_mail import BrokerKeys
from drivers.emulated.dcc_parts.base import Answered
from drivers.emulated.device import to_utc_ns
from drivers.emulated.schedule import Timer
from drivers.emulated.transforms.base import NEVER

if TYPE_CHECKING:
    from drivers.emulated.dcc import Dcc

_SHOW_NUMBER = "9.1"
"""The variant whose response tells the User what the meter's display shows now."""

_MOST = 256
"""Local commands whose responses are known when a User returns them, and alerts that are known if they come again; the
oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Order:
    """A command for a device.

    Attributes:
        request: what was asked; of a critical one the request that was transformed.
        use_case: of the command.
        message: the command, not sealed yet.
        instructions: how many 0x8F66 or 0x8F67 follow, where the device acts at a date.
        schedule: the schedule that it comes from, and the RequestID under which that was made.
    """

    request: Request
    use_case: UseCase
    message: Message
    instructions: int = 0
    schedule: tuple[int, RequestId] | None = None

    @property
    def key(self) -> tuple[Eui64, Eui64, int]:
        """What its response repeats: device, originator, originator counter."""
        return self.message.recipient, self.message.originator, self.message.originator_counter

    @property
    def date(self) -> datetime | None:
        """When it is to be carried out, where its request says so."""
        return date_of(self.request)


@dataclass(slots=True)
class _Pending:
    """A command that a device has not answered yet."""

    order: Order
    message: bytes
    timeout: Timer


@dataclass(slots=True)
class _Instructions:
    """A future-dated command that a device has not carried out in full yet."""

    order: Order
    timeout: Timer
    done: int = 0


class Delivery:
    """The DCC's way to devices and back.

    Args:
        dcc: whose it is.
        keys: the DCC's key pairs.

    Attributes:
        hub: the Comms Hub through which devices are reached, once it is attached.
    """

    def __init__(self, dcc: Dcc, keys: BrokerKeys) -> None:
        self._dcc, self._keys, self._world = dcc, keys, dcc.world
        self.hub: CommsHub | None = None
        self._pending: dict[tuple[Eui64, Eui64, int], _Pending] = {}
        self._instructions: dict[tuple[Eui64, int], _Instructions] = {}
        self._local: dict[tuple[Eui64, Eui64, int], Order] = {}
        self._waiting: list[tuple[Eui64, bytes]] = []
        self._told: dict[tuple[Eui64, int], tuple[Order, int]] = {}
        self._kept: dict[int, tuple[datetime, Order]] = {}
        self._last_kept = 0

    def is_pending(self, key: tuple[Eui64, Eui64, int]) -> bool:
        """Whether a command of this device, originator and counter is awaited."""
        return key in self._pending

    def request_behind(self, key: tuple[Eui64, Eui64, int]) -> RequestId:
        """The RequestID of a command of this device, originator and counter, or just these if nobody awaits it."""
        pending = self._pending.get(key)
        return pending.order.request.request_id if pending is not None else RequestId(key[1], key[0], key[2])

    def seal(self, message: Message) -> bytes:
        """A command with the tag that its device asks for."""
        device = self._world.identities.device(message.recipient, KeyUse.KEY_AGREEMENT)
        key = crypto.message_key(message, self._keys.agreement.private_key, device.private_key.public_key())
        return crypto.seal(message, key).encode()

    def send(self, order: Order) -> None:
        """Send a command to its device; its response goes to the User of the request."""
        target, raw = order.message.recipient, self.seal(order.message)
        if (repeated := self._pending.get(order.key)) is not None:
            repeated.timeout.cancel()
        timeout = self._world.schedule.after(self._world.spec.device_timeout, lambda: self._give_up(order.key))
        self._pending[order.key] = _Pending(order, raw, timeout)
        self._await_instructions(order)
        self._world.schedule.after(self._world.spec.wan_latency, lambda: self._pass_down(target, raw))

    def hold(self, until: datetime, order: Order, send: Callable[[Order], None]) -> None:
        """Keep an order and send it at a moment; at once, if that has passed."""
        self._last_kept += 1
        number = self._last_kept
        self._kept[number] = until, order

        def let_go() -> None:
            del self._kept[number]
            send(order)

        delay_s = (to_utc_ns(until) - self._world.clock.now().utc_ns) / 1e9
        self._world.schedule.after(max(0.0, delay_s), let_go)

    def save(self) -> dict[str, Any]:
        """Every order that is not settled, for another life of the world; deadlines as seconds to come."""
        return {
            "pending": [(each.order, each.message, each.timeout.left_s) for each in self._pending.values()],
            "instructions": [(each.order, each.done, each.timeout.left_s) for each in self._instructions.values()],
            "local": list(self._local.values()),
            "waiting": self._waiting,
            "kept": list(self._kept.values()),
        }

    def load(self, saved: Mapping[str, Any], away_s: float, send: Callable[[Order], None]) -> None:
        """Go on with the orders of an earlier life that ended `away_s` seconds ago.

        A command that was between DCC and hub goes down once more: a device takes no signed command twice.
        """
        after, hub = self._world.schedule.after, self.hub
        for order, done, left_s in saved["instructions"]:
            timeout = after(max(0.0, left_s - away_s), partial(self._time_out, order))
            self._instructions[_instructions_of(order)] = _Instructions(order, timeout, done)
        self._local = {order.key: order for order in saved["local"]}
        self._waiting = list(saved["waiting"])
        for until, order in saved["kept"]:
            self.hold(until, order, send)
        for order, raw, left_s in saved["pending"]:
            timeout = after(max(0.0, left_s - away_s), partial(self._give_up, order.key))
            self._pending[order.key] = _Pending(order, raw, timeout)
            target = order.message.recipient
            if (target, raw) not in self._waiting and hub is not None and not hub.carries(raw, order.key):
                after(self._world.spec.wan_latency, partial(self._pass_down, target, raw))
        if hub is not None and hub.on:
            self.hub_up()

    def hand_out(self, order: Order) -> bytes:
        """A command for a User to deliver over the HAN; its response may be returned (8.13)."""
        self._local[order.key] = order
        if len(self._local) > _MOST:
            del self._local[next(iter(self._local))]
        self._await_instructions(order)
        return self.seal(order.message)

    def handed_out(self, response: Message) -> Order | None:
        """The local command that a response answers, if that was handed out."""
        return self._local.get((response.originator, response.recipient, response.originator_counter))

    def settle_local(self, order: Order, response: Message) -> None:
        """Take note of the response to a local command as of one that came over the WAN.

        Raises:
            GbcsError: it is not a response of the command's use case.
        """
        answered = self._answered(order, response)
        del self._local[order.key]
        # The same command may be on its way over the WAN: its User has the response now.
        pending = self._pending.pop(order.key, None)
        if pending is not None:
            pending.timeout.cancel()
        self._note(order, answered)

    def is_authentic(self, response: Message) -> bool:
        """Whether a response is its device's, as far as the DCC can tell: a tag for a User is for the User to check."""
        device = self._world.identities.device
        if response.signature is not None:
            key = device(response.originator, KeyUse.DIGITAL_SIGNATURE).private_key.public_key()
            return crypto.verify_signature(response, key)
        if response.recipient != self._world.dcc:
            return True
        agreement = device(response.originator, KeyUse.KEY_AGREEMENT).private_key.public_key()
        return crypto.verify_mac(response, crypto.message_key(response, self._keys.agreement.private_key, agreement))

    # Devices -> DCC

    def response(self, message: Message, raw: bytes) -> None:
        """Hand a device's response to the User that it is for."""
        pending = self._pending.pop((message.originator, message.recipient, message.originator_counter), None)
        if pending is None:
            return
        pending.timeout.cancel()
        order = pending.order
        self._local.pop(order.key, None)
        answered = self._answered(order, message)
        head = self._dcc.header(order.request, "I0")
        number = None
        if order.schedule is not None:
            number, head["request_id"] = order.schedule
        variant = order.request.service_reference_variant
        sent = order.use_case.decode_command(order.message.content) if variant == _SHOW_NUMBER else {}
        shown = sent.get("customer_identification_number") if answered.response.ok else None
        self._dcc.mail.respond_to(
            order.request,
            duis.GbcsResponse(**head, payload=raw, schedule_id=number, customer_identification_number=shown),
        )
        self._note(order, answered)

    def instruction(self, message: Message, alert: Alert, raw: bytes) -> bool:
        """Pass on that an instruction of a future-dated command was carried out; False if the alert is about none."""
        if alert.code not in (FUTURE_DATED_DONE, FUTURE_DATED_FAILED):
            return False
        told = self._told.get((message.originator, message.originator_counter))
        if told is not None:
            # The same message once more: it tells of no other instruction.
            self._pass_on(*told, message, alert, raw)
            return True
        counter = _command_counter(alert)
        awaited = self._instructions.get((message.originator, counter)) if counter is not None else None
        if awaited is None or not _is_about(alert, awaited.order):
            return False
        order = awaited.order
        awaited.done += 1
        if awaited.done == order.instructions:
            self._forget_instructions(order)
        self._told[message.originator, message.originator_counter] = order, awaited.done
        if len(self._told) > _MOST:
            del self._told[next(iter(self._told))]
        self._pass_on(order, awaited.done, message, alert, raw)
        for part in self._dcc.parts:
            part.instruction(order, alert)
        return True

    def _pass_on(self, order: Order, number: int, message: Message, alert: Alert, raw: bytes) -> None:
        user = order.request.request_id.originator
        head = self._dcc.header(order.request, "I0")
        head["response_id"] = RequestId(message.originator, user, message.originator_counter)
        self._dcc.mail.post(
            duis.FutureDatedDeviceAlert(
                **head,
                alert_code=alert.code,
                payload=raw,
                instruction_number=number,
                total_instructions=order.instructions,
            )
        )

    def hub_up(self) -> None:
        """The hub is connected again: what waits for it goes down now."""
        waiting, self._waiting = self._waiting, []
        for target, raw in waiting:
            self._pass_down(target, raw)

    def _note(self, order: Order, answered: Answered) -> None:
        if not answered.response.ok:
            self._forget_instructions(order)
        for part in self._dcc.parts:
            part.note(answered)

    def _answered(self, order: Order, message: Message) -> Answered:
        outcome = order.use_case.outcome(message.content)
        entry = self._dcc.inventory.find(message.originator)
        return Answered(order.request, self._user(order), entry, order.use_case, outcome)

    def _user(self, order: Order) -> User:
        return self._dcc.users[order.request.request_id.originator]

    def _pass_down(self, target: Eui64, raw: bytes) -> None:
        if self.hub is None or not self.hub.down(target, raw):
            self._waiting.append((target, raw))

    def _give_up(self, key: tuple[Eui64, Eui64, int]) -> None:
        pending = self._pending.pop(key)
        unsent = (key[0], pending.message)
        reached = unsent not in self._waiting
        if not reached:
            self._waiting.remove(unsent)
        order = pending.order
        self._forget_instructions(order)
        self._fail(order, "E21" if reached else "E20")
        for part in self._dcc.parts:
            part.undelivered(order, self._user(order), reached)

    def _fail(self, order: Order, code: str) -> None:
        head = self._dcc.header(order.request, code)
        if order.schedule is not None:
            head["request_id"] = order.schedule[1]
        self._dcc.mail.respond_to(order.request, duis.ErrorResponse(**head))

    def _await_instructions(self, order: Order) -> None:
        date = order.date
        if date is not None and date >= NEVER:
            self._forget_planned(order)
        if not order.instructions or date is None:
            return
        self._forget_instructions(order)
        late_s = (to_utc_ns(date) - self._world.clock.now().utc_ns) / 1e9
        wait_s = max(0.0, late_s) + self._world.spec.device_timeout
        timeout = self._world.schedule.after(wait_s, lambda: self._time_out(order))
        self._instructions[_instructions_of(order)] = _Instructions(order, timeout)

    def _forget_planned(self, order: Order) -> None:
        """Wait no more for what a cancellation makes a device forget."""
        for each in [awaited.order for awaited in self._instructions.values()]:
            if each.message.recipient == order.message.recipient and each.use_case.name == order.use_case.name:
                self._forget_instructions(each)

    def _forget_instructions(self, order: Order) -> None:
        awaited = self._instructions.pop(_instructions_of(order), None)
        if awaited is not None:
            awaited.timeout.cancel()

    def _time_out(self, order: Order) -> None:
        del self._instructions[_instructions_of(order)]
        self._fail(order, "E30")


def date_of(request: Request) -> datetime | None:
    """When a request is to be carried out, where it says so."""
    moment = request.params.get("execution_date_time")
    assert moment is None or isinstance(moment, datetime)
    return moment


def _instructions_of(order: Order) -> tuple[Eui64, int]:
    return order.message.recipient, order.message.originator_counter


def _is_about(alert: Alert, order: Order) -> bool:
    """Whether an alert that names a message code names that of a command."""
    specific = alert.specific
    return not isinstance(specific, FutureDatedAction) or specific.message_code == order.message.message_code


def _command_counter(alert: Alert) -> int | None:
    """The originator counter of the command that a future-dated alert is about; None if it names none.

    In ASN.1 it is the first thing that is said, by CS06 in the alert itself and by CS02b and CS02g in a sequence.
    """
    if isinstance(alert.specific, FutureDatedAction):
        return alert.specific.originator_counter
    if not isinstance(alert.specific, bytes):
        return None
    cursor = asn1.Cursor(alert.specific)
    try:
        if cursor.next_tag == asn1.SEQUENCE:
            cursor = cursor.sequence("outcome")
        return cursor.integer("originator counter")
    except CodecError:
        return None
