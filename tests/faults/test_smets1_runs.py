"""Every way in which the alerts of a SMETS1 ESME can be wrong, and the runbook that waits for them."""

from __future__ import annotations

import pytest

from tests.faults.runs import SMETS1_RIG, Ends, fails, passes, see, undecided

RUNBOOK = "over-voltage-smets1"
OVER = "2 Raise the voltage to 260 V: 0x8F40 from s1-esme: did not come within 2 min 20 s of the set"
UNDER = "5 Lower the voltage to 201 V: 0x8F41 from s1-esme: did not come within 2 min 20 s of the set"
INSTEAD = "; what came was not it: "
PROVIDER = "its signature is not valid: the signature of the SMETS1 Service Provider:"


async def test_it_passes_again_and_again_and_leaves_the_meter_as_it_was() -> None:
    await see([], passes(RUNBOOK), passes(RUNBOOK), shipped=SMETS1_RIG)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("alert-never:0x8F40", fails(RUNBOOK, OVER, findings=())),
        ("alert-never:0x8F41", fails(RUNBOOK, UNDER, findings=())),
        ("alert-wrong-code:0x8F40", fails(RUNBOOK, "no 0x8F41 from s1-esme: 0x8F41 from s1-esme to ED came")),
        ("alert-wrong-code:0x8F41", fails(RUNBOOK, "no 0x8F40 from s1-esme: 0x8F40 from s1-esme to ED came")),
        ("alert-bad-signature:0x8F40", fails(RUNBOOK, f"{OVER}{INSTEAD}0x8F40 from s1-esme to ED", PROVIDER)),
        ("alert-wrong-device:0x8F40", fails(RUNBOOK, f"{OVER}{INSTEAD}", "it is from s1-chf, not from s1-esme")),
        ("alert-wrong-user:0x8F41", fails(RUNBOOK, f"{UNDER}{INSTEAD}", "it came to IS, not to ED")),
        ("alert-twice:0x8F40", fails(RUNBOOK, "0x8F40 from s1-esme to ED came twice")),
        ("forbidden-alert:0x8F41@100s", fails(RUNBOOK, "no 0x8F41 from s1-esme: 0x8F41 from s1-esme to ED came")),
        ("voltage-blip", undecided(RUNBOOK, OVER, "the supply did not stay at 260 V")),
        ("response-error:6.5", fails(RUNBOOK, "the device answered with an error: the device has refused")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_it_fails_for_each_reason_that_it_can_fail(fault: str, expected: Ends) -> None:
    await see([fault], expected, shipped=SMETS1_RIG)


async def test_the_alert_of_the_run_before_does_not_count() -> None:
    await see(
        ["alert-replay:0x8F40@600s"], passes(RUNBOOK), fails(RUNBOOK, f"{OVER}{INSTEAD}", "old"), shipped=SMETS1_RIG
    )
