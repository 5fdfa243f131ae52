"""Shared by the tests of evidence: one key and one small bundle, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.evidence import versions
from bench.evidence.keys import BenchKey
from tests.evidence.bundles import pack_virtual


@pytest.fixture(scope="session")
def bench_key(tmp_path_factory: pytest.TempPathFactory) -> BenchKey:
    return BenchKey.load_or_create(tmp_path_factory.mktemp("state") / "keys")


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, bench_key: BenchKey) -> Path:
    """A small bundle that nobody changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "collect", dict)
        return pack_virtual(tmp_path_factory.mktemp("pristine"), bench_key)


@pytest.fixture
def bundle(pristine: Path, tmp_path: Path) -> Path:
    """A copy of it to tamper with."""
    return Path(shutil.copytree(pristine, tmp_path / "r1"))
