"""HTML pages that need nothing beside themselves: no network, no script, no other file."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.quantities import format_duration
from bench.report.chart import timeline_svg
from bench.report.run import RunReport

# What moves the cursor or turns the writing round must not forge a line of a report.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """Text without characters that no report, and no XML, may hold."""
    return CONTROL.sub("?", text)


@functools.cache
def _environment() -> Any:
    # jinja2 is loaded by those who write pages, and by nobody else.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
    )
    environment.filters["duration"] = format_duration
    return environment


def page(template: str, **values: Any) -> str:
    """Fill a template of this package; every text in it is escaped."""
    return str(_environment().get_template(template).render(**values))


def run_page(report: RunReport, evidence: Mapping[str, str]) -> str:
    """The HTML report of one run.

    Args:
        report: the run.
        evidence: what verification said of its bundle: `level` and `problem`.
    """
    return page("run.html", run=report, evidence=evidence, chart=timeline_svg(report))
