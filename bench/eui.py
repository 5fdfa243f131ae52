"""EUI-64 identifiers of devices, Users and the DCC."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.errors import UsageError

_HEX = re.compile(r"[0-9A-Fa-f]{16}")


@dataclass(frozen=True, slots=True, order=True)
class Eui64:
    """An EUI-64, eight bytes, printed as DUIS prints it: `00-DB-12-34-56-78-90-A0`."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 8:
            raise ValueError(f"an EUI-64 has 8 bytes, not {len(self.raw)}")

    @classmethod
    def parse(cls, text: str) -> Eui64:
        """Read sixteen hexadecimal digits, with or without dashes or colons between the bytes, in any case.

        Raises:
            UsageError: the text is something else.
        """
        digits = text.strip()
        for separator in "-:":
            if separator in digits:
                parts = digits.split(separator)
                digits = "".join(parts) if all(len(part) == 2 for part in parts) else ""
                break
        if not _HEX.fullmatch(digits):
            raise UsageError(
                f"{text!r} is not an EUI-64",
                next_step="Write 16 hexadecimal digits, such as 00-DB-12-34-56-78-90-A0",
            )
        return cls(bytes.fromhex(digits))

    def __str__(self) -> str:
        return self.raw.hex("-").upper()

    @property
    def hex(self) -> str:
        """The sixteen digits in lower case without separators."""
        return self.raw.hex()
