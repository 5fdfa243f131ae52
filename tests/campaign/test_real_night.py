"""Whole nights on emulated rigs, with real evidence, and what is made of them in the morning."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lxml import etree

from bench.campaign.record import NightRecord, read_record
from bench.campaign.summary import load_summary
from bench.cli import main
from bench.durable import StorageError
from tests.campaign.campaigns import entry, write


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["campaign", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, result.output


def the_night(out: str = "campaigns") -> Path:
    return max(Path(out).glob("test-*"), key=lambda path: (len(path.name), path.name))


def test_a_night_with_a_sniffer_that_is_lost(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "\n".join(
            (
                entry("lost", "han-join", faults='["sniffer-unplugged@1s"]'),
                entry("after", "han-join"),
                entry("outage", "supply-outage-short"),
            )
        ),
    )
    code, output = invoke(str(path))
    assert code == 3, output
    night = load_summary(the_night())
    outcomes = {case.name: case.outcome for case in night.cases}
    assert outcomes == {
        "lost/han-join/a/1": "undecided",
        "after/han-join/a/1": "blocked",
        "outage/supply-outage-short/a/1": "passed",
    }
    assert [(rig, device) for rig, device, _ in night.quarantined] == [("a", "sniffer")]
    assert "8.1.16/ED/0x8F35" in night.covered
    assert "8.1.19/IS/N24/SMETS2+" in night.missed
    # The evidence of each attempt is good, and the record says which it is.
    for case in night.cases:
        for attempt in case.attempts:
            assert attempt.evidence == "verified"
            manifest = json.loads((Path(attempt.bundle) / "manifest.json").read_text())
            assert manifest["verdict"] == attempt.verdict
            assert manifest["journal"]["body"] == attempt.body_hash
    _check_junit(the_night() / "junit.xml")
    _check_page(the_night() / "summary.html")
    assert "in quarantine: sniffer of a" in output


def _check_junit(path: Path) -> None:
    root = etree.parse(path).getroot()
    assert root.tag == "testsuites"
    counts = {name: int(root.get(name, "")) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": 3, "failures": 0, "errors": 1, "skipped": 1}
    for suite in root:
        assert suite.tag == "testsuite"
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases)
        assert int(suite.get("errors", "")) == len(suite.findall("testcase/error"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
        assert all(float(case.get("time", "")) >= 0 and case.get("classname") for case in cases)


def _check_page(path: Path) -> None:
    text = path.read_text()
    assert "lost/han-join/a/1" in text
    # Nothing is fetched from anywhere, and nothing runs.
    assert not [word for word in ("<script", "src=", "http://", "https://", "@import", "url(") if word in text]


@pytest.mark.soak
def test_the_second_night_says_what_is_different(tmp_path: Path) -> None:
    entries = (
        entry("fails", "supply-outage-short"),
        entry("slow", "supply-outage-short"),
    )
    path = write(tmp_path, "\n".join(entries))
    assert invoke(str(path))[0] == 0
    changed = (
        entry("fails", "supply-outage-short", faults='["alert-never:0x8F35"]'),
        entry("slow", "supply-outage-short", faults='["alert-late:0x8F35@60s"]'),
        entry("more", "han-join"),
    )
    write(tmp_path, "\n".join(changed))
    code, output = invoke(str(path))
    night = load_summary(the_night())
    assert code == 1, output
    assert night.differences["new failures"] == ["fails/supply-outage-short/a: failed"]
    assert night.differences["new"] == ["more/han-join/a"]
    assert any("0x8F35 from esme after" in line for line in night.differences["slower"])
    assert night.differences["requirements no longer covered"] == ["8.1.16/ED/0x8F35"]


@pytest.mark.realtime
def test_a_campaign_that_is_killed_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path, entry("e", "han-join", repeats="2"))
    command = [sys.executable, "-m", "bench.cli", "campaign", str(path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path, env={**os.environ}
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("2/2"):
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    first = read_record(the_night())
    ended = [each.data["name"] for each in first.entries if each.kind == "case"]
    assert ended == ["e/han-join/a/1"]
    code, output = invoke(str(path), "--resume")
    assert code == 0, output
    again = read_record(the_night()).entries[len(first.entries) :]
    started = [each.data["name"] for each in again if each.kind == "attempt" and each.data["state"] == "start"]
    assert started == ["e/han-join/a/2"]
    night = load_summary(the_night())
    assert night.outcomes == {"passed": 2}
    assert [len(case.attempts) for case in night.cases] == [1, 2]
    assert night.cases[1].attempts[0].interrupted
    assert invoke(str(path), "--resume")[0] == 2
    # A record that was changed is not believed.
    journal = the_night() / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"outcome":"passed"', '"outcome":"failed"', 1))
    code, output = invoke(str(path), "--resume")
    assert code == 2
    assert "the record of the night was changed" in output


@pytest.mark.soak
def test_another_campaign_file_is_not_resumed_with(tmp_path: Path) -> None:
    path = write(tmp_path, entry("e"))
    assert invoke(str(path), "--resume") == (2, invoke(str(path), "--resume")[1])
    assert invoke(str(path))[0] == 0
    (the_night() / "summary.json").unlink()
    write(tmp_path, entry("e", repeats="2"))
    code, output = invoke(str(path), "--resume")
    assert code == 2
    assert "was changed since the night began" in output
    write(tmp_path, entry("e"))
    assert invoke(str(path), "--resume")[0] == 0
    assert load_summary(the_night()).outcomes == {"passed": 1}


@pytest.mark.soak
def test_a_disk_that_takes_no_more_of_the_record_ends_the_night_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, note, count = write(tmp_path, entry("e"), rigs=("a", "b")), NightRecord.note, 0

    async def full(self: NightRecord, kind: str, *more: Any) -> None:
        nonlocal count
        count += 1
        if count > 3:
            raise StorageError("the file cannot be written: no space left on device", where="journal.jsonl")
        await note(self, kind, *more)

    monkeypatch.setattr(NightRecord, "note", full)
    code, output = invoke(str(path))
    assert code == 3
    assert "no space left on device" in output
    assert "Traceback" not in output
    monkeypatch.setattr(NightRecord, "note", note)
    assert invoke(str(path), "--resume")[0] == 0
    assert load_summary(the_night()).outcomes == {"passed": 2}
