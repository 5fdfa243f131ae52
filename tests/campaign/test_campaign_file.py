"""Campaign files that are wrong say where and why; plans say what cannot run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.campaign.file import Entry, OnlyIf, load_campaign
from bench.campaign.plan import _dependencies_first, plan_campaign
from bench.cli import main
from bench.errors import UsageError
from tests.campaign.campaigns import ROOT, entry, planned, write


@pytest.mark.parametrize(
    ("entries", "head", "line", "said"),
    [
        (entry("e", repeats="0"), "", 8, "greater than or equal to 1"),
        (entry("e", repaets="2"), "", 8, "did you mean 'repeats'"),
        (entry("e") + "\n" + entry("e"), "", 8, "two entries 'e'"),
        (entry("e", rigs="[z]"), "", 8, "there is no rig 'z'; the file has a"),
        (entry("e", only_if="{entry: later}") + "\n" + entry("later"), "", 8, "no entry 'later' stands further up"),
        (entry("e", until="failed"), "", 6, "'until' needs 'at_most'"),
        (entry("e", at_most="{}"), "", 8, "give 'runs' or 'time'"),
        (entry("e", window='{opens: "25:00", closes: "06:00"}'), "", 8, "'25:00' is no time of day"),
        (entry("e", after_failure="panic"), "", 8, "expected"),
        (entry("e"), 'schedule: {cron: "0 25 * * *"}', 2, "no cron expression"),
        (entry("e"), 'schedule: {cron: "0 22 * *"}', 2, "has not five fields"),
        (entry("e"), 'schedule: {at: "tomorrow"}', 2, "no local date and time"),
        (entry("e"), "schedule: {}", 2, "either 'cron' or 'at'"),
        (entry("e"), "zone: Europe/Londn", 2, "there is no time zone 'Europe/Londn'"),
        (entry("e"), "retention: {keep: 1 d, compress_after: 2 d}", 2, "must be longer"),
        (entry("e"), "notify: [{when: always}]", 2, "one of mail, webhook, mqtt"),
        (entry("e"), 'notify: [{webhook: {url: "http://example.org/x"}}]', 2, "https://HOST"),
        (entry("e"), "notify: [{mail: {server: mail, sender: a@b, to: [c@d]}}]", 2, "not HOST:PORT"),
        (entry("e"), 'notify: [{mail: {server: "m:25", security: none, sender: a@b, to: [c@d]}}]', 2, "this machine"),
        (entry("e"), "notify: [{webhook: {credentials: absent.yaml}}]", 2, "cannot be read"),
    ],
)
def test_a_mistake_has_its_line_and_what_to_do(tmp_path: Path, entries: str, head: str, line: int, said: str) -> None:
    path = write(tmp_path, entries, head=head)
    with pytest.raises(UsageError) as caught:
        load_campaign(path)
    assert said in str(caught.value)
    assert f"campaign.yaml:{line}" in str(caught.value)
    result = CliRunner().invoke(main, ["campaign", str(path)])
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_credentials_that_others_may_read_are_refused_and_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "hook.yaml"
    secret.write_text("token: hunter2hunter2\n")
    path = write(tmp_path, entry("e"), head="notify: [{webhook: {credentials: hook.yaml}}]")
    secret.chmod(0o644)
    with pytest.raises(UsageError, match=r"others than its owner.*chmod 600"):
        load_campaign(path)
    secret.chmod(0o600)
    load_campaign(path)
    secret.write_text("tokn: hunter2hunter2\n")
    with pytest.raises(UsageError, match="unknown key 'tokn'") as caught:
        load_campaign(path)
    assert "hunter2" not in str(caught.value)


def test_a_plan_says_what_cannot_run_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "state"))
    runbook = tmp_path / "asks.yaml"
    runbook.write_text(
        "runbook: asks\ntitle: Asks\nsteps:\n  - prompt: {text: Is the lamp on?, choices: [y, n], passes: [y]}\n"
    )
    high = tmp_path / "high.yaml"
    high.write_text("runbook: high\ntitle: High\nsteps:\n  - supply: {set: 400 V}\n")
    entries = "\n".join(
        (
            entry("good", "supply-outage-short"),
            "  - entry: asks\n    runbooks: [./asks.yaml]",
            "  - entry: high\n    runbooks: [./high.yaml]",
            "  - entry: gone\n    runbooks: [nowhere]",
            entry("fault", faults="[alert-nver]"),
            entry("narrow", "supply-outage-long", window='{opens: "22:00", closes: "22:10"}'),
        )
    )
    path = write(tmp_path, entries)
    result = CliRunner().invoke(main, ["campaign", str(path), "--plan"])
    assert result.exit_code == 3
    for number, why in (
        (2, "it asks somebody, who is not there at night: Is the lamp on?"),
        (3, "high.yaml:4: "),
        (4, "there is no runbook 'nowhere'"),
        (5, "there is no fault 'alert-nver'"),
        (6, "its window is open for 600 s"),
    ):
        line = next(line for line in result.output.splitlines() if f"CANNOT RUN  {number}:" in line)
        assert why in line
    assert "covers 8.1.16/ED/0x8F35" in result.output
    assert not list(tmp_path.glob("test-*"))


def test_a_broken_rig_file_stops_its_own_runs_only(tmp_path: Path) -> None:
    planned(tmp_path, entry("e"), rigs=("a", "b"))
    (tmp_path / "rig-b.yaml").write_text("rig: b\n")
    plan = planned(tmp_path, entry("e"), rigs=("a", "b"))
    assert [bool(case.blocked) for case in plan.cases] == [False, True]
    assert "duts is missing" in plan.cases[1].blocked


def test_order_in_turn_and_seeds(tmp_path: Path) -> None:
    entries = (entry("e", repeats="2", seed="5", seed_step="10"), entry("f", repeats="2"))
    plan = planned(tmp_path, *entries, head="order: in turn")
    assert [case.name for case in plan.cases] == [
        "e/han-join/a/1",
        "f/han-join/a/1",
        "e/han-join/a/2",
        "f/han-join/a/2",
    ]
    assert [case.seed for case in plan.cases] == [5, None, 15, None]


def test_a_fault_schedule_draws_the_same_faults_for_the_same_seed(tmp_path: Path) -> None:
    schedule = "{faults: [wire, supply], every: 2 min, longest: 30 s, until: 1 h}"
    entries = (entry("e", repeats="2", seed="5", seed_step="10", faults="[meter-reboot@20s]", fault_schedule=schedule),)
    first, second = (case.faults for case in planned(tmp_path, *entries).cases)
    assert first[0] == second[0] == "meter-reboot@20s"
    assert len(first) > 5 and first != second
    assert (first, second) == tuple(case.faults for case in planned(tmp_path, *entries).cases)
    (bad,) = planned(tmp_path, entry("e", fault_schedule="{faults: [wyre]}")).cases
    assert "the fault schedule cannot be read" in bad.blocked


@settings(max_examples=25)
@given(st.data())
def test_whatever_the_order_what_a_condition_names_comes_first_and_nothing_is_lost(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    entries = []
    for index in range(count):
        named = data.draw(st.none() | st.integers(0, index - 1)) if index else None
        only_if = OnlyIf(entry=f"e{named}") if named is not None else None
        entries.append(Entry(entry=f"e{index}", runbooks=("x",), only_if=only_if))
    units = [(index, repeat, "a") for index in range(count) for repeat in range(data.draw(st.integers(1, 3)))]
    shuffled = data.draw(st.permutations(units))
    ordered = _dependencies_first(shuffled, entries)
    assert sorted(ordered) == sorted(units)
    for place, (index, _, _) in enumerate(ordered):
        condition = entries[index].only_if
        if condition is not None:
            assert all(f"e{later[0]}" != condition.entry for later in ordered[place:])


def test_the_example_is_right(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    example = ROOT / "runbooks" / "campaigns" / "night.yaml"
    result = CliRunner().invoke(main, ["campaign", str(example), "--plan", "--json"])
    assert result.exit_code == 0, result.output
    assert not os.listdir(tmp_path)


def test_rigs_on_one_port_have_to_say_that_they_share_it(tmp_path: Path) -> None:
    text = (ROOT / "rigs" / "example-lab.yaml").read_text()
    text = text.replace("duts/emulated.yaml ", f"{ROOT / 'rigs' / 'duts' / 'emulated.yaml'} ")
    other = text
    for old, new in (
        ("rig: lab-position-1", "rig: lab-position-2"),
        ("192.0.2.12", "192.0.2.22"),
        ("device=3", "device=4"),
        ("usb-FTDI_reference-meter", "usb-FTDI_other-meter"),
        ("usb-meter-console", "usb-other-console"),
        ("usb-ZEPHYR_nRF_802154_Sniffer", "usb-other-sniffer"),
        ("receive_port: 8080", "receive_port: 8081"),
        ("hub/position-1", "hub/position-2"),
    ):
        assert old in other
        other = other.replace(old, new)
    (tmp_path / "one.yaml").write_text(text)
    (tmp_path / "two.yaml").write_text(other)
    path = write(tmp_path, entry("e"))
    path.write_text(path.read_text().replace("  a: rig-a.yaml", "  one: one.yaml\n  two: two.yaml"))
    blocked = {case.rig: case.blocked for case in plan_campaign(load_campaign(path)).cases}
    assert blocked["one"] == ""
    assert "its source and the source of one are both" in blocked["two"]
    for name in ("one.yaml", "two.yaml"):
        with (tmp_path / name).open("a") as file:
            file.write("shared: {source: lab-source}\n")
    assert not any(case.blocked for case in plan_campaign(load_campaign(path)).cases)
