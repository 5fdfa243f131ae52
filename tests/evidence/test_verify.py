"""Verification: whatever anybody does to a bundle, it says so, and it names the first thing that is wrong."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import canonical
from bench.clock import ClockKind
from bench.evidence import manifest as manifest_module
from bench.evidence.keys import BenchKey, public_pem
from bench.evidence.manifest import Manifest, sign
from bench.evidence.verify import Level, verify
from tests.evidence.bundles import FORGER, files, pack_virtual, problem, re_list, re_sign

# What a sound bundle is


def test_without_a_trusted_key_only_integrity_is_vouched_for(pristine: Path, bench_key: BenchKey) -> None:
    report = verify(pristine)
    assert report.level == "integrity only" and report.problem == ""
    assert "anyone can sign a forgery" in report.notes[0] and bench_key.fingerprint in report.notes[0]
    assert "anyone can sign a forgery" in str(report)


def test_with_the_key_trusted_it_is_verified(pristine: Path, bench_key: BenchKey) -> None:
    spaced = ":".join(bench_key.fingerprint[at : at + 2] for at in range(0, 64, 2)).upper()
    for trusted in ([bench_key.fingerprint], ["00" * 32, bench_key.fingerprint], [spaced]):
        report = verify(pristine, trusted)
        assert report.level == "verified" and report.problem == ""
    assert report.run == "r1" and report.verdict == "passed" and report.records == 4
    assert report.fingerprint == bench_key.fingerprint


def test_a_virtual_clock_is_never_compliance_evidence(pristine: Path, bench_key: BenchKey) -> None:
    report = verify(pristine, [bench_key.fingerprint])
    assert report.clock is ClockKind.VIRTUAL and not report.compliance
    assert "clock: virtual; never compliance evidence" in str(report)


def test_a_key_that_is_not_trusted_fails(bundle: Path, bench_key: BenchKey) -> None:
    re_sign(bundle, lambda value: None)
    report = verify(bundle, [bench_key.fingerprint])
    assert report.level is Level.FAILED
    assert report.problem == f"the bundle is signed by the key {FORGER.fingerprint}, which is not among those trusted"
    assert verify(bundle).level is Level.INTEGRITY_ONLY


EACH = pytest.param(1, marks=pytest.mark.soak)
"""Every single place, which takes long; `make test` looks at some of them."""

# Whatever anybody does to it


@pytest.mark.parametrize("stride", [7, EACH])
def test_any_byte_changed_anywhere_is_found(bundle: Path, bench_key: BenchKey, stride: int) -> None:
    for path in files(bundle):
        good = path.read_bytes()
        for offset, byte in tuple(enumerate(good))[::stride]:
            for other in (byte ^ 1, byte ^ 0x20) if path.name in manifest_module.UNLISTED else (byte ^ 1,):
                path.write_bytes(good[:offset] + bytes([other]) + good[offset + 1 :])
                assert verify(bundle).level is Level.FAILED, f"{path.name} byte {offset} changed to {other:#04x}"
        path.write_bytes(good)
    assert verify(bundle, [bench_key.fingerprint]).level is Level.VERIFIED


@pytest.mark.parametrize("stride", [7, EACH])
def test_a_byte_of_any_value_in_what_is_not_listed_is_found(bundle: Path, stride: int) -> None:
    # Of these three no digest is kept: a second form that means the same would go unseen.
    for name in ("key.pem", "manifest.sig"):
        path = bundle / name
        good = path.read_bytes()
        for offset, byte in tuple(enumerate(good))[::stride]:
            for other in range(256) if offset >= len(good) - 8 else (0, 9, 13, 32, 61, 255):
                if other != byte:
                    path.write_bytes(good[:offset] + bytes([other]) + good[offset + 1 :])
                    assert verify(bundle).level is Level.FAILED, f"{name} byte {offset} changed to {other:#04x}"
        path.write_bytes(good)


@pytest.mark.parametrize("stride", [7, EACH])
def test_any_file_cut_anywhere_is_found(bundle: Path, stride: int) -> None:
    for path in files(bundle):
        good = path.read_bytes()
        for length in range(0, len(good), stride):
            path.write_bytes(good[:length])
            assert path.name in problem(bundle)
        path.write_bytes(good)


def test_the_journal_cut_anywhere_is_found_even_if_all_else_is_made_to_fit(bundle: Path) -> None:
    path = bundle / "journal.jsonl"
    good = path.read_bytes()
    for length in range(0, len(good), 7):
        path.write_bytes(good[:length])
        re_list(bundle)
        assert "journal" in problem(bundle)


def test_any_byte_added_to_any_file_is_found(bundle: Path) -> None:
    for path in files(bundle):
        good = path.read_bytes()
        for more in (b"\n", b" ", b"\0"):
            for changed in (good + more, more + good):
                path.write_bytes(changed)
                assert path.name in problem(bundle)
        path.write_bytes(good)


def test_any_file_removed_or_renamed_is_found(bundle: Path) -> None:
    for path in files(bundle):
        away = path.with_name(path.name + ".away")
        path.rename(away)
        assert path.name in problem(bundle)
        away.rename(path)
    assert verify(bundle).problem == ""


@pytest.mark.parametrize(
    "name", ["extra", "captures/extra.jsonl", "rig/.hidden", "journal.jsonl~", "Journal.jsonl", "\udcff"]
)
def test_any_file_added_is_found(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"")
    shown = name.encode("utf-8", "backslashreplace").decode()
    assert problem(bundle) == f"{shown} is not in the manifest: it was added or renamed"


def test_a_folder_added_removed_or_put_in_the_place_of_a_file_is_found(bundle: Path) -> None:
    (bundle / "captures/deep").mkdir()
    assert problem(bundle) == "the folder captures/deep does not belong to the bundle: it was added"
    (bundle / "captures/deep").rmdir()
    (bundle / "manifest.sig").unlink()
    (bundle / "manifest.sig").mkdir()
    assert problem(bundle) == "manifest.sig is not an ordinary file"


def test_a_folder_in_the_place_of_a_listed_file_is_found(bundle: Path) -> None:
    (bundle / "rig/small.yaml").unlink()
    (bundle / "rig/small.yaml").mkdir()
    assert "rig/small.yaml" in problem(bundle)


@pytest.mark.parametrize(
    "name", ["manifest.json", "manifest.sig", "key.pem", "journal.jsonl", "captures", "rig/small.yaml"]
)
def test_a_link_is_found_though_it_leads_to_the_right_thing(bundle: Path, name: str, tmp_path: Path) -> None:
    (bundle / name).rename(tmp_path / "real")
    (bundle / name).symlink_to(tmp_path / "real")
    assert name in problem(bundle) and "not an ordinary file" in problem(bundle)


def test_a_link_added_or_a_pipe_in_the_place_of_a_file_is_found(bundle: Path, tmp_path: Path) -> None:
    (bundle / "loop").symlink_to(bundle)
    assert problem(bundle) == "loop is not an ordinary file"
    (bundle / "loop").unlink()
    (bundle / "rig/small.yaml").unlink()
    os.mkfifo(bundle / "rig/small.yaml")
    assert problem(bundle) == "rig/small.yaml is not an ordinary file"
    (tmp_path / "link").symlink_to(bundle)
    assert "is not a folder" in problem(tmp_path / "link")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bigger_bundles_with_anything_done_to_them(
    bigger: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(files(bigger)))
    good = path.read_bytes()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + data.draw(st.sampled_from([0, 1, 2, 50, 100_000])))))
    changed = good[:start] + data.draw(st.binary(max_size=5)) + good[end:]
    if changed == good:
        return
    try:
        path.write_bytes(changed)
        assert verify(bigger).level is Level.FAILED
    finally:
        path.write_bytes(good)


@pytest.fixture(scope="module")
def bigger(tmp_path_factory: pytest.TempPathFactory, bench_key: BenchKey) -> Path:
    def script(stream: Any) -> None:
        for number in range(200):
            stream.emit("ac", "wire", {"direction": "tx", "text": f"VOLT {number}"})
            stream.emit("ref", "measurement", {"quantity": "voltage", "value": number / 7, "unit": "V"})

    return pack_virtual(tmp_path_factory.mktemp("bigger"), bench_key, script=script)


# Bundles that are not finished, and what is no bundle


def test_a_lost_manifest_of_a_finished_run_is_not_taken_for_a_killed_run(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()
    report = verify(bundle)
    assert report.level is Level.FAILED and not report.interrupted
    assert "manifest.json is missing, though journal.jsonl is sealed" in report.problem


def test_a_killed_run_is_verified_as_far_as_it_came(bundle: Path) -> None:
    path = bundle / "journal.jsonl"
    for name in manifest_module.UNLISTED:
        (bundle / name).unlink(missing_ok=True)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    report = verify(bundle)
    assert report.interrupted and report.run == "r1" and report.records == 3
    assert report.problem == (
        "there is no manifest.json: the run was killed or still goes on; "
        "journal.jsonl is good and unsealed: ends cleanly after record 3, but nothing is signed"
    )
    path.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    assert "good only up to record 2: journal.jsonl line 3: the journal is cut short" in problem(bundle)
    path.write_bytes(lines[0] + lines[1].replace(b"start", b"stark") + lines[2])
    assert "good only up to record 2: journal.jsonl line 3: record 3 does not follow" in problem(bundle)


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path) -> None:
    assert problem(tmp_path) == "there is neither manifest.json nor journal.jsonl: this is no bundle"
    (tmp_path / "file").write_text("")
    assert problem(tmp_path / "file") == f"{tmp_path / 'file'} is not a folder"
    assert "cannot be read: No such file" in problem(tmp_path / "nowhere")


RUBBISH = [
    b"",
    b"\n",
    b"null\n",
    b"[]\n",
    b"{}\n",
    b"\xff\xfe",
    b"7\n",
    b'"x"\n',
    b"[" * 100_000,
    b'{"keyid":1,"sig":2}\n',
]


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig", "key.pem", "journal.jsonl"])
@pytest.mark.parametrize("content", RUBBISH, ids=lambda content: str(content[:12]))
def test_rubbish_is_a_finding_and_never_an_exception(bundle: Path, name: str, content: bytes) -> None:
    (bundle / name).write_bytes(content)
    assert name in problem(bundle)
    re_sign_rubbish(bundle, content)
    assert problem(bundle)


def re_sign_rubbish(bundle: Path, content: bytes) -> None:
    (bundle / "manifest.json").write_bytes(content)
    (bundle / "manifest.sig").write_bytes(sign(content, FORGER))
    (bundle / "key.pem").write_bytes(public_pem(FORGER.public))


def test_a_signature_by_another_key_than_the_one_beside_it_is_refused(bundle: Path) -> None:
    (bundle / "key.pem").write_bytes(public_pem(FORGER.public))
    assert f"and key.pem is another: {FORGER.fingerprint}" in problem(bundle)


def test_a_signature_for_another_purpose_is_refused(bundle: Path) -> None:
    data = (bundle / "manifest.json").read_bytes()
    value = json.loads(sign(data, FORGER))
    value["sig"] = base64.b64encode(FORGER.sign("application/other", data)).decode()
    (bundle / "manifest.sig").write_bytes(canonical.encode(value) + b"\n")
    (bundle / "key.pem").write_bytes(public_pem(FORGER.public))
    assert problem(bundle) == "manifest.json is not what was signed: it, or manifest.sig, was changed"
    value["payloadType"] = "application/other"
    (bundle / "manifest.sig").write_bytes(canonical.encode(value) + b"\n")
    assert "it is not a signature of the type" in problem(bundle)


def test_a_manifest_has_one_form(pristine: Path) -> None:
    data = (pristine / "manifest.json").read_bytes()
    assert Manifest.decode(data).encode() == data
    for other in (data[:-1], data + b"\n", json.dumps(json.loads(data)).encode() + b"\n"):
        with pytest.raises(ValueError):
            Manifest.decode(other)


def test_a_file_that_cannot_be_read_is_a_finding(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **more: Any) -> Any:
        raise PermissionError(13, "Permission denied", "journal.jsonl")

    monkeypatch.setattr("hashlib.file_digest", refuse)
    assert problem(bundle) == "journal.jsonl cannot be read: Permission denied"
