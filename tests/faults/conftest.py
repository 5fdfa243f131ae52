"""Nothing that goes wrong in an emulated world may be an error of the bench's or the emulator's own code."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test during which any library logs an error."""
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert errors == []


SHARE = {"test_alert_verdicts.py", "test_bench_devices.py", "test_responses.py"}
"""Files with so many whole runs that `make test` has one in four of their cases; `make soak` has the others."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most of the many to `make soak`, always the same ones."""
    for item in items:
        if item.path.parent.name == "faults" and item.path.name in SHARE and zlib.crc32(item.name.encode()) % 4:
            item.add_marker(pytest.mark.soak)
