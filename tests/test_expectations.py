"""A pass must be earned: what satisfies an expectation, and everything that must not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from bench.capabilities import Edge, EdgeKind, TimedBy
from bench.clock import VIRTUAL_EPOCH_UTC_NS, VirtualClock
from bench.eui import Eui64
from bench.events import EventStream
from bench.expectations import StepWatch, first_problem
from bench.ledger import Ledger
from bench.parties import Certificates, DeviceType, Dut, Parties
from bench.sightings import sight
from bench.steps import Step
from bench.verdict import Verdict

ESME = Dut("esme", DeviceType.ESME, Eui64.parse("00-DB-12-34-56-78-90-A0"))
GSME = Dut("gsme", DeviceType.GSME, Eui64.parse("00-DB-12-34-56-78-90-A1"))
DISTANT = Dut("ppmid", DeviceType.PPMID, Eui64.parse("00-DB-12-34-56-78-90-A4"), sub_ghz=True)
PARTIES = Parties({}, {"esme": ESME, "gsme": GSME, "ppmid": DISTANT}, Eui64(bytes(8)), Certificates())
SECOND = 1_000_000_000


class Bench:
    """A stream, a ledger and one step, for messages to be thrown at."""

    def __init__(self, *, witness: bool = True, ledger: Ledger | None = None, **step: Any) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.stream = EventStream(self.clock)
        self.ledger = ledger or Ledger()
        self.findings: list[str] = []
        self.step = Step.model_validate({"as": "ED", "wait": "0 s"} | step)
        self.watch = StepWatch(
            self.step, self.stream, PARTIES, tolerance_ns=10 * SECOND, can_witness=lambda kind: witness
        )
        self.watch.anchor("stimulus", self.clock.now())
        self.stream.subscribe(self._on_event)
        self._counter = 1000

    def _on_event(self, event: Any) -> None:
        sighting = sight(event, self.ledger)
        if sighting is not None:
            self.watch.see(sighting)
        if event.kind == "finding":
            self.findings.append(event.data["text"])

    def alert(self, **changes: Any) -> dict[str, Any]:
        """An 0x8F35 from the ESME to ED, sound but for the changes."""
        self._counter += 1
        now = self.clock.now()
        data: dict[str, Any] = {
            "user": "ED",
            "device": str(ESME.eui),
            "code": "0x8F35",
            "counter": self._counter,
            "device_time_utc_ns": now.utc_ns,
            "values": {},
            "signature": "valid",
            "digest": f"digest {self._counter}",
        }
        data |= changes
        self.stream.emit("dcc", "seen.device_alert", data)
        return data

    def edge(self, kind: EdgeKind) -> None:
        self.watch.anchor_edge(Edge(kind, 230.0, self.clock.now(), 5_000_000, TimedBy.BENCH))

    async def verdict(self) -> tuple[Verdict, str]:
        self.watch.verb_ended(self.clock.now())
        verdict = await self.watch.settle()
        return verdict, first_problem([*self.watch.expected, *self.watch.forbidden])

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()


ALERT = {"device_alert": "0x8F35", "from": "esme", "within": "60 s"}


async def test_the_right_alert_in_time_passes_and_its_latency_is_known() -> None:
    bench = Bench(expect=[ALERT])
    await asyncio.sleep(12)
    bench.alert()
    assert await bench.verdict() == (Verdict.PASSED, "")
    outcome = bench.watch.expected[0]
    assert outcome.latency_ns == 12 * SECOND
    assert bench.watch.unexplained() == []


async def test_nothing_fails_when_the_window_has_gone_by_and_not_before() -> None:
    bench = Bench(expect=[ALERT])
    verdict, reason = await bench.verdict()
    assert verdict is Verdict.FAILED
    assert "did not come within 1 min 0 s" in reason
    assert 60 <= bench.now_s < 60.001


@pytest.mark.parametrize(("after_s", "verdict"), [(59.999, "passed"), (60.0, "passed"), (60.001, "failed")])
async def test_the_window_is_closed_at_its_end(after_s: float, verdict: str) -> None:
    bench = Bench(expect=[ALERT])
    asyncio.get_running_loop().call_later(after_s, bench.alert)
    assert (await bench.verdict())[0] == verdict


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"user": "IS"}, "it came to IS, not to ED"),
        ({"device": str(GSME.eui)}, "it is from gsme, not from esme"),
        ({"signature": "the signature does not verify"}, "its signature is not valid"),
        ({"device_time_utc_ns": VIRTUAL_EPOCH_UTC_NS - 60 * SECOND}, "its own time stamp is"),
        ({"device_time_utc_ns": VIRTUAL_EPOCH_UTC_NS + 900 * SECOND}, "ahead of its arrival"),
        ({"code": "0x8F36"}, "did not come"),
    ],
)
async def test_what_is_nearly_right_does_not_pass_and_the_reason_says_so(changes: Mapping[str, Any], why: str) -> None:
    bench = Bench(expect=[ALERT])
    bench.alert(**changes)
    verdict, reason = await bench.verdict()
    assert verdict is Verdict.FAILED
    assert why in reason
    assert len(bench.watch.unexplained()) == 1, "what came instead is worth a finding"


async def test_a_message_seen_before_the_step_never_satisfies_it() -> None:
    ledger = Ledger()
    ledger.record("last night", str(ESME.eui), 77)
    bench = Bench(expect=[ALERT], ledger=ledger)
    bench.alert(digest="last night", counter=77)
    verdict, reason = await bench.verdict()
    assert verdict is Verdict.FAILED
    assert "old message delivered again" in reason


async def test_a_counter_that_went_back_never_satisfies() -> None:
    ledger = Ledger()
    ledger.record("newest", str(ESME.eui), 5000)
    bench = Bench(expect=[ALERT], ledger=ledger)
    bench.alert(counter=5000)
    verdict, reason = await bench.verdict()
    assert verdict is Verdict.FAILED
    assert "counter 5000 is not above 5000" in reason


async def test_a_forged_message_cannot_use_up_the_counter_of_a_genuine_one() -> None:
    bench = Bench(expect=[ALERT])
    bench.alert(signature="bad", counter=10**9, digest="forged")
    bench.alert()
    assert (await bench.verdict())[0] is Verdict.PASSED


async def test_the_same_alert_twice_is_reported() -> None:
    bench = Bench(expect=[ALERT])
    first = bench.alert()
    bench.stream.emit("dcc", "seen.device_alert", first)
    bench.alert()
    assert (await bench.verdict())[0] is Verdict.PASSED
    assert [oddity for _, oddity in bench.watch.unexplained()] == ["came twice", "came twice"]


async def test_alerts_of_a_hub_under_one_code_are_told_apart_by_the_hubs_own() -> None:
    bench = Bench(expect=[{"dcc_alert": "N54", "within": "1 min", "values": {"device_alert_code": "8f27"}}])
    said = [
        {"code": "N54", "counter": None, "digest": str(number), "values": {"device_alert_code": code}}
        for number, code in enumerate(["8f28", "8f27", "8f2b", "8f27"])
    ]
    for each in said:
        bench.stream.emit("dcc", "seen.dcc_alert", {"user": "ED", "device": str(ESME.eui), "signature": "valid"} | each)
    assert (await bench.verdict())[0] is Verdict.PASSED
    oddities = [oddity for _, oddity in bench.watch.unexplained()]
    assert oddities == ["neither expected nor allowed", "neither expected nor allowed", "came twice"]


async def test_a_window_that_counts_from_the_restoration_ignores_what_came_before_it() -> None:
    bench = Bench(expect=[ALERT | {"after": "restore"}])
    bench.edge(EdgeKind.FALL)
    await asyncio.sleep(20)
    bench.alert()
    await asyncio.sleep(10)
    bench.edge(EdgeKind.RESTORE)
    verdict, reason = await bench.verdict()
    assert verdict is Verdict.FAILED
    assert "it came before the restore" in reason
    assert bench.now_s >= 90


async def test_an_alert_during_the_verb_counts_once_its_anchor_is_known() -> None:
    bench = Bench(expect=[{"dcc_alert": "AD1", "within": "5 min", "after": "fall"}])
    fall = bench.clock.now()
    await asyncio.sleep(181)
    data = {"user": "ED", "code": "AD1", "for_request": None, "device": None, "signature": "valid", "digest": "x"}
    bench.stream.emit("dcc", "seen.dcc_alert", data)
    await asyncio.sleep(419)
    bench.watch.anchor("fall", fall, 1_000_000)
    assert (await bench.verdict())[0] is Verdict.PASSED
    assert bench.watch.expected[0].latency_ns == 181 * SECOND
    assert bench.watch.expected[0].uncertainty_ns == 1_000_000


async def test_an_anchor_that_never_comes_fails_rather_than_waits() -> None:
    bench = Bench(expect=[ALERT | {"after": "restore"}])
    verdict, reason = await bench.verdict()
    assert verdict is Verdict.FAILED
    assert "made no restore" in reason
    assert bench.now_s == 0


async def test_the_times_that_an_outage_alert_states_are_held_against_the_edges() -> None:
    stated = {"interruption": "2026-01-01T00:00:00+00:00", "restoration": "2026-01-01T00:00:30+00:00"}
    for wrong in ({}, {"interruption": "2026-01-01T00:01:00+00:00"}):
        bench = Bench(expect=[ALERT | {"after": "restore"}])
        start_s = bench.now_s
        bench.edge(EdgeKind.FALL)
        await asyncio.sleep(30)
        bench.edge(EdgeKind.RESTORE)
        if start_s:
            stated = {"interruption": bench.clock.now().iso, "restoration": bench.clock.now().iso}
        bench.alert(values=stated | wrong)
        verdict, reason = await bench.verdict()
        if wrong:
            assert verdict is Verdict.FAILED
            assert "the fall that it states" in reason
        else:
            assert verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("wanted", "verdict"), [("true", Verdict.PASSED), ("True", Verdict.PASSED), ("false", Verdict.FAILED)]
)
async def test_what_is_true_is_written_as_yaml_writes_it(wanted: str, verdict: Verdict) -> None:
    bench = Bench(expect=[ALERT | {"values": {"daily": wanted}}])
    bench.edge(EdgeKind.FALL)
    bench.alert(values={"daily": True})
    found, reason = await bench.verdict()
    assert found is verdict
    assert found is Verdict.PASSED or "its daily is true, not false" in reason


async def test_what_is_forbidden_fails_at_once() -> None:
    bench = Bench(forbid=[{"device_alert": "0x8F36", "from": "esme", "for": "5 min"}])
    asyncio.get_running_loop().call_later(17, lambda: bench.alert(code="0x8F36"))
    verdict, reason = await bench.verdict()
    assert verdict is Verdict.FAILED
    assert "17.0 s after the stimulus" in reason
    assert bench.now_s == 17


async def test_a_step_with_a_forbid_has_not_passed_until_its_window_has_gone_by() -> None:
    bench = Bench(expect=[ALERT], forbid=[{"device_alert": "0x8F36", "from": "esme", "for": "5 min"}])
    bench.alert()
    assert (await bench.verdict())[0] is Verdict.PASSED
    assert bench.now_s >= 300


@pytest.mark.parametrize(("after_s", "verdict"), [(299.999, "failed"), (300.0, "failed"), (300.001, "passed")])
async def test_a_forbidden_alert_counts_to_the_last_moment_of_its_window(after_s: float, verdict: str) -> None:
    bench = Bench(forbid=[{"device_alert": "0x8F36", "from": "esme", "for": "5 min"}])
    asyncio.get_running_loop().call_later(after_s, lambda: bench.alert(code="0x8F36"))
    assert (await bench.verdict())[0] == verdict


async def test_a_prohibition_without_its_anchor_is_undecided() -> None:
    bench = Bench(forbid=[{"device_alert": "0x8F36", "from": "esme", "for": "5 min", "after": "restore"}])
    assert (await bench.verdict())[0] is Verdict.UNDECIDED


async def test_what_is_allowed_is_no_finding_and_a_replay_of_it_is() -> None:
    bench = Bench(allow=[{"device_alert": "0x8F35", "from": "esme"}])
    data = bench.alert()
    assert bench.watch.unexplained() == []
    bench.stream.emit("dcc", "seen.device_alert", data)
    assert [oddity for _, oddity in bench.watch.unexplained()] == ["an old message delivered again"]


def join(device: Dut, stage: str = "join") -> dict[str, Any]:
    return {"stage": stage, "device": str(device.eui), "short_address": 7, "device_us": 1}


@pytest.mark.parametrize(
    ("witness", "can_see", "seen", "verdict"),
    [
        ("required", True, True, "passed"),
        ("required", True, False, "failed"),
        ("required", False, False, "undecided"),
        ("optional", True, True, "passed"),
        ("optional", True, False, "passed"),
        ("optional", False, False, "passed"),
    ],
)
async def test_a_witness_that_cannot_see_is_unavailable_and_not_absent(
    witness: str, can_see: bool, seen: bool, verdict: str
) -> None:
    expect = {"han": "join", "device": "esme", "within": "10 min", "witness": witness}
    bench = Bench(witness=can_see, expect=[expect])
    bench.stream.emit("sniffer", "seen.han", join(GSME))
    bench.stream.emit("sniffer", "seen.han", join(ESME, "association"))
    if seen:
        bench.stream.emit("sniffer", "seen.han", join(ESME))
    assert (await bench.verdict())[0] == verdict
    assert bool(bench.findings) == (witness == "optional" and can_see and not seen)


async def test_a_join_in_a_band_that_the_witness_does_not_hear_is_unavailable() -> None:
    bench = Bench(expect=[{"han": "join", "device": "ppmid", "within": "10 min"}])
    bench.stream.emit("sniffer", "seen.han", join(ESME))
    verdict, reason = await bench.verdict()
    assert (verdict, "unavailable" in reason) == ("undecided", True)


async def test_a_response_must_answer_this_very_request_with_this_code() -> None:
    def response(**changes: Any) -> dict[str, Any]:
        return {
            "user": "ED",
            "request_id": "mine",
            "service_request": "6.5",
            "response_code": "I0",
            "synchronous": False,
            "device": str(ESME.eui),
            "signature": "valid",
            "digest": str(changes),
            "gbcs": {"use_case": "ECS29a", "ok": True, "values": {}},
        } | changes

    for changes, verdict in (
        ({}, Verdict.PASSED),
        ({"request_id": "another"}, Verdict.FAILED),
        ({"response_code": "E21"}, Verdict.FAILED),
        ({"gbcs": {"ok": False, "values": {}, "detail": "refused"}}, Verdict.FAILED),
        ({"signature": "no certificate"}, Verdict.FAILED),
    ):
        bench = Bench(send={"service_request": "6.5", "to": "esme"}, wait=None, expect=[
            {"response": "6.5", "code": "I0", "within": "60 s"}
        ])  # fmt: skip
        bench.watch.request_ids["6.5"] = "mine"
        bench.stream.emit("dcc", "seen.response", response(**changes))
        assert (await bench.verdict())[0] is verdict, changes


async def test_n24_must_answer_the_request_of_the_step() -> None:
    for request, verdict in (("mine", Verdict.PASSED), ("another", Verdict.FAILED), (None, Verdict.FAILED)):
        bench = Bench(expect=[{"dcc_alert": "N24", "for": "8.11", "within": "60 s"}])
        bench.watch.request_ids["8.11"] = "mine"
        data = {
            "user": "ED",
            "code": "N24",
            "for_request": request,
            "device": None,
            "signature": "valid",
            "digest": "d",
        }
        bench.stream.emit("dcc", "seen.dcc_alert", data)
        assert (await bench.verdict())[0] is verdict


@pytest.mark.parametrize(("dated_s", "verdict"), [(0, Verdict.FAILED), (-9, Verdict.FAILED), (-11, Verdict.PASSED)])
async def test_a_forbidden_alert_that_another_overtook_still_counts(dated_s: int, verdict: Verdict) -> None:
    bench = Bench(forbid=[{"device_alert": "0x8F36", "from": "esme", "for": "60 s"}])
    begun_ns = bench.clock.now().utc_ns
    await asyncio.sleep(5)
    bench.alert(counter=2001)
    bench.alert(code="0x8F36", counter=2000, device_time_utc_ns=begun_ns + dated_s * SECOND)
    assert (await bench.verdict())[0] is verdict


@pytest.mark.parametrize(
    ("variant", "wanted", "came", "verdict"),
    [
        ("7.2", "I0", "I0", Verdict.FAILED),
        ("7.2", None, "I99", Verdict.FAILED),
        ("7.2", "I99", "I99", Verdict.PASSED),
        ("7.2", None, "E13", Verdict.PASSED),
        ("8.3", "I0", "I0", Verdict.PASSED),
    ],
)
async def test_the_dcc_cannot_say_yes_for_a_device(
    variant: str, wanted: str | None, came: str, verdict: Verdict
) -> None:
    bench = Bench(expect=[{"response": variant, "within": "60 s"} | ({"code": wanted} if wanted else {})])
    bench.watch.request_ids[variant] = "id"
    data = {
        "user": "ED",
        "request_id": "id",
        "service_request": variant,
        "response_code": came,
        "device": str(ESME.eui),
    }
    bench.stream.emit(
        "dcc", "seen.response", data | {"synchronous": True, "signature": "valid", "digest": "d", "gbcs": None}
    )
    reached, reason = await bench.verdict()
    assert reached is verdict
    assert ("no answer of the device" in reason) is (came == "I0" and verdict is Verdict.FAILED)
