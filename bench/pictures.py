"""Pictures that a runbook shows with its questions: read and checked whole before anything is energised.

Only what tells kind, size and completeness is read here, without any library of images: most of the bench has no
screen. Whoever draws a picture decodes it.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import UsageError

FOLDER = "runbook"
"""The folder of a bundle of evidence in which a runbook lies, with its procedures and pictures as in its own."""

MOST_BYTES = 1024 * 1024
"""Of a file: with a question a picture goes over the network to everybody who is asked."""

MOST_PIXELS = 4096
"""Of width and of height."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that begin a frame and say how large it is (ITU-T T.81, table B.1)."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it was when the runbook was read.

    Attributes:
        name: its path from the folder of the runbook, with / between folders.
        path: its file.
        data: the file, exactly.
        media: its media type.
        width: in pixels.
        height: in pixels.
    """

    name: str
    path: Path
    data: bytes = field(repr=False)
    media: str
    width: int
    height: int

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, in small hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def described(self) -> dict[str, Any]:
        """What clients are told of it; they ask for the file itself."""
        return {
            "name": self.name,
            "path": str(self.path.absolute()),
            "media": self.media,
            "width": self.width,
            "height": self.height,
            "size": len(self.data),
            "sha256": self.sha256,
        }


def read_picture(folder: Path, name: str) -> Picture:
    """Read a picture and check that it is one.

    Args:
        folder: that of the runbook.
        name: its path from there; it must not lead out of the folder, by a link either.

    Raises:
        UsageError: it leads out of the folder, cannot be read, is too large, damaged, or neither PNG nor JPEG.
    """
    path = folder / name
    parts = Path(name).parts
    odd = not name.isprintable() or set(name) & {'"', "\\"} or any(part in ("/", "..") for part in parts)
    if odd or not parts or name != "/".join(parts):
        raise UsageError(
            f"the picture {name!r} is no path in the runbook's folder", next_step="Write it as pictures/NAME.png"
        )
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"the picture {name!r} is a link out of the runbook's folder", next_step="Copy it there")
        if not path.is_file():
            raise UsageError(f"there is no picture {name!r}", next_step=f"It would be {path}")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the picture {path} cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"the picture {path} is larger than {MOST_BYTES // 1024} KiB", next_step="Scale it down")
    try:
        media, (width, height) = _media(data), _size(data)
    except (ValueError, struct.error, IndexError) as error:
        raise UsageError(f"the picture {path} is {error}", next_step="Give a whole PNG or JPEG file") from None
    if not 0 < width <= MOST_PIXELS or not 0 < height <= MOST_PIXELS:
        raise UsageError(f"the picture {path} has {width} x {height} pixels; the most are {MOST_PIXELS} a side")
    return Picture(name, path, data, media, width, height)


def _media(data: bytes) -> str:
    if data.startswith(_PNG):
        return "image/png"
    if data.startswith(_JPEG):
        return "image/jpeg"
    raise ValueError("neither PNG nor JPEG")


def _size(data: bytes) -> tuple[int, int]:
    return _png_size(data) if data.startswith(_PNG) else _jpeg_size(data)


def _png_size(data: bytes) -> tuple[int, int]:
    """Width and height, after every chunk was found whole (PNG, third edition, 5.3)."""
    at, size = len(_PNG), (0, 0)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise ValueError(f"damaged at byte {at}")
        if at == len(_PNG):
            if kind != b"IHDR":
                raise ValueError("damaged at its beginning")
            size = struct.unpack_from(">II", data, at + 8)
        if kind == b"IEND":
            return size[0], size[1]
        at = end
    raise ValueError("cut short")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of the first frame, if the end of the image is there (ITU-T T.81, annex B)."""
    if b"\xff\xd9" not in data[-1024:]:
        raise ValueError("cut short")
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError(f"damaged at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    raise ValueError("damaged: it has no frame")
