"""Requirements: ids, counts for each population, and what may stand for what."""

from __future__ import annotations

import pytest

from bench.ctsd.populations import Agreements, Population
from bench.ctsd.requirements import Kind, count, requirement, requirements
from bench.ctsd.tables import Role, Smets
from bench.errors import UsageError

# Mandatory executions: of the matrix, Device Alerts, DCC Alerts, Response Codes, Install & Commission, log-in.
NEW = {
    "IS": (213, 4, 14, 9, 4, 1),
    "GS": (164, 4, 11, 9, 6, 1),
    "ES": (27, 0, 3, 8, 0, 1),
    "ED": (65, 5, 9, 9, 0, 1),
    "GT": (40, 0, 8, 9, 0, 1),
    "RSA": (30, 0, 1, 8, 0, 1),
    "OU": (40, 0, 3, 8, 0, 1),
}
ELIGIBILITY = {
    "IS": (65, 1, 7, 6),
    "GS": (57, 1, 6, 6),
    "ES": (11, 0, 2, 5),
    "ED": (25, 2, 4, 6),
    "GT": (17, 0, 4, 6),
    "RSA": (12, 0, 1, 5),
    "OU": (16, 0, 2, 5),
}
ADDITIVE = {"IS": 19, "GS": 16, "ES": 0, "ED": 7, "GT": 3, "RSA": 5, "OU": 0}
KINDS = (Kind.SERVICE_REQUEST, Kind.DEVICE_ALERT, Kind.DCC_ALERT, Kind.RESPONSE_CODE, Kind.INSTALL, Kind.SSI)


def figures(role: Role, population: Population) -> tuple[int, ...]:
    listed = requirements(role, population)
    return tuple(sum(each.kind is kind and each.mandatory for each in listed) for kind in KINDS)


@pytest.mark.parametrize("role", Role)
def test_each_population_has_as_many_executions_as_the_document(role: Role) -> None:
    assert figures(role, Population.NEW) == NEW[role]
    assert figures(role, Population.ELIGIBILITY) == (*ELIGIBILITY[role], 0, 0)
    alerts = 1 if role in ("IS", "GS") else 0  # N54
    assert figures(role, Population.ADDITIVE) == (ADDITIVE[role], 0, alerts, 0, 0, 0)


@pytest.mark.parametrize("role", Role)
def test_ids_are_unique_and_found_again(role: Role) -> None:
    for population in Population:
        listed = requirements(role, population)
        assert len({each.id for each in listed}) == len(listed)
        assert all(requirement(each.id) == each for each in listed)


def test_ids_are_those_that_runbooks_state() -> None:
    assert requirement("8.1.2/IC02/step-2").role is Role.IS
    assert requirement("8.1.2/IC01/step-6").role is Role.GS
    assert requirement("8.1.5/IS/4.10/CV3/SMETS2+").scenario == "SR04"
    assert requirement("8.1.16/ED/0x8F35").smets is Smets.SMETS2
    assert requirement("8.1.5/IS/4.15/CV1-FD/SMETS1").smets is Smets.SMETS1
    assert requirement("8.1.19/IS/N49-N52").mandatory is False
    assert requirement("8.1.12/GS/0x81A0").mandatory is False
    with pytest.raises(UsageError, match="no requirement '8.1.5/IS/4.10/CV9/SMETS2\\+'"):
        requirement("8.1.5/IS/4.10/CV9/SMETS2+")
    with pytest.raises(UsageError, match="no requirement 'x'"):
        requirement("x")


def test_a_test_that_is_due_on_both_kinds_of_device_counts_once_as_a_test_and_twice_as_an_execution() -> None:
    matrix = [each for each in requirements(Role.IS) if each.kind is Kind.SERVICE_REQUEST]
    counts = count(matrix)
    assert (counts.tests, counts.executions) == (148, 213)
    assert counts.by_variant == {"SMETS1": 65, "SMETS2+": 148}
    assert counts.by_scenario["SR01"] == 36 * 2 + 18


@pytest.mark.parametrize(("role", "replaced"), [(Role.ED, 3), (Role.GT, 1), (Role.IS, 0)])
def test_without_local_commands_another_variant_stands_for_them(role: Role, replaced: int) -> None:
    listed = requirements(role, agreements=Agreements(no_local_commands=True))
    met = [each for each in listed if each.met_by]
    assert len(met) == replaced
    for each in met:
        assert requirement(each.met_by).cell is not None
        assert each.met_by.split("/")[3:] == ["CV1", "SMETS2+"]
    assert count(listed).executions == count(requirements(role)).executions - replaced


def test_dual_band_items_are_known() -> None:
    dual = {each.id for each in requirements(Role.IS) if each.dual_band}
    assert "8.1.19/IS/N54" in dual
    assert "8.1.5/IS/6.28/CV1/SMETS2+" in dual
    assert "8.1.5/IS/6.27/CV1/SMETS2+" not in dual


def test_the_evidence_route_asks_for_the_same_without_scripts() -> None:
    assert requirements(Role.IS, Population.ADDITIVE) == requirements(Role.IS, Population.ADDITIVE_EVIDENCE)
    assert not Population.ADDITIVE_EVIDENCE.scripts
