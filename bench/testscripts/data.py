"""The Test Data Plan: which Users, devices and values the Test Scripts of a Party use on a rig.

Whatever the file does not say follows from the rig: each User by its role, each device by its type, and for the
parameters of each Service Request what `bench.duis.default_params` gives.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from bench import strict_yaml
from bench.ctsd.tables import Role, Smets
from bench.errors import UsageError
from bench.parties import DeviceType
from bench.quantities import SecondsField
from bench.rig.file import Rig
from bench.schema import Part, YesNo


class Firmware(Part):
    """What 11.1 distributes and 11.3 activates.

    Attributes:
        version: as DUIS states it, in hexadecimal.
        image: base64 of the image with its GBCS header.
    """

    version: str = Field(default="00010002", pattern="^[0-9A-Fa-f]{1,8}$")
    image: str = base64.b64encode(b"a firmware image").decode()

    @field_validator("image")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ValueError("this is not base64") from None
        return value

    @property
    def hash(self) -> str:
        """SHA-256 of the image, in hexadecimal."""
        return hashlib.sha256(base64.b64decode(self.image)).hexdigest()


class Windows(Part):
    """How long the Test Scripts wait.

    Attributes:
        dcc: for what the DCC answers by itself.
        mains: for a device that always listens.
        gas: for a GSME, which collects what waits for it when it wakes, about every half hour.
        join: for a device to join the HAN.
        future: how far ahead a future date lies.
        activation: from 11.1 until the image is on the device.
    """

    dcc: SecondsField = 30.0
    mains: SecondsField = 120.0
    gas: SecondsField = 3900.0
    join: SecondsField = 900.0
    future: SecondsField = 1200.0
    activation: SecondsField = 3600.0


class DataPlan(Part):
    """`--data FILE`.

    Attributes:
        users: User Role to the User of the rig that acts in it.
        new_suppliers: IS and GS to the User that takes a device over.
        older_users: User Role to a User whom the DCC has registered with an older version of DUIS (N999).
        other_ids: User Role to another User ID of the Party, which it has not notified to the DCC for SMETS1 (E64).
        devices: "SMETS1" and "SMETS2+" to device type to the device under test.
        local_delivery: whether local commands are delivered, too, by the rig's hand-held terminal; the document asks
            only that the User gets them. So unless said otherwise, where the rig has one.
        windows: how long to wait.
        firmware: of the firmware tests.
        export_mpan: of the ESME's export metering point.
        utrn: a top-up that the meter takes; unless given, the supplier makes one with its key.
        smets1_utrn: a top-up for a SMETS1 meter, to be made into one of its own by the service provider.
        top_up_number: of the first top-up so made; each meter must never have had it, or a higher one.
        post_code: of 12.1.
        address_identifier: of 12.1.
        unknown_device: an EUI-64 that the inventory does not hold.
        params: by Service Reference Variant, or "VARIANT GSME", parameters in place of the defaults.
    """

    users: Mapping[Role, str] = Field(default_factory=dict)
    new_suppliers: Mapping[Literal["IS", "GS"], str] = Field(default_factory=dict)
    older_users: Mapping[Role, str] = Field(default_factory=dict)
    other_ids: Mapping[Role, str] = Field(default_factory=dict)
    devices: Mapping[Smets, Mapping[DeviceType, str]] = Field(default_factory=dict)
    local_delivery: YesNo = False
    windows: Windows = Windows()
    firmware: Firmware = Firmware()
    export_mpan: str = "1312345678111"
    utrn: str | None = None
    smets1_utrn: str = Field(default="10050012345678901234", pattern="^[0-9]{20}$")
    top_up_number: int = Field(default=1, ge=1, le=900_000_000)
    post_code: str = "AB1 2CD"
    address_identifier: str = "1"
    unknown_device: str = "00-DB-12-34-56-FF-FF-FF"
    params: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)

    def user(self, role: Role) -> str:
        """The User that acts in a role.

        Raises:
            UsageError: there is none.
        """
        if role not in self.users:
            raise UsageError(f"the rig has no User in the role {role}")
        return self.users[role]

    def device(self, smets: Smets, kind: DeviceType) -> str:
        """The device under test of a kind.

        Raises:
            UsageError: there is none.
        """
        found = self.devices.get(smets, {}).get(kind)
        if found is None:
            raise UsageError(f"the rig has no {smets} {kind} among its devices under test")
        return found

    def older_user(self, role: Role) -> str:
        """The User of a role whom the DCC has registered with an older version of DUIS.

        Raises:
            UsageError: there is none.
        """
        if role not in self.older_users:
            raise UsageError(f"there is no User of the role {role} whom the DCC has with an older version of DUIS")
        return self.older_users[role]

    def other_id(self, role: Role) -> str:
        """The User ID of a role that its Party has not notified to the DCC for SMETS1.

        Raises:
            UsageError: there is none.
        """
        if role not in self.other_ids:
            raise UsageError(f"there is no second User ID of the role {role} that was not notified for SMETS1")
        return self.other_ids[role]

    def new_supplier(self, role: Role) -> str:
        """The User that takes a device over from this role's.

        Raises:
            UsageError: there is none.
        """
        found = self.new_suppliers.get("GS" if role is Role.GS else "IS")
        if found is None:
            raise UsageError(f"there is no second User of the role {role} to whom a device can go")
        return found


_OLDER, _OTHER = "-OLD", "-OTHER"
"""How the names of Users end whom the DCC has with another version of DUIS, and those not notified for SMETS1."""


def _named(rig: Rig, ending: str) -> dict[Role, str]:
    """Users by the ending of their names."""
    names = [name for name in rig.file.users if name.endswith(ending)]
    return {Role(rig.file.users[name].role): name for name in names if rig.file.users[name].role in list(Role)}


def load_test_data(rig: Rig, path: Path | None = None) -> DataPlan:
    """The Test Data Plan of a rig, from its file and, for what that does not say, from the rig.

    Raises:
        UsageError: the file has mistakes, or names what the rig does not have.
    """
    document = strict_yaml.load(path) if path is not None else None
    given = strict_yaml.build(document, DataPlan) if document is not None else DataPlan()
    users, later = _users(rig)
    devices = _devices(rig)
    merged = given.model_copy(
        update={
            "users": {**users, **given.users},
            "older_users": {**_named(rig, _OLDER), **given.older_users},
            "other_ids": {**_named(rig, _OTHER), **given.other_ids},
            "new_suppliers": {**later, **given.new_suppliers},
            "local_delivery": given.local_delivery
            if "local_delivery" in given.model_fields_set
            else any(section.get("driver") == "hand-held" for section in rig.file.devices.values()),
            "devices": {kind: {**devices[kind], **given.devices.get(kind, {})} for kind in Smets},
        }
    )
    if document is not None:
        _check(rig, given, document)
    return merged


def _users(rig: Rig) -> tuple[dict[Role, str], dict[str, str]]:
    """The first User of each role, and the second of each kind of supplier."""
    users: dict[Role, str] = {}
    later: dict[str, str] = {}
    for name, user in rig.file.users.items():
        if user.role not in list(Role):
            continue
        role = Role(user.role)
        if role not in users:
            users[role] = name
        elif role in (Role.IS, Role.GS) and not name.endswith((_OLDER, _OTHER)):
            later.setdefault(role.value, name)
    return users, later


def _devices(rig: Rig) -> dict[Smets, dict[DeviceType, str]]:
    """The first device of each type; a SMETS1 device is known by the beginning of its name, "s1-"."""
    found: dict[Smets, dict[DeviceType, str]] = {kind: {} for kind in Smets}
    for name, dut in rig.duts.items():
        smets = Smets.SMETS1 if name.startswith("s1-") else Smets.SMETS2
        found[smets].setdefault(dut.type, name)
    return found


def _check(rig: Rig, given: DataPlan, document: strict_yaml.Document) -> None:
    mistakes = []
    named: list[tuple[tuple[str, str], str]] = [(("users", role), name) for role, name in given.users.items()]
    named += [(("new_suppliers", role), name) for role, name in given.new_suppliers.items()]
    named += [(("older_users", role), name) for role, name in given.older_users.items()]
    named += [(("other_ids", role), name) for role, name in given.other_ids.items()]
    for at, name in named:
        if name not in rig.file.users:
            mistakes.append(f"{document.where(at)}: the rig has no User {name!r}; it has {', '.join(rig.file.users)}")
    for smets, devices in given.devices.items():
        for kind, name in devices.items():
            where = document.where(("devices", smets, kind))
            if name not in rig.duts:
                mistakes.append(f"{where}: the rig has no device under test {name!r}; it has {', '.join(rig.duts)}")
            elif rig.duts[name].type is not kind:
                mistakes.append(f"{where}: {name} is a {rig.duts[name].type}")
    if mistakes:
        raise UsageError("\n".join(mistakes))
