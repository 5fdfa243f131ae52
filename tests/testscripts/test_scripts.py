"""A Test Script for every requirement: a runbook that the rig can carry out, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest

from bench.ctsd.populations import Agreements, Population
from bench.ctsd.requirements import Kind, requirement, requirements
from bench.ctsd.tables import Role, Smets
from bench.errors import UsageError
from bench.rig.file import Rig
from bench.testscripts.data import DataPlan
from bench.testscripts.plan import RolePlan, plan_role
from bench.testscripts.scripts import REVIEWED, script_for
from tests.testscripts.conftest import RUNBOOKS

Plans = Mapping[Role, RolePlan]

NOT_HERE = {
    f"{clause}/6.15.2/CV5/SMETS2+": "6.15.2 needs a certificate that SMKI has issued"
    for clause in ("8.1.5/IS", "8.1.6/GS")
}
"""Requirements that have no runbook on the emulated rig, and how the reason begins."""


@pytest.mark.parametrize("role", Role)
def test_every_requirement_has_a_runbook_for_the_rig_or_a_known_reason(plans: Plans, role: Role) -> None:
    plan = plans[role]
    assert {item.requirement for item in plan.items} == set(requirements(role))
    assert len(plan.items) == len(requirements(role))
    for item in plan.items:
        if item.runnable:
            assert item.runbook is not None
            assert item.requirement.id in item.runbook.covers
            assert item.plan is not None
            assert item.plan.usual_s > 0
        else:
            assert item.reason.startswith(NOT_HERE.get(item.requirement.id, "none")), item


@pytest.mark.parametrize("role", Role)
def test_a_made_runbook_covers_its_requirement_and_no_other(plans: Plans, role: Role) -> None:
    for item in plans[role].items:
        if item.runbook is not None and item.requirement.id not in REVIEWED:
            assert item.runbook.covers == [item.requirement.id]


def test_the_order_is_sensible(plans: Plans) -> None:
    first = {}
    for place, item in enumerate(plans[Role.IS].items):
        if item.requirement.cell is not None:
            first.setdefault(item.requirement.cell.variant, place)
    ordered = ("12.2", "8.11", "8.1.1", "4.1.1", "6.11", "7.2", "7.3", "7.1", "6.23", "8.4", "8.3", "8.14.4")
    for earlier, later in pairwise(ordered):
        assert first[earlier] < first[later], f"{earlier} before {later}"


def test_what_is_changed_is_put_back(plans: Plans) -> None:
    def teardown(identifier: str) -> list[str]:
        item = next(each for each in plans[requirement(identifier).role].items if each.requirement.id == identifier)
        assert item.runbook is not None
        return [placed.step.send.service_request for placed in item.runbook.teardown if placed.step.send is not None]

    assert teardown("8.1.5/IS/7.2/CV5/SMETS2+") == ["7.1"]
    assert teardown("8.1.5/IS/7.2/CV4/SMETS2+") == [], "a transformation changes nothing"
    assert teardown("8.1.6/GS/7.2/CV5/SMETS2+") == ["7.3"]
    assert teardown("8.1.5/IS/5.1/CV8/SMETS2+") == ["5.3"]
    assert teardown("8.1.5/IS/8.14.4/CV8/SMETS2+") == ["8.4", "8.4"]
    assert "8.1.1" in teardown("8.1.5/IS/8.3/CV8/SMETS2+")
    assert teardown("8.1.19/IS/N27/SMETS2+") == ["6.23"]


def test_a_script_is_a_readable_runbook(uept_data: DataPlan) -> None:
    text = script_for(requirement("8.1.5/IS/4.10/CV3/SMETS2+"), uept_data, RUNBOOKS).text
    assert text.splitlines()[-11:] == [
        "  title: Read Network Data",
        "  covers: [8.1.5/IS/4.10/CV3/SMETS2+]",
        "  as: IS",
        "  send:",
        "    service_request: '4.10'",
        "    to: esme",
        "    params: {start_date_time: '2012-01-01T00:00:00Z', end_date_time: '2099-12-31T23:59:59Z'}",
        "    command_variant: '3'",
        "  expect:",
        "  - {response: '4.10', code: I0, form: local-command, within: 30 s}",
        "  - {response: '4.10', code: I0, form: device, within: 2 min}",
    ]


def test_smets1_devices_are_spoken_to_as_nobody_signs_for_them(plans: Plans) -> None:
    sent = {}
    for role in Role:
        for item in plans[role].items:
            if item.requirement.smets is Smets.SMETS1 and item.runbook is not None and item.requirement.codes:
                steps = [placed.step.send for placed in item.runbook.steps if placed.step.send is not None]
                sent |= {(role, code): send for code in item.requirement.codes for send in steps}
    assert {sent[role, "E63"].command_variant for role in Role} == {2}
    assert {sent[role, "E60"].to for role in Role} <= {"s1-esme", "s1-gsme"}
    assert {sent[role, "N55"].service_request for role in Role} <= {"4.1.1", "4.2", "6.2.1", "4.8.1", "7.4"}
    for role in (Role.IS, Role.GS):
        (send,) = (
            placed.step.send
            for item in plans[role].items
            if item.requirement.id.endswith("/7.2/CV4/SMETS1") and item.runbook is not None
            for placed in item.runbook.steps
        )
        assert send is not None
        assert (send.command_variant, send.to) == (4, f"s1-{'gsme' if role is Role.GS else 'esme'}")


def test_values_of_the_test_data_are_sent(uept_data: DataPlan) -> None:
    data = uept_data.model_copy(
        update={"params": {"6.4.1": {"load_limit_period": "75"}}, "utrn": "98765432109876543210"}
    )
    assert "load_limit_period: '75'" in script_for(requirement("8.1.5/IS/6.4.1/CV5/SMETS2+"), data, RUNBOOKS).text
    assert "utrn: '98765432109876543210'" in script_for(requirement("8.1.6/GS/2.2/CV1/SMETS2+"), data, RUNBOOKS).text
    future = script_for(requirement("8.1.5/IS/6.23/CV1-FD/SMETS2+"), data, RUNBOOKS).text
    assert "execution_date_time: ${now + 20 min}" in future


def test_what_another_test_stands_for_has_no_script_of_its_own(uept_rig: Rig, uept_data: DataPlan) -> None:
    agreed = Agreements(no_local_commands=True)
    plan = plan_role(uept_rig, Role.GT, Population.NEW, uept_data, RUNBOOKS, agreed)
    (item,) = [each for each in plan.items if each.requirement.met_by]
    assert item.reason == "8.1.9/GT/4.10/CV1/SMETS2+ stands for it"
    assert plan.as_json()["executions"] == 57


def test_a_user_that_the_rig_lacks_is_a_reason(uept_rig: Rig, uept_data: DataPlan) -> None:
    devices = {Smets.SMETS2: uept_data.devices[Smets.SMETS2]}
    poor = uept_data.model_copy(update={"older_users": {}, "new_suppliers": {}, "other_ids": {}, "devices": devices})
    for identifier, why in (
        ("8.1.19/IS/N999/SMETS2+", "no User of the role IS whom the DCC has with an older version"),
        ("8.1.19/IS/N27/SMETS2+", "no second User of the role IS"),
        ("8.1.22/ED/N55", "the rig has no SMETS1 CHF among its devices under test"),
        ("8.1.8/ED/7.4/CV1/SMETS1", "the rig has no SMETS1 CHF among its devices under test"),
    ):
        with pytest.raises(UsageError, match=why):
            script_for(requirement(identifier), poor, RUNBOOKS)


def test_without_a_way_to_the_interface_the_log_in_is_not_here(uept_rig: Rig, uept_data: DataPlan) -> None:
    devices = {name: section for name, section in uept_rig.file.devices.items() if name != "ssi"}
    poor = replace(uept_rig, file=uept_rig.file.model_copy(update={"devices": devices}))
    plan = plan_role(poor, Role.OU, Population.NEW, uept_data, RUNBOOKS)
    (item,) = [each for each in plan.items if each.requirement.kind is Kind.SSI]
    assert item.reason.endswith("the rig has no SelfService")
    assert not item.runnable


def test_hardware_is_named(plans: Plans) -> None:
    used = {item.requirement.id: item.hardware for item in plans[Role.ED].items}
    assert "AC source" in used["8.1.16/ED/0x8F35"]
    assert "relay" in used["8.1.22/ED/N53"]
    assert used["8.1.8/ED/4.10/CV3/SMETS2+"] == ()
