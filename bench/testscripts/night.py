"""A role's Test Scripts as a campaign: a folder that needs nothing else, for a night with retries and a summary."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.ctsd.requirements import Requirement
from bench.durable import storage_error, write_whole
from bench.errors import UsageError
from bench.quantities import format_duration
from bench.rig.file import Rig
from bench.testscripts.plan import Item, RolePlan
from bench.testscripts.scripts import as_yaml

_PERSON = "operator"
"""What `Item.hardware` calls somebody who is asked."""

_HEAD = """\
# {title}, made from the document and the test data: {runbooks} runbooks, about {usual}, {longest} at most.
#   hilbench campaign {path} --plan
#   hilbench campaign {path}
# Retries, a window, a schedule, notices: docs/campaigns.md.
"""


@dataclass(frozen=True, slots=True)
class RoleNight:
    """The files of such a campaign.

    Attributes:
        files: their content by path within the folder.
        runbooks: how many runbooks it runs.
        usual_s: how long that usually takes, in seconds of the rig's clock.
        alone: titles of runbooks that ask a person something, and so are no part of it.
    """

    files: Mapping[Path, str]
    runbooks: int
    usual_s: float
    alone: tuple[str, ...]


def role_night(rig: Rig, plan: RolePlan, folder: Path, procedures: Path, only: tuple[str, ...] = ()) -> RoleNight:
    """Make the campaign of a plan: an entry for each scenario, its runbooks in the plan's order.

    Args:
        rig: that the plan is for.
        plan: of a role.
        folder: where the files will be; nothing is written here.
        procedures: the folder of the procedures that the scripts use.
        only: beginnings of ids of requirements; empty for all.

    Raises:
        UsageError: nothing is left to run.
    """
    name = f"uept-{plan.role.value.lower()}"
    files = {Path("runbooks/procedures", path.name): path.read_text("utf-8") for path in procedures.glob("*.yaml")}
    entries: dict[str, list[str]] = {}
    usual_s = longest_s = 0.0
    alone = []
    for item, requirement in _first_of_each(plan, only):
        assert item.script is not None and item.plan is not None
        if _PERSON in item.hardware:
            alone.append(item.plan.title)
            continue
        files[Path("runbooks", f"{item.script.name}.yaml")] = item.script.text
        entries.setdefault(requirement.scenario, []).append(f"runbooks/{item.script.name}.yaml")
        usual_s, longest_s = usual_s + item.plan.usual_s, longest_s + item.plan.longest_s
    runbooks = sum(map(len, entries.values()))
    if not runbooks:
        raise UsageError("no runbook of this role can run by itself on this rig", next_step="See `hilbench uept plan`")
    tree = {
        "campaign": name,
        "title": f"User Entry Process Tests of {plan.role.value}, {plan.population.value}",
        "rigs": {"bench": os.path.relpath(rig.document.path, folder)},
        "entries": [
            {"entry": re.sub(r"[^a-z0-9]+", "-", scenario.lower()), "runbooks": names}
            for scenario, names in entries.items()
        ],
    }
    head = _HEAD.format(
        title=tree["title"],
        runbooks=runbooks,
        usual=format_duration(usual_s),
        longest=format_duration(longest_s),
        path=f"{name}.yaml",
    )
    files[Path(f"{name}.yaml")] = head + as_yaml(tree)
    return RoleNight(files, runbooks, usual_s, tuple(alone))


def _first_of_each(plan: RolePlan, only: tuple[str, ...]) -> Iterator[tuple[Item, Requirement]]:
    """Each runbook once, with the requirement under which it stands."""
    seen: set[str] = set()
    for item in plan.items:
        wanted = not only or item.requirement.id.startswith(only)
        if wanted and item.script is not None and item.runnable and item.script.name not in seen:
            seen.add(item.script.name)
            yield item, item.requirement


def write_night(night: RoleNight, folder: Path) -> None:
    """Write it.

    Args:
        night: its files.
        folder: where to; made if it is not there.

    Raises:
        UsageError: something is there already.
        StorageError: it cannot be written.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", next_step="Give a folder that is not there yet")
        for path, text in night.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_whole(folder / path, text.encode())
    except OSError as error:
        raise storage_error(error, "the campaign cannot be written", folder) from None
