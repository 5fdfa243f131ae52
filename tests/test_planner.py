"""Everything that can be known to be wrong is found when planning, with its file and line, and all of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.planner import Plan, plan
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.runbook import load_runbook
from tests.rig.rig_files import ROOT, rig_with

RIG = load_rig(ROOT / "rigs" / "emulated.yaml")
LAB = load_rig(ROOT / "rigs" / "example-lab.yaml")
SMETS1 = load_rig(ROOT / "rigs" / "emulated-smets1.yaml")
ITS_RIGS = [
    pytest.param(path, rig, id=f"{path.stem}-{rig.name}")
    for path in sorted((ROOT / "runbooks").glob("*.yaml"))
    for rig in ((SMETS1,) if path.stem.endswith("-smets1") else (RIG, LAB))
]


def planned(tmp_path: Path, steps: str, *, head: str = "steps:\n", rig: Rig = RIG) -> Plan:
    path = tmp_path / "x.yaml"
    path.write_text(f"runbook: x\ntitle: X\n{head}{steps}")
    return plan(rig, load_runbook(path))


def send(variant: str, **more: str) -> str:
    keys = ", ".join(f"{key}: {value}" for key, value in ({"service_request": f"'{variant}'"} | more).items())
    return f"as: IS, send: {{{keys}}}"


@pytest.mark.parametrize(("path", "rig"), ITS_RIGS)
def test_every_runbook_of_the_project_plans_cleanly(path: Path, rig: Rig) -> None:
    its_plan = plan(rig, load_runbook(path))
    assert its_plan.runbook == path.stem
    # Whether a bench is wired as it should be is nobody's requirement.
    assert (its_plan.covers or path.stem == "bench-wiring") and not its_plan.notes
    assert 30 < its_plan.usual_s <= its_plan.longest_s < 5 * 3600
    assert [step.group for step in its_plan.steps][-1] == "park"


def test_the_project_has_the_runbooks_that_it_speaks_of() -> None:
    names = {path.stem for path in (ROOT / "runbooks").glob("*.yaml")}
    assert names >= {
        "ic01", "ic02", "han-join", "arm-supply", "supply-outage-short", "supply-outage-long", "over-voltage",
        "over-voltage-smets1", "bench-wiring"
    }  # fmt: skip


MISTAKES = [
    # Names.
    ("{as: XX, send: {service_request: '7.4', to: esme}}", "the rig has no User 'XX'; it has IS, GS, ED"),
    ("{as: IS, send: {service_request: '7.4', to: esmee}}", "no device under test 'esmee'; it has esme, gsme"),
    (f"{{{send('8.11', to='chf', device='toaster')}}}", "no device under test 'toaster'"),
    ("{as: ED, wait: 1 s, expect: [{device_alert: 0x8F35, from: toaster, within: 1 s}]}", "under test 'toaster'"),
    ("{wait: 1 s, allow: [{device_alert: 0x8F35, from: toaster}]}", "no device under test 'toaster'"),
    ("{wait: 1 s, forbid: [{dcc_alert: AD1, from: toaster, for: 1 s}]}", "no device under test 'toaster'"),
    ("{wait: 1 s, expect: [{dcc_alert: AD1, as: XX, within: 1 s}]}", "the rig has no User 'XX'"),
    ("{as: IS, inventory: {device: toaster, status: absent}}", "no device under test 'toaster'"),
    ("{as: IS, wait: 1 s, only_if: {device: toaster, status: absent}}", "no device under test 'toaster'"),
    ("{measure: {device: multimeter, between: [1 V, 2 V]}}", "the rig has no device 'multimeter'. It has source"),
    ("{supply: {set: 230 V, device: sauce}}", "the rig has no device 'sauce'"),
    # An alert to anybody at all would be a pass that was not earned.
    (
        "{wait: 1 s, expect: [{device_alert: 0x8F35, from: esme, within: 1 s}]}",
        "say which User must get 0x8F35 from esme: 'as: ED' in the step, or beside it",
    ),
    ("{parallel: [{wait: 1 s, expect: [{dcc_alert: AD1, within: 1 s}]}]}", "say which User must get AD1"),
    ("{relay: {closed: yes, device: reley}}", "the rig has no device 'reley'"),
    ("{console: {device: consol, command: status}}", "the rig has no device 'consol'"),
    ("{call: {function: no_such_function}}", "there is no step function 'no_such_function'"),
    # Capabilities.
    ("{measure: {device: relay, between: [1 V, 2 V]}}", "relay cannot be used here: its driver is no Measures"),
    ("{supply: {set: 230 V, device: meter}}", "its driver is no AcSource"),
    ("{relay: {closed: yes, device: source}}", "its driver is no Switch"),
    ("{console: {device: hub, command: status}}", "its driver is no Console"),
    # Limits, those of the rig.
    ("{supply: {set: 271 V}}", "271 V is outside the rig's limits of 180 V to 270 V"),
    ("{supply: {set: 179 V}}", "179 V is outside"),
    ("{supply: {ramp: {to: 280 V, slope: 1 V/s}}}", "280 V is outside"),
    ("{supply: {ramp: {to: 250 V, slope: 201 V/s}}}", "a slope of 201 V/s is outside the rig's limit of 200 V/s"),
    ("{supply: {sag: {to: 100 V, for: 1 s}}}", "100 V is outside"),
    ("{supply: {swell: {to: 300 V, for: 1 s}}}", "300 V is outside"),
    ("{measure: {between: [2 V, 1 V]}}", "between: 2 V is above 1 V"),
    ("{supply: {frequency: 54 Hz}}", "54 Hz is outside the rig's limits of 47 Hz to 53 Hz"),
    ("{supply: {frequency: 46 Hz}}", "46 Hz is outside"),
    ("{supply: {interrupt: {for: 31 min}}}", "an outage of 31 min 0 s is longer than the rig's limit of 30 min 0 s"),
    ("{parallel: [{wait: 1 s}, {supply: {set: 300 V}}]}", "300 V is outside"),
    ("{parallel: [{parallel: [{supply: {set: 300 V}}]}]}", "300 V is outside"),
    # Service Requests and their parameters.
    (f"{{{send('7.44', to='esme')}}}", "there is no Service Reference Variant '7.44'"),
    (f"{{{send('7.4', to='esme', params='{volume: loud}')}}}", "7.4 Read Supply Status has no parameter 'volume'"),
    (f"{{{send('7.4')}}}", "7.4 Read Supply Status is for a device, and this sends it to dcc"),
    (f"{{{send('8.2', to='esme', device='esme')}}}", "is for the DCC, and this sends it to esme"),
    (
        f"{{{send('6.5', to='esme', params='{rms_voltage_sag_threshold: 200 Hz}')}}}",
        "rms_voltage_sag_threshold: '200 Hz' is not a voltage",
    ),
    (
        f"{{{send('6.5', to='esme', params='{rms_voltage_sag_threshold: 200.5 V}')}}}",
        "'200.5 V' is not a whole number of volts",
    ),
    (
        "{" + send('6.5', to='esme', params='{rms_voltage_sag_threshold: "1 V ${saved.a.x} ${saved.b.y}"}') + "}",
        "nothing was saved as 'b' by an earlier step",
    ),
    ("{" + send('6.20.1', to='esme', params='{import_mpan: "${esme.mpan}"}') + "}", "${esme.mpan} names nothing"),
    ("{" + send('6.20.1', to='esme', params='{import_mpan: "${ESME.mpxn}"}') + "}", "${ESME.mpxn} names nothing"),
    ("{" + send('6.20.1', to='esme', params='{import_mpan: "${chf.mpxn}"}') + "}", "does not say the mpxn of chf"),
    (f"{{{send('8.11', to='chf', device='gpf')}}}", "the DUT file does not say the install code of gpf"),
    # Expectations.
    ("{as: IS, wait: 1 s, expect: [{response: '7.4', within: 1 s}]}", "that this step does not send: 7.4"),
    (f"{{{send('7.4', to='esme')}, expect: [{{dcc_alert: N24, for: '8.11', within: 1 s}}]}}", "does not send: 8.11"),
    (f"{{{send('7.4', to='esme')}, forbid: [{{response: '7.2', for: 1 s}}]}}", "does not send: 7.2"),
    (
        f"{{as: IS, parallel: [{{{send('7.4', to='esme')}}},"
        " {wait: 1 s, expect: [{response: '7.4', within: 1 s}]}]}",
        "this step does not send: 7.4",
    ),
    ("{as: ED, wait: 1 s, expect: [{dcc_alert: AD1, within: 1 s, after: fall}]}", "this step makes none"),
    ("{wait: 1 s, forbid: [{dcc_alert: AD1, for: 1 s, after: restore}]}", "this step makes none"),
    ("{wait: 1 s, expect: [{hub: {poewr: up}, within: 1 s}]}", "no Comms Hub says 'poewr'; it says power, wan, han"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "what"), MISTAKES, ids=[what for _, what in MISTAKES])
def test_a_mistake_is_found_with_its_file_and_line(tmp_path: Path, step: str, what: str) -> None:
    read = f"  - {{{send('4.10', to='esme', save='a')}}}\n"
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, f"{read}  - wait: 1 s\n  - {step}\n")
    text = str(caught.value)
    assert what in text
    assert text.startswith(f"{tmp_path}/x.yaml:6: "), text
    assert len(text.splitlines()) == 1, "one sentence for one mistake"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    steps = "".join(f"  - {step}\n" for step, _ in MISTAKES)
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, steps)
    assert [line for line in range(4, 4 + len(MISTAKES)) if f"x.yaml:{line}: " not in str(caught.value)] == []


def test_mistakes_of_procedures_preconditions_setup_and_teardown_are_found_where_they_stand(tmp_path: Path) -> None:
    (tmp_path / "procedures").mkdir()
    (tmp_path / "procedures" / "p.yaml").write_text("procedure: p\nsteps:\n  - wait: 1 s\n  - supply: {set: 400 V}\n")
    head = (
        "preconditions:\n  - title: t\n    as: XX\n    inventory: {device: toaster, status: absent}\n"
        "    establish:\n      - supply: {set: 401 V}\n"
        "setup: [supply: {set: 402 V}]\nsteps: [procedure: p]\nteardown: [supply: {set: 403 V}]\n"
    )
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, "", head=head)
    lines = str(caught.value).splitlines()
    places = [(line.split(":")[0].rpartition("/")[2], line.split(":")[1], line.split(": ")[1][:15]) for line in lines]
    assert places == [
        ("x.yaml", "4", "the rig has no "),
        ("x.yaml", "4", "the rig has no "),
        ("x.yaml", "8", "401 V is outsid"),
        ("x.yaml", "9", "402 V is outsid"),
        ("p.yaml", "4", "400 V is outsid"),
        ("x.yaml", "11", "403 V is outsid"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "step", "what"),
    [
        ("  dcc: {driver: dcc-gateway}\n", "", "{as: IS, send: {service_request: '7.4', to: esme}}", "no DccGateway"),
        (
            "  dcc: {driver: dcc-gateway}\n",
            "  dcc: {driver: dcc-gateway}\n  dcc2: {driver: dcc-gateway}\n",
            "{as: IS, inventory: {device: esme, status: absent}}",
            "the rig has several devices for this: name one of dcc, dcc2",
        ),
        (
            "  sniffer: {driver: nrf-sniffer, channel: 11}\n",
            "",
            "{wait: 1 s, expect: [{han: join, device: esme, within: 1 s}]}",
            "join on the air of esme: the rig has no HanSniffer",
        ),
        ("  hub: {driver: mqtt-hub}\n", "", "{wait: 1 s, expect: [{hub: {power: on}, within: 1 s}]}", "no CommsHub"),
        ("driver: mqtt-hub", "driver: mqtt-hubb", "{wait: 1 s}", "there is no driver 'mqtt-hubb'. There are: dcc-gate"),
        ("- {device: relay, closed: no}", "- {device: source, closed: no}", "{wait: 1 s}", "its driver is no Switch"),
        (
            "- {device: source, output: off}",
            "- {device: relay, output: off}",
            "{wait: 1 s}",
            "its driver is no AcSource",
        ),
        ("- {device: relay, closed: yes}", "- {device: meter, closed: yes}", "{wait: 1 s}", "its driver is no Switch"),
        ("- {device: meter, quantity", "- {device: hub, quantity", "{wait: 1 s}", "its driver is no Measures"),
    ],
)
def test_what_the_rig_does_not_have_is_found(tmp_path: Path, old: str, new: str, step: str, what: str) -> None:
    rig = load_rig(rig_with(tmp_path, old, new))
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, f"  - {step}\n", rig=rig)
    assert what in str(caught.value)
    assert ".yaml:" in str(caught.value)


def test_an_optional_witness_need_not_be_on_the_rig(tmp_path: Path) -> None:
    rig = load_rig(rig_with(tmp_path, "  sniffer: {driver: nrf-sniffer, channel: 11}\n", ""))
    planned(tmp_path, "  - {wait: 1 s, expect: [{han: join, device: esme, within: 1 s, witness: optional}]}\n", rig=rig)


@pytest.mark.parametrize(
    ("step", "usual_s", "longest_s"),
    [
        ("{wait: 2 min}", 120, 120),
        ("{wait: 1 min, forbid: [{dcc_alert: AD1, for: 90 s}]}", 90, 90),
        ("{as: ED, wait: 1 min, expect: [{dcc_alert: AD1, within: 90 s}]}", 60, 90),
        ("{as: ED, wait: 1 min, expect: [{dcc_alert: AD1, within: 90 s, after: end}]}", 60, 150),
        (
            "{as: ED, supply: {interrupt: {for: 10 min}}, expect: [{dcc_alert: AD1, within: 5 min, after: fall}, "
            "{device_alert: 0x8F36, from: esme, within: 3 min, after: restore}], "
            "forbid: [{device_alert: 0x8F35, from: esme, for: 4 min, after: restore}]}",
            840,
            840,
        ),
        ("{supply: {ramp: {to: 250 V, slope: 1 V/s}}}", 90, 90),
        ("{supply: {sag: {to: 200 V, for: 7 s}}}", 7, 7),
        (f"{{{send('7.4', to='esme')}, expect: [{{response: '7.4', within: 1 min}}]}}", 5, 60),
        ("{measure: {between: [1 V, 2 V], settle: 3 s}}", 3, 3),
        ("{as: IS, inventory: {device: esme, status: absent, within: 2 min}}", 5, 125),
        (
            "{parallel: [{wait: 10 s}, {as: ED, wait: 5 s, expect: [{dcc_alert: AD1, within: 90 s}]}]}",
            10,
            90,
        ),
    ],
)
def test_how_long_a_step_takes_at_best_and_at_worst(
    tmp_path: Path, step: str, usual_s: float, longest_s: float
) -> None:
    its_plan = planned(tmp_path, f"  - {step}\n")
    assert (its_plan.steps[0].usual_s, its_plan.steps[0].longest_s) == (usual_s, longest_s)
    assert (its_plan.usual_s, its_plan.longest_s) == (usual_s + 30, longest_s + 30), "and the drain"


def test_what_is_only_done_if_needed_does_not_count_as_usual(tmp_path: Path) -> None:
    head = (
        "preconditions:\n  - title: t\n    as: IS\n    inventory: {device: esme, status: absent}\n"
        "    establish: [wait: 60 s]\nsteps: [wait: 1 s]\n"
    )
    its_plan = planned(tmp_path, "", head=head)
    assert [(step.group, step.usual_s, step.longest_s) for step in its_plan.steps] == [
        ("precondition", 5, 5),
        ("if needed", 0, 60),
        ("step", 1, 1),
        ("park", 30, 30),
    ]


def test_extremes_and_coverage(tmp_path: Path) -> None:
    its_plan = planned(
        tmp_path,
        """
  - {supply: {set: 240 V}, covers: [a, b]}
  - {supply: {sag: {to: 190 V, for: 1 s}}, covers: [b, c]}
  - {parallel: [{supply: {swell: {to: 265 V, for: 1 s}}}]}
  - {supply: {interrupt: {for: 20 s}}}
  - {supply: {interrupt: {for: 10 s}}}
""",
    )
    assert (its_plan.lowest_v, its_plan.highest_v, its_plan.outage_s) == (190, 265, 20)
    assert its_plan.covers == ["a", "b", "c"]
    quiet = planned(tmp_path, "  - {wait: 1 s}\n")
    assert (quiet.lowest_v, quiet.highest_v, quiet.outage_s, quiet.covers) == (None, None, 0, [])


OFF = ["{relay: {closed: no}}", "{supply: {output: off}}"]
ON = ["{relay: {closed: yes}}", "{supply: {output: on}}"]


@pytest.mark.parametrize(("off", "on"), zip(OFF, ON, strict=True), ids=["relay", "output"])
def test_an_outage_made_of_several_steps_counts_against_the_limit(tmp_path: Path, off: str, on: str) -> None:
    outage = f"  - {off}\n  - wait: 20 min\n  - {on}\n"
    assert planned(tmp_path, f"{outage}  - wait: 20 min\n{outage}").outage_s == 1200, "two outages are not one"
    with pytest.raises(UsageError, match=r"x\.yaml:4: an outage of 31 min 0 s is longer") as caught:
        planned(tmp_path, f"  - {off}\n  - wait: 20 min\n  - wait: 11 min\n  - wait: 5 min\n  - {on}\n")
    assert str(caught.value).count("an outage") == 1


def test_power_is_back_only_when_both_relay_and_output_are_on(tmp_path: Path) -> None:
    steps = [OFF[0], OFF[1], "wait: 20 min", ON[0], "wait: 20 min", ON[1]]
    with pytest.raises(UsageError, match="longer than the rig's limit"):
        planned(tmp_path, "".join(f"  - {step}\n" for step in steps))


def test_what_is_odd_and_no_mistake_is_a_note(tmp_path: Path) -> None:
    its_plan = planned(
        tmp_path,
        "  - {as: IS, send: {service_request: '7.4', to: esme, command_variant: 8}}\n"
        "  - {wait: 1 s, allow: [{device_alert: 0xFFFF, from: esme}]}\n",
    )
    assert "x.yaml:4: 7.4 Read Supply Status is sent with a Command Variant other than" in its_plan.notes[0]
    assert "x.yaml:5: 0xFFFF is in no list of alert codes" in its_plan.notes[1]


def test_a_plan_says_what_each_step_does(tmp_path: Path) -> None:
    acts = [
        f"{{{send('8.11', to='chf', device='esme')}}}",
        "{supply: {ramp: {to: 250 V, slope: 1 V/s}}}",
        "{supply: {sag: {to: 200 V, for: 7 s}}}",
        "{supply: {output: off}}",
        "{supply: {set: 240 V}}",
        "{relay: {closed: yes}}",
        "{measure: {between: [1 V, 2 V]}}",
        "{wait: 90 s}",
        "{as: IS, inventory: {device: esme, status: [absent, Pending]}}",
        "{console: {device: console, command: status}}",
        "{prompt: {text: Green?}}",
        "{parallel: [{wait: 1 s}, {relay: {closed: yes}}]}",
    ]
    its_plan = planned(tmp_path, "".join(f"  - {act}\n" for act in acts))
    assert [step.act for step in its_plan.steps][:-1] == [
        "send 8.11 Update HAN Device Log to chf about esme",
        "supply: ramp to 250 V slope 1 V/s",
        "supply: sag to 200 V for 7 s",
        "supply: output off",
        "supply: set 240 V",
        "close the relay",
        "measure voltage: 1 V to 2 V",
        "wait 1 min 30 s",
        "inventory: esme is absent or Pending",
        "ask console: status",
        "ask the operator: Green?",
        "at once: wait 1.0 s; close the relay",
    ]
