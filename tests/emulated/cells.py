"""Every cell of the Common Test Scenarios' tables (SEC Appendix R, 8.1.5) put to an emulated DCC and its devices.

`python -m tests.emulated.cells [VARIANT ...]` prints what is not answered yet, and why.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bench.clock import VirtualClock
from bench.ctsd import tables
from bench.ctsd.tables import Role, Smets
from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.service_requests import CV_TRANSFORM, Target, service_request
from bench.eui import Eui64
from bench.gbcs import utrn
from bench.gbcs.crypto import sign_pre_command
from bench.gbcs.message import Message
from bench.gbcs.use_cases import Response, use_case_for
from bench.parties import DeviceType, Dut, KeyUse
from bench.quantities import parse
from bench.request_params import request_params
from bench.testscripts import params
from bench.testscripts.data import DataPlan
from bench.testscripts.knowledge import Case, needs_of
from bench.virtual_time import VirtualLoop
from tests.emulated.worlds import ALL_USERS, CHF, DCC, DUTS, ESME, GPF, GSME, Small, small_world

AHEAD = timedelta(minutes=20)
"""How far ahead a future date lies."""
WITHIN_S = 300.0
"""How long a cell waits for what must come."""

PPMID = Eui64.parse("00-DB-12-34-56-78-90-A5")
HCALCS = Eui64.parse("00-DB-12-34-56-78-90-A4")
MORE_DUTS = {
    "ppmid": Dut("ppmid", DeviceType.PPMID, PPMID, "00040001", "9ABC"),
    "hcalcs": Dut("hcalcs", DeviceType.HCALCS, HCALCS, "00050001", "9ABC"),
}
ADDRESSES = {"ESME": ESME, "GSME": GSME, "GPF": GPF, "CHF": CHF, "PPMID": PPMID, "HCALCS": HCALCS}
GAS_ROLES = ("GS", "GT")


class Unanswered(Exception):
    """A cell did not get what must come back; the text says what came instead."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing to be tested: a Service Request in one Command Variant, by a User of a role.

    Attributes:
        role: the DUIS User Role.
        variant: the Service Reference Variant.
        command_variant: 1 to 8.
        future: it is future dated.
    """

    role: str
    variant: str
    command_variant: int
    future: bool = False

    def __str__(self) -> str:
        return f"{self.role} {self.variant} CV{self.command_variant}{' future dated' if self.future else ''}"


def all_cells() -> list[Cell]:
    """Every cell, in the order of the document."""
    return [
        Cell(role.value, cell.variant, cell.column.command_variant, cell.column.future_dated)
        for role in Role
        for cell in tables.cells(role)
    ]


def target_type(cell: Cell) -> str:
    """What a request goes to: the device of the role's fuel where the variant serves it."""
    return params.target_type(Role(cell.role), cell.variant).value


def meter(cell: Cell) -> str:
    """The meter of the role's fuel, by its name on the rig."""
    return "gsme" if cell.role in GAS_ROLES else "esme"


STATUSES = {
    "8.1.1": "InstalledNotCommissioned",
    "8.4": "InstalledNotCommissioned",
    "8.11": "Pending",
    "12.2": "unknown",
}
"""The status of the role's meter before the request, where it is not Commissioned."""

DATA = DataPlan(
    users={role: role.value for role in Role},
    devices={Smets.SMETS2: {dut.type: name for name, dut in (DUTS | MORE_DUTS).items()}},
)
"""The test data of a small world: what the Test Scripts send there."""


def case_of(cell: Cell) -> Case:
    """The request as the Test Scripts know it."""
    return Case(Role(cell.role), cell.variant, Smets.SMETS2, DATA)


def top_up(small: Small, role: str, name: str, pence: int = 1000, number: int = 1, pounds: bool = False) -> str:
    """A UTRN of a supplier for a meter; `number` rises from one to the next."""
    supplier, device = small.world.users[role], DUTS[name].eui
    own = small.world.surroundings.identities.device(device, KeyUse.KEY_AGREEMENT).private_key.public_key()
    return utrn.issue(pence, number, supplier.agreement.private_key, own, supplier.eui, device, pounds=pounds)


async def _local_response(cell: Cell, small: Small) -> dict[str, Any]:
    local = small.send(cell.role, "7.4", DUTS[meter(cell)].eui, command_variant=2)
    if not isinstance(local, duis.LocalCommand):
        raise Unanswered(f"7.4 CV2 before it: {local.response_code}")
    response = small.world.deliver_locally(local.payload)
    if response is None:
        raise Unanswered("7.4 CV2 before it: the device does not answer the hand-held terminal")
    return {"device_gbcs_response": response, "original_request_id": local.request_id}


async def _new_key(cell: Cell, small: Small) -> dict[str, Any]:
    """Have the device make a new key, and its certificate made."""
    target = ADDRESSES[target_type(cell)]
    response = await small.ask(cell.role, "6.17", target)
    if not response.ok:
        raise Unanswered(f"6.17 before it: {response.detail}")
    request = response.values["certification_request"]
    return {"device_certificate": small.world.surroundings.identities.certify(request)}


BEFORE: Mapping[str, Callable[[Cell, Small], Awaitable[dict[str, Any]]]] = {
    "6.15.2": _new_key,
    "8.13": _local_response,
}
"""What has to be done before a request that no Test Script can do, and parameters that come from it."""


async def set_up(cell: Cell, small: Small) -> dict[str, dict[str, Any]]:
    """Do what the Test Script of a cell does first, and return what it saves for later."""
    saved: dict[str, dict[str, Any]] = {}
    if cell.command_variant == CV_TRANSFORM or cell.variant in BEFORE:
        return saved
    for step in needs_of(case_of(cell)).setup:
        if "wait" in step:
            await asyncio.sleep(parse(step["wait"], "duration"))
            continue
        variant = step["send"]["service_request"]
        sent = service_request(variant)
        made = Cell(cell.role, variant, 5 if sent.critical else sent.usual_command_variant)
        given = step["send"].get("params")
        answer = await put(made, small, given)
        if "save" in step["send"]:
            assert isinstance(answer, duis.DspResponse)
            saved[step["send"]["save"]] = dict(answer.values)
    return saved


def params_of(
    cell: Cell,
    small: Small,
    more: Mapping[str, Any] | None = None,
    saved: Mapping[str, Mapping[str, Any]] | None = None,
    instead: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The parameters of a request as its Test Script has them, filled in as the bench does."""
    case, parties = case_of(cell), small.world.parties
    given = (
        params.params_of(cell.variant, cell.command_variant, case.role, case.smets, DATA, future=cell.future)
        | needs_of(case).params
    )
    if instead:
        given = dict(instead)
    if not saved:
        given = {name: value for name, value in given.items() if "${saved." not in str(value)}
    return request_params(
        cell.variant,
        given,
        user=parties.users[cell.role],
        target=None if case.target == "dcc" else parties.duts[case.target],
        device=parties.duts[about(cell)],
        parties=parties,
        clock=VirtualClock(small.loop),
        saved=saved or {},
    ) | dict(more or {})


def about(cell: Cell) -> str:
    """The device that a request is about: in these worlds an Other User is asked for the meter, too."""
    return case_of(cell).about if cell.variant.startswith(("8.7", "8.8")) else meter(cell)


# Putting a cell to the DCC


async def ask(cell: Cell) -> None:
    """Put a cell to a world of its own.

    Raises:
        Unanswered: what must come back did not.
    """
    inventory = {meter(cell): STATUSES[cell.variant]} if cell.variant in STATUSES else {}
    world = {"gsme_wake": "60 s", "dual_band": {"devices": ["gsme"]}}
    with small_world(users=tuple(ALL_USERS), more_duts=MORE_DUTS, inventory=inventory, world=world) as small:
        await put(cell, small)


async def put(cell: Cell, small: Small, given: Mapping[str, Any] | None = None) -> duis.Response:
    """Put a cell to this world, with these parameters besides, and return the DCC's own answer.

    Raises:
        Unanswered: what must come back did not.
    """
    request = service_request(cell.variant)
    more = await BEFORE[cell.variant](cell, small) if cell.variant in BEFORE else {}
    sent = params_of(cell, small, more, await set_up(cell, small), given)
    if request.target is Target.DCC:
        answer = small.send(cell.role, cell.variant, DCC, sent)
        if answer.response_code not in ("I0", "I99"):
            raise Unanswered(answer.response_code)
        return answer
    target = ADDRESSES[target_type(cell)]
    before = len(small.posts)
    if not request.critical:
        answer = small.send(cell.role, cell.variant, target, sent, command_variant=cell.command_variant)
    else:
        answer = small.send(cell.role, cell.variant, target, sent, command_variant=CV_TRANSFORM)
        if not isinstance(answer, duis.PreCommand):
            raise Unanswered(f"{answer.response_code} to the transformation")
        if cell.command_variant == CV_TRANSFORM:
            return answer
        assert answer.request_id is not None
        signed = {"gbcs_payload": sign_pre_command(answer.payload, small.world.users[cell.role].signing.private_key)}
        if cell.future:
            signed["execution_date_time"] = sent["execution_date_time"]
        counter = answer.request_id.counter
        answer = small.send(
            cell.role, cell.variant, target, signed, command_variant=cell.command_variant, counter=counter
        )
    assert answer.request_id is not None
    if cell.command_variant in (2, 3, 6, 7):
        _check_local(cell, small, answer)
    elif answer.response_code != "I99":
        raise Unanswered(answer.response_code)
    if cell.command_variant not in (2, 6):
        await _check_posts(cell, small, answer.request_id, before)
    return answer


def _check_local(cell: Cell, small: Small, answer: duis.Response) -> None:
    if not isinstance(answer, duis.LocalCommand):
        raise Unanswered(f"{answer.response_code} in place of a local command")
    if cell.command_variant in (2, 6):
        response = small.world.deliver_locally(answer.payload)
        if response is None:
            raise Unanswered("the device does not answer the hand-held terminal")
        _check(_decoded(response))


async def _check_posts(cell: Cell, small: Small, request_id: RequestId, before: int) -> None:
    began_s = small.loop.time()
    later = AHEAD.total_seconds() if cell.future else 0.0
    critical = service_request(cell.variant).critical
    alerts: set[int] = set()
    answered = False
    seen = before
    while small.loop.time() < began_s + later + WITHIN_S:
        await asyncio.sleep(1.0)
        for post in small.posts[seen:]:
            message = post.message
            if message.request_id != request_id:
                continue
            if isinstance(message, duis.GbcsResponse):
                if cell.future and not critical and post.at_s < began_s + later:
                    raise Unanswered("the response came before its time")
                _check(_decoded(message.payload))
                small.decode(post)
                answered = True
            elif isinstance(message, duis.FutureDatedDeviceAlert):
                if message.alert_code != 0x8F66:
                    raise Unanswered(f"0x{message.alert_code:04X}")
                alerts.add(message.instruction_number)
                if answered and len(alerts) == message.total_instructions:
                    return
            elif isinstance(message, duis.ErrorResponse):
                raise Unanswered(f"{message.response_code} in place of the response")
        seen = len(small.posts)
        if answered and not (cell.future and critical):
            return
    raise Unanswered("no 0x8F66 of the instructions" if answered else "no response")


def _decoded(payload: bytes) -> Response:
    message = Message.parse(payload)
    use_case = use_case_for(message.message_code)
    if use_case is None:
        raise Unanswered(f"message code {message.message_code:04X} is not decoded")
    return use_case.outcome(message.content)


def _check(response: Response) -> None:
    if not response.ok:
        raise Unanswered(f"the device refused: {response.detail}")


def failure(cell: Cell) -> str | None:
    """What is wrong with a cell, in a line; None if it is answered."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        try:
            runner.run(ask(cell))
        except Unanswered as error:
            return str(error)
        except Exception as error:
            first = str(error).partition("\n")[0]
            return f"{type(error).__name__}: {first}"
    return None


def main(variants: Iterable[str]) -> int:
    """Print what is not answered; the exit status says whether there is anything."""
    wanted = tuple(variants)
    cells = [cell for cell in all_cells() if not wanted or cell.variant in wanted]
    missing = 0
    for cell in cells:
        reason = failure(cell)
        missing += reason is not None
        if reason is not None or wanted:
            print(f"{cell!s:28} {reason or 'answered'}")
    print(f"{len(cells) - missing} of {len(cells)} cells are answered")
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
