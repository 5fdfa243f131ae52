"""The manifest: what a bundle holds and what it claims; and the signature over it.

Both are canonical JSON with a line feed, so each has one form only and no byte of them can change unseen.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from bench import canonical
from bench.clock import ClockKind
from bench.evidence.keys import BenchKey

FORMAT = "hilbench-evidence/1"
"""What a manifest says it is."""

PAYLOAD_TYPE = "application/vnd.hilbench.manifest.v1+json"
"""What the signature says it is over."""

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
PUBLIC_KEY = "key.pem"
TIMESTAMP = "manifest.tsr"
JOURNAL = "journal.jsonl"
VERSIONS = "versions.json"
INTERRUPTED = "interrupted"
"""Folder of the journals of the runs that this one carries on with, each by its run's id."""

UNLISTED = frozenset({MANIFEST, SIGNATURE, PUBLIC_KEY, TIMESTAMP})
"""The files that a manifest cannot list: itself, what its signature is checked with, and what comes later."""

RESERVED = UNLISTED | {JOURNAL, VERSIONS}
"""The files that the bundle makes itself."""

STATEMENTS = {
    ClockKind.REAL: "clock: real",
    ClockKind.VIRTUAL: "clock: virtual; never compliance evidence",
}
"""What a manifest states of its clock."""

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a bundle, by its path relative to the bundle, with / between folders."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle holds and claims.

    Attributes:
        run: the run's id.
        verdict: how the run ended, as its last event says; None if it did not say.
        clock: the kind of clock.
        uncertainty_ns: the greatest uncertainty of UTC in the journal; None if it was not synchronised throughout.
        records: how many records the journal has.
        head: SHA-256 of the journal's last line.
        body: the journal's body hash.
        files: every file but those in `UNLISTED`, by path.
        redacted: those of them that are copies without their secrets.
    """

    run: str
    verdict: str | None
    clock: ClockKind
    uncertainty_ns: int | None
    records: int
    head: str
    body: str
    files: tuple[FileEntry, ...]
    redacted: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The bytes of the file, which are what is signed."""
        value = {
            "clock": {
                "kind": self.clock.value,
                "statement": STATEMENTS[self.clock],
                "synchronised": self.uncertainty_ns is not None,
                "uncertainty_ns": self.uncertainty_ns,
            },
            "files": [{"path": file.path, "sha256": file.sha256, "size": file.size} for file in self.files],
            "format": FORMAT,
            "journal": {"body": self.body, "head": self.head, "path": JOURNAL, "records": self.records},
            "redacted": list(self.redacted),
            "run": self.run,
            "verdict": self.verdict,
        }
        return canonical.encode(value) + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Read a manifest strictly: what it returns encodes to the same bytes.

        Raises:
            ValueError: it is not one of this format, with the reason.
        """
        value = _decode_line(data)
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise ValueError(f"it is not of the format {FORMAT}")
        try:
            clock, journal = value["clock"], value["journal"]
            files = tuple(FileEntry(_path(f["path"]), _count(f["size"]), _hash(f["sha256"])) for f in value["files"])
            manifest = cls(
                run=_text(value["run"]),
                verdict=None if value["verdict"] is None else _text(value["verdict"]),
                clock=ClockKind(clock["kind"]),
                uncertainty_ns=None if clock["uncertainty_ns"] is None else _count(clock["uncertainty_ns"]),
                records=_count(journal["records"]),
                head=_hash(journal["head"]),
                body=_hash(journal["body"]),
                files=files,
                redacted=tuple(_path(path) for path in value["redacted"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"a field is missing or has the wrong type: {error}") from error
        paths = [file.path for file in files]
        if paths != sorted(set(paths)) or UNLISTED & set(paths) or not set(manifest.redacted) <= set(paths):
            raise ValueError("its list of files is not in order")
        if manifest.encode() != data:
            raise ValueError("it has fields that the format does not have, or contradicts itself")
        return manifest


def sign(manifest: bytes, key: BenchKey) -> bytes:
    """The bytes of the signature file."""
    signature = base64.b64encode(key.sign(PAYLOAD_TYPE, manifest)).decode()
    return _encode_signature(key.fingerprint, signature)


def read_signature(data: bytes) -> tuple[str, bytes]:
    """Read a signature file strictly; returns the key's fingerprint and the signature.

    Raises:
        ValueError: it is not one, with the reason.
    """
    value = _decode_line(data)
    try:
        key, text = _hash(value["keyid"]), _text(value["sig"])
        signature = base64.b64decode(text, validate=True)
    except (KeyError, TypeError) as error:
        raise ValueError(f"a field is missing or has the wrong type: {error}") from error
    if _encode_signature(key, base64.b64encode(signature).decode()) != data:
        raise ValueError(f"it is not a signature of the type {PAYLOAD_TYPE} in its one form")
    return key, signature


def _encode_signature(key: str, signature: str) -> bytes:
    return canonical.encode({"keyid": key, "payloadType": PAYLOAD_TYPE, "sig": signature}) + b"\n"


def _decode_line(data: bytes) -> Any:
    if not data.endswith(b"\n"):
        raise ValueError("it does not end with a line feed")
    return canonical.decode(data[:-1])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r} is not a count")
    return value


def _hash(value: object) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise TypeError(f"{value!r} is not a SHA-256 in small hexadecimal")
    return value


def _path(value: object) -> str:
    if not is_bundle_path(_text(value)):
        raise TypeError(f"{value!r} is not a path inside the bundle")
    return _text(value)


def is_bundle_path(path: str) -> bool:
    """Whether a path stays inside a bundle, has one spelling only, and can be the name of a file."""
    parts = PurePosixPath(path).parts
    plain = path == "/".join(parts) and all(part not in (".", "..") for part in parts)
    return bool(parts) and plain and not path.startswith("/") and path.isprintable() and not {'"', "\\"} & set(path)


def file_entries(files: Mapping[str, tuple[int, str]]) -> tuple[FileEntry, ...]:
    """Entries of a manifest from size and SHA-256 by path."""
    return tuple(FileEntry(path, *files[path]) for path in sorted(files))
