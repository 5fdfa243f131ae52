"""The command line of reports: `hilbench report`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.cli.common import JSON, say


@click.command("report")
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default=True,
    help="Folder for the pages, RUN.html each; a bundle itself is never touched.",
)
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write all of them to this JUnit XML file."
)
@JSON
def report(bundles: tuple[Path, ...], out: Path, junit: Path | None, as_json_: bool) -> None:
    """Write an HTML report of each run from its BUNDLE of evidence: steps, verdicts, what came, with a time line."""
    from bench.cli.runs import verify_bundle
    from bench.evidence.packed import SUFFIX
    from bench.report.files import write_whole
    from bench.report.junit import suite_of, to_xml
    from bench.report.pages import run_page
    from bench.report.run import read_run

    # All of them are read before anything is written.
    reports = [read_run(bundle) for bundle in bundles]
    documents = []
    for run, bundle in zip(reports, bundles, strict=True):
        evidence = verify_bundle(bundle, own=True)
        page = out / f"{bundle.absolute().name.removesuffix(SUFFIX)}.html"
        write_whole(page, run_page(run, {"level": evidence.level.value, "problem": evidence.problem}).encode())
        documents.append(run.as_json() | {"evidence": evidence.level.value, "page": str(page)})
        if not as_json_:
            say(f"{run.verdict:9}  {run.runbook}  {page}")
    if junit is not None:
        write_whole(junit, to_xml("hilbench", [suite_of(run) for run in reports]))
        if not as_json_:
            say(f"JUnit XML  {junit}")
    if as_json_:
        say(json.dumps(documents, indent=2))
