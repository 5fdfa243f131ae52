"""What a run does, group by group and step by step, and what its verdict is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.errors import DeviceLost
from bench.verdict import Verdict
from tests.fakes import make_bench, verdicts

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


async def test_a_run_passes_and_leaves_the_rig_parked(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.at(40, bench.dcc.alert)
    result = await bench.run(
        INTERRUPT + "  - {step: 2, measure: {quantity: voltage, between: [226 V, 234 V]}}\n"
        "teardown: [{title: back, supply: {set: 230 V}}]\n"
    )
    assert (result.verdict, result.reason, result.safe, result.parked) == (Verdict.PASSED, "", True, True)
    assert verdicts(result) == [("step", "1", "passed"), ("step", "2", "passed"), ("teardown", "back", "passed")]
    assert bench.is_parked
    assert result.findings == []
    label, latency_ns, uncertainty_ns = result.steps[0].latencies[0]
    assert (label, latency_ns, uncertainty_ns) == ("0x8F35 from esme", 10_000_000_000, 1_000_000)
    assert 30 + 180 <= result.steps[0].duration_s < 211, "a forbidden alert has its whole window"
    assert bench.now_s >= 240, "late messages were waited for"
    assert [event.data["state"] for event in bench.told("drain")] == ["start", "end"]
    assert bench.session._watchers == [] and len(bench.session.stream._listeners) == 2, "nobody listens on"
    assert [event.data["covers"] for event in bench.told("step", state="end")] == [["outage"], [], []]


async def test_every_step_is_on_disk_before_it_acts_and_before_the_next_begins(tmp_path: Path) -> None:
    bench, seen = make_bench(tmp_path), list[tuple[int, int]]()

    async def barrier() -> None:
        await asyncio.sleep(0.01)
        seen.append((len(bench.told("step", state="start")), len(bench.told("step", state="end"))))

    await bench.run("steps: [{wait: 1 s}, {wait: 1 s}, {wait: 1 s}]\n", barrier=barrier)
    assert seen == [(1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3)]


async def test_after_a_failed_step_the_rest_is_blocked_and_teardown_still_runs(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    result = await bench.run(
        "setup: [{title: up, supply: {set: 240 V}}]\n"
        + INTERRUPT
        + "  - {step: 2, wait: 1 s}\n  - {step: 3, wait: 1 s}\nteardown: [{title: back, supply: {set: 235 V}}]\n"
    )
    assert verdicts(result) == [
        ("setup", "up", "passed"),
        ("step", "1", "failed"),
        ("step", "2", "blocked"),
        ("step", "3", "blocked"),
        ("teardown", "back", "passed"),
    ]
    assert result.verdict is Verdict.FAILED
    assert "0x8F35 from esme: did not come within 3 min 0 s of the restore" in result.reason
    assert bench.is_parked, "parked from the 235 V of the teardown"
    assert all(not event.data["covers"] for event in bench.told("step", state="end"))


async def test_a_failed_setup_blocks_its_rest_and_every_step(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    result = await bench.run(
        "setup: [{title: a, measure: {between: [1 V, 2 V]}}, {title: b, wait: 1 s}]\n"
        "steps: [{title: c, wait: 1 s}]\nteardown: [{title: d, wait: 1 s}]\n"
    )
    assert verdicts(result) == [
        ("setup", "a", "failed"),
        ("setup", "b", "blocked"),
        ("step", "c", "blocked"),
        ("teardown", "d", "passed"),
    ]
    assert result.verdict is Verdict.FAILED
    assert "voltage 230.00 V is outside 1 V to 2 V" in result.reason


async def test_teardown_goes_on_after_a_failure_and_fails_the_run(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    result = await bench.run(
        WAIT + "teardown: [{title: a, measure: {between: [1 V, 2 V]}}, {title: b, supply: {set: 231 V}}]\n"
    )
    assert verdicts(result)[1:] == [("teardown", "a", "failed"), ("teardown", "b", "passed")]
    assert (result.verdict, result.parked) == (Verdict.FAILED, True)
    assert "teardown did not put everything back" in result.reason


PRECONDITION = """
preconditions:
  - title: The ESME is there
    as: IS
    inventory: {device: esme, status: Commissioned}
    establish:
      - {title: make it, as: IS, send: {service_request: 8.1.1, to: esme}}
"""


async def test_a_precondition_that_holds_is_not_established(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    result = await bench.run(PRECONDITION + WAIT)
    assert (result.verdict, [step.group for step in result.steps]) == (Verdict.PASSED, ["step"])
    assert [variant for _, variant, _, _ in bench.dcc.requests] == ["8.2"]
    assert bench.told("precondition")[0].data["holds"] is True


async def test_a_precondition_is_established_and_then_checked(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.dcc.inventory.pop("esme")
    bench.dcc.on("8.1.1", 0, lambda *_: bench.dcc.inventory.update(esme="Commissioned"))
    result = await bench.run(PRECONDITION.replace("to: esme}}", "to: esme}}\n      - {wait: 5 s}") + WAIT)
    assert result.verdict is Verdict.PASSED
    assert [(step.group, step.verdict) for step in result.steps] == [("precondition", Verdict.PASSED)] * 3 + [
        ("step", Verdict.PASSED)
    ]
    assert bench.told("precondition")[0].data == {"text": "The ESME is there: esme is absent", "holds": False}


@pytest.mark.parametrize("trouble", ["no effect", "establishing fails", "answer unseen", "forged", "refused", "lost"])
async def test_without_its_precondition_a_run_is_undecided(tmp_path: Path, trouble: str) -> None:
    bench = make_bench(tmp_path)
    bench.dcc.inventory["esme"] = "Pending"
    establish = PRECONDITION
    if trouble == "establishing fails":
        establish = PRECONDITION.replace("to: esme}}", "to: esme}, expect: [{response: 8.1.1, within: 0.5 s}]}")
    elif trouble == "answer unseen":
        bench.dcc.inventory_changes = {"seen": False}
    elif trouble == "forged":
        bench.dcc.inventory["esme"] = "Commissioned"
        bench.dcc.inventory_changes = {"signature": "it does not verify"}
    elif trouble == "refused":
        bench.dcc.sync_codes["8.2"] = "E4"
        bench.dcc.inventory.pop("esme")
    elif trouble == "lost":
        bench.dcc.lose("request")
    result = await bench.run(establish + WAIT + "teardown: [{title: back, wait: 1 s}]\n")
    assert result.verdict is Verdict.UNDECIDED
    assert "precondition not established: The ESME is there" in result.reason
    why = {"answer unseen": "could not be read", "forged": "does not verify", "refused": "answered 8.2 with E4"}
    assert why.get(trouble, "dcc does not answer" if trouble == "lost" else "") in result.reason
    assert verdicts(result)[-2:] == [("step", "1", "blocked"), ("teardown", "back", "passed")]
    assert bench.is_parked


async def test_a_device_is_only_absent_if_the_dcc_said_so(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    absent = PRECONDITION.replace("status: Commissioned", "status: absent")
    bench.dcc.inventory_changes = {"seen": False}
    assert (await bench.run(absent + WAIT)).verdict is Verdict.UNDECIDED
    bench.dcc.inventory_changes = {}
    bench.dcc.inventory.pop("esme")
    for code in ("I0", "E19"):
        bench.dcc.sync_codes["8.2"] = code
        assert (await bench.run(absent + WAIT)).verdict is Verdict.PASSED, code


async def test_a_step_is_skipped_unless_the_inventory_asks_for_it(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    steps = (
        "steps: [{as: IS, only_if: {device: esme, status: STATUS}, supply: {set: 240 V}, covers: [x]}, {wait: 1 s}]\n"
    )
    result = await bench.run(steps.replace("STATUS", "Pending"))
    assert [step.verdict for step in result.steps] == [Verdict.SKIPPED, Verdict.PASSED]
    assert "set_voltage" not in [name for at, name, _ in bench.source.calls if at < 1]
    assert bench.told("step", state="end")[0].data["covers"] == [], "what did not run is no evidence"
    result = await bench.run(steps.replace("STATUS", "Commissioned"))
    assert [step.verdict for step in result.steps] == [Verdict.PASSED, Verdict.PASSED]


async def test_a_run_in_which_every_step_was_skipped_tested_nothing(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    result = await bench.run("steps: [{as: IS, only_if: {device: esme, status: Pending}, wait: 1 s}]\n")
    assert (result.verdict, result.reason) == (
        Verdict.UNDECIDED,
        "every step was skipped, so that nothing was tested",
    )


async def test_what_comes_while_the_inventory_is_asked_was_not_caused_by_the_step(tmp_path: Path) -> None:
    steps = (
        "steps: [{as: ED, only_if: {device: esme, status: Commissioned}, wait: 1 s, "
        "expect: [{device_alert: 0x8F35, from: esme, within: 10 s}]}]\n"
    )
    bench = make_bench(tmp_path)
    bench.at(0.05, bench.dcc.alert)
    result = await bench.run(steps)
    assert result.verdict is Verdict.FAILED and "it came before the stimulus" in result.reason
    bench.at(0.5, bench.dcc.alert)
    assert (await bench.run(steps)).verdict is Verdict.PASSED


async def test_every_device_that_cannot_be_reached_is_named_at_once(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.source.lose("connect")
    bench.meter.blocks.add("connect")
    with pytest.raises(DeviceLost) as caught:
        await bench.session.connect()
    assert "source: source does not answer" in str(caught.value)
    assert "meter: did not connect within 15 s" in str(caught.value)
    assert "relay" not in str(caught.value)


async def test_closing_closes_every_device_though_one_is_broken(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)

    async def close() -> None:
        raise OSError("torn off")

    bench.meter.close = close  # type: ignore[method-assign]
    with pytest.raises(OSError, match="torn off"):
        await bench.session.close()
    assert [driver.closed for driver in (bench.source, bench.relay, bench.dcc, bench.console)] == [1, 1, 1, 1]
