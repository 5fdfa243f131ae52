"""Every way in which an alert can be wrong, for every runbook that waits for one."""

from __future__ import annotations

import pytest

from tests.faults.runs import Ends, fails, passes, see

SHORT, LONG, OVER, ARM, JOIN = "supply-outage-short", "supply-outage-long", "over-voltage", "arm-supply", "han-join"
NOT_SEEN = {
    SHORT: "2 Interrupt the supply for 30 s: 0x8F35 from esme: did not come within 3 min 0 s of the restore",
    LONG: "2 Interrupt the supply for 10 min: 0x8F36 from esme: did not come within 3 min 0 s of the restore",
    OVER: "2 Raise the voltage to 260 V: 0x8002 from esme: did not come within 2 min 20 s of the set",
    ARM: "3 Arm the supply: 0x8F32 from esme: did not come within 1 min 0 s",
    JOIN: "1 Add the ESME to the device log and watch it join: 0x8183 from esme: did not come within 10 min 0 s",
}
CODES = {SHORT: "0x8F35", LONG: "0x8F36", OVER: "0x8002", ARM: "0x8F32", JOIN: "0x8183"}
INSTEAD = "; what came was not it: "
UNEXPECTED = "neither expected nor allowed"


def faults(kind: str, delay: str = "") -> list[str]:
    return [f"{kind}:{code}{delay}" for code in CODES.values()]


async def test_an_alert_that_never_comes() -> None:
    await see(
        faults("alert-never"),
        *(fails(runbook, not_seen, findings=()) for runbook, not_seen in NOT_SEEN.items()),
        # Where it is only allowed, nobody misses it.
        passes("ic02"),
    )


async def test_an_alert_that_comes_too_late() -> None:
    """Some in the drain of their run, and long after it."""
    late = ["alert-late:0x8F35@190s", "alert-late:0x8F36", "alert-late:0x8002@140s", "alert-late:0x8F32@65s"]
    await see(
        [*late, "alert-late:0x8183@700s"],
        fails(SHORT, NOT_SEEN[SHORT], findings=(f"0x8F35 from esme to ED: {UNEXPECTED}",)),
        fails(LONG, NOT_SEEN[LONG], findings=()),
        fails(OVER, NOT_SEEN[OVER]),
        fails(ARM, NOT_SEEN[ARM]),
        fails(JOIN, NOT_SEEN[JOIN]),
    )


async def test_an_alert_that_comes_late_and_still_in_time() -> None:
    await see(
        ["alert-late:0x8F35@130s", "alert-late:0x8F32@50s", "alert-late:0x8183@550s"],
        passes(SHORT),
        passes(ARM),
        passes(JOIN),
    )


@pytest.mark.parametrize("delay", ["", "@25s"])
async def test_an_alert_that_comes_twice(delay: str) -> None:
    to = {SHORT: "ED", LONG: "ED", OVER: "ED", ARM: "IS", JOIN: "IS"}
    await see(
        faults("alert-twice", delay),
        *(
            fails(runbook, f"{code} from esme to {to[runbook]} came twice", findings=())
            for runbook, code in CODES.items()
        ),
        passes("ic02", "0x8183 from esme to IS: an old message delivered again"),
    )


async def test_another_alert_than_the_one_that_is_due() -> None:
    await see(
        faults("alert-wrong-code"),
        fails(SHORT, "no 0x8F36 from esme: 0x8F36 from esme to ED came 46.0 s after the restore, and must not come"),
        fails(LONG, "no 0x8F35 from esme: 0x8F35 from esme to ED came 46.0 s after the restore, and must not come"),
        fails(OVER, "no 0x8006 from esme: 0x8006 from esme to ED came", "after the set, and must not come"),
        fails(ARM, NOT_SEEN[ARM], findings=(f"0x8F30 from esme to IS: {UNEXPECTED}",)),
        fails(JOIN, NOT_SEEN[JOIN]),
    )


async def test_an_alert_that_is_badly_protected() -> None:
    """Signed where it is critical, sealed with a MAC where it is not."""
    signature, mac = "the GBCS signature does not verify", "the MAC does not verify"
    flaws = {SHORT: signature, LONG: signature, ARM: signature, OVER: mac, JOIN: mac}
    await see(
        [f"alert-bad-{'mac' if flaws[runbook] == mac else 'signature'}:{code}" for runbook, code in CODES.items()],
        *(
            fails(
                runbook,
                f"{not_seen}{INSTEAD}{CODES[runbook]} from esme to",
                f"its signature is not valid: {flaws[runbook]}",
                findings=(f"its signature is not valid: {flaws[runbook]}",),
            )
            for runbook, not_seen in NOT_SEEN.items()
        ),
        passes("ic02", f"0x8183 from esme to IS: its signature is not valid: {mac}"),
    )


async def test_an_alert_from_another_device() -> None:
    await see(
        faults("alert-wrong-device"),
        *(
            fails(
                runbook,
                f"{not_seen}{INSTEAD}{CODES[runbook]} from chf to",
                "it is from chf, not from esme",
                findings=(f"{CODES[runbook]} from chf to",),
            )
            for runbook, not_seen in NOT_SEEN.items()
        ),
        passes("ic02", f"0x8183 from chf to IS: {UNEXPECTED}"),
    )


async def test_an_alert_to_another_user() -> None:
    ed_instead, is_instead = "it came to IS, not to ED", "it came to GS, not to IS"
    reasons = {SHORT: ed_instead, LONG: ed_instead, OVER: ed_instead, ARM: is_instead, JOIN: is_instead}
    await see(
        faults("alert-wrong-user"),
        *(
            fails(
                runbook, f"{not_seen}{INSTEAD}{CODES[runbook]} from esme to", reasons[runbook], findings=(UNEXPECTED,)
            )
            for runbook, not_seen in NOT_SEEN.items()
        ),
        passes("ic02", f"0x8183 from esme to GS: {UNEXPECTED}"),
    )


async def test_an_alert_of_yesterday() -> None:
    """Its message was never seen on this rig, and its counter is above all that was: only its times betray it."""
    await see(
        faults("alert-replay"),
        *(
            fails(
                runbook, f"{not_seen}{INSTEAD}{CODES[runbook]} from esme to", "before its cause", findings=(UNEXPECTED,)
            )
            for runbook, not_seen in list(NOT_SEEN.items())[:1]
        ),
    )


OLD = "it is an old message delivered again"


@pytest.mark.parametrize(
    ("runbook", "from_s", "extra"),
    [
        (SHORT, 200, "the restore that it states is 4 min 30 s from the one the bench made"),
        (LONG, 800, "the fall that it states is 15 min 30 s from the one the bench made"),
        (OVER, 250, "its own time stamp is"),
        (ARM, 50, "its own time stamp is"),
        (JOIN, 100, "its own time stamp is"),
    ],
)
async def test_the_alert_of_the_run_before(runbook: str, from_s: float, extra: str) -> None:
    await see(
        [f"alert-replay:{CODES[runbook]}@{from_s}s"],
        passes(runbook),
        fails(runbook, f"{NOT_SEEN[runbook]}{INSTEAD}", OLD, extra),
    )


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("forbidden-alert:0x8F36@179.9s", fails(SHORT, "no 0x8F36 from esme", "must not come for 3 min 0 s")),
        ("forbidden-alert:0x8F36", fails(SHORT, "no 0x8F36 from esme: 0x8F36 from esme to ED came 46.0 s after")),
        ("forbidden-alert:AD1@239.5s", fails(SHORT, "no AD1: AD1 from chf to ED came 4 min 0 s after the fall")),
        ("forbidden-alert:0x8F35@299.5s", fails(LONG, "no 0x8F35 from esme", "must not come for 5 min 0 s")),
        ("forbidden-alert:0x8006@139.5s", fails(OVER, "no 0x8006 from esme", "must not come for 2 min 20 s")),
        ("forbidden-alert:0x8F32@28s", fails(ARM, "1 Disable the supply: no 0x8F32 from esme", "29.0 s after")),
        ("forbidden-alert:N25@118.5s", fails(JOIN, "no N25: N25 to IS", "must not come for 2 min 0 s")),
        ("forbidden-alert:N25@118.5s", fails("ic01", "2 White List Device: no N25", "must not come for 2 min 0 s")),
        ("forbidden-alert:N25@118.5s", fails("ic02", "2 White List Device: no N25", "must not come for 2 min 0 s")),
    ],
)
async def test_a_forbidden_alert_in_its_window(fault: str, expected: Ends) -> None:
    """Most of them in its last second."""
    await see([fault], expected)


async def test_a_forbidden_alert_after_its_window_is_a_finding() -> None:
    await see(["forbidden-alert:0x8F36@180.1s"], passes(SHORT, f"0x8F36 from esme to ED: {UNEXPECTED}"))
    await see(["forbidden-alert:N25@120s"], passes(JOIN, f"N25 to IS: {UNEXPECTED}"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("alert-never:AD1", ""),
        ("alert-late:AD1@125s", f"{INSTEAD}AD1 from chf to ED: it came 5.5 s too late"),
        ("alert-wrong-code:AD1", ""),
        ("alert-wrong-user:AD1", f"{INSTEAD}AD1 from chf to IS: it came to IS, not to ED"),
        ("alert-wrong-device:AD1", "not from chf"),
        ("alert-bad-signature:AD1", "; a message at the receive service was refused: line 2: the signature does not"),
        ("alert-replay:AD1", "the fall that it states is 24 h 0 min from the one the bench made"),
    ],
)
async def test_the_power_outage_event_of_a_long_outage(fault: str, words: str) -> None:
    not_seen = "2 Interrupt the supply for 10 min: AD1 from chf: did not come within 5 min 0 s of the fall"
    (finished,) = await see([fault], fails(LONG, not_seen + (words if words.startswith(";") else ""), words))
    assert len(finished.result.findings) == (fault != "alert-never:AD1")


async def test_the_power_outage_event_twice_or_of_the_run_before() -> None:
    await see(["alert-twice:AD1"], fails(LONG, "AD1 from chf to ED came twice"))
    await see(["alert-replay:AD1@800s"], passes(LONG), fails(LONG, "AD1 from chf: did not come", OLD))


N24 = "N24: did not come within 1 min 0 s"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("n24-missing", N24),
        ("alert-never:N24", N24),
        ("alert-late:N24@70s", N24),
        ("n24-wrong-request", f"{N24}{INSTEAD}N24 to"),
        ("alert-wrong-user:N24", f"{N24}{INSTEAD}N24 to"),
        ("alert-bad-signature:N24", f"{N24}; a message at the receive service was refused: line 2: the signature"),
        ("alert-wrong-code:N24", "no N25: N25 to"),
        ("log-update-rejected", "the device answered with an error: "),
        ("alert-twice:N24", "came twice"),
        ("alert-replay:N24", f"{N24}{INSTEAD}N24 to"),
    ],
)
async def test_the_answer_to_a_device_log_update(fault: str, words: str) -> None:
    more = {
        "n24-wrong-request": "it is for request",
        "alert-replay:N24": "it is for request",
        "alert-wrong-user:N24": "it came to",
        "alert-wrong-code:N24": "came 1.3 s after the stimulus, and must not come for 2 min 0 s",
    }
    await see([fault], *(fails(runbook, words, more.get(fault, "")) for runbook in (JOIN, "ic01", "ic02")))


async def test_a_refused_device_log_update_is_told_twice_by_the_device_and_by_the_dcc() -> None:
    finished = await see(["log-update-rejected"], *(fails(runbook, "hardware fault (1)") for runbook in (JOIN, "ic02")))
    for item in finished:
        assert any(finding.startswith("N25 to IS: ") for finding in item.result.findings)


BACK = "4 Back to 230 V: 0x8085 from esme: did not come within 2 min 20 s of the set"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("alert-never:0x8085", fails(OVER, BACK, findings=())),
        ("alert-late:0x8085@140s", fails(OVER, BACK)),
        ("alert-twice:0x8085", fails(OVER, "0x8085 from esme to ED came twice")),
        ("alert-wrong-code:0x8085", fails(OVER, BACK, findings=(f"0x8089 from esme to ED: {UNEXPECTED}",))),
        ("alert-bad-mac:0x8085", fails(OVER, f"{BACK}{INSTEAD}0x8085 from esme to ED", "the MAC does not verify")),
        ("alert-wrong-device:0x8085", fails(OVER, f"{BACK}{INSTEAD}0x8085 from chf to ED", "it is from chf")),
        ("alert-wrong-user:0x8085", fails(OVER, f"{BACK}{INSTEAD}0x8085 from esme to IS", "it came to IS, not to ED")),
        ("alert-replay:0x8085", fails(OVER, f"{BACK}{INSTEAD}0x8085 from esme to ED", "before its cause")),
    ],
)
async def test_the_end_of_an_over_voltage(fault: str, expected: Ends) -> None:
    await see([fault], expected)
