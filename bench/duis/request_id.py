"""RequestID and ResponseID: who asked whom, and the originator's counter."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.duis.errors import DuisError
from bench.errors import BenchError
from bench.eui import Eui64

MAX_COUNTER = 2**64 - 1

_FORM = re.compile(r"(?P<originator>[0-9A-Fa-f-]{23}):(?P<target>[0-9A-Fa-f-]{23}):(?P<counter>0|[1-9][0-9]{0,19})")


@dataclass(frozen=True, slots=True, order=True)
class RequestId:
    """`EUI:EUI:counter`, as RequestIDType and ResponseIDType of the DUIS schema have it.

    In a request the originator is the User and the target the device (or the DCC's Access Control Broker); the
    response to it carries the same counter with the parties reversed.

    Attributes:
        originator: who sent the message.
        target: whom it is for.
        counter: the originator's counter, 0 to 2^64 - 1; in a response that of the request.
    """

    originator: Eui64
    target: Eui64
    counter: int

    def __post_init__(self) -> None:
        if not 0 <= self.counter <= MAX_COUNTER:
            raise ValueError(f"an originator counter has 64 bits, {self.counter} does not fit")

    @classmethod
    def parse(cls, text: str) -> RequestId:
        """Read `90-B3-...:88-73-...:1660751141087`, hexadecimal digits in any case.

        Raises:
            DuisError: the text is something else.
        """
        form = _FORM.fullmatch(text.strip())
        try:
            if form is None:
                raise ValueError
            return cls(Eui64.parse(form["originator"]), Eui64.parse(form["target"]), int(form["counter"]))
        except (ValueError, BenchError):
            raise DuisError(
                f"{text[:80]!r} is not a RequestID",
                expected="EUI:EUI:counter, such as 90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A0:1000",
            ) from None

    def __str__(self) -> str:
        return f"{self.originator}:{self.target}:{self.counter}"

    def response_id(self) -> RequestId:
        """The ResponseID that answers this RequestID: the parties reversed, the counter kept."""
        return RequestId(self.target, self.originator, self.counter)
