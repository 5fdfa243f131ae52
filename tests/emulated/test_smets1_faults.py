"""Alerts of SMETS1 devices under each fault that alerts can have."""

from __future__ import annotations

import asyncio

import pytest

from bench.duis.errors import SignatureError
from tests.emulated.smets1_worlds import S1_CHF, S1_ESME, content_of, smets1_world
from tests.emulated.worlds import Post, Small

SWING_S = 125.0
"""How long a voltage stays."""


async def over_and_under(*faults: str) -> list[Post]:
    """What the meter says while its voltage is too high, and then too low."""
    with smets1_world(*faults) as small:
        return await _swing(small)


async def _swing(small: Small) -> list[Post]:
    for volts in (260.0, 200.0):
        small.world.source_node.step(volts)
        await asyncio.sleep(SWING_S)
    return [post for post in small.posts if post.code in ("0x8F40", "0x8F41")]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("alert-never:0x8F40", [("0x8F41", "ED")]),
        ("alert-wrong-code:0x8F41", [("0x8F40", "ED"), ("0x8F40", "ED")]),
        ("alert-wrong-user:0x8F41", [("0x8F40", "ED"), ("0x8F41", "IS")]),
        ("alert-twice:0x8F40@3s", [("0x8F40", "ED"), ("0x8F40", "ED"), ("0x8F41", "ED")]),
        ("forbidden-alert:0x8F41@100s", [("0x8F41", "ED"), ("0x8F40", "ED"), *[("0x8F41", "ED")] * 2]),
    ],
)
async def test_what_comes_under_a_fault(fault: str, expected: list[tuple[str, str]]) -> None:
    assert [(post.code, post.user) for post in await over_and_under(fault)] == expected


async def test_faults_of_one_alert() -> None:
    (wrong, *_) = await over_and_under("alert-wrong-device:0x8F40")
    assert wrong.message.response_id is not None and wrong.message.response_id.originator == S1_CHF
    (on_time, under), (late, _) = await over_and_under(), await over_and_under("alert-late:0x8F40@20s")
    swing_s = 2 * SWING_S
    assert under.code == "0x8F41" and late.at_s - on_time.at_s == pytest.approx(swing_s + 20, abs=0.01)
    with smets1_world("alert-bad-signature:0x8F40") as small:
        forged, good = await _swing(small)
        with pytest.raises(SignatureError, match="does not verify"):
            content_of(small, forged)
        assert content_of(small, good).header.originator == S1_ESME
