"""What the engine needs to carry on with a run that was interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.expectations import StepWatch
from bench.results import StepResult
from bench.rig.session import RigSession
from bench.runbook import Placed
from bench.verbs import Operator
from bench.verdict import Verdict

REPEAT, LEAVE = "repeat", "leave"

_BACK_S = 600.0
"""How long the Comms Hub may take to come back after the supply was off: a real one boots for minutes."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """How far a run came.

    Attributes:
        results: of the steps that ended, in order.
        interrupted: group and path of the step that had begun and not ended.
        saved: what steps saved for later ones.
        problems, findings: what the run had noted by then.
    """

    results: Sequence[StepResult] = ()
    interrupted: tuple[str, str] | None = None
    saved: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: Sequence[tuple[Verdict, str]] = ()
    findings: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.results) or self.interrupted is not None

    @property
    def is_past_preconditions(self) -> bool:
        """Whether the run had got as far as its set-up; if not, it begins anew."""
        begun = {result.group for result in self.results} | ({self.interrupted[0]} if self.interrupted else set())
        return bool(begun - {"precondition"})

    def of_group(self, group: str) -> list[StepResult]:
        """The results of a group."""
        return [result for result in self.results if result.group == group]

    def kept(self, group: str, placed: Placed) -> StepResult | None:
        """The result of a step that need not be done again; None for one that has to be.

        The set-up is made again, since the rig was made safe in between, but for what it read before it changed
        anything: reading it again would put the changed values back at the end.
        """
        if group == "precondition" and not self.is_past_preconditions:
            return None
        found = next((each for each in self.of_group(group) if each.placed.path == placed.path), None)
        if found is None or found.verdict is Verdict.BLOCKED:
            return None
        saves = placed.step.send is not None and placed.step.send.save is not None
        if group == "setup" and found.verdict.passed and not saves:
            return None
        return found


async def until_back(session: RigSession, watch: StepWatch) -> bool:
    """Wait until the Comms Hub says that it has power and its WAN again; false if it does not in time.

    A rig without a Comms Hub monitor waits no longer than its drain.
    """
    if "hub" not in session.rig.file.devices:
        return True
    deadline_s = asyncio.get_running_loop().time() + _BACK_S
    while asyncio.get_running_loop().time() < deadline_s:
        said = [sighting.data for sighting in watch.sightings if sighting.kind == "hub"]
        if said and said[-1].get("power") == "on" and said[-1].get("wan") == "up":
            return True
        await session.clock.sleep(1.0)
    return False


async def ask_about(operator: Operator, placed: Placed) -> str:
    """Ask whether to repeat the step that was interrupted: `REPEAT` or `LEAVE`.

    Raises:
        UsageError: nobody is there to answer.
    """
    return await operator.ask(
        f"'{placed.name}' was interrupted and the runbook does not say that it may be repeated. Do it again?",
        (REPEAT, LEAVE),
    )
