"""Documents as PDF, A4, with page numbers."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from reportlab.graphics.charts.lineplots import LinePlot
from reportlab.graphics.shapes import Drawing, String
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, TableStyle
from reportlab.platypus import Table as PdfTable

from bench.uept.document import Block, Chart, Document, Missing, Table, Text, text_of

_MARGIN = 15 * mm
_WIDE = 6
"""A table of more columns than this turns the page on its side."""
_DASHES = ([6, 3], None, [2, 3], [8, 3, 2, 3])
_COLOURS = (colors.grey, colors.HexColor("#005ea5"), colors.HexColor("#00703c"), colors.HexColor("#b58900"))


def render(document: Document, path: Path) -> None:
    """Write a document.

    Raises:
        OSError: the file cannot be written.
    """
    styles = _styles()
    blocks = [block for section in document.sections for block in section.blocks]
    wide = any(isinstance(block, Table) and len(block.headings) > _WIDE for block in blocks)
    size = landscape(A4) if wide else A4
    width = size[0] - 2 * _MARGIN
    story: list[Flowable] = [Paragraph(escape(document.title), styles["Title"])]
    for key, value in (*document.about, ("Clause", document.clause), ("Made", text_of(document.made_at))):
        story.append(Paragraph(f"{escape(key)}: {escape(value)}", styles["Normal"]))
    story += [Paragraph(escape(note), styles["Note"]) for note in document.notes]
    for section in document.sections:
        heading = f"{section.item} {section.title}".strip()
        story.append(Paragraph(escape(heading), styles["Heading2"]))
        for block in section.blocks:
            story += _flowables(block, width, styles)

    def number(canvas: Any, page: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(_MARGIN, 8 * mm, f"{document.title}, {document.about[0][1]}")
        canvas.drawRightString(size[0] - _MARGIN, 8 * mm, f"page {page.page}")

    template = SimpleDocTemplate(
        str(path),
        pagesize=size,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=document.title,
        author=document.about[0][1],
        invariant=1,
    )
    template.build(story, onFirstPage=number, onLaterPages=number)


def _styles() -> dict[str, ParagraphStyle]:
    normal = ParagraphStyle("Normal", fontName="Helvetica", fontSize=10, leading=12.5)
    bold = "Helvetica-Bold"
    return {
        "Normal": normal,
        "Title": ParagraphStyle("Title", parent=normal, fontName=bold, fontSize=18, leading=22, spaceAfter=8),
        "Heading2": ParagraphStyle("Heading2", parent=normal, fontName=bold, fontSize=12, spaceBefore=10, spaceAfter=4),
        "Note": ParagraphStyle(
            "Note",
            parent=normal,
            fontName=bold,
            borderWidth=1,
            borderPadding=4,
            borderColor=colors.black,
            spaceBefore=8,
            spaceAfter=8,
        ),
        "Missing": ParagraphStyle("Missing", parent=normal, backColor=colors.HexColor("#fdecef"), borderPadding=3),
        "Cell": ParagraphStyle("Cell", parent=normal, fontSize=7, leading=8.5),
    }


def _flowables(block: Block, width: float, styles: dict[str, ParagraphStyle]) -> list[Flowable]:
    if isinstance(block, Text):
        return [Paragraph(escape(block.text), styles["Normal"])]
    if isinstance(block, Missing):
        said = f"<b>Missing.</b> {escape(block.question)} <i>{escape(block.how)}</i>"
        return [Spacer(0, 3), Paragraph(said, styles["Missing"]), Spacer(0, 3)]
    if isinstance(block, Chart):
        return [_chart(block, width)]
    return [_table(block, width, styles["Cell"]), Spacer(0, 6)]


def _table(table: Table, width: float, style: ParagraphStyle) -> PdfTable:
    lengths = [
        max([len(heading), *(min(60, len(text_of(row[column]))) for row in table.rows)], default=1) + 4
        for column, heading in enumerate(table.headings)
    ]
    total = sum(lengths)
    cells = [[Paragraph(f"<b>{escape(heading)}</b>", style) for heading in table.headings]]
    cells += [[Paragraph(escape(text_of(value)), style) for value in row] for row in table.rows]
    drawn = PdfTable(cells, colWidths=[width * length / total for length in lengths], repeatRows=1)
    drawn.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.4, colors.lightgrey),
                ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#eeeeee")),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("TOPPADDING", (0, 0), (-1, -1), 1),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            ]
        )
    )
    return drawn


def _chart(chart: Chart, width: float) -> Drawing:
    drawing = Drawing(width, 200)
    plot = LinePlot()
    plot.x, plot.y, plot.width, plot.height = 35, 25, int(width) - 160, 150
    shown = [
        (name, [(place, value) for place, value in enumerate(values) if value is not None])
        for name, values in chart.lines
    ]
    shown = [(name, points) for name, points in shown if points]
    plot.data = [points for _, points in shown] or [[(0, 0)]]
    plot.xValueAxis.valueMin, plot.xValueAxis.valueMax = 0, max(1, len(chart.days) - 1)
    plot.yValueAxis.valueMin = 0
    plot.xValueAxis.labelTextFormat = lambda place: (
        str(chart.days[int(place)]) if 0 <= int(place) < len(chart.days) else ""
    )
    plot.xValueAxis.valueSteps = [0, max(1, len(chart.days) - 1)]
    for number, (name, _) in enumerate(shown):
        plot.lines[number].strokeColor = _COLOURS[number % 4]
        plot.lines[number].strokeDashArray = _DASHES[number % 4]
        plot.lines[number].strokeWidth = 1.5
        drawing.add(String(width - 110, 160 - 14 * number, name, fillColor=_COLOURS[number % 4], fontSize=8))
    drawing.add(plot)
    drawing.add(String(0, 185, chart.title, fontSize=9))
    return drawing
