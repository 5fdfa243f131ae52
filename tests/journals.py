"""Journals as the tests write and read them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from bench.clock import VirtualClock
from bench.events import EventStream
from bench.journal_reader import read_journal


def virtual_stream() -> EventStream:
    return EventStream(VirtualClock(asyncio.get_running_loop()))


def read_all(path: Path) -> list[Any]:
    return list(read_journal(path))
