"""Draws runbooks/pictures/supply-path.png, which the runbook bench-wiring shows with its question: `make picture`.

Few, large shapes: in a terminal of 80 columns a picture has some 140 by 30 points.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIZE = (1000, 400)
INK, PAPER, MAINS, TESTED = "#101820", "#ffffff", "#c02020", "#d8e8ff"
WIDE, HIGH = 270, 140
BOXES = (
    ("AC", 10, 20, PAPER),
    ("RLY", 365, 20, PAPER),
    ("REF", 720, 20, PAPER),
    ("ESME", 365, 240, TESTED),
    ("HUB", 720, 240, TESTED),
)


def main() -> None:
    """Draw it."""
    picture = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(92)
    above, below = 20 + HIGH // 2, 240 + HIGH // 2
    for wire in (
        [(280, above), (365, above)],
        [(635, above), (720, above)],
        # The supply branches behind the relay: the reference meter sees what the meter under test gets.
        [(677, above), (677, 200), (500, 200), (500, 240)],
        [(635, below), (720, below)],
    ):
        draw.line(wire, MAINS, 16, joint="curve")
    for name, left, top, fill in BOXES:
        draw.rectangle((left, top, left + WIDE, top + HIGH), fill, INK, 8)
        draw.text((left + WIDE // 2, top + HIGH // 2), name, INK, font, anchor="mm", stroke_width=1)
    draw.text((145, below), "230 V", MAINS, font, anchor="mm", stroke_width=1)
    target = Path(__file__).parent.parent / "runbooks" / "pictures" / "supply-path.png"
    target.parent.mkdir(exist_ok=True)
    picture.quantize(16).save(target, optimize=True)


if __name__ == "__main__":
    main()
