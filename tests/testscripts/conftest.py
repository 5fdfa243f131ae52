"""The plan of every role on the shipped rig, made once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.ctsd.populations import Population
from bench.ctsd.tables import Role
from bench.rig_file import Rig, load_rig
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


@pytest.fixture(scope="session")
def plans(uept_rig: Rig, uept_data: DataPlan) -> Mapping[Role, RolePlan]:
    return {role: plan_role(uept_rig, role, Population.NEW, uept_data, RUNBOOKS) for role in Role}
