"""A bundle in the making: what gets in, what is refused, and what is left when things go wrong."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.clock import ClockKind, RealClock
from bench.durable import StorageError
from bench.errors import UsageError
from bench.events import EventStream
from bench.evidence.bundle import BundleWriter
from bench.evidence.keys import BenchKey
from bench.evidence.manifest import Manifest
from bench.evidence.redact import Redactor, SecretFound
from bench.evidence.verify import Level, verify
from bench.journal_reader import read_journal
from tests.evidence.bundles import INSTALL_CODE, PASSWORD, RIG, pack, pack_virtual, stream_here


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_bundle_holds_journal_captures_inputs_versions_and_a_signed_manifest(
    tmp_path: Path, bench_key: BenchKey
) -> None:
    bundle = pack_virtual(tmp_path / "out", bench_key)
    assert names(bundle) == [
        "captures",
        "captures/ac.jsonl",
        "captures/dcc.gbcs.hex",
        "captures/dcc.gbcs.jsonl",
        "captures/sniffer.jsonl",
        "captures/sniffer.pcapng",
        "journal.jsonl",
        "key.pem",
        "manifest.json",
        "manifest.sig",
        "rig",
        "rig/small.yaml",
        "versions.json",
    ]
    assert (bundle / "rig/small.yaml").read_bytes() == RIG
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    assert manifest["run"] == "r1" and manifest["verdict"] == "passed"
    assert manifest["clock"] == {
        "kind": "virtual",
        "statement": "clock: virtual; never compliance evidence",
        "synchronised": True,
        "uncertainty_ns": 0,
    }
    assert len(manifest["files"]) == 8
    versions = json.loads((bundle / "versions.json").read_bytes())
    assert versions["python"].startswith("CPython 3") and versions["kernel"].startswith("Linux ")
    assert "cryptography" in versions["packages"] and "hilbench" in versions


def test_one_seed_gives_one_body_and_one_journal(tmp_path: Path, bench_key: BenchKey) -> None:
    first, second = (pack_virtual(tmp_path / name, bench_key) for name in "ab")
    one, other = (Manifest.decode((bundle / "manifest.json").read_bytes()) for bundle in (first, second))
    assert one.body == other.body
    assert (first / "journal.jsonl").read_bytes() == (second / "journal.jsonl").read_bytes()


@pytest.mark.realtime
async def test_a_bundle_of_a_real_clock_says_so(tmp_path: Path, bench_key: BenchKey) -> None:
    manifest = await pack(tmp_path, bench_key, stream=EventStream(RealClock()))
    assert manifest.clock is ClockKind.REAL
    report = verify(tmp_path / "r1", [bench_key.fingerprint])
    assert report.level is Level.VERIFIED and report.clock is ClockKind.REAL
    assert report.compliance is report.synchronised is (manifest.uncertainty_ns is not None)
    assert report.synchronised or any("not synchronised" in note for note in report.notes)


@pytest.mark.realtime
async def test_emulated_devices_are_no_compliance_evidence_on_any_clock(tmp_path: Path, bench_key: BenchKey) -> None:
    await pack(tmp_path, bench_key, stream=EventStream(RealClock()), start={"state": "start", "emulated": True})
    report = verify(tmp_path / "r1", [bench_key.fingerprint])
    assert report.level is Level.VERIFIED and report.emulated and not report.compliance
    assert "the devices were emulated: never compliance evidence" in report.notes


@pytest.mark.realtime
async def test_a_barrier_after_the_end_is_an_error_and_does_not_hang(tmp_path: Path, bench_key: BenchKey) -> None:
    for stream in (EventStream(RealClock()), stream_here()):
        bundle = BundleWriter.open(tmp_path, stream.clock.kind, stream, key=bench_key)
        await bundle.close()
        with pytest.raises(StorageError, match="the files were closed"):
            await bundle.barrier()


@pytest.mark.realtime
async def test_events_while_it_closes_do_not_spoil_it(tmp_path: Path, bench_key: BenchKey) -> None:
    stream = EventStream(RealClock())
    bundle = BundleWriter.open(tmp_path, "r1", stream, key=bench_key)
    stream.emit("engine", "run", {"state": "start"})
    stream.emit("engine", "run", {"state": "end", "verdict": "failed"})
    going = True

    async def chatter() -> None:
        while going:
            stream.emit("ac", "wire", {"direction": "tx", "text": "?"})
            stream.emit("ac", "measurement", {"value": 1.0})
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(chatter())
        await asyncio.sleep(0)
        await bundle.close()
        going = False
    assert verify(tmp_path / "r1").problem == ""


async def test_secrets_are_nowhere_in_the_bundle(tmp_path: Path, bench_key: BenchKey) -> None:
    stream = stream_here()
    redactor = Redactor({"password of the broker": PASSWORD})
    redactor.add_install_code("esme", INSTALL_CODE)
    bundle = BundleWriter.open(tmp_path, "r1", stream, key=bench_key, redactor=redactor)
    dut = f"esme:\n  install_code: {INSTALL_CODE}\n".encode()
    with pytest.raises(SecretFound, match=r"duts/small.yaml: the file holds the install code of esme.*DUT file"):
        bundle.add("duts/small.yaml", dut)
    bundle.add("duts/small.yaml", dut, redact=True)
    bundle.add("duts/other.yaml", b"gsme: {}\n", redact=True)
    stream.emit("engine", "run", {"state": "start", "arguments": [INSTALL_CODE]}, volatile={"login": PASSWORD})
    stream.emit("hub", "wire", {"direction": "tx", "text": f"user {PASSWORD} {INSTALL_CODE.lower()}"})
    stream.emit("hub", "verb", {"bad": object(), "code": INSTALL_CODE})
    with pytest.raises(StorageError, match="cannot be recorded"):
        await bundle.barrier()
    stream.emit("engine", "run", {"state": "end", "verdict": "passed"})
    manifest = await bundle.close()
    assert manifest.redacted == ("duts/small.yaml",)
    assert (bundle.path / "duts/small.yaml").read_text() == "esme:\n  install_code: (secret)\n"
    for path in bundle.path.rglob("*"):
        if path.is_file():
            data = path.read_bytes().lower()
            assert INSTALL_CODE.lower().encode() not in data and PASSWORD.encode() not in data, path
    assert verify(bundle.path).problem == ""


@pytest.mark.parametrize(
    "name",
    [
        "journal.jsonl",
        "manifest.json",
        "manifest.sig",
        "key.pem",
        "versions.json",
        "captures/ac.jsonl",
        "rig/a.yaml",
        "../up.yaml",
        "/abs.yaml",
        "a//b",
        "./a",
        "a/",
        "",
        "a\\b",
        'a"b',
        "a\nb",
    ],
)
async def test_a_name_that_is_taken_or_leads_out_is_refused(tmp_path: Path, bench_key: BenchKey, name: str) -> None:
    bundle = BundleWriter.open(tmp_path, "r1", stream_here(), key=bench_key)
    bundle.add("rig/a.yaml", b"")
    with pytest.raises(UsageError, match="no file can be added"):
        bundle.add(name, b"x")
    bundle.abandon()


@pytest.mark.parametrize("run", ["", "../x", "a/b", ".hidden", "a b", "x" * 101, "ä"])
async def test_a_run_id_that_is_no_plain_name_is_refused(tmp_path: Path, bench_key: BenchKey, run: str) -> None:
    with pytest.raises(UsageError, match="a run cannot be called"):
        BundleWriter.open(tmp_path, run, stream_here(), key=bench_key)
    assert not list(tmp_path.iterdir())


async def test_evidence_is_never_written_over_other_evidence(tmp_path: Path, bench_key: BenchKey) -> None:
    await pack(tmp_path, bench_key)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(StorageError, match="r1: .*cannot be made: file exists"):
        await pack(tmp_path, bench_key)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


async def test_a_bundle_that_cannot_begin_frees_everything(
    tmp_path: Path, bench_key: BenchKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = stream_here()

    def refuse(folder: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    for place in ("bench.evidence.bundle.sync_folder", "bench.durable.sync_folder"):
        with monkeypatch.context() as patch:
            patch.setattr(place, refuse)
            with pytest.raises(StorageError, match="read-only file system.*Choose a folder"):
                BundleWriter.open(tmp_path / place, "r1", stream, key=bench_key)
    assert not stream._listeners


async def test_an_abandoned_bundle_looks_like_a_killed_run(tmp_path: Path, bench_key: BenchKey) -> None:
    stream = stream_here()
    bundle = BundleWriter.open(tmp_path, "r1", stream, key=bench_key)
    stream.emit("engine", "run", {"state": "start"})
    bundle.abandon()
    bundle.abandon()
    stream.emit("late", "x", {})
    report = verify(bundle.path)
    assert report.interrupted and report.level is Level.FAILED and report.records == 2 and report.run == "r1"
    assert "the run was killed or still goes on" in report.problem and "after record 2" in report.problem


@pytest.mark.parametrize("failing", ["write", "fdatasync", "fsync"])
async def test_a_disk_that_fails_at_the_end_leaves_no_manifest_and_no_thread(
    tmp_path: Path, bench_key: BenchKey, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    stream = stream_here()
    bundle = BundleWriter.open(tmp_path, "r1", stream, key=bench_key)
    stream.emit("engine", "run", {"state": "start"})
    await bundle.barrier()
    stream.emit("engine", "run", {"state": "end", "verdict": "passed"})

    def fail(*arguments: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(StorageError, match="no space left"):
            await bundle.close()
    assert not (bundle.path / "manifest.json").exists()
    assert [record.seq for record in read_journal(bundle.path / "journal.jsonl")][:2] == [1, 2]
    assert verify(bundle.path).level is Level.FAILED


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from bench.clock import RealClock
from bench.events import EventStream
from bench.evidence.bundle import BundleWriter
from bench.evidence.keys import BenchKey

async def main():
    stream = EventStream(RealClock())
    bundle = BundleWriter.open(Path(sys.argv[1]), "r1", stream, key=BenchKey.load_or_create(Path(sys.argv[1]) / "keys"))
    stream.emit("engine", "run", {"state": "start"})
    stream.emit("ac", "wire", {"direction": "tx", "text": "VOLT 230"})
    await bundle.barrier()
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_a_killed_run_can_be_read_as_far_as_it_came(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    report = verify(tmp_path / "r1")
    assert report.interrupted and report.records == 2 and report.clock is ClockKind.REAL
    assert "VOLT 230" in (tmp_path / "r1/captures/ac.jsonl").read_text()
