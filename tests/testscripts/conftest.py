"""The plans of the roles on the shipped rig, each made once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench.ctsd.populations import Population
from bench.ctsd.tables import Role
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.testscripts.data import DataPlan, load_test_data
from bench.testscripts.plan import RolePlan, plan_role

ROOT = Path(__file__).parents[2]
RIG = ROOT / "rigs" / "uept.yaml"
RUNBOOKS = ROOT / "runbooks"


@pytest.fixture(scope="session")
def uept_rig() -> Rig:
    return load_rig(RIG)


@pytest.fixture(scope="session")
def uept_data(uept_rig: Rig) -> DataPlan:
    return load_test_data(uept_rig)


class _Plans(Mapping[Role, RolePlan]):
    """The plan of each role, made when it is asked for."""

    def __init__(self, rig: Rig, data: DataPlan) -> None:
        self._rig, self._data = rig, data
        self._made: dict[Role, RolePlan] = {}

    def __getitem__(self, role: Role) -> RolePlan:
        if role not in self._made:
            self._made[role] = plan_role(self._rig, role, Population.NEW, self._data, RUNBOOKS)
        return self._made[role]

    def __iter__(self) -> Iterator[Role]:
        return iter(Role)

    def __len__(self) -> int:
        return len(Role)


@pytest.fixture(scope="session")
def plans(uept_rig: Rig, uept_data: DataPlan) -> Mapping[Role, RolePlan]:
    return _Plans(uept_rig, uept_data)
