"""From documents of the DCC to `seen.*` events: verified, read, and told apart by the User they are for.

A document that cannot be believed (its XML, its signature) is refused as a whole. One that can is believed for what
the DCC says; the GBCS message inside is judged on its own, and the event's `signature` says how that went.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from lxml import etree

from bench.device import DeviceContext
from bench.duis import responses as duis
from bench.duis import smets1
from bench.duis.correlation import Correlator, Exchange, Filed
from bench.duis.errors import DuisError, SignatureError
from bench.duis.request_id import RequestId
from bench.duis.service_requests import all_service_requests
from bench.duis.signatures import verify
from bench.eui import Eui64
from bench.gbcs import alerts, catalogue
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Cra, Framing, Message
from bench.gbcs.use_cases import Sender, use_case_for
from bench.parties import KeyUse
from drivers.concern import Interests
from drivers.gbcs_protection import VALID, answers, check_protection
from drivers.gbcs_values import alert_values, decode_response, to_json
from drivers.redaction import Redactor
from drivers.smets1_sightings import provider_alert, smets1_message

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Received:
    """A document whose XML signature is good.

    Attributes:
        message: what it says.
        digest: SHA-256 of the canonical content that was signed.
        filed: where the books put it: its request, and what is strange about when it came.
        exchange: everything that came for that request, or None.
    """

    message: duis.Response
    digest: str
    filed: Filed | None = field(default=None, compare=False)
    exchange: Exchange | None = field(default=None, compare=False)


class Sightings:
    """Reads what the DCC sends and puts it on the stream.

    Args:
        context: the gateway's surroundings.
        redactor: shared with what writes requests, so that a secret once sent stays hidden.
    """

    def __init__(self, context: DeviceContext, redactor: Redactor) -> None:
        self._context = context
        self._parties = context.parties
        self._redactor = redactor
        self._books = Correlator()
        self.local_commands: dict[str, bytes] = {}
        # Whatever is put on the stream while a message is reported is about that message.
        self._strange: list[str] = []

    def sent(self, request_id: RequestId, variant: str, command_variant: int, *, late_s: float) -> None:
        """Take note of a request before it is sent; what comes for it more than `late_s` from now is late."""
        deadline_ns = self._context.clock.now().mono_ns + round(late_s * 1e9)
        self._books.sent(request_id, variant, command_variant, deadline_ns=deadline_ns)

    def read(self, document: bytes) -> Received:
        """Verify a document's signature and read it.

        Only certificates of others than the rig's Users count: a document of the bench's own, sent back, is not
        from the DCC.

        Raises:
            DuisError: it is no DUIS message (SignatureError: or not one signed by somebody trusted and in time).
        """
        verified = verify(document, self._trusted())
        now = self._context.clock.now().utc
        if not verified.signer_valid_at(now):
            raise SignatureError(
                f"its certificate {verified.signer.serial_number:032x} is valid from"
                f" {verified.signer.not_valid_before_utc:%Y-%m-%d} to {verified.signer.not_valid_after_utc:%Y-%m-%d},"
                f" and the bench's clock says {now:%Y-%m-%d}",
                next_step="Fetch the certificate that replaces it from the SMKI repository",
            )
        canonical = etree.tostring(verified.root, method="c14n")
        message = duis.parse_response(verified.root)
        filed = self._books.received(message, at_ns=self._context.clock.now().mono_ns)
        exchange = self._books.exchanges.get(filed.request_id) if filed.request_id else None
        return Received(message, hashlib.sha256(canonical).hexdigest(), filed, exchange)

    @property
    def interests(self) -> Interests:
        """What concerns this rig of what the DCC posts."""
        return Interests(
            self._books.exchanges,
            frozenset(user.eui for user in self._parties.users.values()),
            frozenset(dut.eui for dut in self._parties.duts.values()),
            self._parties.dcc,
        )

    def _trusted(self) -> list[x509.Certificate]:
        own = [user.xml.certificate for user in self._parties.users.values()]
        return [each for each in self._parties.certificates.all(KeyUse.XML_SIGN) if each not in own]

    def _providers(self) -> list[x509.Certificate]:
        """Certificates of SMETS1 Service Providers: whoever is trusted and neither a User nor the DCC."""
        dcc = self._parties.certificates.find(self._parties.dcc, KeyUse.XML_SIGN)
        return [each for each in self._trusted() if each is not dcc]

    def refuse(self, what: str, why: str, *, volatile: Mapping[str, Any] | None = None) -> None:
        """Report what came and was not believed."""
        self._context.emit("seen.refused", {"what": what, "why": self._redactor.text(why)}, volatile=volatile)

    def report(self, received: Received, *, synchronous: bool = False) -> None:
        """Put what a document says on the stream, and what is strange about when it came."""
        message = received.message
        self._strange = [note.value for note in received.filed.notes] if received.filed else []
        if isinstance(message, duis.DccAlert):
            self._dcc_alert(message, received.digest)
        elif isinstance(message, duis.DeviceAlert | duis.FutureDatedDeviceAlert):
            self._device_alert(message, received.exchange)
        elif isinstance(message, duis.Smets1Response):
            self._smets1(message)
        elif isinstance(message, duis.ServiceResponse):
            self._response(message, received.digest, synchronous)

    def _dcc_alert(self, alert: duis.DccAlert, digest: str) -> None:
        if alert.body_name == "S1SPAlertDSP":
            self._provider_alert(alert)
            return
        request = alert.about_request
        recipient = alert.response_id.target if alert.response_id else None
        if recipient is None:
            recipient = next((each.originator for each in (alert.request_id, request) if each), None)
        self._emit(
            "seen.dcc_alert",
            recipient,
            {
                "code": alert.alert_code,
                "for_request": _text(request),
                "device": _text(alert.device_id),
                "values": to_json(alert.body),
                "signature": VALID,
                "digest": digest,
            },
        )

    def _device_alert(self, outer: duis.DeviceAlert | duis.FutureDatedDeviceAlert, exchange: Exchange | None) -> None:
        what = f"device alert 0x{outer.alert_code:04X}"
        message = self._gbcs(outer.payload, what)
        if message is None:
            return
        alert, fault = _decode_alert(message)
        request = outer.request_id
        recipient, _ = answers(message)
        device = message.originator
        faults = [
            fault,
            check_protection(message, self._parties),
            _criticality(outer.alert_code, message),
            *_parties_agree(message, outer.response_id, request),
        ]
        if alert is not None and alert.code != outer.alert_code:
            faults.append(f"the DCC calls it 0x{outer.alert_code:04X}, the device 0x{alert.code:04X}")
        data: dict[str, Any] = {
            "device": str(device),
            "code": f"0x{alert.code if alert else outer.alert_code:04X}",
            "counter": message.originator_counter,
            "device_time_utc_ns": _utc_ns(alert.timestamp) if alert else None,
            "values": alert_values(alert) if alert else {},
        }
        if isinstance(outer, duis.FutureDatedDeviceAlert):
            action = alert.specific if alert else None
            if isinstance(action, alerts.FutureDatedAction):
                faults.append(_same_command(action, request))
                request = request or RequestId(recipient, device, action.originator_counter)
            data |= {
                "for_request": _text(request),
                "instruction": outer.instruction_number,
                "total": outer.total_instructions,
            }
            if exchange is not None:
                missing = exchange.missing_instructions
                data |= {
                    "complete": exchange.complete,
                    "missing": None if missing is None else sorted(missing),
                    "failed": sorted(exchange.failed_instructions),
                }
        elif outer.throttled_count is not None:
            data |= {"throttled_sequence": outer.throttled_sequence_id, "throttled_count": outer.throttled_count}
        signed = {"signature": _first(faults), "digest": hashlib.sha256(outer.payload).hexdigest()}
        self._emit("seen.device_alert", recipient, data | signed)

    def _response(self, outer: duis.ServiceResponse, digest: str, synchronous: bool) -> None:
        variant = outer.service_reference_variant
        request = outer.request_id or (outer.response_id and outer.response_id.response_id())
        message = None
        if isinstance(outer, duis.GbcsResponse | duis.PreCommand | duis.LocalCommand):
            message = self._gbcs(outer.payload, f"answer to {variant}")
            if message is None:
                return
        signature, gbcs = VALID, None
        device = request.target if request else None
        recipient = request.originator if request else None
        if isinstance(outer, duis.GbcsResponse) and message is not None:
            recipient, counter = answers(message)
            # What goes to the broker alone names no User; then only the DCC knows whose it is.
            recipient = request.originator if request and recipient == self._parties.dcc else recipient
            device = message.originator
            signature = self._judge_response(outer, message, request)
            gbcs, fault = decode_response(message, self._parties)
            signature = fault if signature == VALID else signature
            digest = hashlib.sha256(outer.payload).hexdigest()
            if request is None:
                request = RequestId(recipient, device, counter)
        data: dict[str, Any] = {
            "request_id": _text(request),
            "service_request": variant,
            "response_code": outer.response_code,
            "synchronous": synchronous,
            "device": _text(device),
            "signature": signature,
            "digest": digest,
            "gbcs": gbcs,
        }
        if isinstance(outer, duis.LocalCommand):
            # To be delivered by hand: what the device says to it does not come by way of the DCC.
            data["local_command"] = True
            command = hashlib.sha256(outer.payload).hexdigest()
            data["values"] = {"command": command, "request_id": _text(request)}
            self.local_commands[command] = outer.payload
        elif isinstance(outer, duis.PreCommand):
            data["pre_command"] = True
        if isinstance(outer, duis.InventoryResponse):
            data["values"] = {"devices": [_inventory_entry(each) for each in outer.devices]}
        elif isinstance(outer, duis.DspResponse):
            data["values"] = to_json(outer.values)
        elif isinstance(outer, duis.GbcsResponse) and outer.schedule_id is not None:
            data["schedule"] = outer.schedule_id
        self._emit("seen.response", recipient, data)

    def _judge_response(self, outer: duis.GbcsResponse, message: Message, request: RequestId | None) -> str:
        recipient, counter = answers(message)
        variant = all_service_requests().get(outer.service_reference_variant)
        faults = [
            VALID if message.cra is Cra.RESPONSE else f"the GBCS message is no response but {message.cra.name.lower()}",
            check_protection(message, self._parties, broker_vouches=True),
        ]
        if variant is not None and variant.critical and message.framing is not Framing.SIGNED:
            faults.append("a response to a critical command must be signed, and this is not")
        if request is not None:
            # The request that made a schedule went to the DCC, and its body named the device.
            named = outer.schedule_id is None or request.target != self._parties.dcc
            about = request if named else replace(request, target=message.originator)
            faults += _parties_agree(message, None, about, broker=self._parties.dcc)
            # A response of a schedule repeats the counter of its own command, not that of the schedule's request; one
            # to the broker alone that of the broker's.
            own_counter = recipient == self._parties.dcc or outer.schedule_id is not None
            if counter != request.counter and not own_counter:
                faults.append(f"the device answers the command with counter {counter}, not {request.counter}")
        return _first(faults)

    def _provider_alert(self, alert: duis.DccAlert) -> None:
        """Report what a SMETS1 Service Provider says of itself (N55, N56); its own signature must be good, too."""
        self._emit("seen.dcc_alert", *provider_alert(alert, *self._provider_says(alert)))

    def _provider_says(self, message: duis.Smets1Response | duis.DccAlert) -> tuple[smets1.Smets1Content | None, str]:
        """What a provider says, and "valid"; or None, and why it is not believed."""
        try:
            verified = smets1.verify_provider(message, self._providers())
            if not verified.signer_valid_at(self._context.clock.now().utc):
                raise SignatureError("its certificate is not valid today")
        except DuisError as error:
            return None, f"the signature of the SMETS1 Service Provider: {error}"
        try:
            return smets1.parse_content(verified.root), VALID
        except DuisError as error:
            return None, f"the message of the SMETS1 Service Provider cannot be read: {error}"

    def _smets1(self, outer: duis.Smets1Response) -> None:
        """Report a SMETS1 message; its Service Provider's own signature must be good, too."""
        self._emit(*smets1_message(outer, *self._provider_says(outer)))

    def record_gbcs(self, direction: str, payload: bytes) -> None:
        """Put the bytes of a GBCS message on the stream."""
        hexadecimal = self._redactor.gbcs(payload)
        self._context.emit("wire", {"direction": direction, "hex": hexadecimal, "channel": "gbcs"})

    def _gbcs(self, payload: bytes, what: str) -> Message | None:
        """Record a GBCS message and read its frame; one that is none is refused."""
        self.record_gbcs("rx", payload)
        try:
            return Message.parse(payload)
        except GbcsError as error:
            self.refuse(what, f"its GBCS message cannot be read: {error}")
            return None

    def _emit(self, kind: str, recipient: Eui64 | None, data: Mapping[str, Any]) -> None:
        """Emit an event for the User with this ID, or say that there is none on this rig."""
        user = self._parties.user_by_eui(recipient) if recipient else None
        if self._strange:
            data = {**data, "strange": self._strange}
        if user is not None:
            self._context.emit(kind, {"user": user.name, **data})
        else:
            note = "it is for no User of this rig" if recipient else "it names no User"
            self._context.emit(kind, {"user": _text(recipient), **data, "note": note})


def _text(value: Eui64 | RequestId | None) -> str | None:
    return None if value is None else str(value)


def _utc_ns(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _UNIX_EPOCH) // timedelta(microseconds=1) * 1000


def _first(faults: Iterable[str]) -> str:
    """The first fault, or "valid"."""
    return next((fault for fault in faults if fault != VALID), VALID)


def _decode_alert(message: Message) -> tuple[alerts.Alert | None, str]:
    try:
        alert = alerts.decode_alert(message)
    except GbcsError as error:
        return None, f"its content cannot be read: {error}"
    return alert, VALID if alert else "its content is no alert that the bench can read"


def _same_command(action: alerts.FutureDatedAction, request: RequestId | None) -> str:
    """Whether the device reports on the command of this request, where the command had the User's own counter."""
    use_case = use_case_for(action.message_code)
    if request is None or use_case is None or use_case.sender is not Sender.USER:
        return VALID
    if action.originator_counter == request.counter:
        return VALID
    return f"the device reports on the command with counter {action.originator_counter}, not {request.counter}"


def _parties_agree(
    message: Message, response_id: RequestId | None, request: RequestId | None, *, broker: Eui64 | None = None
) -> list[str]:
    """What a GBCS message and the document around it say differently of device and User.

    A message that goes to the `broker` alone names no User.
    """
    device, (user, _) = message.originator, answers(message)
    pairs = [("device", device, response_id.originator), ("User", user, response_id.target)] if response_id else []
    if request is not None:
        pairs += [("device", device, request.target), ("User", user, request.originator)]
    return [
        f"the GBCS message names {inside} as its {what}, the DCC {outside}"
        for what, inside, outside in pairs
        if inside not in (outside, broker)
    ]


def _criticality(code: int, message: Message) -> str:
    entry = catalogue.alert_entry(code)
    if message.cra is not Cra.ALERT:
        return f"the GBCS message is no alert but {message.cra.name.lower()}"
    if entry is not None and entry.critical and message.framing is not Framing.SIGNED:
        return f"alert 0x{code:04X} is critical and must be signed, and this is not"
    return VALID


def _inventory_entry(device: duis.InventoryDevice) -> dict[str, Any]:
    entry = {
        "device_id": device.device_id,
        "type": device.device_type,
        "status": device.device_status,
        "manufacturer": device.device_manufacturer,
        "model": device.device_model,
    }
    return {key: to_json(value) for key, value in (entry | dict(device.more)).items()}
