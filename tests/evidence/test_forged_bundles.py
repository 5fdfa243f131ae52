"""What somebody with a key of their own cannot make fit, however they sign."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.evidence.keys import BenchKey
from bench.evidence.verify import verify
from tests.evidence.bundles import pack_virtual, problem, re_list, re_sign


def edit_journal(bundle: Path, old: bytes, new: bytes) -> None:
    path = bundle / "journal.jsonl"
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    re_list(bundle)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            lambda value: value.update(verdict="failed"),
            "the verdict in manifest.json is failed, and that in journal.jsonl",
        ),
        (lambda value: value.update(verdict=None), "the verdict in manifest.json is None"),
        (lambda value: value.update(run="r2"), "journal.jsonl is of the run r1, not r2"),
        (lambda value: value["journal"].update(head="00" * 32), "the head hash in manifest.json is 0000"),
        (lambda value: value["journal"].update(body="00" * 32), "the body hash in manifest.json is 0000"),
        (lambda value: value["journal"].update(records=3), "the number of records in manifest.json is 3"),
        (
            lambda value: value["clock"].update(kind="real", statement="clock: real"),
            "the kind of clock in manifest.json is real, and that of journal.jsonl is virtual",
        ),
        (lambda value: value["clock"].update(uncertainty_ns=5), "the uncertainty of the clock in manifest.json is 5"),
        (lambda value: value["clock"].update(statement="clock: real"), "contradicts itself"),
        (lambda value: value["clock"].update(synchronised=False), "contradicts itself"),
        (lambda value: value.update(more=1), "has fields that the format does not have"),
        (lambda value: value.update(format="hilbench-evidence/2"), "not of the format hilbench-evidence/1"),
        (lambda value: value.pop("run"), "a field is missing or has the wrong type: 'run'"),
        (lambda value: value.update(run=7), "7 is not text"),
        (lambda value: value.update(files=7), "a field is missing or has the wrong type"),
        (lambda value: value["files"].pop(), "is not in the manifest: it was added or renamed"),
        (lambda value: value["files"].reverse(), "its list of files is not in order"),
        (lambda value: value["files"].append(value["files"][-1]), "its list of files is not in order"),
        (lambda value: value["files"][0].update(size=-1), "-1 is not a count"),
        (lambda value: value["files"][0].update(size=True), "True is not a count"),
        (lambda value: value["files"][0].update(sha256="AB" * 32), "is not a SHA-256"),
        (lambda value: value["files"][0].update(path="../../etc/passwd"), "is not a path inside the bundle"),
        (lambda value: value["files"][0].update(path="/etc/passwd"), "is not a path inside the bundle"),
        (lambda value: value["files"].insert(0, value["files"][0] | {"path": "a"}), "a is missing: it was removed"),
        (lambda value: value.update(redacted=["nowhere"]), "its list of files is not in order"),
    ],
)
def test_a_manifest_signed_anew_must_still_fit(
    bundle: Path, change: Callable[[dict[str, Any]], object], what: str
) -> None:
    re_sign(bundle, change)
    assert what in problem(bundle)


def test_a_capture_replaced_and_listed_anew_is_not_the_one_that_was_sealed(bundle: Path) -> None:
    (bundle / "captures/ac.jsonl").write_bytes(b"{}\n")
    re_list(bundle)
    assert problem(bundle) == "captures/ac.jsonl is not the capture that the seal of journal.jsonl names"


def test_a_capture_added_or_removed_and_listed_anew_is_not_one_that_was_sealed(bundle: Path) -> None:
    (bundle / "captures/bc.jsonl").write_bytes(b"{}\n")
    re_list(bundle)
    assert problem(bundle) == "captures/bc.jsonl is not the capture that the seal of journal.jsonl names"
    (bundle / "captures/bc.jsonl").unlink()
    (bundle / "captures/sniffer.pcapng").unlink()
    re_list(bundle)
    assert problem(bundle) == "captures/sniffer.pcapng is not the capture that the seal of journal.jsonl names"


def test_files_that_differ_only_in_case_are_refused(bundle: Path) -> None:
    (bundle / "rig/Small.yaml").write_bytes(b"")
    re_list(bundle)
    assert problem(bundle).startswith("rig/Small.yaml and rig/small.yaml differ only in case")


def test_a_journal_changed_and_listed_anew_breaks_its_chain(bundle: Path) -> None:
    edit_journal(bundle, b'"verdict":"passed"', b'"verdict":"failed"')
    assert "record 4 does not follow from record 3" in problem(bundle)


def test_a_journal_without_its_seal_is_refused(bundle: Path) -> None:
    lines = (bundle / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (bundle / "journal.jsonl").write_bytes(b"".join(lines[:-1]))
    re_list(bundle)
    assert problem(bundle) == "journal.jsonl is unsealed: ends cleanly after record 3: its seal was removed"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"start": {"state": "begin"}}, "does not tell of one start"),
        ({"end": {"state": "abort"}}, "does not tell of one end"),
        ({"end": {"state": "end"}}, "the verdict in manifest.json is None, and that in journal.jsonl is None"),
        ({"script": lambda stream: stream.emit("engine", "run", {"state": "start"})}, "does not tell of one start"),
        (
            {"script": lambda stream: stream.emit("engine", "run", {"state": "end", "verdict": "passed"})},
            "does not tell of one end",
        ),
    ],
)
def test_a_run_without_its_start_or_end_is_refused(
    tmp_path: Path, bench_key: BenchKey, options: dict[str, Any], what: str
) -> None:
    assert what in problem(pack_virtual(tmp_path, bench_key, **options))


def test_an_abort_between_start_and_end_is_fine(tmp_path: Path, bench_key: BenchKey) -> None:
    bundle = pack_virtual(
        tmp_path,
        bench_key,
        script=lambda stream: stream.emit("engine", "run", {"state": "abort", "reason": "asked"}),
        end={"state": "end", "verdict": "undecided"},
    )
    assert verify(bundle).verdict == "undecided"


def test_a_capture_that_wireshark_could_not_open_is_refused(
    tmp_path: Path, bench_key: BenchKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bench.evidence.captures.PcapngWriter.write", lambda writer, packet: writer._stream.write(b"rub")
    )
    bundle = pack_virtual(tmp_path, bench_key)
    assert problem(bundle).startswith("captures/sniffer.pcapng is no good capture: ")
