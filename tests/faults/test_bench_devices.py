"""What the bench itself is made of fails: nobody can tell, and the rig ends in a known state."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import DeviceLost
from tests.faults.runs import Ends, passes, run_with, see, undecided

SHORT, LONG, OVER, ARM, JOIN = "supply-outage-short", "supply-outage-long", "over-voltage", "arm-supply", "han-join"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("source-silent", ("source: source (", "it does not answer: 2 s went by after *IDN?")),
        ("source-slow", ("source: source (", "it does not answer: 2 s went by after *IDN?")),
        ("source-garbled", ("source: source (", "to *IDN?, which is no identification")),
        ("source-vanishes", ("source: source (", "connection refused. Check that it is switched on")),
        ("relay-silent", ("relay: relay (", "it does not answer within 1 s. Check its power")),
        ("meter-silent", ("meter: meter (", "it does not answer within 1 s. Check its power")),
        ("broker-restart", ("hub: mqtt://", "the MQTT broker cannot be used", "Check that the broker runs")),
        ("console-unplugged", ("console: console (", "the port cannot be opened", "Check its power and its cable")),
        ("sniffer-unplugged", ("sniffer: sniffer (", "the port cannot be opened", "Check its cable")),
    ],
)
async def test_a_device_that_is_not_there_at_the_beginning(fault: str, words: tuple[str, ...]) -> None:
    with pytest.raises(DeviceLost, match="these devices could not be reached") as caught:
        await run_with(SHORT, fault)
    for said in words:
        assert said in str(caught.value)


async def test_all_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(DeviceLost) as caught:
        await run_with(SHORT, "source-vanishes", "relay-silent", "meter-silent", "sniffer-unplugged")
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        "source",
        "relay",
        "meter",
        "sniffer",
    ]


UNSAFE = "the park state was not confirmed: source (", "the safe state was not confirmed: source ("


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("source-ignores", undecided(SHORT, "it accepted OUTP OFF and did not follow it: OUTP? says 1")),
        ("source-ignores", undecided(OVER, "it accepted SOUR:VOLT 260.00 and did not follow it: SOUR:VOLT? says 230")),
        (
            "source-ignores@20s",
            undecided(
                SHORT, "it accepted OUTP ON and did not follow it: OUTP? says 0", UNSAFE[0], safe=True, parked=False
            ),
        ),
        (
            "source-silent@20s",
            undecided(SHORT, "2 s went by after OUTP ON;:SYST:ERR? was sent", *UNSAFE, safe=False, parked=False),
        ),
        ("source-slow@20s", undecided(LONG, "2 s went by after OUTP ON", *UNSAFE, safe=False, parked=False)),
        ("source-garbled@100s", undecided(OVER, "it answers", *UNSAFE, safe=False, parked=False)),
        ("source-vanishes@20s", undecided(SHORT, "opening it failed", *UNSAFE, safe=False, parked=False)),
        ("source-vanishes@60s", undecided(JOIN, *UNSAFE, safe=False, parked=False)),
        (
            "relay-silent@20s",
            undecided(
                ARM,
                "the park state was not confirmed: relay (",
                "the safe state was not confirmed: relay (",
                "it does not answer within 1 s",
                safe=False,
                parked=False,
            ),
        ),
        ("relay-ignores", passes(SHORT)),
        (
            "meter-silent@20s",
            undecided(
                SHORT,
                "2 Interrupt the supply for 30 s: interrupted",
                "aborted: the reference meter is lost, so that nothing watches the limits: meter (",
                parked=False,
            ),
        ),
        ("meter-silent@100s", undecided(OVER, "aborted: the reference meter is lost", parked=False)),
        ("meter-silent@60s", undecided("ic01", "aborted: the reference meter is lost", parked=False)),
        ("meter-silent@20s", undecided(ARM, "aborted: the reference meter is lost", parked=False)),
    ],
)
async def test_an_instrument_that_fails_in_the_middle(fault: str, expected: Ends) -> None:
    await see([fault], expected)


async def test_neither_relay_nor_source_do_as_they_are_told() -> None:
    await see(
        ["source-silent@20s", "relay-ignores"],
        undecided(
            SHORT,
            "the safe state was not confirmed: relay (",
            "it accepted the command to open and did not follow it. Do not trust this relay to cut the supply",
            "; source (",
            safe=False,
            parked=False,
        ),
    )


RELAY = """
runbook: relay
title: The relay opens and closes
steps:
  - step: 1
    title: Open the relay
    relay: {closed: no}
  - step: 2
    title: The supply is gone
    measure: {quantity: voltage, between: [0 V, 1 V]}
  - step: 3
    title: Close the relay
    relay: {closed: yes}
"""


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("relay-ignores", "1 Open the relay: relay (tcp://"),
        ("relay-silent@1ms", "1 Open the relay: relay (tcp://"),
    ],
)
async def test_a_relay_that_does_not_open(tmp_path: Path, fault: str, words: str) -> None:
    """One that ignores its commands is closed, as the rig is parked; of one that is silent nobody knows."""
    runbook = tmp_path / "relay.yaml"
    runbook.write_text(RELAY)
    await see([], passes(runbook))
    known = fault == "relay-ignores"
    await see([fault], undecided(runbook, words, safe=known, parked=known))


SILENT = "dcc: serviceD does not answer within 3 s. Check that the DCC runs"
GARBLED = "cannot be believed: line 1: not well-formed XML"
FORGED = "cannot be believed: line 2: the signature does not verify"
AT_THE_END = "the DCC is not there at the end, so that what did not come proves nothing: dcc: "


@pytest.mark.parametrize("runbook", [SHORT, OVER, "ic01"])
@pytest.mark.parametrize(
    ("fault", "words"), [("dcc-silent", SILENT), ("dcc-garbled", GARBLED), ("dcc-bad-xml-signature", FORGED)]
)
async def test_a_dcc_that_is_no_use_from_the_beginning(runbook: str, fault: str, words: str) -> None:
    title = "The Comms Hub is commissioned"
    await see([fault], undecided(runbook, f"{title}: dcc: ", words, f"precondition not established: {title}"))


@pytest.mark.parametrize("at_s", [20, 100])
@pytest.mark.parametrize(
    ("fault", "words"), [("dcc-silent", SILENT), ("dcc-garbled", GARBLED), ("dcc-bad-xml-signature", FORGED)]
)
async def test_a_dcc_that_is_no_use_from_some_moment_on(fault: str, words: str, at_s: int) -> None:
    """At 20 s the alert is lost; at 100 s all is there that must be, and only the silence of what must not."""
    (finished,) = await see([f"{fault}@{at_s}s"], undecided(SHORT, AT_THE_END, words))
    missed = "0x8F35 from esme: did not come within 3 min 0 s of the restore"
    assert (missed in finished.result.reason) is (at_s == 20)
    if fault != "dcc-silent" and at_s == 20:
        assert "a message at the receive service was refused: line" in finished.result.reason


@pytest.mark.parametrize(
    ("fault", "runbook", "words"),
    [
        ("dcc-silent@20s", ARM, "2 The meter says that its supply is disabled: dcc: serviceS does not answer within 3"),
        ("dcc-garbled@20s", ARM, f"2 The meter says that its supply is disabled: dcc: the answer to 7.4 {GARBLED}"),
        (
            "dcc-bad-xml-signature@20s",
            ARM,
            f"2 The meter says that its supply is disabled: dcc: the answer to 7.4 {FORGED}",
        ),
        ("dcc-silent@10s", JOIN, AT_THE_END + "serviceD does not answer within 3 s"),
        ("dcc-silent@60s", "ic01", "3 Commission: dcc: serviceT does not answer within 3 s"),
        ("dcc-garbled@60s", "ic02", f"3 Commission: dcc: the answer to 8.1.1 {GARBLED}"),
        ("dcc-silent@60s", LONG, AT_THE_END + "serviceD does not answer within 3 s"),
        ("dcc-silent@100s", OVER, AT_THE_END + "serviceD does not answer within 3 s"),
    ],
)
async def test_a_dcc_that_is_lost_in_the_middle_of_requests(fault: str, runbook: str, words: str) -> None:
    await see([fault], undecided(runbook, words))


@pytest.mark.parametrize("at_s", [20, 45, 74])
async def test_a_broker_that_goes_and_comes_back_does_not_keep_a_run_from_its_verdict(at_s: int) -> None:
    """At 74 s it is away while the Comms Hub boots: what the monitor says was missed, and is no finding."""
    (finished,) = await see([f"broker-restart@{at_s}s"], passes(SHORT))
    assert ("hub power on, wan up" in str(finished.result.steps[1].latencies)) is (at_s != 74)


HUB_REQUIRED = """
runbook: hub-required
title: The Comms Hub must be seen to come back
steps:
  - step: 1
    as: ED
    supply: {interrupt: {for: 30 s}}
    expect:
      - {hub: {power: "on"}, within: 3 min, after: restore}
"""


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            "broker-restart@74s",
            (undecided, "hub power on: the witness was unavailable, which is not the same as absent"),
        ),
        ("hub-boot-slow", (None, "hub power on: did not come within 3 min 0 s of the restore")),
    ],
)
async def test_a_required_witness_that_was_away(tmp_path: Path, fault: str, expected: tuple[object, str]) -> None:
    runbook = tmp_path / "hub-required.yaml"
    runbook.write_text(HUB_REQUIRED)
    (finished,) = [await run_with(runbook, fault)]
    assert finished.result.verdict == ("undecided" if expected[0] else "failed")
    assert expected[1] in finished.result.reason


BLIND = "the witness was unavailable, which is not the same as absent"


@pytest.mark.parametrize("fault", ["sniffer-unplugged@5s", "sniffer-garbled@5s", "sniffer-unplugged@12.8s"])
async def test_a_join_that_nobody_could_see_is_not_absent(fault: str) -> None:
    """At 12.8 s it is pulled out in the middle of the join."""
    (finished,) = await see([fault], undecided(JOIN, f"join on the air of esme: {BLIND}"))
    association = finished.result.reason
    assert (f"association on the air of esme: {BLIND}" in association) is (fault != "sniffer-unplugged@12.8s")


@pytest.mark.parametrize("fault", ["sniffer-unplugged@5s", "sniffer-garbled@5s"])
async def test_where_the_witness_is_optional_nobody_misses_it(fault: str) -> None:
    await see([fault], passes("ic02"))


CONSOLE = """
runbook: console
title: The meter's console says how it is
steps:
  - step: 1
    title: The console answers
    console: {device: console, command: status, answer: {supply: enabled}}
  - step: 2
    title: The console answers again
    wait: 20 s
  - step: 3
    title: The console answers later
    console: {device: console, command: status, answer: {supply: enabled}}
"""


async def test_a_console_that_is_unplugged_in_the_middle(tmp_path: Path) -> None:
    runbook = tmp_path / "console.yaml"
    runbook.write_text(CONSOLE)
    await see(["console-unplugged@10s"], undecided(runbook, "3 The console answers later: console ("))
    await see([], passes(runbook))


@pytest.mark.parametrize("runbook", [SHORT, JOIN])
async def test_a_console_that_nobody_asks_is_not_missed(runbook: str) -> None:
    await see(["console-unplugged@5s"], passes(runbook))
