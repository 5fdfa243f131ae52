"""Alerts and witnesses around the steps of a run: twice, old, unexplained, allowed, unavailable."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bench.ledger import Ledger
from bench.verdict import Verdict
from tests.fakes import make_bench

INTERRUPT = """
steps:
  - step: 1
    as: ED
    supply: {interrupt: {for: 30 s}}
    covers: [outage]
    expect:
      - {device_alert: 0x8F35, from: esme, within: 3 min, after: restore}
    forbid:
      - {device_alert: 0x8F36, from: esme, for: 3 min, after: restore}
"""

WAIT = "steps: [{step: '1', wait: 60 s}]\n"

PRECONDITION = """
preconditions:
  - title: The ESME is there
    as: IS
    inventory: {device: esme, status: Commissioned}
    establish:
      - {title: make it, as: IS, send: {service_request: 8.1.1, to: esme}}
"""


@pytest.mark.parametrize("when_s", [45.0, 210.0, 215.0, 239.0])
@pytest.mark.parametrize("again", ["the same message", "a new message"])
async def test_an_expected_alert_that_comes_twice_fails_the_run_even_in_the_drain(
    tmp_path: Path, when_s: float, again: str
) -> None:
    bench = make_bench(tmp_path)

    def alert() -> None:
        data = bench.dcc.alert()
        if again == "the same message":
            bench.at(when_s - 40, bench.dcc.context.emit, "seen.device_alert", data)

    bench.at(40, alert)
    if again == "a new message":
        bench.at(when_s, bench.dcc.alert)
    result = await bench.run(INTERRUPT)
    assert result.verdict is Verdict.FAILED
    assert "0x8F35 from esme to ED came twice" in result.reason


async def test_an_alert_while_parking_is_not_lost(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(1, bench.dcc.on, "none", 0)
    original = bench.relay.switch

    async def switch(closed: bool) -> Any:
        bench.dcc.alert("0x8F32", user="IS")
        await asyncio.sleep(1)
        return await original(closed)

    bench.relay.switch = switch  # type: ignore[method-assign]
    result = await bench.run("steps: [{wait: 10 s}]\n")
    assert result.findings == ["0x8F32 from esme to IS: neither expected nor allowed"]
    assert result.verdict is Verdict.PASSED


async def test_a_copy_for_another_user_is_a_finding_and_no_repetition(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(40, bench.dcc.alert)
    bench.at(41, bench.dcc.alert, user="IS")
    result = await bench.run(INTERRUPT)
    assert result.verdict is Verdict.PASSED
    assert result.findings == ["0x8F35 from esme to IS: neither expected nor allowed"]


async def test_an_alert_of_an_earlier_run_is_no_pass(tmp_path: Path) -> None:
    ledger, first = Ledger(), make_bench(tmp_path)
    first = make_bench(tmp_path, ledger=ledger)
    kept: list[dict[str, Any]] = []
    first.at(40, lambda: kept.append(first.dcc.alert()))
    assert (await first.run(INTERRUPT)).verdict is Verdict.PASSED
    second = make_bench(tmp_path, ledger=ledger)
    second.at(40, lambda: second.dcc.context.emit("seen.device_alert", kept[0]))
    result = await second.run(INTERRUPT)
    assert result.verdict is Verdict.FAILED
    assert "it is an old message delivered again" in result.reason
    assert result.findings == ["0x8F35 from esme to ED: an old message delivered again"]


async def test_alerts_that_nobody_explained_are_findings(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(5, bench.dcc.alert, "0x8F32", user="IS")
    bench.at(6, bench.dcc.dcc_alert, "N24", user="IS")
    bench.at(7, bench.dcc.alert, "0x8183", signature="it does not verify")
    bench.at(70, bench.dcc.alert, "0x8002")
    result = await bench.run(PRECONDITION + WAIT)
    assert result.verdict is Verdict.PASSED
    assert result.findings == [
        "0x8F32 from esme to IS: neither expected nor allowed",
        "N24 to IS: neither expected nor allowed",
        "0x8183 from esme to ED: its signature is not valid: it does not verify",
        "0x8002 from esme to ED: neither expected nor allowed",
    ]
    assert [event.data["text"] for event in bench.told("finding")] == result.findings


async def test_an_alert_during_the_check_of_a_precondition_is_a_finding(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(0.05, bench.dcc.alert)
    result = await bench.run(PRECONDITION + WAIT)
    assert result.findings == ["0x8F35 from esme to ED: neither expected nor allowed"]


async def test_what_a_step_allows_may_come_late(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    for when_s in (5, 15, 25):
        bench.at(when_s, bench.dcc.alert, "0x8183", user="IS")
    steps = "steps: [{as: IS, wait: 10 s, allow: [{device_alert: 0x8183, from: esme}]}, {wait: 10 s}]\n"
    result = await bench.run(steps)
    assert (result.verdict, result.findings) == (Verdict.PASSED, [])
    for when_s in (5, 15):
        bench.at(when_s, bench.dcc.alert, "0x8183", user="ED")
    assert len((await bench.run(steps)).findings) == 2, "allowed for IS alone"


async def test_a_forbidden_hub_state_is_the_state_and_not_just_news_of_it(tmp_path: Path) -> None:
    steps = "steps: [{wait: 10 s, forbid: [{hub: {power: 'off'}, for: 60 s}]}]\n"
    bench = make_bench(tmp_path)
    bench.at(5, bench.hub.says, power="on")
    assert (await bench.run(steps)).verdict is Verdict.PASSED
    bench.at(50, bench.hub.says, power="off")
    assert (await bench.run(steps)).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("sees", "joins", "witness", "verdict"),
    [
        ("always", True, "required", "passed"),
        ("always", False, "required", "failed"),
        ("always", False, "optional", "passed"),
        ("never", False, "required", "undecided"),
        ("never", False, "optional", "passed"),
        ("until it was lost", False, "required", "undecided"),
        ("until it was lost", False, "optional", "passed"),
    ],
)
async def test_unavailable_is_not_absent(tmp_path: Path, sees: str, joins: bool, witness: str, verdict: str) -> None:
    bench = make_bench(tmp_path)
    bench.sniffer.sees = sees != "never"
    if sees == "until it was lost":
        bench.at(5, setattr, bench.sniffer, "sees", False)
    if joins:
        bench.at(20, bench.sniffer.join)
    result = await bench.run(
        f"steps: [{{wait: 1 s, expect: [{{han: join, device: esme, within: 60 s, witness: {witness}}}]}}]\n"
    )
    assert result.verdict == verdict
    could_and_saw_nothing = sees == "always" and not joins and witness == "optional"
    assert bool(result.findings) is could_and_saw_nothing, "in the result, and not only on the stream"
