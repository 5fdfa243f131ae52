"""Every cell of the Common Test Scenarios' tables (SEC Appendix R, 8.1.5) put to an emulated DCC and its devices.

`python -m tests.emulated.cells [VARIANT ...]` prints what is not answered yet, and why.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from bench.duis import responses as duis
from bench.duis.default_params import default_params, needed_params
from bench.duis.request_id import RequestId
from bench.duis.service_requests import CV_TRANSFORM, SIGNED_VARIANTS, Target, service_request
from bench.eui import Eui64
from bench.gbcs import utrn
from bench.gbcs.crypto import sign_pre_command
from bench.gbcs.message import Message
from bench.gbcs.use_cases import Response, use_case_for
from bench.parties import DeviceType, Dut, KeyUse
from bench.virtual_time import VirtualLoop
from tests.emulated.worlds import ALL_USERS, CHF, CODES, DCC, DUTS, ESME, GPF, GSME, Small, small_world

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
IMAGE, VERSION = b"a firmware image", "00010002"


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
    table = json.loads((Path(__file__).parents[1] / "duis" / "ctsd_cells.json").read_text("utf-8"))
    return [
        Cell(role, variant, int(cell[0]), cell.endswith("F"))
        for role, variants in table.items()
        for variant, cells in variants.items()
        for cell in cells.split()
    ]


def target_type(cell: Cell) -> str:
    """What a request goes to: the device of the role's fuel where the variant serves it."""
    known = service_request(cell.variant).device_types
    if cell.variant in ONLY:
        return ONLY[cell.variant]
    gas = ("GSME", "GPF", "CHF", "ESME", "PPMID", "HCALCS")
    order = gas if cell.role in GAS_ROLES else ("ESME", "CHF", "GPF", "GSME", "PPMID", "HCALCS")
    return next(kind for kind in order if kind in known or not known)


ONLY = {"6.21": "GPF", "8.12.2": "GPF", "8.12.1": "CHF", "8.9": "CHF", "6.28": "CHF"}
"""Variants whose typical target is another device than the meter."""


def meter(cell: Cell) -> str:
    """The meter of the role's fuel, by its name on the rig."""
    return "gsme" if cell.role in GAS_ROLES else "esme"


# What a cell needs beyond the defaults, by Service Reference Variant.

STATUSES = {
    "8.1.1": "InstalledNotCommissioned",
    "8.4": "InstalledNotCommissioned",
    "8.11": "Pending",
    "12.2": "unknown",
}
"""The status of the role's meter before the request, where it is not Commissioned."""


def _der(small: Small, user: str, use: str) -> bytes:
    pair = getattr(small.world.users[user], use)
    der = pair.certificate.public_bytes(Encoding.DER)
    assert isinstance(der, bytes)
    return der


def top_up(small: Small, role: str, name: str, pence: int = 1000, number: int = 1, pounds: bool = False) -> str:
    """A UTRN of a supplier for a meter; `number` rises from one to the next."""
    supplier, device = small.world.users[role], DUTS[name].eui
    own = small.world.surroundings.identities.device(device, KeyUse.KEY_AGREEMENT).private_key.public_key()
    return utrn.issue(pence, number, supplier.agreement.private_key, own, supplier.eui, device, pounds=pounds)


def known_to_the_caller(cell: Cell, small: Small) -> dict[str, Any]:
    """What no default can say, by the names of parameters."""
    own = DUTS[meter(cell)]
    signing = _der(small, cell.role, "signing")
    return {
        "certificate": [signing],
        "device_certificate": signing,
        "device_id": own.eui,
        "device_id_list": [own.eui],
        "device_manufacturer": own.manufacturer,
        "device_model": own.model,
        "device_type": own.type.value,
        "digital_signing_certificate": signing,
        "export_mpan": "1312345678111",
        "firmware_hash": hashlib.sha256(IMAGE).digest(),
        "firmware_image": IMAGE,
        "firmware_version": VERSION,
        "import_mpan": "1012345678901",
        "import_mprn": "7412345604",
        "import_mpxn": own.mpxn,
        "install_code": CODES[meter(cell)],
        "key_agreement_certificate": _der(small, cell.role, "agreement"),
        "mpxn": own.mpxn,
        "old_chf_id": CHF,
        "old_gpf_id": GPF,
        "other_device_id": GPF if cell.role in GAS_ROLES else PPMID,
        "utrn": top_up(small, cell.role, meter(cell)),
    }


def _export_schedule(cell: Cell, small: Small) -> dict[str, Any]:
    """An export supplier reads export only."""
    if cell.role != "ES":
        return {}
    return {
        "dsp_scheduled_service_reference": "4.6",
        "dsp_scheduled_service_reference_variant": "4.6.2",
        "dsp_retrieve_export_daily_read_log": {},
    }


def _own_credentials(cell: Cell, small: Small) -> dict[str, Any]:
    """A User replaces its own credentials, by themselves where it has no others."""
    supplier = cell.role in ("IS", "GS", "ES")
    return {
        "remote_party_role": "Supplier" if supplier else "NetworkOperator",
        "digital_signing_certificate": _der(small, cell.role, "signing"),
        "key_agreement_certificate": _der(small, cell.role, "agreement"),
    }


INSTEAD: Mapping[str, Callable[[Cell, Small], dict[str, Any]]] = {
    "5.1": _export_schedule,
    "6.15.1": _own_credentials,
    "6.20.1": lambda cell, small: {"import_mprn": "7412345604"} if cell.role in GAS_ROLES else {},
    "6.22": lambda cell, small: {"electricity_network_operator_alerts": {}} if cell.role == "ED" else {},
    "8.2": lambda cell, small: {"device_id": DUTS[meter(cell)].eui},
    **dict.fromkeys(("8.14.1", "8.14.2", "8.14.3", "8.14.4"), lambda cell, small: {"device_id": CHF}),
    "8.11": lambda cell, small: {"install_code": CODES[meter(cell)]},
    "12.1": lambda cell, small: {"post_code": "AB1 2CD", "address_identifier": "1"},
}
"""More parameters, and others than the defaults; what takes the place of a choice's branch leaves the default out."""

INSTEAD_OF = {
    "5.1": ("dsp_read_active_import_profile_data",),
    "6.20.1": ("import_mpan",),
    "6.22": ("electricity_supplier_alerts",),
    "8.2": ("uprn",),
    "12.1": ("uprn",),
}
"""Parameters that `INSTEAD` takes the place of, where it gives any."""


async def _disable(cell: Cell, small: Small) -> dict[str, Any]:
    await put(Cell(cell.role, "7.2", 5), small)
    return {}


async def _prepay(cell: Cell, small: Small) -> dict[str, Any]:
    """A meter without credit has emergency credit to offer."""
    prepayment = {"suspend_debt_disabled": False, "suspend_debt_emergency": False, "disablement_threshold": 0}
    response = await small.ask(cell.role, "1.6", DUTS[meter(cell)].eui, prepayment)
    if not response.ok:
        raise Unanswered(f"1.6 before it: {response.detail}")
    return {}


async def _schedule(cell: Cell, small: Small) -> dict[str, Any]:
    made = small.send(cell.role, "5.1", DCC, params_of(Cell(cell.role, "5.1", 8), small))
    if made.response_code != "I0":
        raise Unanswered(f"5.1 before it: {made.response_code}")
    assert isinstance(made, duis.DspResponse)
    return dict(made.values)


async def _local_response(cell: Cell, small: Small) -> dict[str, Any]:
    local = small.send(cell.role, "7.4", DUTS[meter(cell)].eui, command_variant=2)
    if not isinstance(local, duis.LocalCommand):
        raise Unanswered(f"7.4 CV2 before it: {local.response_code}")
    response = small.world.deliver_locally(local.payload)
    if response is None:
        raise Unanswered("7.4 CV2 before it: the device does not answer the hand-held terminal")
    return {"device_gbcs_response": response, "original_request_id": local.request_id}


async def _image(cell: Cell, small: Small) -> dict[str, Any]:
    given = small.send(cell.role, "11.1", DCC, params_of(Cell(cell.role, "11.1", 8), small))
    if given.response_code not in ("I0", "I99"):
        raise Unanswered(f"11.1 before it: {given.response_code}")
    await asyncio.sleep(3600)
    return {}


async def _new_key(cell: Cell, small: Small) -> dict[str, Any]:
    """Have the device make a new key, and its certificate made."""
    target = ADDRESSES[target_type(cell)]
    response = await small.ask(cell.role, "6.17", target)
    if not response.ok:
        raise Unanswered(f"6.17 before it: {response.detail}")
    request = response.values["certification_request"]
    return {"device_certificate": small.world.surroundings.identities.certify(request)}


BEFORE: Mapping[str, Callable[[Cell, Small], Awaitable[dict[str, Any]]]] = {
    "5.2": _schedule,
    "5.3": _schedule,
    "6.15.2": _new_key,
    "2.5": _prepay,
    "7.3": _disable,
    "8.13": _local_response,
    "11.3": _image,
}
"""What has to be done before a request, and parameters that come from it."""


def params_of(cell: Cell, small: Small, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The parameters of a request as somebody would send it who knows the devices and not much of DUIS."""
    variant = service_request(cell.variant)
    command_variant = CV_TRANSFORM if cell.command_variant in SIGNED_VARIANTS else cell.command_variant
    now = small.world.mail.now
    gas = cell.role in GAS_ROLES
    params = default_params(
        cell.variant,
        command_variant,
        future=now + AHEAD if cell.future else None,
        now=now,
        device_type="GSME" if gas and "GSME" in variant.device_types else None,
    )
    known = known_to_the_caller(cell, small)
    needed = needed_params(cell.variant, command_variant)
    params |= {name: known[name] for name in needed if name in known and name not in params}
    instead = INSTEAD[cell.variant](cell, small) if cell.variant in INSTEAD else {}
    if instead:
        params = {name: each for name, each in params.items() if name not in INSTEAD_OF.get(cell.variant, ())}
    return params | instead | dict(more or {})


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


async def put(cell: Cell, small: Small) -> None:
    """Put a cell to this world.

    Raises:
        Unanswered: what must come back did not.
    """
    request = service_request(cell.variant)
    more = await BEFORE[cell.variant](cell, small) if cell.variant in BEFORE else {}
    params = params_of(cell, small, more)
    if request.target is Target.DCC:
        answer = small.send(cell.role, cell.variant, DCC, params)
        if answer.response_code not in ("I0", "I99"):
            raise Unanswered(answer.response_code)
        return
    target = ADDRESSES[target_type(cell)]
    before = len(small.posts)
    if not request.critical:
        answer = small.send(cell.role, cell.variant, target, params, command_variant=cell.command_variant)
    else:
        answer = small.send(cell.role, cell.variant, target, params, command_variant=CV_TRANSFORM)
        if not isinstance(answer, duis.PreCommand):
            raise Unanswered(f"{answer.response_code} to the transformation")
        if cell.command_variant == CV_TRANSFORM:
            return
        assert answer.request_id is not None
        signed = {"gbcs_payload": sign_pre_command(answer.payload, small.world.users[cell.role].signing.private_key)}
        if cell.future:
            signed["execution_date_time"] = params["execution_date_time"]
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
