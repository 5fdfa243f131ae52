"""What did not come, and whoever would have seen it: a witness that cannot see, a DCC that is not there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.verdict import Verdict
from tests.fakes import make_bench

JOIN = "steps: [{{wait: 1 s, expect: [{{han: join, device: esme, within: 60 s, witness: {0}}}]}}]\n"
HUB = "steps: [{{wait: 1 s, expect: [{{hub: {{power: 'on'}}, within: 60 s, witness: {0}}}]}}]\n"
ALERT = "steps: [{step: '1', as: ED, wait: 1 s, expect: [{device_alert: 0x8F35, from: esme, within: 60 s}]}]\n"
SILENCE = "steps: [{step: '1', as: ED, wait: 1 s, forbid: [{device_alert: 0x8F35, from: esme, for: 60 s}]}]\n"
SEND = "steps: [{step: '1', as: IS, send: {service_request: '7.4', to: esme}, expect: [%s]}]\n"
ANSWER = SEND % "{response: '7.4', code: I0, within: 60 s}"


@pytest.mark.parametrize(("steps", "name"), [(JOIN, "sniffer"), (HUB, "hub")])
@pytest.mark.parametrize(("witness", "verdict"), [("required", "undecided"), ("optional", "passed")])
@pytest.mark.parametrize("how", ["misses something", "is away for a moment", "is away at the end"])
async def test_who_missed_a_part_cannot_say_that_it_was_not_there(
    tmp_path: Path, steps: str, name: str, witness: str, verdict: str, how: str
) -> None:
    bench = make_bench(tmp_path)
    driver: Any = getattr(bench, name)
    if how == "is away at the end":
        bench.at(30, setattr, driver, "sees", False)
    else:
        bench.at(30, setattr, driver, "missed", 1)
    result = await bench.run(steps.format(witness))
    assert result.verdict == verdict
    assert ("the witness was unavailable, which is not the same as absent" in result.reason) is (verdict != "passed")
    assert result.findings == []


async def test_what_was_missed_before_the_step_does_not_count(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.sniffer.missed = 7
    assert (await bench.run(JOIN.format("required"))).verdict is Verdict.FAILED


async def test_one_of_two_witnesses_is_enough_to_say_that_nothing_was_there(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.hub.sees = False
    assert (await bench.run(JOIN.format("required"))).verdict is Verdict.FAILED


@pytest.mark.parametrize("what", ["hub: {power: 'off'}", "han: join, device: esme"])
@pytest.mark.parametrize(("missed", "verdict"), [(0, "passed"), (1, "undecided")])
async def test_what_must_not_be_seen_needs_somebody_to_see_it(
    tmp_path: Path, what: str, missed: int, verdict: str
) -> None:
    bench = make_bench(tmp_path)
    for driver in (bench.hub, bench.sniffer):
        bench.at(30, setattr, driver, "missed", missed)
    result = await bench.run(f"steps: [{{wait: 1 s, forbid: [{{{what}, for: 60 s}}]}}]\n")
    assert result.verdict == verdict


async def test_what_could_not_be_believed_is_a_finding_and_is_named_where_something_is_missed(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    refused = {"what": "a message at the receive service", "why": "the signature does not verify"}
    for when_s in (10, 20, 30):
        bench.at(when_s, bench.dcc.context.emit, "seen.refused", refused)
    bench.at(40, bench.hub.context.emit, "seen.refused", {"what": "old news", "why": "later news is known"})
    result = await bench.run(ALERT)
    said = "a message at the receive service was refused: the signature does not verify"
    assert result.verdict is Verdict.FAILED
    assert result.reason.endswith(f"did not come within 1 min 0 s; {said}")
    assert result.findings == [said]


async def test_what_was_told_before_is_named_again_where_something_is_missed(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    for when_s in (10, 70):
        bench.at(when_s, bench.dcc.context.emit, "seen.refused", {"what": "a message", "why": "no XML"})
    result = await bench.run(SILENCE.replace("steps:", "setup:") + ALERT)
    assert result.reason.endswith("did not come within 1 min 0 s; a message was refused: no XML")
    assert len(result.findings) == 1


async def test_a_flood_of_nonsense_does_not_flood_the_report(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    for number in range(500):
        refused = {"what": "a message", "why": f"nonsense number {number}"}
        bench.at(1 + number / 100, bench.dcc.context.emit, "seen.refused", refused)
    result = await bench.run(SILENCE)
    assert result.verdict is Verdict.PASSED
    assert len(result.findings) == 20


@pytest.mark.parametrize("steps", [ALERT, SILENCE])
async def test_the_silence_of_a_dcc_that_is_not_there_proves_nothing(tmp_path: Path, steps: str) -> None:
    bench = make_bench(tmp_path)
    bench.dcc.lose("request")
    result = await bench.run(steps)
    assert result.verdict is Verdict.UNDECIDED
    assert (
        "the DCC is not there at the end, so that what did not come proves nothing: dcc does not answer"
        in result.reason
    )
    assert result.parked


async def test_the_dcc_is_asked_after_the_drain_as_the_user_that_relied_on_it(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    assert (await bench.run(SILENCE)).verdict is Verdict.PASSED
    assert [(user, variant) for user, variant, *_ in bench.dcc.requests] == [("ED", "8.2")]
    assert bench.dcc.when("request") == pytest.approx(90, abs=0.1)


async def test_a_step_that_did_not_run_relied_on_nothing(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.meter.reads = 300.0
    result = await bench.run("steps: [{measure: {quantity: voltage, between: [226 V, 234 V]}}, " + ALERT[8:])
    assert result.verdict is not Verdict.PASSED
    assert bench.dcc.requests == []


async def test_steps_at_once_rely_on_the_dcc_as_well(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.dcc.lose("request")
    result = await bench.run(
        "steps: [{as: ED, parallel: [{wait: 1 s}, "
        "{wait: 2 s, forbid: [{device_alert: 0x8F35, from: esme, for: 60 s}]}]}]  # a part alone forbids\n"
    )
    assert result.verdict is Verdict.UNDECIDED


async def test_without_alerts_and_responses_the_dcc_is_not_asked(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.dcc.lose("request")
    assert (await bench.run("steps: [{wait: 1 s}]\n")).verdict is Verdict.PASSED
    assert bench.dcc.requests == []


async def test_an_acknowledgement_is_not_what_came_instead_of_the_answer(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    def acknowledge(user: str, request_id: str) -> None:
        bench.dcc.answer(user, request_id, code="I99", synchronous=True, gbcs=None)

    bench.dcc.on("7.4", 0.1, acknowledge)
    result = await bench.run(ANSWER)
    assert result.verdict is Verdict.FAILED
    assert result.reason == "1: response 7.4 I0: did not come within 1 min 0 s"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"code": "E5", "gbcs": None}, "its response code is E5, not I0"),
        ({"gbcs": {"ok": False, "detail": "hardware fault (1)"}}, "answered with an error: hardware fault (1)"),
    ],
)
async def test_after_a_no_nobody_waits_for_a_yes(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    bench = make_bench(tmp_path)
    bench.dcc.on("7.4", 3, lambda user, request_id: bench.dcc.answer(user, request_id, **changes))
    result = await bench.run(ANSWER)
    assert result.verdict is Verdict.FAILED
    assert words in result.reason
    assert result.steps[0].duration_s == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize("flaw", [{"signature": "no"}, {"request_id": "IS:7.4:1"}])
async def test_a_no_that_is_not_genuine_ends_no_waiting(tmp_path: Path, flaw: dict[str, str]) -> None:
    bench = make_bench(tmp_path)

    def refuse(user: str, request_id: str) -> None:
        changes: dict[str, Any] = {"gbcs": None} | flaw
        bench.dcc.answer(user, changes.pop("request_id", request_id), code="E5", **changes)

    bench.dcc.on("7.4", 3, refuse)
    bench.dcc.on("7.4", 5, bench.dcc.answer)
    assert (await bench.run(ANSWER)).verdict is Verdict.PASSED


async def test_a_no_that_is_expected_passes(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.dcc.on("7.4", 3, lambda user, request_id: bench.dcc.answer(user, request_id, code="E5", gbcs=None))
    result = await bench.run(SEND % "{response: '7.4', code: E5, within: 60 s}")
    assert result.verdict is Verdict.PASSED


@pytest.mark.parametrize(("earlier_s", "verdict"), [(0, "passed"), (60, "failed")])
async def test_a_power_outage_must_be_the_one_that_the_bench_made(
    tmp_path: Path, earlier_s: float, verdict: str
) -> None:
    bench = make_bench(tmp_path)

    def tell() -> None:
        now_s = bench.session.clock.now().utc_ns / 1e9
        start = datetime.fromtimestamp(now_s - 190 - earlier_s, UTC).isoformat()
        bench.dcc.dcc_alert("AD1", values={"start_date_time": start})

    bench.at(190, tell)
    result = await bench.run(
        "steps: [{step: '1', as: ED, supply: {interrupt: {for: 4 min}}, "
        "expect: [{dcc_alert: AD1, within: 5 min, after: fall}]}]\n"
    )
    assert result.verdict == verdict
    assert ("the fall that it states is 1 min 0 s from the one" in result.reason) is (verdict == "failed")
