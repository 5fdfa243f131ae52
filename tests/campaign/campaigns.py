"""Campaign files for tests, and nights whose runs end as a script says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.campaign import night as night_module
from bench.campaign.attempt import Surroundings
from bench.campaign.file import load_campaign
from bench.campaign.plan import CampaignPlan, Case, plan_campaign
from bench.campaign.record import Earlier, new_night, read_record
from bench.campaign.state import AttemptResult, NightState
from bench.campaign.work import CampaignOptions, work
from bench.rig.file import Rig

ROOT = Path(__file__).parents[2]
RIG = ROOT / "rigs" / "emulated.yaml"
RUNBOOKS = ROOT / "runbooks"


def write(folder: Path, entries: str, *, head: str = "", rigs: tuple[str, ...] = ("a",)) -> Path:
    """A campaign file, with rigs like the emulated one."""
    paths = []
    for name in rigs:
        rig = folder / f"rig-{name}.yaml"
        if not rig.exists():
            text = RIG.read_text().replace("rig: emulated", f"rig: {name}")
            rig.write_text(text.replace("duts/emulated.yaml", str(ROOT / "rigs" / "duts" / "emulated.yaml")))
        paths.append(f"  {name}: rig-{name}.yaml")
    path = folder / "campaign.yaml"
    path.write_text("\n".join(["campaign: test", head, "rigs:", *paths, "entries:", entries, ""]))
    return path


def entry(name: str, *runbooks: str, **more: str) -> str:
    """An entry; runbooks by name, from the project's own."""
    names = ", ".join(str(RUNBOOKS / f"{runbook}.yaml") for runbook in runbooks or ("han-join",))
    lines = [f"  - entry: {name}", f"    runbooks: [{names}]", *(f"    {key}: {value}" for key, value in more.items())]
    return "\n".join(lines)


def planned(folder: Path, *entries: str, head: str = "", rigs: tuple[str, ...] = ("a",)) -> CampaignPlan:
    return plan_campaign(load_campaign(write(folder, "\n".join(entries), head=head, rigs=rigs)))


@dataclass
class Script:
    """Says how each attempt ends, and remembers which began and when.

    Attributes:
        verdicts: by the name of the planned run, one for each attempt; what is not there passes.
        takes_s: how long each attempt takes.
    """

    verdicts: Mapping[str, list[str | AttemptResult | Exception]] = field(default_factory=dict)
    takes_s: float = 100.0
    ran: list[str] = field(default_factory=list)
    spans: list[tuple[str, str, float, float]] = field(default_factory=list)

    async def __call__(
        self, around: Surroundings, rig: Rig, case: Case, attempt: int, out: frozenset[str]
    ) -> AttemptResult:
        loop = asyncio.get_running_loop()
        number = sum(1 for name in self.ran if name == case.name)
        self.ran.append(case.name)
        began_s = loop.time()
        await asyncio.sleep(self.takes_s)
        self.spans.append((case.name, case.rig, began_s, loop.time()))
        verdicts = self.verdicts.get(case.name, [])
        found = verdicts[number] if number < len(verdicts) else "passed"
        if isinstance(found, Exception):
            raise found
        if isinstance(found, AttemptResult):
            found.attempt = attempt
            return found
        reason = "" if found == "passed" else f"it {found}"
        return AttemptResult(attempt, found, reason, duration_s=self.takes_s, body_hash="0" * 64)


@dataclass
class Ran:
    """A night that was run."""

    folder: Path
    state: NightState
    script: Script

    @property
    def outcomes(self) -> dict[str, str]:
        return {each.case.name: each.outcome.value for each in self.state.cases.values() if each.outcome is not None}

    def reason(self, name: str) -> str:
        return next(each.reason for each in self.state.cases.values() if each.case.name == name)


async def run(
    plan: CampaignPlan,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: Script | None = None,
    *,
    resume: Path | None = None,
    options: CampaignOptions | None = None,
) -> Ran:
    """Run a night, or what is left of one, on the running loop; with a script, nothing is really run."""
    if script is not None:
        monkeypatch.setattr(night_module, "in_this_process", script)
    night = resume or new_night(out, plan.campaign)
    earlier = read_record(night) if resume else Earlier()
    state = NightState(plan.cases)
    state.replay(earlier.entries)
    await work(plan, options or CampaignOptions(out, out / "state"), night, earlier, state)
    return Ran(night, state, script or Script())
