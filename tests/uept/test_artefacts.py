"""The documents: every item that SEC Appendix R names is there, what is missing is said, and each form holds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import html
from openpyxl import load_workbook

from bench.ctsd.tables import Role
from bench.errors import BenchError, UsageError
from bench.uept import artefacts
from bench.uept.changes import DOCUMENTS
from bench.uept.document import Chart, Document, Missing, Section, Table, Text
from bench.uept.model import Result
from bench.uept.questions import questions
from tests.uept.projects import NOW, all_pass, by_hand, project

TEST = "8.1.16/ED/0x8F35"
ITEMS = {
    "notification": ("PN-1", "PN-2", "PN-3", "PN-4"),
    "acknowledgement": ("AK-1", "AK-2", "AK-3", "AK-4"),
    "readiness": tuple(f"TRR-{number:02}" for number in range(1, 13)),
    "plan": tuple(f"TP-{number}" for number in range(1, 7)),
    "traceability": ("TT-1", "TT-2", "TT-3", "TT-4"),
    "scripts": ("TS-1",),
    "data-plan": ("TD-1", "TD-2", "TD-3"),
    "dashboard": tuple(f"TED-{number:02}" for number in range(1, 12)),
    "completion": tuple(f"TCR-{number}" for number in range(1, 9)),
}
"""What clauses 5.4.2, 6.1.4 to 6.1.9 and 7 list."""


def section(document: Document, item: str) -> Section:
    return next(each for each in document.sections if each.item == item)


def words(document: Document, item: str) -> str:
    found = []
    for block in section(document, item).blocks:
        if isinstance(block, Text):
            found.append(block.text)
        elif isinstance(block, Table):
            found += [" ".join(map(str, row)) for row in block.rows]
    return "\n".join(found)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_every_item_once(tmp_path: Path, name: str) -> None:
    with project(tmp_path) as changes:
        document = artefacts.build(changes.project, name, NOW)
    items = [each.item for each in document.sections if each.item]
    assert len(items) == len(set(items))
    assert set(ITEMS.get(name, ())) <= set(items)
    assert document.notes[0].startswith("REHEARSAL")


def test_what_is_missing_is_asked_for_until_it_is_said(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        missing = {
            block.how.split()[4]
            for name in DOCUMENTS
            for _, block in artefacts.build(changes.project, name, NOW).missing
            if block.how.startswith("hilbench uept say")
        }
        judged = {"acceded", "environment-evidence", "resources-evidence", "security-confirmation"}
        assert missing | judged | {"severity-5-agreed", "exit-gate"} == set(questions()), "each question is asked"
        for key in missing:
            changes.say(key, "1")
        all_pass(changes)
        assert all(artefacts.build(changes.project, name, NOW).missing == () for name in DOCUMENTS)


def test_the_dashboard_counts_what_is_recorded(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        all_pass(changes, but=[TEST])
        failed = by_hand(changes, TEST, Result.FAILED, regression=True)
        changes.raise_issue(failed, "No alert", 2)
        risks = [("medium", "slow post"), ("high", "one meter only"), ("low", "rain")]
        for priority, title in risks:
            changes.add_raid({"kind": "risk", "title": title, "priority": priority, "rag": "amber", "environment": 1})
        document = artefacts.build(changes.project, "dashboard", NOW)
    assert words(document, "TED-05").splitlines()[:2] == ["passed 88", "failed 1"]
    assert "2 1" in words(document, "TED-07").splitlines()
    assert "failed 1" in words(document, "TED-08")
    assert [row.split("risk ")[1].split(" ")[0] for row in words(document, "TED-10").splitlines()] == [
        "one",
        "slow",
        "rain",
    ]
    assert words(document, "TED-11").startswith("RED: 1 Testing Issue of severity 1 or 2")
    (chart,) = (block for block in section(document, "TED-04").blocks if isinstance(block, Chart))
    planned = dict(chart.lines)["planned"]
    assert planned[-1] == 89 and list(planned) == sorted(planned)


def test_the_completion_report_explains_every_test_that_did_not_pass(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        all_pass(changes, but=[TEST])
        before = artefacts.build(changes.project, "completion", NOW)
        assert any(isinstance(block, Missing) for block in section(before, "TCR-6").blocks)
        by_hand(changes, TEST, Result.NOT_RUN, "no second meter")
        document = artefacts.build(changes.project, "completion", NOW)
    assert words(document, "TCR-6") == f"{TEST} ready for test no second meter"
    assert words(document, "TCR-3").splitlines() == ["passed 88", "failed 0", "blocked 0", "not run 1"]


def test_the_matrix_lists_what_is_not_covered_first(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        changes.link_script([TEST], "supply-outage-short", produced=True, data_ready=True)
        changes.not_testable("8.1.27/ED/SSI", "no browser")
        document = artefacts.build(changes.project, "traceability", NOW)
    first = document.sections[0].blocks[0]
    assert isinstance(first, Table)
    assert len(first.rows) == 88 and TEST not in [row[0] for row in first.rows]
    assert ("8.1.27/ED/SSI", "no browser") in [(row[0], row[2]) for row in first.rows]
    assert words(document, "TT-2") == f"supply-outage-short {TEST}"


def test_only_variants_whose_every_test_passed_are_certified(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        all_pass(changes, but=["8.1.8/ED/4.10/CV3/SMETS2+"])
        document = artefacts.build(changes.project, "certificate", NOW)
        listed = next(
            b.text for s in document.sections for b in s.blocks if isinstance(b, Text) and "complete:" in b.text
        )
        assert "4.8.2" in listed and "4.10" not in listed
        assert document.missing[0][1].question == "Not complete: 4.10."
        assert any("exit criteria are not met" in note for note in document.notes)


def test_a_footer_that_differs_is_shown_with_its_reason(tmp_path: Path) -> None:
    with project(tmp_path, Role.RSA) as changes:
        said = words(artefacts.build(changes.project, "plan", NOW), "TP-3")
    assert "has 18 cells to be tested; its footer prints 23" in said


def test_every_form_holds_every_section_and_row(tmp_path: Path) -> None:
    party = "<script>alert(1)</script> & Sons"
    with project(tmp_path) as changes:
        by_hand(changes, TEST, Result.FAILED, "=HYPERLINK(1) \x07 <b>")
        changes.store.update("meta", {"key": "party"}, {"value": party})
        documents = [artefacts.build(changes.project, name, NOW) for name in ("traceability", "dashboard")]
    for document in documents:
        paths = artefacts.write(document, tmp_path / "out")
        assert [path.name for path in paths] == [f"{document.name}.{form}" for form in ("html", "xlsx", "pdf")]
        tree = html.fromstring(paths[0].read_text("utf-8"))
        assert tree.xpath("//script") == []
        assert party in tree.text_content()
        assert len(tree.xpath("//h2")) == len(document.sections)
        tables = [block for each in document.sections for block in each.blocks if isinstance(block, Table)]
        assert len(tree.xpath("//table")) == len(tables)
        assert len(tree.xpath("//tr")) == sum(1 + len(each.rows) for each in tables)
        book = load_workbook(paths[1])
        charts = sum(isinstance(block, Chart) for each in document.sections for block in each.blocks)
        assert len(book.sheetnames) == 1 + len(tables) + charts
        cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
        assert [cell.value for cell in cells if cell.data_type == "f"] == []
        assert any(str(cell.value).startswith("=HYPERLINK(1) \N{REPLACEMENT CHARACTER}") for cell in cells) is (
            document.name == "traceability"
        )
        pdf = paths[2].read_bytes()
        assert pdf.startswith(b"%PDF-") and len(re.findall(rb"/Type /Page\b", pdf)) >= 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")) == []


def test_a_document_that_is_not_there_and_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        with pytest.raises(UsageError, match="no document 'dashbord'"):
            artefacts.build(changes.project, "dashbord", NOW)
        document = artefacts.build(changes.project, "notification", NOW)
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="cannot write"):
        artefacts.write(document, tmp_path / "file" / "out")
