"""The runbook that waits for the alerts of a SMETS1 ESME, and what of them only a SMETS1 alert can have.

That a run sees what comes twice, from another device or to another User is proven with SMETS2+ devices; that a SMETS1
one does these things, when it is told to, in `tests/emulated/test_smets1_faults.py`.
"""

from __future__ import annotations

import pytest

from tests.faults.runs import SMETS1_RIG, Ends, fails, passes, see

RUNBOOK = "over-voltage-smets1"
OVER = "2 Raise the voltage to 260 V: 0x8F40 from s1-esme: did not come within 2 min 20 s of the set"
INSTEAD = "; what came was not it: "
PROVIDER = "its signature is not valid: the signature of the SMETS1 Service Provider:"


async def test_it_passes_again_and_again_and_leaves_the_meter_as_it_was() -> None:
    await see([], passes(RUNBOOK), passes(RUNBOOK), shipped=SMETS1_RIG)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("alert-bad-signature:0x8F40", fails(RUNBOOK, f"{OVER}{INSTEAD}0x8F40 from s1-esme to ED", PROVIDER)),
        ("response-error:6.5", fails(RUNBOOK, "the device answered with an error: the device has refused")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_it_fails_for_each_reason_of_its_own(fault: str, expected: Ends) -> None:
    await see([fault], expected, shipped=SMETS1_RIG)


async def test_the_alert_of_the_run_before_does_not_count() -> None:
    await see(
        ["alert-replay:0x8F40@600s"], passes(RUNBOOK), fails(RUNBOOK, f"{OVER}{INSTEAD}", "old"), shipped=SMETS1_RIG
    )
