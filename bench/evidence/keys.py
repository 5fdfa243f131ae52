"""The bench's own Ed25519 key, and what exactly it signs.

A signature is over the pre-authentication encoding of DSSE v1: the payload's type is signed with it, so that a
signature made for one purpose proves nothing for another. A key is known by its fingerprint: SHA-256 of its
SubjectPublicKeyInfo in DER, in small hexadecimal.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bench.durable import storage_error, sync_folder
from bench.errors import UsageError

KEY_FILE = "bench-key.pem"
"""Name of the private key in its folder."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE v1 pre-authentication encoding: what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key's SubjectPublicKeyInfo in DER, in hexadecimal."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The key's one PEM form."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_public(pem: bytes) -> Ed25519PublicKey:
    """Read a public key in exactly the form that `public_pem` writes.

    Raises:
        ValueError: it is not one.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except Exception as error:
        # The library raises what it likes for a key of a kind it does not know.
        raise ValueError("not a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    if public_pem(key) != pem:
        raise ValueError("not in the form in which keys are written")
    return key


def is_signed(key: Ed25519PublicKey, signature: bytes, payload_type: str, payload: bytes) -> bool:
    """Whether the signature is that key's, over that payload and type."""
    try:
        key.verify(signature, pae(payload_type, payload))
    except InvalidSignature:
        return False
    return True


class BenchKey:
    """A private key that signs evidence. Never printed, logged or put in evidence."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key()

    def __repr__(self) -> str:
        return f"BenchKey({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """What to give to whoever is to trust this bench."""
        return fingerprint(self.public)

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        """The 64 bytes of the signature, the same each time."""
        return self._private.sign(pae(payload_type, payload))

    @classmethod
    def load_or_create(cls, folder: Path) -> BenchKey:
        """Read the bench's key, or make it on first use.

        Args:
            folder: the folder for keys, which is for this user alone; made if it is missing.

        Raises:
            UsageError: others can read the key or reach into its folder, or the file holds no Ed25519 key.
            StorageError: it cannot be read or made.
        """
        path = folder / KEY_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _insist_private(os.stat(folder), folder, "chmod 700")
            with contextlib.suppress(FileNotFoundError):
                return cls(_read(path))
            _create(path)
            return cls(_read(path))
        except OSError as error:
            raise storage_error(error, "the bench's key cannot be read or made", path) from error


def _insist_private(status: os.stat_result, path: Path, remedy: str) -> None:
    if status.st_uid != os.geteuid():
        raise UsageError("the bench's key belongs to another user, who could sign in its name", where=str(path))
    if status.st_mode & 0o077:
        raise UsageError(
            f"other users can get at the bench's key (mode {stat.S_IMODE(status.st_mode):04o})",
            where=str(path),
            next_step=f"If nobody took it: {remedy} {path}; otherwise remove it, and a new one is made",
        )


def _read(path: Path) -> Ed25519PrivateKey:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        _insist_private(os.fstat(fd), path, "chmod 600")
        pem = file.read()
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except Exception as error:
        raise UsageError("the file holds no private key", where=str(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError("the file holds a key that is not Ed25519", where=str(path))
    return key


def _create(path: Path) -> None:
    """Make the key so that two processes starting at once agree on one, and none ever reads half of it."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    draft = path.with_name(f"{path.name}.{threading.get_native_id()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(fd)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        sync_folder(path.parent)
    finally:
        os.unlink(draft)
