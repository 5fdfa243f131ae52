"""Makes bundles for tests, and does to them what a forger could."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import canonical
from bench.clock import VirtualClock
from bench.events import EventStream
from bench.evidence.bundle import BundleWriter
from bench.evidence.keys import BenchKey, public_pem
from bench.evidence.manifest import UNLISTED, Manifest, sign
from bench.evidence.redact import Redactor
from bench.evidence.verify import Level, verify
from bench.virtual_time import VirtualLoop

INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"
PASSWORD = "correct horse & co"
FORGER = BenchKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
RIG = b"name: small  # a comment is kept\n"


def stream_here() -> EventStream:
    return EventStream(VirtualClock(asyncio.get_running_loop()))


async def pack(
    out: Path,
    key: BenchKey,
    *,
    run: str = "r1",
    stream: EventStream | None = None,
    secrets: Mapping[str, str] | None = None,
    script: Callable[[EventStream], None] = lambda stream: None,
    start: Mapping[str, Any] | None = None,
    end: Mapping[str, Any] | None = None,
) -> Manifest:
    """A run of one step with some wire traffic, and whatever `script` emits beside."""
    stream = stream or stream_here()
    bundle = BundleWriter.open(out, run, stream, key=key, redactor=Redactor(secrets))
    bundle.add("rig/small.yaml", RIG)
    stream.emit("engine", "run", start or {"state": "start"})
    stream.emit("ac", "wire", {"direction": "tx", "text": "VOLT 230"})
    stream.emit("dcc", "wire", {"direction": "rx", "hex": "df09", "channel": "gbcs"})
    frame = {"direction": "rx", "hex": "0200aa", "channel": 11, "power_dbm": -60.5, "lqi": 200}
    stream.emit("sniffer", "wire", frame | {"air_mono_ns": stream.clock.now().mono_ns - 1000})
    script(stream)
    await bundle.barrier()
    stream.emit("engine", "run", end or {"state": "end", "verdict": "passed"})
    return await bundle.close()


def pack_virtual(out: Path, key: BenchKey, **options: Any) -> Path:
    """Pack on a virtual loop of its own; returns the bundle's folder."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        manifest = runner.run(pack(out, key, **options))
    return out / manifest.run


def problem(bundle: Path) -> str:
    report = verify(bundle)
    assert report.level is Level.FAILED and report.problem and report.verdict is None
    return report.problem


def files(bundle: Path) -> list[Path]:
    return sorted(path for path in bundle.rglob("*") if path.is_file())


def re_sign(bundle: Path, change: Callable[[dict[str, Any]], object], key: BenchKey = FORGER) -> None:
    """What somebody with a key of their own can do: change the manifest and sign it."""
    value = json.loads((bundle / "manifest.json").read_bytes())
    change(value)
    data = canonical.encode(value) + b"\n"
    (bundle / "manifest.json").write_bytes(data)
    (bundle / "manifest.sig").write_bytes(sign(data, key))
    (bundle / "key.pem").write_bytes(public_pem(key.public))


def re_list(bundle: Path, key: BenchKey = FORGER) -> None:
    """List the files as they are now, and sign."""

    def change(value: dict[str, Any]) -> None:
        value["files"] = [
            {
                "path": str(path.relative_to(bundle)),
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "size": path.stat().st_size,
            }
            for path in files(bundle)
            if path.name not in UNLISTED
        ]

    re_sign(bundle, change, key)
