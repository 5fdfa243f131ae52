"""The Test Script of a requirement: a runbook that was reviewed, or one that is made from the document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench import strict_yaml
from bench.ctsd.requirements import Kind, Requirement
from bench.errors import UsageError
from bench.runbook import Runbook, build_runbook, find_runbook, load_runbook
from bench.testscripts.coded import coded_runbook
from bench.testscripts.data import DataPlan
from bench.testscripts.matrix import cell_runbook
from bench.testscripts.ssi import ssi_runbook

REVIEWED: Mapping[str, str] = {
    **{f"8.1.2/IC01/step-{number}": "ic01" for number in range(1, 7)},
    **{f"8.1.2/IC02/step-{number}": "ic02" for number in range(1, 5)},
    "8.1.13/IS/0x8F32/SMETS2+": "arm-supply",
    "8.1.13/IS/0x8183": "han-join",
    "8.1.19/IS/N24/SMETS2+": "han-join",
    "8.1.16/ED/0x8002": "over-voltage",
    "8.1.16/ED/0x8F40": "over-voltage-smets1",
    "8.1.16/ED/0x8F41": "over-voltage-smets1",
    "8.1.16/ED/0x8F35": "supply-outage-short",
    "8.1.16/ED/0x8F36": "supply-outage-long",
    "8.1.22/ED/AD1": "supply-outage-long",
}
"""Requirements that a runbook of the folder `runbooks` covers, by its name."""


def _not_reviewed(requirement: Requirement, data: DataPlan, name: str) -> dict[str, Any]:
    raise UsageError(f"no runbook of the folder covers {requirement.id}")


_MADE: Mapping[Kind, Callable[[Requirement, DataPlan, str], dict[str, Any]]] = {
    Kind.SERVICE_REQUEST: cell_runbook,
    Kind.DEVICE_ALERT: coded_runbook,
    Kind.DCC_ALERT: coded_runbook,
    Kind.RESPONSE_CODE: coded_runbook,
    Kind.INSTALL: _not_reviewed,
    Kind.SSI: ssi_runbook,
}


@dataclass(frozen=True, slots=True)
class Script:
    """A Test Script.

    Attributes:
        name: of its runbook.
        made: its text, if it is made; None if it is a file of the folder `runbooks`.
        folder: the folder `runbooks`, where procedures are.
    """

    name: str
    made: str | None
    folder: Path

    @property
    def text(self) -> str:
        """The runbook, to be read.

        Raises:
            UsageError: its file is not there.
        """
        return self.made if self.made is not None else self._path.read_text("utf-8")

    @property
    def _path(self) -> Path:
        path = self.folder / f"{self.name}.yaml"
        return path if self.made is not None or path.is_file() else find_runbook(self.name)

    def load(self) -> Runbook:
        """Read it as any runbook is read.

        Raises:
            UsageError: with its mistakes.
        """
        if self.made is None:
            return load_runbook(self._path)
        return build_runbook(strict_yaml.parse(self._path, self.made))


def runbook_folder() -> Path:
    """The folder `runbooks`, where reviewed runbooks and procedures are: that of the working directory.

    Raises:
        UsageError: there is none.
    """
    folder = Path("runbooks")
    if not (folder / "procedures").is_dir():
        raise UsageError(
            "there is no folder runbooks/procedures here, whose procedures the Test Scripts use",
            next_step="Run hilbench where the folder runbooks is",
        )
    return folder


def script_for(requirement: Requirement, data: DataPlan, folder: Path) -> Script:
    """The Test Script of a requirement.

    Raises:
        UsageError: there is none: the test data lack something, or nothing on a bench provokes it; the error says why.
    """
    if requirement.met_by:
        raise UsageError(f"{requirement.met_by} stands for it")
    if reviewed := REVIEWED.get(requirement.id):
        return Script(reviewed, None, folder)
    make = _MADE[requirement.kind]
    name = script_name(requirement)
    tree = make(requirement, data, name)
    return Script(name, f"# {requirement.id}: made from the document and the test data.\n{as_yaml(tree)}", folder)


def script_name(requirement: Requirement) -> str:
    """A name for a made runbook: the id in small letters, that files and folders can have."""
    return "-".join(requirement.id.lower().replace("+", "").split("/"))


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Runbooks have no anchors."""
        return True


def as_yaml(tree: Mapping[str, Any]) -> str:
    """A runbook's tree as people read it: blocks for steps, one line for what is short."""
    return yaml.dump(
        dict(tree), Dumper=_Dumper, sort_keys=False, width=118, default_flow_style=None, allow_unicode=True
    )
