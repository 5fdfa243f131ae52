"""What every use case offers: names, and content written and read in both directions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from bench.eui import Eui64
from bench.gbcs import protected, times
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Cra, Framing, Message

Values = Mapping[str, Any]
"""Parameters of a command or values of a response, by name; units are in the names."""

HARDWARE_FAULT = 1
"""DLMS result code that reference messages of refused commands carry; the default of `encode_response`."""


class Sender(Enum):
    """Who the originator of a command is, as its device sees it."""

    USER = "user"
    """The User; the Access Control Broker only adds the tag."""
    BROKER_FOR_USER = "broker for user"
    """The Access Control Broker; the User and its counter are the supplementary remote party."""
    BROKER = "broker"
    """The Access Control Broker, and no User is named."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a device answered.

    Attributes:
        ok: the device did all that was asked.
        values: what it returned, by name; of a failure also what failed.
        detail: "success", or what failed and how, for people.
    """

    ok: bool
    values: dict[str, Any]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase(ABC):
    """One GBCS use case.

    Content is written for one originator counter, because a part of it may repeat the counter; a response is
    written for the counter of its command.

    Attributes:
        message_code: 16 bits.
        name: such as ECS29a.
        service_references: Service Reference Variants that lead to it, the most typical one first.
        device_type: ESME, GSME, CHF, or "any".
        critical: the User signs the command: it starts as a pre-command.
        response_signed: the response is signed rather than MACed.
        sender: whose command it is.
        broker_signs: the command is signed by the Access Control Broker.
        response_dated: the frame of the response carries the device's time.
        protected: what a good response holds is encrypted for the User. `encode_response` and `decode_response` know
            the plain form; see `bench.gbcs.protected`.
    """

    message_code: int
    name: str
    service_references: tuple[str, ...]
    device_type: str
    critical: bool
    response_signed: bool
    sender: Sender = Sender.USER
    broker_signs: bool = False
    response_dated: bool = False
    protected: bool = False
    in_the_clear: tuple[int, ...] = ()

    @property
    def service_reference(self) -> str:
        """The most typical Service Reference Variant."""
        return self.service_references[0]

    @abstractmethod
    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the content of a command.

        Raises:
            GbcsError: a parameter is missing, unknown, or does not fit.
        """

    @abstractmethod
    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the parameters of a command.

        Raises:
            GbcsError: it is not a command of this use case.
        """

    @abstractmethod
    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the content of a response.

        Args:
            values: as `decode_response` returns them. Of a failure they may name what failed and how; where they
                do not, the first thing fails in the way that reference messages show.
            originator_counter: the command's.
            ok: whether the device did what was asked.

        Raises:
            GbcsError: a value is missing, unknown, or does not fit.
        """

    @abstractmethod
    def decode_response(self, content: bytes) -> Response:
        """Read a response.

        Raises:
            GbcsError: it is not a response of this use case.
        """

    def outcome(self, content: bytes) -> Response:
        """Read what there is to read of a response without the keys of its User.

        Raises:
            GbcsError: it is not a response of this use case.
        """
        if self.protected and protected.is_concealed(content):
            return Response(True, {}, "success; the content is encrypted for its User")
        return self.decode_response(content)

    def build_command(
        self,
        params: Values,
        *,
        originator: Eui64,
        recipient: Eui64,
        originator_counter: int,
        user: Eui64 | None = None,
        user_counter: int | None = None,
        user_certificate: bytes | None = None,
    ) -> Message:
        """Return the message of a command, still to be signed (a pre-command, or `broker_signs`) and sealed.

        Args:
            params: the command's parameters.
            originator: the User, or the Access Control Broker where `sender` says so.
            recipient: the device.
            originator_counter: the originator's counter.
            user: the User, where the originator is the Access Control Broker on its behalf.
            user_counter: that User's counter.
            user_certificate: that User's key agreement certificate, DER, where the device is to encrypt for a User that
                it does not know.

        Raises:
            GbcsError: a parameter is missing, unknown, or does not fit.
        """
        message = Message(
            framing=Framing.PRE_COMMAND if self.critical else Framing.MACED,
            cra=Cra.COMMAND,
            originator_counter=originator_counter,
            originator=originator,
            recipient=recipient,
            message_code=self.message_code,
            content=self.encode_command(params, originator_counter=originator_counter),
            supplementary_remote_party=user,
            supplementary_remote_party_counter=user_counter,
            supplementary_certificate=user_certificate,
        )
        return protected.address(message) if self.protected else message

    def build_response(
        self, command: Message, values: Values, *, ok: bool = True, device_time: datetime | None = None
    ) -> Message:
        """Return the message that answers a command, still to be signed or sealed (`response_signed`).

        Args:
            command: what is answered; parties are reversed, counters repeated.
            values: as for `encode_response`.
            ok: whether the device did what was asked.
            device_time: goes into the frame where `response_dated`; None says that the device has no valid time.

        Raises:
            GbcsError: a value is missing, unknown, or does not fit.
        """
        message = Message(
            framing=Framing.SIGNED if self.response_signed else Framing.MACED,
            cra=Cra.RESPONSE,
            originator_counter=command.originator_counter,
            originator=command.recipient,
            recipient=command.originator,
            message_code=self.message_code,
            content=self.encode_response(values, originator_counter=command.originator_counter, ok=ok),
            date_time=times.encode_dlms(device_time) if self.response_dated else None,
            supplementary_remote_party=command.supplementary_remote_party,
            supplementary_remote_party_counter=command.supplementary_remote_party_counter,
        )
        if not self.protected:
            return message
        # The User's own counter makes the key of the content unique among all answers of the device to that User.
        counter = command.supplementary_remote_party_counter
        return protected.address(replace(message, supplementary_originator_counter=counter))


def check_names(values: Values, known: tuple[str, ...], where: str) -> None:
    """Refuse names that a use case does not have.

    Raises:
        GbcsError: there are some; the error lists those that exist.
    """
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise GbcsError(
            f"{where} has no parameter {', '.join(unknown)}", expected=", ".join(known) if known else "no parameters"
        )


def integer(values: Values, name: str, maximum: int = 0xFFFFFFFF) -> int:
    """Return a whole number from 0 to `maximum`.

    Raises:
        GbcsError: it is missing or something else.
    """
    value = present(values, name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= maximum:
        raise GbcsError(f"{name} is {value!r}", expected=f"a whole number from 0 to {maximum}")
    return value


def signed(values: Values, name: str, bits: int = 32) -> int:
    """Return a whole number with its sign.

    Raises:
        GbcsError: it is missing, something else, or does not fit into so many bits.
    """
    value, limit = present(values, name), 1 << bits - 1
    if isinstance(value, bool) or not isinstance(value, int) or not -limit <= value < limit:
        raise GbcsError(f"{name} is {value!r}", expected=f"a whole number from {-limit} to {limit - 1}")
    return value


def moment(values: Values, name: str) -> datetime:
    """Return an aware datetime.

    Raises:
        GbcsError: it is missing or something else.
    """
    value = present(values, name)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise GbcsError(f"{name} is {value!r}", expected="a datetime with its time zone")
    return value


def device(values: Values, name: str) -> Eui64:
    """Return an EUI-64.

    Raises:
        GbcsError: it is missing or something else.
    """
    value = present(values, name)
    if not isinstance(value, Eui64):
        raise GbcsError(f"{name} is {value!r}", expected="an Eui64")
    return value


def octets(values: Values, name: str, length: int | None = None) -> bytes:
    """Return bytes, of a fixed length if one is given.

    Raises:
        GbcsError: they are missing, something else or of another length. Their content is not shown: it may be secret.
    """
    value = present(values, name)
    if not isinstance(value, bytes):
        raise GbcsError(f"{name} is a {type(value).__name__}", expected="bytes")
    if length is not None and len(value) != length:
        raise GbcsError(f"{name} has {len(value)} bytes", expected=str(length))
    return value


def digits(values: Values, name: str, length: int) -> bytes:
    """Return a text of exactly `length` decimal digits, in ASCII.

    Raises:
        GbcsError: it is missing or something else.
    """
    value = present(values, name)
    if not isinstance(value, str) or len(value) != length or not (value.isascii() and value.isdigit()):
        raise GbcsError(f"{name} is {value!r}", expected=f"{length} digits")
    return value.encode("ascii")


def ascii_of(values: Values, name: str, longest: int, shortest: int = 0) -> bytes:
    """Return the bytes of a text.

    Raises:
        GbcsError: it is missing, too short or too long, or has other characters.
    """
    value = present(values, name)
    if not isinstance(value, str) or not value.isascii() or not shortest <= len(value) <= longest:
        raise GbcsError(f"{name} is {value!r}", expected=f"{shortest} to {longest} ASCII characters")
    return value.encode("ascii")


def text_of(octets: bytes, name: str) -> str:
    """Return the text that bytes stand for.

    Raises:
        GbcsError: they are not ASCII.
    """
    try:
        return octets.decode("ascii")
    except UnicodeDecodeError:
        raise GbcsError(f"{name} is no text", expected="ASCII") from None


def choice(values: Values, name: str, names: Mapping[int, str]) -> int:
    """Return the number that stands for a word.

    Raises:
        GbcsError: the word is missing or none of those in `names`.
    """
    value = present(values, name)
    for number, word in names.items():
        if word == value:
            return number
    raise GbcsError(f"{name} is {value!r}", expected=" or ".join(names.values()))


def word(number: int, names: Mapping[int, str], what: str) -> str:
    """Return the word that a number stands for.

    Raises:
        GbcsError: it stands for none.
    """
    if number not in names:
        raise GbcsError(f"{what} is {number}", expected=", ".join(f"{n} ({name})" for n, name in names.items()))
    return names[number]


def present(values: Values, name: str) -> Any:
    """Return a value, of whatever type.

    Raises:
        GbcsError: it is missing.
    """
    if name not in values:
        raise GbcsError(f"{name} is missing")
    return values[name]
