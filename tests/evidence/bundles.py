"""Makes bundles for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.clock import VirtualClock
from bench.events import EventStream
from bench.evidence.bundle import BundleWriter
from bench.evidence.keys import BenchKey
from bench.evidence.manifest import Manifest
from bench.evidence.redact import Redactor
from bench.virtual_time import VirtualLoop

INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"
PASSWORD = "correct horse & co"
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
