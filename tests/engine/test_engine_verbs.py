"""Each verb of a step, and steps done at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.steps import Measure
from bench.verbs import band
from bench.verdict import Verdict
from tests.fakes import FakeOperator, make_bench

READ = "  - {title: read, as: ED, send: {service_request: '4.10', to: esme, save: before}"
WRITE = (
    "  - title: write\n    as: ED\n    send: {service_request: '6.5', to: esme, params: "
    "{average_rms_over_voltage_threshold: '${saved.before.volts}', note: '${esme.mpxn} ${chf.id}'}}\n"
)


async def test_saved_values_and_facts_of_the_rig_reach_a_later_request(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.dcc.on(
        "4.10",
        1,
        lambda user, ident: bench.dcc.answer(user, ident, gbcs={"ok": True, "values": {"volts": 9}}, signature="bad"),
    )
    bench.dcc.on(
        "4.10", 2, lambda user, ident: bench.dcc.answer(user, ident, gbcs={"ok": True, "values": {"volts": 253}})
    )
    bench.dcc.on(
        "4.10",
        3,
        lambda user, ident: bench.dcc.answer(user, ident, gbcs={"ok": True, "values": {"volts": 9}}, signature="bad"),
    )
    result = await bench.run(f"steps:\n{READ}, expect: [{{response: '4.10', code: I0, within: 60 s}}]}}\n{WRITE}")
    assert result.verdict is Verdict.PASSED
    assert bench.dcc.requests[1][3] == {
        "average_rms_over_voltage_threshold": "253",
        "note": "1012345678901 00-DB-12-34-56-78-90-A2",
    }, "and nothing that a forged answer says"


async def test_what_was_not_saved_cannot_be_sent(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    result = await bench.run(f"steps:\n{WRITE}teardown:\n{WRITE}")
    assert [step.verdict for step in result.steps] == [Verdict.UNDECIDED, Verdict.SKIPPED]
    assert "nothing was saved as ${saved.before.volts}" in result.reason
    assert bench.dcc.requests == []


@pytest.mark.parametrize(
    ("variant", "code", "passes"),
    [("7.4", "I0", True), ("7.4", "E4", False), ("another request", "I0", False)],
)
async def test_a_response_must_answer_the_request_of_the_step(
    tmp_path: Path, variant: str, code: str, passes: bool
) -> None:
    bench = make_bench(tmp_path)
    bench.dcc.on(
        "7.4",
        1,
        lambda user, ident: bench.dcc.answer(user, ident if variant == "7.4" else "IS:7.4:1", code=code),
    )
    result = await bench.run(
        "steps: [{as: IS, send: {service_request: '7.4', to: esme}, "
        "expect: [{response: '7.4', code: I0, within: 9 s}]}]\n"
    )
    assert result.verdict is (Verdict.PASSED if passes else Verdict.FAILED)
    sent_to_answered_ns = (1_100_000_000, 50_000_000)
    assert not passes or result.steps[0].latencies == (("response 7.4 I0", *sent_to_answered_ns),)


async def test_an_unknown_user_or_device_is_undecided_and_nothing_is_sent(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    for step in (
        "{as: GS, send: {service_request: '7.4', to: esme}}",
        "{as: IS, send: {service_request: '7.4', to: gsme}}",
    ):
        assert (await bench.run(f"steps: [{step}]\n")).verdict is Verdict.UNDECIDED
    assert bench.dcc.requests == []


async def test_steps_at_once_are_judged_each_by_its_own(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    steps = """
steps:
  - title: both
    parallel:
      - as: ED
        supply: {interrupt: {for: 30 s}}
        expect: [{device_alert: 0x8F35, from: esme, within: 60 s, after: restore}]
      - as: IS
        send: {service_request: '7.4', to: esme, save: state}
        expect: [{response: '7.4', code: I0, within: 60 s}]
        allow: [{device_alert: 0x8183, from: esme}]
  - {as: IS, send: {service_request: '7.4', to: esme, params: {x: '${saved.state.v}'}}}
"""
    bench.dcc.on("7.4", 1, lambda user, ident: bench.dcc.answer(user, ident, gbcs={"ok": True, "values": {"v": 1}}))
    bench.at(35, bench.dcc.alert)
    bench.at(36, bench.dcc.alert, "0x8183", user="IS")
    result = await bench.run(steps)
    assert (result.verdict, result.findings) == (Verdict.PASSED, [])
    assert [what for what, _, _ in result.steps[0].latencies] == ["0x8F35 from esme", "response 7.4 I0"]
    assert result.steps[0].summary == "interrupted for 30.0 s, timed by the bench; 7.4 as IS: I0"

    bench = make_bench(tmp_path)
    result = await bench.run(steps.replace("both", "nothing comes"))
    assert result.verdict is Verdict.FAILED, "what is expected inside 'parallel' is demanded"
    assert "0x8F35 from esme: did not come" in result.reason


async def test_each_of_the_steps_at_once_has_its_own_windows(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    early = "{as: ED, wait: 1 s, expect: [{device_alert: 0x8F35, from: esme, within: 10 s}]}"
    late = "{as: ED, wait: 20 s, expect: [{device_alert: 0x8F36, from: esme, within: 10 s, after: end}]}"
    bench.at(5, bench.dcc.alert)
    bench.at(25, bench.dcc.alert, "0x8F36")
    result = await bench.run(f"steps: [{{parallel: [{early}, {late}]}}]\n")
    assert result.verdict is Verdict.PASSED
    assert [latency_ns // 10**9 for _, latency_ns, _ in result.steps[0].latencies] == [5, 5]


async def test_a_bug_among_steps_at_once_is_raised_and_the_rig_made_safe(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.source.raises["interrupt"] = ZeroDivisionError("a bug")
    with pytest.raises(ExceptionGroup):
        await bench.run("steps: [{parallel: [{supply: {interrupt: {for: 10 min}}}, {wait: 1 h}]}]\n")
    assert bench.is_safe and bench.now_s < 2


async def test_one_alert_does_not_satisfy_two_steps_at_once(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    part = "{as: ED, wait: 1 s, expect: [{device_alert: 0x8F35, from: esme, within: 10 s}]}"
    bench.at(5, bench.dcc.alert)
    assert (await bench.run(f"steps: [{{parallel: [{part}, {part}]}}]\n")).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("parts", "verdict", "reason"),
    [
        ("{measure: {between: [1 V, 2 V]}}, {wait: 10 s}", "failed", "outside 1 V to 2 V"),
        ("{relay: {closed: no}}, {wait: 10 s}", "undecided", "relay does not answer"),
        ("{measure: {between: [1 V, 2 V]}}, {relay: {closed: no}}", "undecided", "relay does not answer"),
        ("{relay: {closed: no}}, {supply: {set: 300 V}}", "undecided", "300 V is outside"),
        ("{parallel: [{relay: {closed: no}}]}, {wait: 10 s}", "undecided", "relay does not answer"),
    ],
)
async def test_a_failure_among_steps_at_once_is_one_sentence(
    tmp_path: Path, parts: str, verdict: str, reason: str
) -> None:
    bench = make_bench(tmp_path)
    bench.relay.lose("switch")
    result = await bench.run(f"steps: [{{parallel: [{parts}]}}]\n")
    assert result.verdict == verdict if "park" not in result.reason else Verdict.UNDECIDED
    assert reason in result.steps[0].reason
    assert result.steps[0].verdict == ("failed" if "300 V" in reason else verdict)
    assert result.steps[0].duration_s < 1, "the others are not waited for"


@pytest.mark.parametrize(("answer", "verdict"), [("yes", "passed"), ("no", "failed")])
async def test_the_operator_decides(tmp_path: Path, answer: str, verdict: str) -> None:
    bench, operator = make_bench(tmp_path), FakeOperator(answer)
    result = await bench.run("steps: [{prompt: {text: Is the LED green?}}]\n", operator=operator)
    assert result.verdict == verdict
    assert operator.asked == ["Is the LED green?"]


@pytest.mark.parametrize(
    ("volts", "verdict"),
    [(226.0, "passed"), (234.0, "passed"), (225.99, "failed"), (234.01, "failed"), (float("nan"), "failed")],
)
async def test_both_ends_of_a_band_belong_to_it(tmp_path: Path, volts: float, verdict: str) -> None:
    bench = make_bench(tmp_path)
    bench.meter.reads = volts
    result = await bench.run("steps: [{measure: {quantity: voltage, between: [226 V, 234 V], settle: 2 s}}]\n")
    assert result.verdict == verdict
    assert result.steps[0].duration_s == pytest.approx(2)
    told = [event for event in bench.told("measurement") if event.at.mono_ns == 2_000_000_000]
    assert len(told) == 2, "the monitor's and the step's own"


@pytest.mark.parametrize(
    ("between", "what"),
    [(["2 V", "1 V"], "2 V is above 1 V"), (["1 V", "2 A"], "'2 A' is not a voltage"), (["1", "2 V"], "'1' is not a")],
)
def test_a_band_that_is_none_is_an_error(between: list[str], what: str) -> None:
    with pytest.raises(UsageError, match=f"between: .*{what}"):
        band(Measure.model_validate({"between": between}))


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ({"supply": "on", "rest": ""}, "passed"),
        ({"supply": "off", "rest": ""}, "failed"),
        ({"supply": "on!", "rest": ""}, "failed"),
        ({"supply": "on"}, "failed"),
    ],
)
async def test_a_console_must_answer_what_is_expected(tmp_path: Path, answer: dict[str, str], verdict: str) -> None:
    bench = make_bench(tmp_path)
    bench.console.answers["status"] = answer
    step = "{console: {device: console, command: status, arguments: {a: '1'}, answer: {supply: o(n|k), rest: '.*'}}}"
    assert (await bench.run(f"steps: [{step}]\n")).verdict == verdict
    assert bench.console.calls[0][2] == ("status", {"a": "1"})


async def test_the_supply_verbs_reach_the_source_and_make_their_anchors(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    result = await bench.run("""
steps:
  - supply: {set: 240 V}
  - supply: {ramp: {to: 250 V, slope: 1 V/s}}
  - supply: {sag: {to: 200 V, for: 5 s}}
  - supply: {swell: {to: 260 V, for: 5 s}}
  - supply: {frequency: 49.5 Hz}
  - supply: {output: off}
  - supply: {output: on}
  - relay: {closed: no}
  - relay: {closed: yes}
""")
    assert result.verdict is Verdict.PASSED
    verbs = [verb for verb in bench.source.verbs() if verb != "read_state"]
    assert verbs[:7] == ["set_voltage", "ramp", "excursion", "excursion", "set_frequency", "output", "output"]
    edges = [(event.data["edge"], event.data["volts"]) for event in bench.told("edge")]
    assert edges == [
        ("set", 240.0), ("set", 250.0), ("set", 200.0), ("set", 250.0), ("set", 260.0), ("set", 250.0),
        ("fall", 0.0), ("restore", 250.0), ("fall", 0.0), ("restore", None),
    ]  # fmt: skip


async def test_windows_count_from_the_end_of_the_verb_and_from_no_anchor_that_was_never_made(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    expect = "expect: [{device_alert: 0x8F35, from: esme, within: 5 s, after: AFTER}]"
    for after, when_s, verdict in (("end", 14, "passed"), ("end", 9, "failed"), ("set", 14, "failed")):
        bench.at(when_s, bench.dcc.alert)
        result = await bench.run(f"steps: [{{as: ED, wait: 10 s, {expect}}}]\n".replace("AFTER", after))
        assert result.verdict == verdict, (after, when_s)
    assert "the step made no set to count from" in result.reason


async def test_inventory_is_asked_until_it_says_so(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    bench.dcc.inventory.pop("esme")
    bench.at(20, bench.dcc.inventory.update, {"esme": "Commissioned"})
    step = "{as: IS, inventory: {device: esme, status: Commissioned, within: WITHIN}}"
    assert (await bench.run(f"steps: [{step}]\n".replace("WITHIN", "10 s"))).verdict is Verdict.FAILED
    bench.dcc.inventory.pop("esme", None)
    bench.at(20, bench.dcc.inventory.update, {"esme": "Commissioned"})
    result = await bench.run(f"steps: [{step}]\n".replace("WITHIN", "1 min"))
    assert result.verdict is Verdict.PASSED
    assert 20 <= result.steps[0].duration_s < 26
    assert len(bench.dcc.requests) < 12, "with a pause between"
