"""The bench's key: made once, private, and refused where others can reach it."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.durable import StorageError
from bench.errors import UsageError
from bench.evidence.keys import KEY_FILE, BenchKey, is_signed, load_public, pae, public_pem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keys"


def test_the_key_is_made_on_first_use_for_this_user_alone_and_then_stays(folder: Path) -> None:
    key = BenchKey.load_or_create(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [(path.name, path.stat().st_mode & 0o777) for path in folder.iterdir()] == [(KEY_FILE, 0o600)]
    assert BenchKey.load_or_create(folder).fingerprint == key.fingerprint
    assert len(key.fingerprint) == 64 and key.fingerprint in repr(key)


def test_processes_that_start_at_once_agree_on_one_key(folder: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(BenchKey.load_or_create(folder).fingerprint)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1
    assert os.listdir(folder) == [KEY_FILE]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_can_get_at_is_refused(folder: Path, mode: int) -> None:
    BenchKey.load_or_create(folder)
    (folder / KEY_FILE).chmod(mode)
    with pytest.raises(UsageError, match=rf"other users can get at the bench's key \(mode {mode:04o}\).*chmod 600"):
        BenchKey.load_or_create(folder)


def test_a_folder_that_others_can_get_at_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    with pytest.raises(UsageError, match="chmod 700"):
        BenchKey.load_or_create(folder)
    assert not list(folder.iterdir())


def test_a_key_of_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    BenchKey.load_or_create(folder)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(UsageError, match="belongs to another user"):
        BenchKey.load_or_create(folder)


def test_a_link_to_a_key_is_refused(folder: Path, tmp_path: Path) -> None:
    BenchKey.load_or_create(folder)
    (folder / KEY_FILE).rename(tmp_path / "elsewhere.pem")
    (folder / KEY_FILE).symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(StorageError, match="symbolic links"):
        BenchKey.load_or_create(folder)


def test_what_is_no_ed25519_key_is_refused_and_kept(folder: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder.mkdir(parents=True, mode=0o700)
    path = folder / KEY_FILE
    for content, what in ((b"rubbish", "no private key"), (b"", "no private key"), (other, "not Ed25519")):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(UsageError, match=what):
            BenchKey.load_or_create(folder)
        assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be read or made: not a directory"):
        BenchKey.load_or_create(tmp_path / "file" / "keys")


def test_a_signature_is_for_one_payload_of_one_type(bench_key: BenchKey) -> None:
    signature = bench_key.sign("text/a", b"payload")
    public = load_public(public_pem(bench_key.public))
    assert is_signed(public, signature, "text/a", b"payload")
    assert not is_signed(public, signature, "text/b", b"payload")
    assert not is_signed(public, signature, "text/a", b"payloae")
    changed = signature[:-1] + bytes([signature[-1] ^ 1])
    assert not is_signed(public, changed, "text/a", b"payload")
    assert pae("text/a", b"hello world") == b"DSSEv1 6 text/a 11 hello world"


def test_openssl_agrees_on_signature_and_fingerprint(bench_key: BenchKey, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(public_pem(bench_key.public))
    (tmp_path / "pae").write_bytes(pae("text/a", b"payload"))
    (tmp_path / "sig").write_bytes(bench_key.sign("text/a", b"payload"))
    verify = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in pae -sigfile sig"
    fingerprint = "openssl pkey -pubin -in key.pem -outform DER | sha256sum"
    done = subprocess.run(
        f"{verify} && {fingerprint}", shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "Verified Successfully" in done.stdout and bench_key.fingerprint in done.stdout


def test_a_public_key_has_one_form(bench_key: BenchKey) -> None:
    pem = public_pem(bench_key.public)
    for other in (pem + b"\n", pem.replace(b"\n", b"\r\n"), b"# note\n" + pem, pem[:-1], b"", b"\xff"):
        with pytest.raises(ValueError):
            load_public(other)
    other_kind = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(ValueError, match="not an Ed25519"):
        load_public(
            other_kind.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
