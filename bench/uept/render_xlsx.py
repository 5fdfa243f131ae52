"""Documents as workbooks: the text on the first sheet, each table on one of its own."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from openpyxl import Workbook
from openpyxl.chart import LineChart, Reference
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from bench.uept.document import Chart, Document, Missing, Table, Text, Value, text_of

_BOLD, _WIDEST = Font(bold=True), 80
_MISSING = PatternFill("solid", fgColor="FDECEF")
_HEADING = PatternFill("solid", fgColor="EEEEEE")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def render(document: Document, path: Path) -> None:
    """Write a document.

    Raises:
        OSError: the file cannot be written.
    """
    book = Workbook()
    front = book.worksheets[0]
    front.title = "Document"
    front.column_dimensions["A"].width, front.column_dimensions["B"].width = 12, 110
    _line(front, "", document.title, bold=True)
    for key, value in (*document.about, ("Clause", document.clause), ("Made", text_of(document.made_at))):
        _line(front, "", f"{key}: {value}")
    for note in document.notes:
        _line(front, "", note, bold=True)
    for number, section in enumerate(document.sections, start=1):
        _line(front, "", "")
        _line(front, section.item, section.title, bold=True)
        for place, block in enumerate(section.blocks):
            if isinstance(block, Text):
                _line(front, "", block.text)
            elif isinstance(block, Missing):
                _line(front, "", f"MISSING: {block.question} {block.how}")
                front.cell(front.max_row, 2).fill = _MISSING
            else:
                name = _sheet_name(section.item or section.title, number, place, book.sheetnames)
                _line(front, "", f"see sheet {name}")
                front.cell(front.max_row, 2).hyperlink = f"#'{name}'!A1"
                sheet = book.create_sheet(name)
                if isinstance(block, Table):
                    _table(sheet, block)
                else:
                    _chart(sheet, block)
    book.properties.created = book.properties.modified = document.made_at.replace(tzinfo=None)
    book.save(path)


def _sheet_name(wanted: str, number: int, place: int, taken: list[str]) -> str:
    name = re.sub(r"[\\/*?:\[\]']", " ", wanted)[:25].strip() or f"Section {number}"
    return name if name not in taken else f"{name} {number}.{place}"


def _line(sheet: Worksheet, item: str, text: str, *, bold: bool = False) -> None:
    _append(sheet, [item, text])
    cell = sheet.cell(sheet.max_row, 2)
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    if bold:
        cell.font = _BOLD


def _cell(value: Value) -> Value:
    """A value that a workbook can hold: times without their zone, texts without control characters."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, str):
        return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", value)
    return value


def _append(sheet: Worksheet, values: list[Value]) -> None:
    """Add a row; a text that begins like a formula stays a text."""
    sheet.append([_cell(value) for value in values])
    for cell in sheet[sheet.max_row]:
        if cell.data_type == "f":
            cell.data_type = "s"


def _table(sheet: Worksheet, table: Table) -> None:
    sheet.append(list(table.headings))
    for cell in sheet[1]:
        cell.font, cell.fill = _BOLD, _HEADING
    for row in table.rows:
        _append(sheet, list(row))
    sheet.freeze_panes = "A2"
    if table.rows:
        sheet.auto_filter.ref = sheet.dimensions
    for column, heading in enumerate(table.headings, start=1):
        longest = max([len(heading), *(len(text_of(row[column - 1])) for row in table.rows)])
        sheet.column_dimensions[get_column_letter(column)].width = min(_WIDEST, longest + 3)


def _chart(sheet: Worksheet, chart: Chart) -> None:
    sheet.append(["Day", *(name for name, _ in chart.lines)])
    for place, day in enumerate(chart.days):
        sheet.append([day, *(values[place] for _, values in chart.lines)])
    sheet.column_dimensions["A"].width = 14
    drawn = LineChart()
    drawn.title, drawn.y_axis.title = chart.title, chart.unit
    drawn.x_axis.number_format = "yyyy-mm-dd"
    drawn.x_axis.delete = drawn.y_axis.delete = False
    drawn.width, drawn.height = 26, 12
    rows = len(chart.days) + 1
    drawn.add_data(
        Reference(sheet, min_col=2, max_col=1 + len(chart.lines), min_row=1, max_row=rows), titles_from_data=True
    )
    drawn.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=rows))
    sheet.add_chart(drawn, "F2")
