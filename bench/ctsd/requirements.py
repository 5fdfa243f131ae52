"""Every test that the document asks of a User Role, each a requirement with an id that never changes.

8.1.2/IC02/step-2              a step of Install & Commission
8.1.5/IS/4.10/CV3/SMETS2+      a cell of the DUIS matrix, on one kind of device
8.1.16/ED/0x8F35               a Device Alert
8.1.19/IS/N24/SMETS1           a DCC Alert; `/SMETS1` or `/SMETS2+` where its row asks for both
8.1.26/ES/E11/SMETS2+          a Response Code
8.1.27/OU/SSI                  the log-in to the Self Service Interface
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from bench.ctsd import populations, scenarios
from bench.ctsd.populations import NO_AGREEMENTS, Agreements, Population
from bench.ctsd.tables import (
    Cell,
    Column,
    Mark,
    Role,
    Smets,
    cells,
    dcc_alerts,
    device_alerts,
    footer,
    matrix,
    response_codes,
)
from bench.duis.service_requests import service_request
from bench.errors import UsageError


class Kind(StrEnum):
    """What sort of test it is."""

    INSTALL = "install"
    SERVICE_REQUEST = "service-request"
    DEVICE_ALERT = "device-alert"
    DCC_ALERT = "dcc-alert"
    RESPONSE_CODE = "response-code"
    SSI = "ssi"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One execution that the document asks for.

    Attributes:
        id: stable, see above.
        role: the User Role that it is asked of.
        clause: where it stands.
        kind: what sort of test it is.
        scenario: "IC01", "SR01" to "SR10", "DA", "DCCA", "RC" or "SSI".
        title: what is tested, in words.
        smets: the kind of device that it is executed on; None for the log-in, which needs no device.
        mandatory: whether completion depends on it.
        precondition: what the test data must be, beside a commissioned device; empty for nothing more.
        cell: of the DUIS matrix; None for other kinds.
        step: of Install & Commission.
        codes: Alert Codes or Response Code, of which any one is what is asked for.
        dual_band: it needs a dual band Communications Hub.
        met_by: the id of the requirement that stands for this one; then it is not executed itself.
    """

    id: str
    role: Role
    clause: str
    kind: Kind
    scenario: str
    title: str
    smets: Smets | None
    mandatory: bool = True
    precondition: str = ""
    cell: Cell | None = None
    step: int | None = None
    codes: tuple[str, ...] = ()
    dual_band: bool = False
    met_by: str = ""

    @property
    def test(self) -> str:
        """The id of the test of which this is one execution: that without the kind of device."""
        ending = f"/{self.smets}"
        return self.id.removesuffix(ending) if self.smets else self.id


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a list of requirements asks for.

    Attributes:
        tests: mandatory tests, as the document counts cells: once, whichever devices they are due on.
        executions: mandatory executions: a test that is due on SMETS1 and SMETS2+ devices counts twice.
        optional: optional executions.
        by_scenario: mandatory executions by scenario.
        by_variant: mandatory executions by SMETS variant ("" for none).
    """

    tests: int
    executions: int
    optional: int
    by_scenario: Mapping[str, int]
    by_variant: Mapping[str, int]


@cache
def requirements(
    role: Role, population: Population = Population.NEW, agreements: Agreements = NO_AGREEMENTS
) -> tuple[Requirement, ...]:
    """All that a role has to test, and may, in the order of the document."""
    return (
        *_install(role, population),
        *_service_requests(role, population, agreements),
        *_device_alerts(role, population),
        *_dcc_alerts(role, population),
        *_response_codes(role, population),
        *_ssi(role, population),
    )


def requirement(identifier: str) -> Requirement:
    """The requirement with this id, of whatever population.

    Raises:
        UsageError: there is none.
    """
    parts = identifier.split("/")
    install = {scenario.name: role.value for role, scenario in scenarios.INSTALL.items()}
    name = install.get(parts[1], parts[1]) if len(parts) > 1 else ""
    for role in Role:
        if role.value == name:
            for population in (Population.NEW, Population.ADDITIVE):
                for each in requirements(role, population):
                    if each.id == identifier:
                        return each
    raise UsageError(
        f"there is no requirement {identifier!r}",
        next_step="`hilbench uept plan --role ROLE` lists them; 8.1.5/IS/4.10/CV3/SMETS2+ is one",
    )


def count(listed: Sequence[Requirement]) -> Counts:
    """How much a list asks for; what another requirement stands for does not count."""
    due = [each for each in listed if each.mandatory and not each.met_by]
    return Counts(
        len({each.test for each in due}),
        len(due),
        sum(not each.mandatory for each in listed),
        dict(Counter(each.scenario for each in due)),
        dict(Counter(each.smets.value if each.smets else "" for each in due)),
    )


def _install(role: Role, population: Population) -> Iterator[Requirement]:
    scenario = scenarios.INSTALL.get(role)
    if scenario is None or not population.install_and_commission:
        return
    for step in scenario.steps:
        yield Requirement(
            f"{scenarios.INSTALL_CLAUSE}/{scenario.name}/step-{step.step}",
            role,
            scenarios.INSTALL_CLAUSE,
            Kind.INSTALL,
            scenario.name,
            step.title,
            Smets.SMETS2,
            precondition=f"{scenario.devices} is not installed yet; the steps before it passed",
            step=step.step,
            codes=step.alerts,
        )


def _service_requests(role: Role, population: Population, agreements: Agreements) -> Iterator[Requirement]:
    listed = (*populations.ADDITIVE_SINGLE_BAND, *populations.DUAL_BAND)
    clause = footer(role).clause
    for cell in cells(role):
        if population.additive and cell.variant not in listed:
            continue
        for smets in population.due(cell.mark):
            substitute = _substitute(role, cell, smets, agreements)
            yield Requirement(
                _cell_id(clause, role, cell, smets),
                role,
                clause,
                Kind.SERVICE_REQUEST,
                cell.column.scenario,
                f"{service_request(cell.variant)}, {cell.column}",
                smets,
                mandatory=cell.mark.mandatory,
                cell=cell,
                dual_band=cell.variant in populations.DUAL_BAND,
                met_by=_cell_id(clause, role, substitute, smets) if substitute else "",
            )


def _cell_id(clause: str, role: Role, cell: Cell, smets: Smets) -> str:
    return f"{clause}/{role}/{cell.variant}/{cell.column}/{smets}"


def _substitute(role: Role, cell: Cell, smets: Smets, agreements: Agreements) -> Cell | None:
    """The cell of Command Variant 1 that stands for one of a local command, where that was agreed."""
    if not agreements.replaces_local(role) or cell.column not in (Column.CV2, Column.CV3):
        return None
    row = matrix(role)[cell.variant]
    return next((each for each in row if each.column is Column.CV1 and smets in each.mark.variants), None)


_REGISTERED = {
    "": "",
    "now": "the User is registered for the device",
    "previously": "the User was registered for the device until its supplier changed",
}


def _coded(
    role: Role,
    population: Population,
    clause: str,
    kind: Kind,
    scenario: str,
    codes: tuple[str, ...],
    mark: Mark,
    title: str,
    precondition: str = "",
) -> Iterator[Requirement]:
    name = codes[0] if len(codes) == 1 else f"{codes[0]}-{codes[-1]}"
    for smets in population.due(mark):
        ending = f"/{smets}" if len(mark.variants) > 1 else ""
        yield Requirement(
            f"{clause}/{role}/{name}{ending}",
            role,
            clause,
            kind,
            scenario,
            f"{name} {title}",
            smets,
            mandatory=mark.mandatory,
            precondition=precondition,
            codes=codes,
            dual_band=codes[0] in populations.DUAL_BAND_ALERTS,
        )


def _device_alerts(role: Role, population: Population) -> Iterator[Requirement]:
    clause, rows = device_alerts(role, additive=population.additive)
    for row in rows:
        title = f"{scenarios.DEVICE_ALERT_NAMES[row.code]} (type {row.alert_type}, {row.notation})"
        yield from _coded(role, population, clause, Kind.DEVICE_ALERT, "DA", (row.code,), row.mark, title)


def _dcc_alerts(role: Role, population: Population) -> Iterator[Requirement]:
    clause, rows = dcc_alerts(role)
    for row in rows:
        if population.additive and row.codes[0] not in populations.ADDITIVE_DCC_ALERTS:
            continue
        title = scenarios.DCC_ALERT_NAMES[row.name]
        precondition = _REGISTERED[row.registered]
        yield from _coded(role, population, clause, Kind.DCC_ALERT, "DCCA", row.codes, row.mark, title, precondition)


def _response_codes(role: Role, population: Population) -> Iterator[Requirement]:
    if population.additive:
        return
    clause, rows = response_codes(role)
    for row in rows:
        title = scenarios.RESPONSE_CODE_NAMES[row.code]
        yield from _coded(role, population, clause, Kind.RESPONSE_CODE, "RC", (row.code,), row.mark, title)


def _ssi(role: Role, population: Population) -> Iterator[Requirement]:
    if population.self_service_interface:
        clause = scenarios.SSI_CLAUSE
        yield Requirement(
            f"{clause}/{role}/SSI",
            role,
            clause,
            Kind.SSI,
            "SSI",
            "Log in to the Self Service Interface",
            None,
            precondition="the User has an account at the DCC's identity provider, or at its own",
        )
