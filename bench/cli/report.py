"""The command line of what is given to others: `hilbench report` and `hilbench pack`."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import click

from bench.cli.common import JSON, say
from bench.errors import UsageError


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
    from bench.durable import write_whole
    from bench.evidence.packed import SUFFIX
    from bench.report.files import check_own
    from bench.report.junit import suite_of, to_xml
    from bench.report.pages import run_page
    from bench.report.run import read_run

    # All of them are read before anything is written.
    reports = [read_run(bundle) for bundle in bundles]
    pages = [out / f"{bundle.absolute().name.removesuffix(SUFFIX)}.html" for bundle in bundles]
    for page in pages:
        check_own(page)
    documents = []
    for run, bundle, page in zip(reports, bundles, pages, strict=True):
        evidence = verify_bundle(bundle, own=True)
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


def _is_of(packed: Path, run: str) -> bool:
    from bench.cli.runs import verify_bundle

    with suppress(UsageError):
        return verify_bundle(packed).run == run
    return False


@click.command("pack")
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default=True,
    help="Folder for the files, RUN.tar.gz each; a bundle itself is never touched.",
)
@JSON
def pack(bundles: tuple[Path, ...], out: Path, as_json_: bool) -> None:
    """Make one file of each BUNDLE of evidence, to be given to others, who check it with `hilbench verify`."""
    from bench.cli.runs import verify_bundle
    from bench.evidence.packed import SUFFIX, pack_copy
    from bench.evidence.verify import Level

    done = []
    # All of them are checked before anything is written.
    for bundle in bundles:
        evidence = verify_bundle(bundle)
        if evidence.level is Level.FAILED:
            raise UsageError(f"this is no evidence to give to anybody: {evidence.problem}", where=str(bundle))
        target = out / f"{bundle.absolute().name}{SUFFIX}"
        if target.exists() and not _is_of(target, evidence.run):
            raise UsageError(f"{target} is there, and not of this run", next_step="Move it away, or give another --out")
        done.append((bundle, target, evidence.fingerprint))
    out.mkdir(parents=True, exist_ok=True)
    for bundle, target, fingerprint in done:
        pack_copy(bundle, target)
        if not as_json_:
            say(f"{target}\n  to check it: hilbench verify {target.name} --trust {fingerprint}")
    if not as_json_:
        say("Tell whoever gets it the fingerprint by another way than the file.")
    else:
        found = [{"file": str(target), "fingerprint": fingerprint} for _, target, fingerprint in done]
        say(json.dumps(found, indent=2))
