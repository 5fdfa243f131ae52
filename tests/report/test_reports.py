"""Reports of runs: what the evidence says, and nothing that it does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lxml import etree, html

from bench.cli import main
from bench.errors import UsageError
from bench.events import EventStream
from bench.evidence.keys import BenchKey
from bench.evidence.packed import pack as compress
from bench.report.junit import Case, Suite, to_xml
from bench.report.run import read_run
from tests.evidence.bundles import pack, pack_virtual

EVIL = '<script>alert("x")</script> & \x1b[31m\x00\u202e'


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def step(name: str, verdict: str, reason: str = "", covers: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "state": "end",
        "group": "step",
        "name": name,
        "path": "steps.0",
        "as": "ED",
        "verdict": verdict,
        "reason": reason,
        "summary": "interrupted",
        "duration_ns": 2_000_000_000,
        "latencies": [["0x8F35 from esme", 46_000_000_000, 20_000_000]],
        "covers": list(covers),
    }


def script(stream: EventStream) -> None:
    stream.emit("meter", "measurement", {"quantity": "voltage", "value": 230.5, "unit": "V"})
    stream.emit("engine", "edge", {"edge": "fall", "volts": 0.0})
    alert = {"code": "0x8F35", "user": "ED", "device": "00-DB-12-34-56-78-90-A0", "signature": "valid", "values": {}}
    stream.emit("dcc", "seen.device_alert", alert)
    stream.emit("dcc", "seen.device_alert", alert | {"signature": EVIL, "strange": ["late"]})
    stream.emit("sniffer", "device", {"state": "lost", "detail": EVIL})
    stream.emit("hub", "device", {"state": "lost", "detail": ""})
    stream.emit("hub", "device", {"state": "reconnected", "detail": ""})
    stream.emit("engine", "step", step("1 Good", "passed", covers=("8.1.16/ED/0x8F35",)))
    stream.emit("engine", "step", step(f"2 {EVIL}", "failed", EVIL))


def bundle(folder: Path, script: Callable[[EventStream], None] = script) -> Path:
    key = BenchKey.load_or_create(folder / "state" / "keys")
    start = {
        "state": "start",
        "runbook": "outage",
        "title": EVIL,
        "rig": "bench-1",
        "clock": "virtual",
        "emulated": True,
        "seed": 7,
        "faults": ["alert-never:0x8F35"],
        "duts": {"esme": {"type": "ESME", "id": "00-DB", "model": "m", "firmware": EVIL, "serial": "s"}},
    }
    end = {"state": "end", "verdict": "failed", "reason": EVIL, "safe": True, "findings": [EVIL]}
    return pack_virtual(folder / "evidence", key, script=script, start=start, end=end)


def test_what_the_evidence_says(tmp_path: Path) -> None:
    run = read_run(bundle(tmp_path))
    assert (run.runbook, run.verdict, run.ended, run.sealed) == ("outage", "failed", True, True)
    assert [(each.name[:6], each.verdict, each.duration_s) for each in run.steps] == [
        ("1 Good", "passed", 2.0),
        (f"2 {EVIL}"[:6], "failed", 2.0),
    ]
    assert run.covered == ["8.1.16/ED/0x8F35"]
    assert run.lost == ["sniffer"]
    assert [each.kind for each in run.came] == ["supply", "alert", "alert", "lost", "lost", "lost"]
    assert "NOT BELIEVED" in run.came[2].text
    assert run.came[2].text.endswith("[late]")
    assert run.volts == [(0.0, 230.5)]
    json.dumps(run.as_json())


async def test_times_count_from_the_start_of_the_run_wherever_the_clock_stands(tmp_path: Path) -> None:
    await asyncio.sleep(5000)
    start = {"state": "start", "runbook": "x", "title": "", "rig": "r", "clock": "virtual", "emulated": True}
    start |= {"seed": None, "faults": [], "duts": {}}
    end = {"state": "end", "verdict": "passed", "reason": "", "safe": True, "findings": []}
    await pack(tmp_path, BenchKey.load_or_create(tmp_path / "keys"), script=script, start=start, end=end)
    run = read_run(tmp_path / "r1")
    assert run.duration_s == 0
    assert {each.at_s for each in run.came} == {0.0}
    assert run.volts == [(0.0, 230.5)]


def test_a_page_says_it_all_and_nothing_in_it_runs(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    result = CliRunner().invoke(main, ["report", str(path), "--out", "pages", "--junit", "junit.xml"])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "pages" / f"{path.name}.html").read_text()
    tree = html.document_fromstring(text)
    assert not tree.xpath("//script | //link | //img | //iframe | //@onload | //@src")
    words = tree.text_content()
    assert '<script>alert("x")</script> &' in words
    assert not set("\x00\x1b\u202e") & set(text)
    for word in ("8.1.16/ED/0x8F35", "0x8F35 from esme after 46", "alert-never:0x8F35", "verified", "NOT BELIEVED"):
        assert word in words, word
    assert len(tree.xpath("//*[local-name()='svg']//*[local-name()='circle']")) == 6
    root = etree.parse(tmp_path / "junit.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert [case.get("name") for case in root.iter("testcase")][0] == "step: 1 Good"


def test_an_edge_of_a_relay_has_no_voltage(tmp_path: Path) -> None:
    def closed(stream: EventStream) -> None:
        stream.emit("engine", "edge", {"edge": "restore", "volts": None})

    run = read_run(bundle(tmp_path, closed))
    assert [each.text for each in run.came if each.kind == "supply"] == ["restore"]


@pytest.mark.parametrize(
    "data", [{"edge": "fall"}, {"edge": "fall", "volts": "dark"}, {"edge": "fall", "volts": [0]}], ids=str
)
def test_a_record_of_another_shape_is_one_clear_error(tmp_path: Path, data: dict[str, Any]) -> None:
    path = bundle(tmp_path, lambda stream: stream.emit("engine", "edge", data))
    with pytest.raises(UsageError, match="a record 'edge' of engine is not understood"):
        read_run(path)


def test_nothing_is_written_if_one_bundle_cannot_be_read(tmp_path: Path) -> None:
    good = bundle(tmp_path)
    bad = tmp_path / "evidence" / "bad"
    bad.mkdir()
    journal = (good / "journal.jsonl").read_text()
    (bad / "journal.jsonl").write_text(journal.replace('"verdict":"failed"', '"verdict":"passed"'))
    result = CliRunner().invoke(main, ["report", str(good), str(bad), "--out", "pages"])
    assert result.exit_code == 2
    assert "no evidence to report on" in result.stderr
    assert not (tmp_path / "pages").exists()
    with pytest.raises(UsageError):
        read_run(tmp_path)


def test_a_run_that_was_killed_is_undecided(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    lines = (path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / "journal.jsonl").write_bytes(b"".join(lines[:-3]) + lines[-3][:20])
    run = read_run(killed)
    assert (run.verdict, run.reason, run.ended, run.sealed) == ("undecided", "the run did not end", False, False)
    assert [each.verdict for each in run.steps] == ["passed"]


def test_a_compressed_bundle_is_the_same_evidence(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    before = read_run(path).as_json()
    packed = compress(path)
    assert not path.exists()
    after = read_run(packed).as_json()
    assert after | {"bundle": ""} == before | {"bundle": ""}
    result = CliRunner().invoke(main, ["verify", str(packed)])
    assert "integrity only" in result.output
    assert result.exit_code == 0
    packed.write_bytes(packed.read_bytes()[:300])
    result = CliRunner().invoke(main, ["verify", str(packed)])
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_junit_counts_and_survives_anything_that_is_said() -> None:
    verdicts = ("passed", "failed", "undecided", "blocked", "skipped", "flaky pass")
    cases = [
        Case("rig.entry", f"{verdict} {EVIL}", verdict, EVIL, 1.5, (EVIL,) if verdict == "flaky pass" else (), EVIL)
        for verdict in verdicts
    ]
    document = to_xml(EVIL, [Suite(EVIL, "2026-01-01T00:00:00.123Z", cases, {EVIL: EVIL})])
    root = etree.fromstring(document)
    suite = root[0]
    for element in (root, suite):
        counts = [element.get(name) for name in ("tests", "failures", "errors", "skipped", "time")]
        assert counts == ["6", "1", "1", "2", "9.000"]
    assert suite.get("timestamp") == "2026-01-01T00:00:00"
    outcomes = [[child.tag for child in case if child.tag != "system-out"] for case in suite.iter("testcase")]
    assert outcomes == [[], ["failure"], ["error"], ["skipped"], ["skipped"], ["flakyFailure"]]
