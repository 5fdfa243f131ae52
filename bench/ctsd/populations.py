"""Who has to execute what: the populations of clauses 1.2, 1.3, 5.4 and 8.1.4."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bench.ctsd.tables import Mark, Role, Smets

ADDITIVE_SINGLE_BAND = (
    "2.1",
    "6.2.2",
    "6.2.3",
    "6.2.10",
    "6.5",
    "6.8",
    "6.15.1",
    "6.21",
    "6.22",
    "6.23",
    "6.26",
    "6.27",
    "14.1",
)
"""Service Reference Variants of R2.0 for a single band Communications Hub (8.1.4)."""
DUAL_BAND = ("6.28", "6.29", "6.30", "6.31", "6.32")
"""Those that need a dual band Communications Hub."""
DUAL_BAND_ALERTS = ("N54",)
"""DCC Alerts that need one (8.1.18)."""
ADDITIVE_DCC_ALERTS = ("N54", "N49")
"""The first code of each row of DCC Alerts that Additive UEPT lists (8.1.18)."""

_NO_LOCAL_COMMANDS = {Role.ED: "8.1.8", Role.GT: "8.1.9"}


class Population(StrEnum):
    """Why a Party tests."""

    NEW = "new"
    """A new Party: User Entry Process Tests."""
    ELIGIBILITY = "eligibility"
    """An existing User that wants to send Service Requests to SMETS1 devices: Eligibility Testing."""
    ADDITIVE = "additive"
    """An existing User that wants R2.0: Additive UEPT by the formal process (5.4, first route)."""
    ADDITIVE_EVIDENCE = "additive-evidence"
    """The same by evidence from end to end testing (5.4, second route): the same list, and no Test Scripts."""

    @property
    def additive(self) -> bool:
        """Whether it is one of the two routes to R2.0."""
        return self in (Population.ADDITIVE, Population.ADDITIVE_EVIDENCE)

    @property
    def scripts(self) -> bool:
        """Whether Test Scripts are executed for it, rather than evidence handed in."""
        return self is not Population.ADDITIVE_EVIDENCE

    def due(self, mark: Mark) -> tuple[Smets, ...]:
        """On which kinds of device a test with this mark is due, each once (8.1.4)."""
        if self is Population.NEW:
            return mark.variants
        wanted = Smets.SMETS1 if self is Population.ELIGIBILITY else Smets.SMETS2
        return tuple(variant for variant in mark.variants if variant is wanted)

    @property
    def install_and_commission(self) -> bool:
        """Whether IC01 and IC02 are due (clauses 1.3, 5.1)."""
        return self is Population.NEW

    @property
    def self_service_interface(self) -> bool:
        """Whether the log-in to the Self Service Interface is due (clauses 1.3, 5.3)."""
        return self is Population.NEW


@dataclass(frozen=True, slots=True)
class Agreements:
    """What a Party and the DCC have agreed beside the document.

    Attributes:
        no_local_commands: the ED or GT will use no local commands, so that CV1 stands for CV2 and CV3
            (8.1.8, 8.1.9; "the ED" there is read as "the DCC"). Without effect for other roles.
    """

    no_local_commands: bool = False

    def replaces_local(self, role: Role) -> bool:
        """Whether CV1 stands for the local Command Variants of a role."""
        return self.no_local_commands and role in _NO_LOCAL_COMMANDS


NO_AGREEMENTS = Agreements()
