"""One family of errors: each says what is wrong, where, and what to do next.

Anything that a user of the bench can cause or meet is a `BenchError`; the command line prints its text and
never a traceback. Programming mistakes stay ordinary Python exceptions.
"""

from __future__ import annotations


class BenchError(Exception):
    """Something is wrong that a person at the bench can act on.

    Attributes:
        what: what went wrong, a sentence without its full stop.
        where: the file and line, device, message offset or address it concerns; empty when nothing narrower is known.
        next_step: what to do about it; empty when the sentence already says it.
    """

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.next_step}" if self.next_step else text


class UsageError(BenchError):
    """A file, option or value that the user gave cannot be used (exit code 2)."""


class DeviceError(BenchError):
    """A device did not do what it was asked, or said something that makes no sense."""


class DeviceLost(DeviceError):
    """A device is silent, unplugged or refuses the connection; the run cannot be decided (exit code 3).

    Attributes:
        devices: their names in the rig, where several were tried and these could not be reached.
    """

    devices: tuple[str, ...] = ()


class LimitExceeded(BenchError):
    """A limit of the rig would be, or has been, broken."""


class UnsafeError(BenchError):
    """The rig was to be made safe, and did not confirm it (exit code 4)."""


class ClockError(BenchError):
    """Time cannot be trusted: the clock was stepped, or virtual time cannot work on this machine."""


class CodecError(BenchError):
    """Bytes or text from outside do not have the form that a specification fixes.

    Attributes:
        offset: how many bytes into the input the fault lies, or None where that has no meaning.
    """

    def __init__(self, what: str, *, offset: int | None = None, where: str = "", next_step: str = "") -> None:
        place = f"byte {offset}" if offset is not None and not where else where
        super().__init__(what, where=place, next_step=next_step)
        self.offset = offset
