"""Shared by the tests of evidence: one key, made once."""

from __future__ import annotations

import pytest

from bench.evidence.keys import BenchKey


@pytest.fixture(scope="session")
def bench_key(tmp_path_factory: pytest.TempPathFactory) -> BenchKey:
    return BenchKey.load_or_create(tmp_path_factory.mktemp("state") / "keys")
