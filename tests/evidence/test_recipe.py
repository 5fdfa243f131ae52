"""The recipe in docs/evidence.md, for people who trust openssl and coreutils more than the bench."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.events import EventStream
from bench.evidence.keys import BenchKey
from tests.evidence.bundles import FORGER, files, pack_virtual, re_list, re_sign

DOCUMENT = Path(__file__).parents[2] / "docs/evidence.md"


@pytest.fixture
def bundle(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "r1"))


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = re.search(r"```bash\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    path = tmp_path_factory.mktemp("recipe") / "check.sh"
    path.write_text(found[1])
    return path


def check(script: Path, bundle: Path, fingerprint: str) -> tuple[bool, str]:
    done = subprocess.run(["bash", str(script), fingerprint], cwd=bundle, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == done.stdout.endswith("good\n"), done
    return done.returncode == 0, done.stdout + done.stderr


def test_it_accepts_a_good_bundle(script: Path, tmp_path: Path, bench_key: BenchKey) -> None:
    def noise(stream: EventStream) -> None:
        stream.emit("a", "x", {"prev": "00" * 32, "seq": 1, "volatile": {}}, volatile={"volatile": {"a": 1}})

    good, output = check(script, pack_virtual(tmp_path, bench_key, script=noise), bench_key.fingerprint)
    assert good, output
    assert "clock: virtual; never compliance evidence" in output and '"verdict":"passed"' in output


def test_it_refuses_another_key(script: Path, bundle: Path, bench_key: BenchKey) -> None:
    re_sign(bundle, lambda value: None)
    assert "no: another key" in check(script, bundle, bench_key.fingerprint)[1]
    assert check(script, bundle, FORGER.fingerprint)[0]


def test_it_refuses_a_change_in_any_file(script: Path, bundle: Path, bench_key: BenchKey) -> None:
    for path in files(bundle):
        good = path.read_bytes()
        middle = len(good) // 2
        path.write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])
        assert not check(script, bundle, bench_key.fingerprint)[0], path
        path.write_bytes(good)
    assert check(script, bundle, bench_key.fingerprint)[0]


def test_it_refuses_what_was_added_or_removed(script: Path, bundle: Path, bench_key: BenchKey) -> None:
    (bundle / "extra").symlink_to("key.pem")
    assert "a file was added" in check(script, bundle, bench_key.fingerprint)[1]
    (bundle / "extra").unlink()
    (bundle / "captures/ac.jsonl").unlink()
    assert "changed or removed" in check(script, bundle, bench_key.fingerprint)[1]


def test_it_refuses_a_chain_that_breaks_or_a_wrong_head_or_body(script: Path, bundle: Path) -> None:
    path = bundle / "journal.jsonl"
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"verdict":"passed"', b'"verdict":"failed"'))
    re_list(bundle)
    assert "the chain breaks" in check(script, bundle, FORGER.fingerprint)[1]
    path.write_bytes(good)
    re_list(bundle)
    re_sign(bundle, lambda value: value["journal"].update(head="00" * 32))
    assert "another head" in check(script, bundle, FORGER.fingerprint)[1]
    re_list(bundle)
    re_sign(bundle, lambda value: value["journal"].update(head=_head(good), body="00" * 32))
    assert "another body" in check(script, bundle, FORGER.fingerprint)[1]


def _head(journal: bytes) -> str:
    return hashlib.sha256(journal.splitlines(keepends=True)[-1]).hexdigest()
