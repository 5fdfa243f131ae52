"""A picture in a terminal: quarter blocks in two colours a cell, which every terminal and every browser can show.

What terminals can do beyond that (sixel, Kitty's protocol) has to be asked of them before the screen is set up, and a
browser has none of it. Whoever wants to see more opens the file. Pillow is loaded when a picture is shown, not before.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_PIXELS = (640, 640)
"""Kept of a picture: more than any terminal shows."""

_BLOCKS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
"""By which quarters are bright: 1 upper left, 2 upper right, 4 lower left, 8 lower right."""

_ONE_COLOUR = 24
"""Quarters whose brightness differs by less, of 255, are shown as one."""

Rgb = tuple[int, int, int]


class PictureView(Widget):
    """Shows a picture as large as there is room, with its proportions kept."""

    DEFAULT_CSS = "PictureView { height: 1fr; min-height: 3; }"

    def __init__(self) -> None:
        super().__init__()
        self._picture: Image | None = None
        self._strips: list[Strip] = []
        self._fits = (0, 0)

    @property
    def shown(self) -> bool:
        """Whether there is a picture."""
        return self._picture is not None

    async def show(self, data: bytes) -> None:
        """Decode and show a file.

        Raises:
            ValueError: it cannot be decoded.
        """
        # In a thread: neither a key nor the emergency stop waits for a large picture.
        self._picture = await asyncio.to_thread(decode, data)
        self._fits = (0, 0)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of cells."""
        width, height = self.size
        if self._picture is None:
            return Strip.blank(width)
        if self._fits != (width, height):
            self._strips, self._fits = strips(self._picture, width, height), (width, height)
        return self._strips[y] if y < len(self._strips) else Strip.blank(width)


def decode(data: bytes) -> Image:
    """Read a picture, the right way up, on white where one looks through it, and no larger than can be shown.

    Raises:
        ValueError: it cannot be read.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(BytesIO(data), formats=("PNG", "JPEG")) as opened:
            opened.draft("RGB", _MOST_PIXELS)
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
        upright.thumbnail(_MOST_PIXELS)
        return Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"the picture cannot be read: {error}") from None


def strips(picture: Image, width: int, height: int) -> list[Strip]:
    """The lines of a picture in so many cells, in their middle; a cell is taken to be twice as high as wide."""
    scale = min(width / picture.width, 2 * height / picture.height)
    columns = min(width, max(1, round(picture.width * scale)))
    rows = min(height, max(1, round(picture.height * scale / 2)))
    pixels = picture.resize((2 * columns, 2 * rows)).tobytes()
    line_bytes = 6 * columns
    left = (width - columns) // 2
    lines = [Strip.blank(width)] * ((height - rows) // 2)
    for row in range(rows):
        upper, lower = (pixels[(2 * row + half) * line_bytes :][:line_bytes] for half in (0, 1))
        cells = [_cell(upper[at : at + 6], lower[at : at + 6]) for at in range(0, line_bytes, 6)]
        lines.append(Strip([Segment(" " * left), *cells, Segment(" " * (width - left - columns))], width).simplify())
    return lines


def _cell(upper: bytes, lower: bytes) -> Segment:
    """Four pixels as one character: the bright ones in front, the dark ones behind."""
    quarters = [(part[0], part[1], part[2]) for part in (upper[:3], upper[3:], lower[:3], lower[3:])]
    light = [(3 * red + 6 * green + blue) // 10 for red, green, blue in quarters]
    darkest, brightest = min(light), max(light)
    if brightest - darkest < _ONE_COLOUR:
        return Segment(" ", _style(None, _mean(quarters)))
    middle = (darkest + brightest) / 2
    front = [quarter for quarter, value in zip(quarters, light, strict=True) if value > middle]
    back = [quarter for quarter, value in zip(quarters, light, strict=True) if value <= middle]
    block = _BLOCKS[sum(1 << index for index, value in enumerate(light) if value > middle)]
    return Segment(block, _style(_mean(front), _mean(back)))


def _mean(colours: list[Rgb]) -> Rgb:
    red, green, blue = (round(sum(part) / len(colours)) for part in zip(*colours, strict=True))
    return red, green, blue


@lru_cache(maxsize=4096)
def _style(front: Rgb | None, back: Rgb) -> Style:
    return Style.from_color(None if front is None else Color.from_rgb(*front), Color.from_rgb(*back))
