"""A short run of the fuzzer in every test run, a long one in `make soak`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.gbcs.message import Message
from tests.fuzz import gbcs, seeds
from tests.fuzz.mutation import mutate

ROOT = Path(__file__).parents[2]


def _rtds() -> Path | None:
    folder = os.environ.get("HILBENCH_RTDS")
    return Path(folder) if folder else None


def test_seeds_are_whole() -> None:
    for message in seeds.messages(_rtds()):
        assert Message.parse(message).encode() == message
        assert gbcs.check_message(message)
    for document in seeds.documents(seeds.messages()):
        assert gbcs.check_decode(document)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_damaged_input(seed: int) -> None:
    fuzzer = gbcs.Fuzzer(seed, _rtds())
    fuzzer.run(2_000)
    assert fuzzer.counts["refused"] > 200
    assert fuzzer.counts["read"] > 200


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_damaged_input_for_long() -> None:
    fuzzer = gbcs.Fuzzer(20260101, _rtds())
    fuzzer.run(200_000)
    assert fuzzer.counts.total() == 200_000


def test_the_same_seed_does_the_same_damage() -> None:
    whole = seeds.messages()
    first, second = ([mutate(whole, rng) for _ in range(50)] for rng in (random.Random(7), random.Random(7)))
    assert first == second


def test_an_input_that_takes_too_long_is_stopped() -> None:
    with gbcs.processor_time() as restart, pytest.raises(gbcs.TooSlow):
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)
        assert restart is not None
        while True:
            pass


def test_a_crash_is_reported_with_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> bool:
        raise KeyError(data[0])

    monkeypatch.setattr(gbcs, "check_message", broken)
    with pytest.raises(AssertionError, match=r"KeyError: .*; input [0-9a-f]+"):
        gbcs.Fuzzer(1).run(50)


def test_command_line() -> None:
    command = [sys.executable, "-m", "tests.fuzz.gbcs", "--inputs", "100", "--seed", "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("100 inputs tried with seed 5: ")
