"""Responses that are late, missing or a refusal, devices whose clocks are wrong, and what is too short or too slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.runs import Ends, fails, passes, run_session, see, undecided

SHORT, LONG, OVER, ARM, JOIN = "supply-outage-short", "supply-outage-long", "over-voltage", "arm-supply", "han-join"


def not_seen(step: str, variant: str, within: str = "1 min 0 s") -> str:
    return f"{step}: response {variant} I0: did not come within {within}"


def refused(step: str, variant: str, user: str) -> str:
    return f"{step}: response {variant} I0: response {variant} I0 to {user}: the device answered with an error: "


PUT_BACK = "teardown did not put everything back"


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        # Nothing comes, or too late.
        (["response-never:7.2"], fails(ARM, not_seen("1 Disable the supply", "7.2"), findings=())),
        (["response-late:7.4@60s"], fails(ARM, not_seen("2 The meter says that its supply is disabled", "7.4"))),
        (["response-never:7.3"], fails(ARM, not_seen("3 Arm the supply", "7.3"))),
        (["response-never:7.1"], fails(ARM, not_seen("Enable the supply again", "7.1"), PUT_BACK)),
        (["response-never:6.2.1"], fails(OVER, not_seen("Read the voltage configuration", "6.2.1"))),
        (["response-late:4.10"], fails(OVER, not_seen("Read the averaging period", "4.10"))),
        (
            ["response-never:6.5"],
            fails(OVER, not_seen("Set a threshold of 253 V and a period of one minute", "6.5"), PUT_BACK),
        ),
        (["response-never:8.1.1"], fails("ic01", not_seen("3 Commission", "8.1.1", "1 h 5 min"))),
        (["response-never:6.21"], fails("ic01", not_seen("4 Commission Gas Proxy", "6.21"))),
        (["response-late:8.1.1@60s"], fails("ic02", not_seen("3 Commission", "8.1.1"))),
        (["response-never:6.20.1"], fails("ic02", not_seen("4 Set MPxN on ESME for display purposes", "6.20.1"))),
        # The device says no, which ends the step at once.
        (["response-error:7.2"], fails(ARM, refused("1 Disable the supply", "7.2", "IS"))),
        (["response-error:7.3"], fails(ARM, refused("3 Arm the supply", "7.3", "IS"))),
        (["response-error:7.4"], fails(ARM, refused("2 The meter says that its supply is disabled", "7.4", "IS"))),
        (["response-error:7.1"], fails(ARM, refused("Enable the supply again", "7.1", "IS"), PUT_BACK)),
        (["response-error:6.2.1"], fails(OVER, refused("Read the voltage configuration", "6.2.1", "ED"))),
        (
            ["response-error:6.5"],
            fails(OVER, refused("Set a threshold of 253 V and a period of one minute", "6.5", "ED"), PUT_BACK),
        ),
        (["response-error:8.1.1"], fails("ic01", refused("3 Commission", "8.1.1", "GS"), "the clock is unreliable")),
        (["response-error:6.21"], fails("ic01", refused("4 Commission Gas Proxy", "6.21", "GS"))),
        (["response-error:8.7.2"], fails("ic01", refused("5 Join Device", "8.7.2", "GS"), "invalid join method (2)")),
        (["response-error:6.20.1"], fails("ic01", refused("6 Set MPxN on GSME for display purposes", "6.20.1", "GS"))),
        (["response-error:8.1.1"], fails("ic02", refused("3 Commission", "8.1.1", "IS"), "hardware fault (1)")),
        (["response-error:6.20.1"], fails("ic02", refused("4 Set MPxN on ESME for display purposes", "6.20.1", "IS"))),
        # What a precondition needs: then nobody can tell.
        (
            ["response-never:8.11"],
            undecided(
                JOIN,
                not_seen("Remove the ESME from the device log", "8.11"),
                "precondition not established: The ESME is not installed",
            ),
        ),
        (
            ["response-error:8.11"],
            undecided("ic01", "precondition not established: The GSME is not installed", PUT_BACK),
        ),
        # In time, after all.
        (["response-late:7.4@55s"], passes(ARM)),
        (["response-late:8.1.1@60min"], passes("ic01")),
    ],
    ids=lambda value: value.runbook if isinstance(value, Ends) else value[0],
)
async def test_responses(faults: list[str], expected: Ends) -> None:
    await see(faults, expected)


async def test_after_a_refusal_nobody_waits_for_the_gas_meter() -> None:
    (finished,) = await see(["join-never"], fails("ic01", "3 Commission: response 8.1.1 I0: response 8.1.1 E5 to GS"))
    commission = next(step for step in finished.result.steps if step.placed.name == "3 Commission")
    assert commission.duration_s < 1


@pytest.mark.parametrize(
    ("fault", "runbook", "words"),
    [
        ("device-clock-off:75", SHORT, "the fall that it states is 1 min 15 s from the one the bench made"),
        ("device-clock-off:-75", SHORT, "its own time stamp is 1 min 12 s before its cause"),
        ("device-clock-off:75", LONG, "the restore that it states is 1 min 15 s from the one the bench made"),
        ("device-clock-off:11", LONG, "the restore that it states is 11.0 s from the one the bench made"),
        ("device-clock-off:75", OVER, "its own time stamp is 1 min 14 s ahead of its arrival"),
        ("device-clock-off:-130", OVER, "before its cause"),
        ("device-clock-off:75", ARM, "its own time stamp is 1 min 14 s ahead of its arrival"),
        ("device-clock-off:75", JOIN, "its own time stamp is 1 min 14 s ahead of its arrival"),
    ],
)
async def test_a_meter_whose_clock_is_wrong(fault: str, runbook: str, words: str) -> None:
    await see([fault], fails(runbook, "; what came was not it: ", words))


@pytest.mark.parametrize("off_s", [9, -9])
async def test_a_meter_whose_clock_is_as_wrong_as_the_rig_allows(off_s: int) -> None:
    await see([f"device-clock-off:{off_s}"], passes(SHORT), passes(OVER), passes(ARM), passes(JOIN))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            "hub-boot-slow",
            fails(
                SHORT,
                "0x8F35 from esme: did not come within 3 min 0 s of the restore",
                findings=("hub power on, wan up was not seen, though the witness could see",),
            ),
        ),
        ("hub-boot-slow@130s", passes(SHORT)),
        ("hub-boot-slow", fails(LONG, "0x8F36 from esme: did not come within 3 min 0 s of the restore", findings=())),
        (
            "join-never",
            fails(
                JOIN,
                "association on the air of esme: did not come within 10 min 0 s",
                "; join on the air of esme: did not come within 10 min 0 s",
                "; 0x8183 from esme: did not come within 10 min 0 s",
            ),
        ),
        (
            "join-never",
            fails(
                "ic02",
                "3 Commission: response 8.1.1 I0: response 8.1.1 E5 to IS: its response code is E5, not I0",
                findings=("join on the air of esme was not seen, though the witness could see",),
            ),
        ),
        (
            "join-not-on-air",
            fails(
                JOIN,
                "association on the air of esme: did not come within 10 min 0 s; "
                "join on the air of esme: did not come within 10 min 0 s",
            ),
        ),
        ("join-not-on-air", passes("ic01", "join on the air of gsme was not seen, though the witness could see")),
        ("join-not-on-air", passes("ic02", "join on the air of esme was not seen, though the witness could see")),
    ],
)
async def test_what_is_too_slow_too_short_or_not_there(fault: str, expected: Ends) -> None:
    await see([fault], expected)


@pytest.mark.parametrize("after", ["5s", "30s"])
async def test_a_voltage_that_does_not_stay_long_enough_says_nothing_of_the_meter(tmp_path: Path, after: str) -> None:
    """No mean of a whole period crosses the threshold, and the reference meter saw why."""
    (finished,) = await run_session(tmp_path, [OVER], [f"voltage-blip@{after}"])
    undecided(
        OVER,
        "2 Raise the voltage to 260 V: 0x8002 from esme: did not come within 2 min 20 s of the set",
        "; the supply did not stay at 260 V as it was set: the reference meter reads 2",
    ).check(finished)


async def test_a_voltage_that_nobody_saw_is_held_against_the_meter() -> None:
    """As far as the bench can tell: the reference meter is read too seldom to see it."""
    await see(
        ["voltage-blip@2s"], fails(OVER, "0x8002 from esme: did not come within 2 min 20 s of the set", findings=())
    )
