"""Which request a message from the DCC belongs to, and what is strange about when it came.

Pure book-keeping: nothing is sent, awaited or thrown away. Times are the caller's, in nanoseconds of one clock.
What no request explains is kept as well, and moves to its request if that is recorded later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bench.duis.messages import (
    Acknowledgement,
    DccAlert,
    DeviceAlert,
    ErrorResponse,
    FutureDatedDeviceAlert,
    GbcsResponse,
    LocalCommand,
    PreCommand,
    Response,
    ServiceResponse,
    Smets1Response,
)
from bench.duis.request_id import RequestId
from bench.gbcs import alerts
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Cra, Message

_FAILED = 0x8F67


class Clue(StrEnum):
    """By what a message was found to belong to a request, the strongest first."""

    REQUEST_ID = "RequestID of the header"
    ALERT_BODY = "RequestID in the body of the DCC Alert"
    RESPONSE_ID = "ResponseID of the header, which reverses the parties"
    SUPPLEMENTARY_COUNTER = "supplementary remote party counter of the GBCS message"
    ORIGINATOR_COUNTER = "originator counter of the GBCS message"
    COMMAND_COUNTER = "originator counter of the command that a future-dated alert reports on"


class Note(StrEnum):
    """What is strange about a message."""

    LATE = "late"
    """It came after the deadline of its request, or after that was closed."""
    DUPLICATE = "duplicate"
    """The very same message came before."""
    REPEATED = "repeated"
    """Another message came before in its place: a second response, a second alert for one instruction."""
    OUT_OF_ORDER = "out of order"
    """It came before its request was recorded, or after what follows it: an acknowledgement after the response."""
    CONTRADICTORY = "contradictory"
    """Its clues name different requests, or it counts instructions as no other alert of its command does."""
    UNSOLICITED = "unsolicited"
    """It answers a request, but none that is known."""


@dataclass(frozen=True, slots=True)
class Filed:
    """One message as it came.

    Attributes:
        message: the message.
        at_ns: when it came.
        number: how many came before it.
        claims: the requests that it says it belongs to, with the clue for each, the strongest first.
        request_id: the request that it is filed under; None: an alert that nobody asks for, or unsolicited.
        clue: by what it was found; None if it was not.
        notes: what is strange about it, each at most once.
    """

    message: Response
    at_ns: int
    number: int
    claims: tuple[tuple[Clue, RequestId], ...]
    request_id: RequestId | None = None
    clue: Clue | None = None
    notes: tuple[Note, ...] = ()


@dataclass(slots=True)
class Exchange:
    """One RequestID and everything that came for it.

    Attributes:
        request_id: the RequestID.
        variants: Service Reference Variant and Command Variant of each time it was sent: a critical request is sent
            for transformation and again as a Signed Pre-Command.
        deadline_ns: what comes later is late; None: nothing is.
        closed: whether nothing more is awaited.
        filed: the messages, in the order in which they came.
    """

    request_id: RequestId
    variants: list[tuple[str, int]] = field(default_factory=list)
    deadline_ns: int | None = None
    closed: bool = False
    filed: list[Filed] = field(default_factory=list)

    def _first_of(self, *kinds: type[Response]) -> Filed | None:
        return next((each for each in self.filed if isinstance(each.message, kinds)), None)

    @property
    def acknowledged(self) -> bool:
        """Whether the DCC accepted it for the device."""
        return self._first_of(Acknowledgement) is not None

    @property
    def response(self) -> Filed | None:
        """The first answer of the device, or of the DCC to a request that no device sees."""
        return next((each for each in self.filed if _place(each.message) == "response"), None)

    @property
    def refusal(self) -> Filed | None:
        """The first error response."""
        return self._first_of(ErrorResponse)

    @property
    def dcc_alerts(self) -> tuple[Filed, ...]:
        """The DCC Alerts about it: N24 or N25 for an 8.11, N53 for a command that was not delivered."""
        return tuple(each for each in self.filed if isinstance(each.message, DccAlert))

    @property
    def totals(self) -> frozenset[int]:
        """How many instructions its command has, as the future-dated alerts say: one number, if they agree."""
        return frozenset(each.total_instructions for each in self._instructions())

    @property
    def instructions(self) -> frozenset[int]:
        """The instructions of a future-dated command that were reported, from 1."""
        return frozenset(
            each.instruction_number
            for each in self._instructions()
            if 1 <= each.instruction_number <= each.total_instructions
        )

    @property
    def failed_instructions(self) -> frozenset[int]:
        """Those of them that the device could not carry out (0x8F67)."""
        failed = (each.instruction_number for each in self._instructions() if each.alert_code == _FAILED)
        return frozenset(failed) & self.instructions

    @property
    def missing_instructions(self) -> frozenset[int] | None:
        """Those that were not reported yet; None: how many there are is not known, or contradictory."""
        if len(self.totals) != 1:
            return None
        return frozenset(range(1, max(self.totals) + 1)) - self.instructions

    @property
    def complete(self) -> bool:
        """Whether every instruction 1 to Total of a future-dated command was reported, done or failed."""
        return bool(self.totals) and self.missing_instructions == frozenset()

    def _instructions(self) -> Iterator[FutureDatedDeviceAlert]:
        return (each.message for each in self.filed if isinstance(each.message, FutureDatedDeviceAlert))


class Correlator:
    """The books of one bench: every request that it sent, every message that came.

    Attributes:
        exchanges: by RequestID, in the order in which they were first sent.
        unsolicited: messages that answer no request that is known, in the order in which they came.
        unasked: alerts that nobody asks for, in the order in which they came.
    """

    def __init__(self) -> None:
        self.exchanges: dict[RequestId, Exchange] = {}
        self.unsolicited: list[Filed] = []
        self.unasked: list[Filed] = []
        self._received = 0
        self._seen: dict[str, int] = {}

    def sent(
        self, request_id: RequestId, variant: str, command_variant: int, *, deadline_ns: int | None = None
    ) -> Exchange:
        """Record that a request is sent; before it is, if possible, since answers can be quick.

        The same RequestID may be sent again, as a critical one must be; the last deadline counts.
        """
        exchange = self.exchanges.setdefault(request_id, Exchange(request_id))
        exchange.variants.append((variant, command_variant))
        exchange.deadline_ns = deadline_ns
        exchange.closed = False
        early = [each for each in self.unsolicited if any(claim == request_id for _, claim in each.claims)]
        for filed in early:
            self.unsolicited.remove(filed)
            notes = tuple(note for note in filed.notes if note is not Note.UNSOLICITED)
            self._file(replace(filed, notes=(*notes, Note.OUT_OF_ORDER)))
        return exchange

    def close(self, request_id: RequestId) -> None:
        """Record that nothing more is awaited for a request; what comes all the same is late.

        Raises:
            KeyError: it was never sent.
        """
        self.exchanges[request_id].closed = True

    def received(self, message: Response, *, at_ns: int) -> Filed:
        """Record a message and say where it belongs and what is strange about it. It is kept in any case."""
        identity = _identity(message)
        seen = self._seen.get(identity, 0)
        self._seen[identity] = seen + 1
        filed = Filed(message, at_ns, self._received, tuple(_claims(message)))
        self._received += 1
        return self._file(replace(filed, notes=(Note.DUPLICATE,)) if seen else filed)

    def _file(self, filed: Filed) -> Filed:
        found = [(clue, claim) for clue, claim in filed.claims if claim in self.exchanges]
        if not found:
            if not filed.claims:
                self.unasked.append(filed)
                return filed
            filed = replace(filed, notes=(*filed.notes, Note.UNSOLICITED))
            self.unsolicited.append(filed)
            return filed
        clue, request_id = found[0]
        exchange = self.exchanges[request_id]
        notes = dict.fromkeys(filed.notes)
        notes |= dict.fromkeys(_strange(filed, exchange))
        if any(claim != request_id for _, claim in found):
            notes[Note.CONTRADICTORY] = None
        filed = replace(filed, request_id=request_id, clue=clue, notes=tuple(notes))
        exchange.filed.append(filed)
        return filed


def _strange(filed: Filed, exchange: Exchange) -> Iterator[Note]:
    message = filed.message
    if exchange.closed or (exchange.deadline_ns is not None and filed.at_ns > exchange.deadline_ns):
        yield Note.LATE
    place, rank = _place(message), _rank(message)
    if Note.DUPLICATE not in filed.notes:
        others = [each for each in exchange.filed if Note.DUPLICATE not in each.notes]
        if place and sum(_place(each.message) == place for each in others) >= max(1, _allowed(message, exchange)):
            yield Note.REPEATED
        later = (_rank(each.message) for each in others)
        if rank is not None and any(each is not None and each > rank for each in later):
            yield Note.OUT_OF_ORDER
    if isinstance(message, FutureDatedDeviceAlert):
        fits = 1 <= message.instruction_number <= message.total_instructions
        if not fits or exchange.totals - {message.total_instructions}:
            yield Note.CONTRADICTORY


def _allowed(message: Response, exchange: Exchange) -> int:
    """How many messages may come in one place: an acknowledgement for each time that the request was sent."""
    return len(exchange.variants) if isinstance(message, Acknowledgement) else 1


def _place(message: Response) -> str | None:
    """What a message is to its request, where there can be one such only; None: there can be any number."""
    if isinstance(message, PreCommand):
        return "pre-command"
    if isinstance(message, Acknowledgement):
        return "acknowledgement"
    if isinstance(message, LocalCommand):
        return "local command"
    if isinstance(message, FutureDatedDeviceAlert):
        return f"instruction {message.instruction_number}"
    if isinstance(message, DccAlert):
        return "result of the update" if message.alert_code in ("N24", "N25") else None
    if isinstance(message, GbcsResponse | Smets1Response) and message.schedule_id is not None:
        return None
    if isinstance(message, ServiceResponse):
        return "error" if isinstance(message, ErrorResponse) else "response"
    if isinstance(message, Smets1Response) and message.device_alert_code is None:
        return "response"
    return None


def _rank(message: Response) -> int | None:
    """Where a message stands among those of one request; None: it may come at any time."""
    if isinstance(message, PreCommand):
        return 0
    if isinstance(message, Acknowledgement | LocalCommand):
        return 1
    if isinstance(message, FutureDatedDeviceAlert):
        return 2 + message.instruction_number
    return 2 if _place(message) == "response" else None


def _identity(message: Response) -> str:
    payload = getattr(message, "payload", None)
    if isinstance(payload, bytes):
        # The same message of a device, whenever the DCC passes it on.
        number = getattr(message, "instruction_number", "")
        return f"{type(message).__name__} {number} {hashlib.sha256(payload).hexdigest()}"
    return hashlib.sha256(repr(message).encode()).hexdigest()


def _claims(message: Response) -> Iterator[tuple[Clue, RequestId]]:
    """The requests that a message says it belongs to."""
    if isinstance(message, DccAlert):
        # Its header, if that names a request at all, need not name the one that it is about.
        if message.about_request is not None:
            yield Clue.ALERT_BODY, message.about_request
        return
    if message.request_id is not None:
        yield Clue.REQUEST_ID, message.request_id
    if isinstance(message, DeviceAlert) or (
        isinstance(message, Smets1Response) and message.device_alert_code is not None
    ):
        return
    if message.response_id is not None and not isinstance(message, FutureDatedDeviceAlert):
        yield Clue.RESPONSE_ID, message.response_id.response_id()
    if isinstance(message, GbcsResponse | FutureDatedDeviceAlert):
        yield from _gbcs_claims(message.payload)


def _gbcs_claims(payload: bytes) -> Iterator[tuple[Clue, RequestId]]:
    try:
        message = Message.parse(payload)
        alert = alerts.decode_alert(message) if message.cra is Cra.ALERT else None
    except GbcsError:
        return
    party, counter = message.supplementary_remote_party, message.supplementary_remote_party_counter
    if message.cra is Cra.RESPONSE:
        if party is None:
            yield Clue.ORIGINATOR_COUNTER, RequestId(message.recipient, message.originator, message.originator_counter)
        elif counter is not None:
            yield Clue.SUPPLEMENTARY_COUNTER, RequestId(party, message.originator, counter)
    elif alert is not None and isinstance(alert.specific, alerts.FutureDatedAction):
        command = alert.specific.originator_counter
        yield Clue.COMMAND_COUNTER, RequestId(party or message.recipient, message.originator, command)
