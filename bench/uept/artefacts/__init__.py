"""The documents that SEC Appendix R names, each with every item that it asks for, from what a project holds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from bench.errors import BenchError, UsageError
from bench.uept.artefacts import completion, dashboard, notices, plans, readiness, traceability
from bench.uept.document import Document
from bench.uept.project import Project

BUILDERS: Mapping[str, Callable[[Project, datetime], Document]] = {
    "notification": notices.notification,
    "acknowledgement": notices.acknowledgement,
    "readiness": readiness.build,
    "plan": plans.plan,
    "traceability": traceability.build,
    "scripts": plans.scripts,
    "data-plan": plans.data_plan,
    "dashboard": dashboard.build,
    "completion": completion.build,
    "certificate": notices.certificate,
    "suspension": notices.suspension,
}
"""By the document's name."""

FORMATS = ("html", "xlsx", "pdf")


def build(project: Project, name: str, now: datetime) -> Document:
    """Make a document.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in BUILDERS:
        raise UsageError(f"there is no document {name!r}", next_step=f"Documents: {', '.join(BUILDERS)}")
    return BUILDERS[name](project, now)


def write(document: Document, folder: Path, formats: tuple[str, ...] = FORMATS) -> list[Path]:
    """Write a document in several forms; the files, whole or not there.

    Raises:
        BenchError: a file cannot be written.
    """
    # Each is heavy, and most commands need none of them.
    from bench.uept import render_html, render_pdf, render_xlsx

    renderers = {"html": render_html.render, "xlsx": render_xlsx.render, "pdf": render_pdf.render}
    written = []
    for form in formats:
        path = folder / f"{document.name}.{form}"
        half = folder / f".{document.name}.{form}.part"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            renderers[form](document, half)
            half.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                half.unlink()
            raise BenchError(f"cannot write {path}: {error.strerror or error}") from None
        written.append(path)
    return written
