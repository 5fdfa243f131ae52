"""What was seen once is never new again, in this run or another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import bench.ledger
from bench.errors import BenchError
from bench.ledger import Ledger


def test_a_message_is_new_once(tmp_path: Path) -> None:
    for ledger in (Ledger(), Ledger(tmp_path / "seen.jsonl")):
        assert [ledger.record("a", "esme", 5) for _ in range(3)] == [0, 1, 2]
        assert ledger.record("b", "esme", 5) == 0


def test_the_highest_counter_of_each_device_never_goes_back() -> None:
    ledger = Ledger()
    assert ledger.highest_counter("esme") == 0
    for digest, device, counter in (("a", "esme", 7), ("b", "esme", 3), ("c", "gsme", 9), ("d", None, 99)):
        ledger.record(digest, device, counter)
    ledger.record("e", "esme", None)
    assert (ledger.highest_counter("esme"), ledger.highest_counter("gsme")) == (7, 9)


def test_what_was_seen_last_night_is_old_tonight(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    last_night = Ledger(path)
    last_night.record("a", "esme", 7)
    last_night.record("a", "esme", 7)
    last_night.record("b", None, None)
    assert len(path.read_text().splitlines()) == 2, "a repetition adds nothing"
    tonight = Ledger(path)
    assert (tonight.record("a", "esme", 7), tonight.record("b", None, None), tonight.record("c", None, None)) == (
        1,
        1,
        0,
    )
    assert tonight.highest_counter("esme") == 7


def test_a_counter_is_remembered_longer_than_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.ledger, "_KEPT_DIGESTS", 2)
    path = tmp_path / "seen.jsonl"
    for counter, digest in ((900, "a"), (1, "b"), (2, "c")):
        Ledger(path).record(digest, "esme", counter)
    ledger = Ledger(path)
    assert ledger.highest_counter("esme") == 900
    assert [ledger.record(digest, None, None) for digest in "abc"] == [0, 1, 1]


@pytest.mark.parametrize("line", ["{", "[]", "5", "null", '"a"', "{}", '{"device": "x"}', '{"digest": "x"'])
def test_a_damaged_record_is_an_error_that_says_what_to_do(tmp_path: Path, line: str) -> None:
    path = tmp_path / "seen.jsonl"
    path.write_text(json.dumps({"digest": "a", "device": None, "counter": None}) + f"\n{line}\n")
    with pytest.raises(BenchError, match="cannot be read") as caught:
        Ledger(path)
    assert str(path) in str(caught.value)
    assert "Move the file away" in str(caught.value)


def test_bytes_that_are_no_text_are_an_error_too(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl"
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(BenchError, match="cannot be read"):
        Ledger(path)


def test_a_record_that_cannot_be_written_is_a_fault_and_the_message_is_still_known(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "seen.jsonl"
    ledger = Ledger(path)
    assert ledger.fault is None
    assert ledger.record("a", "esme", 7) == 0
    assert ledger.fault == f"{path}: No such file or directory"
    assert ledger.record("a", "esme", 7) == 1
