"""Every cell of the Common Test Scenarios' tables that asks for an execution on a SMETS1 device.

These are the cells that say "Mandatory" and nothing else. `python -m tests.emulated.smets1_cells [VARIANT ...]` prints
what is not answered, and why.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from bench.clock import VirtualClock
from bench.ctsd import tables
from bench.ctsd.tables import Role, Smets
from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.service_requests import Target, service_request
from bench.duis.smets1 import Smets1Result
from bench.request_params import request_params
from bench.testscripts import params
from bench.testscripts.data import DataPlan
from bench.testscripts.knowledge import Case, needs_of
from bench.virtual_time import VirtualLoop
from tests.emulated import cells
from tests.emulated.cells import AHEAD, STATUSES, WITHIN_S, Cell, Unanswered, target_type
from tests.emulated.smets1_worlds import (
    PROMPT,
    S1_CHF,
    S1_DUTS,
    S1_ESME,
    S1_GPF,
    S1_GSME,
    S1_PPMID,
    ask,
    content_of,
    smets1_world,
)
from tests.emulated.worlds import DCC, Small

ADDRESSES = {"ESME": S1_ESME, "GSME": S1_GSME, "GPF": S1_GPF, "CHF": S1_CHF, "PPMID": S1_PPMID}
UTRN = "10050012345678901234"
"""Five pounds."""
ALONE = ("8.8.1", "8.8.2")
"""Variants that can be carried out once."""
_READS = ("Read ", "Retrieve ")


def smets1_cells() -> list[Cell]:
    """Every cell, in the order of the document."""
    return [
        Cell(role.value, cell.variant, cell.column.command_variant, cell.column.future_dated)
        for role in Role
        for cell in tables.cells(role)
        if Smets.SMETS1 in cell.mark.variants
    ]


def meter(cell: Cell) -> str:
    """The meter of the role's fuel, by its name on the rig."""
    return f"s1-{cells.meter(cell)}"


DATA = DataPlan(
    users={role: role.value for role in Role},
    devices={Smets.SMETS1: {dut.type: name for name, dut in S1_DUTS.items()}},
)
"""The test data of these worlds: what the Test Scripts send there."""


def params_of(cell: Cell, small: Small, more: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a request as its Test Script has them, filled in as the bench does."""
    case, parties = Case(Role(cell.role), cell.variant, Smets.SMETS1, DATA), small.world.parties
    given = (
        params.params_of(cell.variant, cell.command_variant, case.role, case.smets, DATA, future=cell.future)
        | needs_of(case).params
    )
    about = case.about if cell.variant.startswith(("8.7", "8.8")) else meter(cell)
    top_up = {"utrn": UTRN} if cell.variant == "2.2" else {}
    return request_params(
        cell.variant,
        {name: value for name, value in given.items() if "${saved." not in str(value)} | top_up,
        user=parties.users[cell.role],
        target=None if case.target == "dcc" else parties.duts[case.target],
        device=parties.duts[about],
        parties=parties,
        clock=VirtualClock(small.loop),
        saved={},
    ) | dict(more)


async def _prepay(cell: Cell, small: Small) -> dict[str, Any]:
    """A meter without credit has emergency credit to offer."""
    settings = {"suspend_debt_disabled": False, "suspend_debt_emergency": False, "disablement_threshold": 0}
    await ask(small, cell.role, "1.6", S1_DUTS[meter(cell)].eui, settings)
    return {}


async def _disable(cell: Cell, small: Small) -> dict[str, Any]:
    await put(Cell(cell.role, "7.2", 4), small)
    return {}


async def _schedule(cell: Cell, small: Small) -> dict[str, Any]:
    made = small.send(cell.role, "5.1", DCC, params_of(Cell(cell.role, "5.1", 8), small, {}))
    if not isinstance(made, duis.DspResponse):
        raise Unanswered(f"5.1 before it: {made.response_code}")
    return dict(made.values)


async def _image(cell: Cell, small: Small) -> dict[str, Any]:
    given = small.send(cell.role, "11.1", DCC, params_of(Cell(cell.role, "11.1", 8), small, {}))
    if given.response_code not in ("I0", "I99"):
        raise Unanswered(f"11.1 before it: {given.response_code}")
    await asyncio.sleep(600)
    return {}


BEFORE: Mapping[str, Callable[[Cell, Small], Awaitable[dict[str, Any]]]] = {
    "2.5": _prepay,
    "5.2": _schedule,
    "5.3": _schedule,
    "7.3": _disable,
    "11.3": _image,
}
"""What has to be done before a request, and parameters that come from it."""


async def put(cell: Cell, small: Small) -> None:
    """Put a cell to this world.

    Raises:
        Unanswered: what must come back did not.
    """
    more = await BEFORE[cell.variant](cell, small) if cell.variant in BEFORE else {}
    sent = params_of(cell, small, more)
    if service_request(cell.variant).target is Target.DCC:
        answer = small.send(cell.role, cell.variant, DCC, sent)
        if answer.response_code not in ("I0", "I99"):
            raise Unanswered(answer.response_code)
        return
    before = len(small.posts)
    target = ADDRESSES[target_type(cell)]
    answer = small.send(cell.role, cell.variant, target, sent, command_variant=cell.command_variant)
    if answer.response_code != "I99" or answer.request_id is None:
        raise Unanswered(answer.response_code)
    began_s = small.loop.time()
    answered_s = await _answer(small, answer.request_id, before, began_s + WITHIN_S + AHEAD.total_seconds())
    if cell.future is not (answered_s - began_s >= AHEAD.total_seconds()):
        raise Unanswered(f"the answer came after {answered_s - began_s} s")


async def _answer(small: Small, request_id: RequestId, before: int, until_s: float) -> float:
    """Wait for the answer to a request; when it came."""
    while small.loop.time() < until_s:
        await asyncio.sleep(1.0)
        for post in small.posts[before:]:
            if post.message.request_id != request_id:
                continue
            if isinstance(post.message, duis.ErrorResponse):
                raise Unanswered(f"{post.message.response_code} in place of the answer")
            if isinstance(post.message, duis.Smets1Response):
                content = content_of(small, post)
                if not isinstance(content, Smets1Result) or not content.success:
                    raise Unanswered("the device refused")
                return post.at_s
        before = len(small.posts)
    raise Unanswered("no answer")


async def _ask(together: Sequence[Cell]) -> dict[Cell, str]:
    found: dict[Cell, str] = {}
    variant = together[0].variant
    inventory = {meter(cell): STATUSES[variant] for cell in together} if variant in STATUSES else {}
    with smets1_world(inventory=inventory, world=PROMPT) as small:
        for cell in together:
            try:
                await put(cell, small)
            except Unanswered as error:
                found[cell] = str(error)
            except Exception as error:
                first = str(error).partition("\n")[0]
                found[cell] = f"{type(error).__name__}: {first}"
    return found


def groups(chosen: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Cells that may share a world: those of a variant, and all that only read."""
    found: dict[str, list[Cell]] = {}
    for cell in chosen:
        reads = service_request(cell.variant).name.startswith(_READS) and not cell.future
        found.setdefault("reads" if reads else cell.variant, []).append(cell)
    return found


def failures(group: Sequence[Cell]) -> dict[Cell, str]:
    """What is wrong with cells of one group, in a line each; empty if all are answered."""
    found: dict[Cell, str] = {}
    for world in [[cell] for cell in group] if group[0].variant in ALONE else [group]:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            found |= runner.run(_ask(world))
    return found


def main(variants: Iterable[str]) -> int:
    """Print what is not answered; the exit status says whether there is anything."""
    wanted = tuple(variants)
    chosen = [cell for cell in smets1_cells() if not wanted or cell.variant in wanted]
    missing = {cell: reason for group in groups(chosen).values() for cell, reason in failures(group).items()}
    for cell, reason in missing.items():
        print(f"{cell!s:28} {reason}")
    print(f"{len(chosen) - len(missing)} of {len(chosen)} cells are answered")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
