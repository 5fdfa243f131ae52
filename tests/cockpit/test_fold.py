"""What a cockpit knows after what an engine said."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bench.cockpit import fold
from bench.cockpit import model as model_module
from bench.cockpit.model import NS, Model
from tests.cockpit.recorded import NEVER_S, answers, fold_until, is_event, messages


def test_a_run_ends_as_its_journal_says() -> None:
    model = fold_until(Model())
    run = model.run
    assert run is not None
    assert (run.runbook, run.verdict, run.over, run.reason) == ("over-voltage", "passed", True, "")
    verdicts = {line.name: line.verdict for line in run.steps if line.group in ("setup", "step", "teardown")}
    assert set(verdicts.values()) == {"passed"}
    assert [line.name for line in run.steps if line.group == "step"] == [
        "1 One whole period at nominal voltage",
        "2 Raise the voltage to 260 V",
        "3 The reference meter saw it",
        "4 Back to 230 V",
    ]
    assert (model.state, model.hands_on, model.supply.live) == ("parked", None, True)
    assert [act.partition(":")[0] for act in model.acts] == ["done", "done", "given back (given back by Ada)"]


def test_what_is_awaited_has_a_deadline_as_soon_as_its_window_has_begun() -> None:
    at_start = fold_until(Model(), is_event("step", state="start", name="2 Raise the voltage to 260 V"))
    assert at_start.run is not None
    assert at_start.run.awaited == []
    model = fold_until(Model(), is_event("edge", edge="set", volts=260.0))
    awaited = {each.label: each for each in (model.run.awaited if model.run else ())}
    alert, forbidden = awaited["0x8002 from esme"], awaited["no 0x8006 from esme"]
    assert (alert.must, alert.to, alert.after) == ("come", "ED", "set")
    assert (forbidden.must, forbidden.verdict) == ("not come", "")
    edge_ns = next(each["data"]["mono_ns"] for each in messages() if is_event("edge", volts=260.0)(each))
    assert alert.due_ns == forbidden.due_ns == edge_ns + 140 * NS
    seen = fold_until(Model(), is_event("expectation", label="0x8002 from esme"))
    alert = next(each for each in (seen.run.awaited if seen.run else ()) if each.label == "0x8002 from esme")
    assert (alert.verdict, round((alert.latency_ns or 0) / NS)) == ("passed", 97)


def test_the_time_line_has_the_stimulus_before_what_it_caused() -> None:
    model = fold_until(Model(), is_event("step", state="end", name="2 Raise the voltage to 260 V"))
    moments = list(model.moments)
    assert [each.at_ns for each in moments] == sorted(each.at_ns for each in moments)
    kinds = [each.kind for each in moments if "260 V" in each.text or "0x8002" in each.text]
    assert kinds[-5:] == ["step", "supply", "alert", "verdict", "verdict"]


def test_the_voltage_is_traced_with_thresholds_marks_and_outages() -> None:
    model = fold_until(Model())
    trace = model.trace
    assert trace.thresholds["average rms over voltage"] == 264  # put back by the runbook
    during = fold_until(Model(), is_event("seen.device_alert", code="0x8002"))
    assert during.trace.thresholds["average rms over voltage"] == 253
    assert [code for _, code in trace.marks] == ["0x8002", "0x8085"]
    assert during.supply.set_v == 260
    assert during.supply.meter_v == pytest.approx(260, abs=1)
    assert {round(value) for _, value in trace.meter} >= {230, 260}
    [(began, ended)] = trace.outages
    assert began is not None
    assert ended is not None
    assert ended - began == pytest.approx(3, abs=0.5)


def test_messages_say_who_said_what_to_whom_and_devices_when_they_were_heard() -> None:
    model = fold_until(Model())
    alert = next(each for each in model.messages if each.code == "0x8002")
    assert (alert.kind, alert.source, alert.to) == ("device alert", "esme", "ED")
    esme = model.duts["esme"]
    assert esme.seen_ns is not None
    assert esme.offset_s == pytest.approx(-1, abs=0.5)
    assert model.devices["meter"].seen_ns is not None
    assert model.messages[0].source == "DCC"


def test_an_engine_that_comes_back_is_asked_for_the_rest_and_another_one_for_everything() -> None:
    model = fold_until(Model())
    last, events = model.last_n, len(model.messages)
    fold.parted(model, "lost", "the engine has gone")
    assert not model.attached
    fold.attached(model, answers()["hello"], NEVER_S)
    assert (model.last_n, len(model.messages)) == (last, events)
    # The same events again change nothing.
    for message in messages():
        if message["type"] == "event":
            fold.fold(model, message, NEVER_S)
    assert len(model.messages) == events
    fold.attached(model, answers()["hello"] | {"pid": 1}, NEVER_S)
    assert (model.last_n, len(model.messages), model.run) == (0, 0, None)


def test_a_run_that_ended_while_nobody_listened_is_over() -> None:
    model = fold_until(Model(), is_event("edge", volts=260.0))
    done = {"job": 1, "runbook": "over-voltage", "error": "", "verdict": "failed", "reason": "x", "bundle": "/b"}
    fold.status(model, answers()["hello"] | {"run": None, "done": [done]})
    assert model.run is not None
    assert (model.run.over, model.run.verdict) == (True, "failed")


def test_what_grows_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_MESSAGES", "MOST_MOMENTS", "MOST_READINGS"):
        monkeypatch.setattr(model_module, name, 50)
    model = fold_until(Model(), is_event("run", state="start"))
    told = messages()
    sizes = []
    for turn in range(160):
        for each in told:
            fold.fold(model, each | ({"n": model.last_n + 1} if "n" in each else {}), NEVER_S)
        if turn in (79, 159):
            sizes.append(len(repr(model)))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)


def test_messages_in_any_order_and_unknown_ones_are_taken_calmly() -> None:
    rng = random.Random(7)
    mixed: list[dict[str, Any]] = messages()
    rng.shuffle(mixed)
    model = Model()
    fold.attached(model, answers()["hello"], NEVER_S)
    fold.describe(model, answers()["describe"])
    for index, message in enumerate(mixed):
        fold.fold(model, message | ({"n": index + 1} if "n" in message else {}), NEVER_S)
    fold.fold(model, {"type": "event", "n": 10**9, "kind": "news", "source": "x", "data": {}, "mono_ns": 1}, NEVER_S)
    fold.fold(model, {"type": "weather"}, NEVER_S)
    assert [each.at_ns for each in model.moments] == sorted(each.at_ns for each in model.moments)
