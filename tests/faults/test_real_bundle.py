"""The evidence of a real run: it verifies, and whoever changes anything of it is found out."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.evidence.verify import Level, verify
from bench.rig.load import load_rig
from bench.runner import bench_key
from bench.virtual_time import VirtualLoop
from tests.faults.runs import RIG, run_session


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A bundle and the fingerprint of the key that signed it."""
    folder = tmp_path_factory.mktemp("real")
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        (finished,) = runner.run(run_session(folder, ["han-join"]))
    return finished.bundle, bench_key(folder / "state").fingerprint


def contents(bundle: Path) -> list[Path]:
    return sorted(path for path in bundle.rglob("*") if path.is_file())


def test_it_verifies_and_says_what_it_is(sealed: tuple[Path, str]) -> None:
    bundle, key = sealed
    report = verify(bundle, [key])
    assert (report.level, report.verdict, report.emulated, report.compliance) == (Level.VERIFIED, "passed", True, False)
    assert verify(bundle).level is Level.INTEGRITY_ONLY
    assert verify(bundle, ["00" * 32]).level is not Level.VERIFIED


def test_one_byte_changed_anywhere_is_found_out(sealed: tuple[Path, str], tmp_path: Path) -> None:
    bundle, key = sealed
    rng = random.Random(1)
    copy = tmp_path / bundle.name
    shutil.copytree(bundle, copy)
    for path in contents(copy):
        whole = path.read_bytes()
        for _ in range(4 if len(whole) > 1000 else 2):
            at, bit = rng.randrange(len(whole)), 1 << rng.randrange(8)
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            report = verify(copy, [key])
            assert report.level is Level.FAILED and report.problem, f"{path.name} byte {at} bit {bit}"
        path.write_bytes(whole)
    assert verify(copy, [key]).level is Level.VERIFIED


def cut_journal(bundle: Path) -> None:
    journal = bundle / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-5]))


def cut_journal_in_a_record(bundle: Path) -> None:
    journal = bundle / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-100])


def remove_a_capture(bundle: Path) -> None:
    next(path for path in contents(bundle) if path.parent.name == "captures").unlink()


def add_a_file(bundle: Path) -> None:
    (bundle / "captures" / "more.jsonl").write_text("{}\n")


def remove_the_signature(bundle: Path) -> None:
    (bundle / "manifest.sig").unlink()


def lengthen_the_rig_file(bundle: Path) -> None:
    with (bundle / "rig.yaml").open("a") as file:
        file.write("\n")


@pytest.mark.parametrize(
    "spoil",
    [
        cut_journal,
        cut_journal_in_a_record,
        remove_a_capture,
        add_a_file,
        remove_the_signature,
        lengthen_the_rig_file,
    ],
)
def test_whatever_is_taken_or_added_is_found_out(
    sealed: tuple[Path, str], tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    bundle, key = sealed
    copy = tmp_path / bundle.name
    shutil.copytree(bundle, copy)
    spoil(copy)
    report = verify(copy, [key])
    assert report.level is Level.FAILED
    assert report.problem


def test_no_install_code_is_in_it(sealed: tuple[Path, str]) -> None:
    bundle, _ = sealed
    codes = [dut.install_code for dut in load_rig(RIG).duts.values() if dut.install_code]
    assert codes
    for path in contents(bundle):
        text = path.read_bytes().upper()
        for code in codes:
            assert code.upper().encode() not in text and bytes.fromhex(code) not in path.read_bytes(), path.name
