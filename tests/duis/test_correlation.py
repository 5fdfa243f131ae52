from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.duis.correlation import Clue, Correlator, Filed, Note
from bench.duis.request_id import RequestId
from bench.duis.requests import parse_request
from bench.duis.responses import (
    Acknowledgement,
    DccAlert,
    DeviceAlert,
    ErrorResponse,
    FutureDatedDeviceAlert,
    GbcsResponse,
    PreCommand,
    Response,
    Smets1Response,
)
from bench.duis.safe_xml import parse
from bench.eui import Eui64
from bench.gbcs import alerts, dlms
from bench.gbcs.catalogue import Encoding
from bench.gbcs.message import Cra, Framing, Message

USER = Eui64.parse("90-B3-D5-1F-30-01-00-00")
ESME = Eui64.parse("00-DB-12-34-56-78-90-A0")
BROKER = Eui64.parse("90-B3-D5-1F-30-00-00-02")
WHEN = datetime(2026, 1, 1, 12, tzinfo=UTC)
S = 1_000_000_000


def request_id(counter: int) -> RequestId:
    return RequestId(USER, ESME, counter)


def header(counter: int, *, named: bool = True) -> dict[str, Any]:
    own = request_id(counter)
    return {
        "request_id": own if named else None,
        "response_id": own.response_id() if named else None,
        "response_date_time": WHEN,
    }


def of(counter: int, variant: str, *, named: bool = True) -> dict[str, Any]:
    return {**header(counter, named=named), "service_reference": variant, "service_reference_variant": variant}


def answer(counter: int, *, to: Eui64 = USER, supplementary: int | None = None, content: bytes = b"\x00") -> bytes:
    """A device's response; with a supplementary counter it is for the broker on behalf of the User."""
    return Message(
        framing=Framing.SIGNED,
        cra=Cra.RESPONSE,
        originator_counter=counter,
        originator=ESME,
        recipient=to,
        message_code=0x0012,
        content=content,
        supplementary_remote_party=None if supplementary is None else USER,
        supplementary_remote_party_counter=supplementary,
        signature=bytes(64),
    ).encode()


def acknowledgement(counter: int, variant: str = "7.4") -> Acknowledgement:
    return Acknowledgement(**of(counter, variant), response_code="I99")


def response(counter: int, *, named: bool = True, **how: Any) -> GbcsResponse:
    return GbcsResponse(**of(counter, "7.4", named=named), payload=answer(how.pop("gbcs", counter), **how))


def action(counter: int, code: int = 0x8F66, *, device_counter: int) -> bytes:
    specific = alerts.FutureDatedAction(0x0023, counter, dlms.Target(20, "0-0:13.0.0.255", 2))
    alert = alerts.Alert(code, WHEN, Encoding.DLMS, specific)
    message = alerts.build_alert(alert, originator=ESME, recipient=USER, originator_counter=device_counter)
    return replace(message, signature=bytes(64)).encode()


def instruction(
    counter: int, number: int, total: int, *, code: int = 0x8F66, named: bool = True
) -> FutureDatedDeviceAlert:
    return FutureDatedDeviceAlert(
        **of(counter, "1.1.1", named=named),
        alert_code=code,
        payload=action(counter, code, device_counter=9000 + 100 * counter + number),
        instruction_number=number,
        total_instructions=total,
    )


def log_updated(counter: int, code: str = "N24") -> DccAlert:
    return DccAlert(
        response_id=RequestId(BROKER, USER, 5 * counter),
        response_date_time=WHEN,
        alert_code=code,
        body_name="UpdateHANDeviceLogResult",
        body={"update_han_device_log_service_request_id": request_id(counter)},
    )


def device_alert(counter: int) -> DeviceAlert:
    return DeviceAlert(
        response_id=RequestId(ESME, USER, counter),
        response_date_time=WHEN,
        alert_code=0x8F32,
        payload=counter.to_bytes(8),
    )


def books(*counters: int, deadline_ns: int | None = None) -> Correlator:
    correlator = Correlator()
    for counter in counters:
        correlator.sent(request_id(counter), "7.4", 1, deadline_ns=deadline_ns)
    return correlator


def test_an_ordinary_exchange() -> None:
    correlator = books(1)
    exchange = correlator.exchanges[request_id(1)]
    assert (exchange.acknowledged, exchange.response, exchange.refusal) == (False, None, None)
    first = correlator.received(acknowledgement(1), at_ns=1 * S)
    second = correlator.received(response(1), at_ns=2 * S)
    assert (first.clue, first.notes, second.clue, second.notes) == (Clue.REQUEST_ID, (), Clue.REQUEST_ID, ())
    assert exchange.acknowledged
    assert exchange.response is second
    assert exchange.filed == [first, second]


def test_a_critical_exchange_uses_one_request_id_twice() -> None:
    correlator = Correlator()
    correlator.sent(request_id(1), "7.3", 4)
    pre_command = PreCommand(**of(1, "7.3"), gbcs_version="4.3", payload=b"\xdf")
    assert correlator.received(pre_command, at_ns=1).notes == ()
    exchange = correlator.sent(request_id(1), "7.3", 5)
    assert exchange.variants == [("7.3", 4), ("7.3", 5)]
    assert correlator.received(acknowledgement(1, "7.3"), at_ns=2).notes == ()
    assert correlator.received(response(1), at_ns=3).notes == ()
    assert correlator.received(replace(pre_command, payload=b"\xdf\x09"), at_ns=4).notes == (
        Note.REPEATED,
        Note.OUT_OF_ORDER,
    )


@pytest.mark.parametrize(
    ("message", "clue"),
    [
        (response(1, named=False), Clue.ORIGINATOR_COUNTER),
        # The broker's own counter says nothing, that of the User behind it everything.
        (response(1, named=False, gbcs=2, to=BROKER, supplementary=1), Clue.SUPPLEMENTARY_COUNTER),
        (replace(response(1, named=False), response_id=request_id(1).response_id()), Clue.RESPONSE_ID),
        (instruction(1, 1, 1, named=False), Clue.COMMAND_COUNTER),
        (log_updated(1), Clue.ALERT_BODY),
    ],
)
def test_each_clue_leads_to_the_request(message: Response, clue: Clue) -> None:
    correlator = books(1, 2)
    filed = correlator.received(message, at_ns=1)
    assert (filed.request_id, filed.clue, filed.notes) == (request_id(1), clue, ())
    assert correlator.exchanges[request_id(1)].filed == [filed]
    assert correlator.exchanges[request_id(2)].filed == []


def test_a_response_for_the_broker_alone_names_no_request() -> None:
    correlator = books(7)
    filed = correlator.received(response(0, named=False, gbcs=7, to=BROKER), at_ns=1)
    assert filed.notes == (Note.UNSOLICITED,)


def test_n24_and_n25_find_their_8_11() -> None:
    correlator = Correlator()
    for counter in (1, 2):
        correlator.sent(request_id(counter), "8.11", 1)
    updated = correlator.received(log_updated(2), at_ns=1)
    failed = correlator.received(log_updated(1, "N25"), at_ns=2)
    assert correlator.exchanges[request_id(2)].dcc_alerts == (updated,)
    assert correlator.exchanges[request_id(1)].dcc_alerts == (failed,)
    # It cannot have been both updated and not.
    assert correlator.received(log_updated(1), at_ns=3).notes == (Note.REPEATED,)
    assert correlator.received(log_updated(3), at_ns=4).notes == (Note.UNSOLICITED,)


def test_alerts_that_nobody_asks_for_are_kept_apart_from_what_is_unsolicited() -> None:
    correlator = books(1)
    outage = DccAlert(response_date_time=WHEN, alert_code="AD1", body_name="PowerOutageEvent")
    smets1 = Smets1Response(response_date_time=WHEN, raw=b"<x/>", device_alert_code=0x8F40)
    for message in (device_alert(1), outage, smets1):
        assert correlator.received(message, at_ns=1).notes == ()
    stranger = correlator.received(response(99), at_ns=2)
    assert stranger.notes == (Note.UNSOLICITED,)
    assert [each.message for each in correlator.unasked] == [device_alert(1), outage, smets1]
    assert correlator.unsolicited == [stranger]


def test_what_comes_after_the_deadline_or_the_end_is_late_and_kept() -> None:
    correlator = books(1, deadline_ns=10 * S)
    assert correlator.received(acknowledgement(1), at_ns=10 * S).notes == ()
    assert correlator.received(response(1), at_ns=10 * S + 1).notes == (Note.LATE,)
    other = books(2)
    other.close(request_id(2))
    assert other.received(response(2), at_ns=1).notes == (Note.LATE,)
    assert other.exchanges[request_id(2)].response is not None
    with pytest.raises(KeyError):
        other.close(request_id(3))


def test_an_answer_that_is_quicker_than_the_record_moves_to_its_request() -> None:
    correlator = Correlator()
    correlator.received(acknowledgement(1), at_ns=1)
    correlator.received(acknowledgement(1), at_ns=2)
    exchange = correlator.sent(request_id(1), "7.4", 1)
    assert correlator.unsolicited == []
    assert [each.notes for each in exchange.filed] == [(Note.OUT_OF_ORDER,), (Note.DUPLICATE, Note.OUT_OF_ORDER)]
    assert correlator.received(response(1), at_ns=3).notes == ()


def test_second_answers_and_answers_in_the_wrong_order_are_told_apart() -> None:
    correlator = books(1)
    assert correlator.received(response(1), at_ns=1).notes == ()
    assert correlator.received(acknowledgement(1), at_ns=2).notes == (Note.OUT_OF_ORDER,)
    assert correlator.received(response(1), at_ns=3).notes == (Note.DUPLICATE,)
    assert correlator.received(response(1, content=b"\x01"), at_ns=4).notes == (Note.REPEATED,)
    refusal = ErrorResponse(**of(1, "7.4"), response_code="E20")
    correlator.received(refusal, at_ns=5)
    found = correlator.exchanges[request_id(1)].refusal
    assert found is not None
    assert found.message == refusal


def test_a_message_whose_parts_name_different_requests_is_contradictory() -> None:
    correlator = books(1, 2)
    filed = correlator.received(response(1, gbcs=2), at_ns=1)
    assert (filed.request_id, filed.notes) == (request_id(1), (Note.CONTRADICTORY,))
    broken = replace(response(1), payload=b"\xdf\x09 what is this")
    assert correlator.received(broken, at_ns=2).notes == (Note.REPEATED,)


def test_scheduled_readings_may_come_for_ever() -> None:
    correlator = books(1)
    for number in range(5):
        message = replace(response(1, gbcs=900 + number), schedule_id=5)
        assert correlator.received(message, at_ns=number).notes == ()


def test_a_future_dated_command_is_complete_when_every_instruction_was_reported() -> None:
    correlator = books(1)
    exchange = correlator.exchanges[request_id(1)]
    assert (exchange.complete, exchange.missing_instructions) == (False, None)
    correlator.received(instruction(1, 1, 3), at_ns=1)
    correlator.received(instruction(1, 3, 3, code=0x8F67), at_ns=2)
    assert (exchange.complete, exchange.missing_instructions) == (False, frozenset({2}))
    assert correlator.received(instruction(1, 2, 3), at_ns=3).notes == (Note.OUT_OF_ORDER,)
    assert (exchange.complete, exchange.missing_instructions, exchange.failed_instructions) == (
        True,
        frozenset(),
        frozenset({3}),
    )


@pytest.mark.parametrize(("number", "total"), [(0, 2), (3, 2), (1, 1)])
def test_instructions_that_do_not_count_as_the_others_complete_nothing(number: int, total: int) -> None:
    correlator = books(1)
    correlator.received(instruction(1, 1, 2), at_ns=1)
    notes = correlator.received(instruction(1, number, total), at_ns=2).notes
    assert Note.CONTRADICTORY in notes or Note.DUPLICATE in notes
    exchange = correlator.exchanges[request_id(1)]
    assert not exchange.complete


COUNTERS = (1, 2, 3)
TOTALS = {1: 0, 2: 3, 3: 1}


def everything() -> list[tuple[int | None, Response]]:
    """All that can come for three requests, and what nobody asked for, each with its request."""
    out: list[tuple[int | None, Response]] = [(None, device_alert(1)), (None, device_alert(2))]
    for counter in COUNTERS:
        out.append((counter, acknowledgement(counter)))
        out.append(
            (counter, response(counter, named=counter != 2, gbcs=50 + counter, to=BROKER, supplementary=counter))
        )
        out.append((counter, log_updated(counter)))
        total = TOTALS[counter]
        out += [(counter, instruction(counter, each, total, named=each != 2)) for each in range(1, total + 1)]
    return out


EVERYTHING = everything()
events = st.lists(st.integers(0, len(EVERYTHING) - 1), max_size=40)
"""Any order, with losses and repetitions."""


@settings(max_examples=150)
@given(events, st.permutations(COUNTERS), st.lists(st.integers(0, 40), min_size=3, max_size=3))
def test_any_order_repetition_and_loss(picks: list[int], sending: list[int], moments: list[int]) -> None:
    correlator = Correlator()
    sends = sorted(zip(moments, sending, strict=True))
    for position in range(41):
        for moment, counter in sends:
            if moment == position:
                correlator.sent(request_id(counter), "1.1.1", 1, deadline_ns=20)
        if position < len(picks):
            correlator.received(EVERYTHING[picks[position]][1], at_ns=position)
    times = Counter(picks)
    everywhere = [each for exchange in correlator.exchanges.values() for each in exchange.filed]
    everywhere += correlator.unasked + correlator.unsolicited
    # Nothing is lost, nothing is made up, and nothing is kept twice.
    assert sorted(each.number for each in everywhere) == list(range(len(picks)))
    assert correlator.unsolicited == []
    assert {EVERYTHING[pick][0] for pick in picks} - set(COUNTERS) <= {None}
    for counter in COUNTERS:
        exchange = correlator.exchanges[request_id(counter)]
        expected = [pick for pick in picks if EVERYTHING[pick][0] == counter]
        assert sorted(map(repr, (each.message for each in exchange.filed))) == sorted(
            repr(EVERYTHING[pick][1]) for pick in expected
        )
        came = {
            message.instruction_number
            for message in (EVERYTHING[pick][1] for pick in expected)
            if isinstance(message, FutureDatedDeviceAlert)
        }
        assert exchange.instructions == came
        assert exchange.complete == (bool(came) and came == set(range(1, TOTALS[counter] + 1)))
        for each in exchange.filed:
            assert (Note.LATE in each.notes) == (each.at_ns > 20)
            assert Note.REPEATED not in each.notes
            assert Note.CONTRADICTORY not in each.notes
    duplicates = [each for each in everywhere if Note.DUPLICATE in each.notes]
    assert len(duplicates) == sum(number - 1 for number in times.values())


@given(st.permutations([pick for pick, (counter, _) in enumerate(EVERYTHING) if counter == 2]))
def test_only_an_order_that_is_not_theirs_is_out_of_order(picks: list[int]) -> None:
    correlator = books(2)
    notes = [correlator.received(EVERYTHING[pick][1], at_ns=0).notes for pick in picks]
    ranked = [pick for pick in picks if not isinstance(EVERYTHING[pick][1], DccAlert)]
    late = {pick for place, pick in enumerate(ranked) if any(before > pick for before in ranked[:place])}
    assert {pick for pick, note in zip(picks, notes, strict=True) if Note.OUT_OF_ORDER in note} == late


@given(st.binary(max_size=60))
def test_any_payload_is_kept(payload: bytes) -> None:
    correlator = books(1)
    filed = correlator.received(GbcsResponse(**of(1, "7.4"), payload=payload), at_ns=1)
    assert isinstance(filed, Filed)
    assert filed.request_id == request_id(1)


def test_published_alerts_complete_the_published_request(rtds: Path) -> None:
    (file,) = (rtds / "duis").glob("ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_*.XML")
    request = parse_request(parse(file.read_bytes()))
    correlator = Correlator()
    exchange = correlator.sent(request.request_id, "1.1.1", 5)
    files = sorted((rtds / "gbcs" / "alerts").glob("ECS01a_1.1.1_8F66_*.HEX"))
    assert len(files) == 5
    for number, each in enumerate(files, 1):
        assert not exchange.complete
        alert = replace(
            instruction(1, number, len(files), named=False), payload=bytes.fromhex(each.read_text()), request_id=None
        )
        filed = correlator.received(alert, at_ns=number)
        assert (filed.request_id, filed.clue, filed.notes) == (request.request_id, Clue.COMMAND_COUNTER, ())
    assert exchange.complete


def test_published_responses_lead_to_their_commands(rtds: Path) -> None:
    """A published command has the counters of the DUIS request that it was made from."""
    checked = Counter[Clue]()
    for file in sorted((rtds / "gbcs" / "messages").glob("*_COMMAND_GBCS.HEX")):
        answers = file.with_name(file.name.replace("_COMMAND_GBCS", "_RESPONSE_GBCS"))
        if not answers.exists():
            continue
        command = Message.parse(bytes.fromhex(file.read_text()))
        party = command.supplementary_remote_party or command.originator
        counter = command.supplementary_remote_party_counter
        own = RequestId(party, command.recipient, command.originator_counter if counter is None else counter)
        correlator = Correlator()
        correlator.sent(own, "1.1", 1)
        payload = bytes.fromhex(answers.read_text())
        filed = correlator.received(GbcsResponse(**of(1, "1.1", named=False), payload=payload), at_ns=1)
        assert filed.request_id == own, file.name
        assert filed.clue is not None
        checked[filed.clue] += 1
    assert min(checked[Clue.SUPPLEMENTARY_COUNTER], checked[Clue.ORIGINATOR_COUNTER]) >= 10
