"""HTML pages that need nothing beside themselves: no network, no script, no other file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.quantities import format_duration
from bench.report.chart import timeline_svg
from bench.report.clean import clean
from bench.report.run import RunReport


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
