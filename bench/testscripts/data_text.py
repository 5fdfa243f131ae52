"""The whole Test Data Plan as a file: what follows from the rig, and the parameters of every Service Request."""

from __future__ import annotations

from typing import Any

from bench.ctsd.tables import Role, Smets, cells
from bench.duis.service_requests import SIGNED_VARIANTS, service_request
from bench.testscripts.data import DataPlan
from bench.testscripts.params import GAS, params_of
from bench.testscripts.scripts import as_yaml


def data_text(data: DataPlan, rig: str) -> str:
    """The plan as YAML: given back with `--data`, it means the same."""
    tree: dict[str, Any] = {
        "users": {role.value: name for role, name in data.users.items()},
        "new_suppliers": dict(data.new_suppliers),
        "older_users": {role.value: name for role, name in data.older_users.items()},
        "other_ids": {role.value: name for role, name in data.other_ids.items()},
        "devices": {
            smets.value: {kind.value: name for kind, name in devices.items()}
            for smets, devices in data.devices.items()
            if devices
        },
        "local_delivery": "yes" if data.local_delivery else "no",
        "windows": data.windows.model_dump(),
        "firmware": {"version": data.firmware.version, "image": data.firmware.image},
        "export_mpan": data.export_mpan,
        "utrn": data.utrn,
        "smets1_utrn": data.smets1_utrn,
        "top_up_number": str(data.top_up_number),
        "post_code": data.post_code,
        "address_identifier": data.address_identifier,
        "unknown_device": data.unknown_device,
        "params": _params(data),
    }
    kept = {name: value for name, value in tree.items() if value}
    return f"# Test Data Plan for the rig {rig}: what the Test Scripts send, and whom they send it as.\n{as_yaml(kept)}"


def _params(data: DataPlan) -> dict[str, dict[str, Any]]:
    """What each variant states that is the same for every role: references to the rig's facts stay out."""
    found: dict[str, dict[str, Any]] = {}
    for role in Role:
        if role not in data.users:
            continue
        for cell in cells(role):
            gas = role in GAS and "GSME" in service_request(cell.variant).device_types
            name = f"{cell.variant} GSME" if gas else cell.variant
            if name in found:
                continue
            sent = 4 if cell.column.command_variant in SIGNED_VARIANTS else cell.column.command_variant
            params = params_of(cell.variant, sent, role, Smets.SMETS2, data)
            found[name] = {key: value for key, value in params.items() if "${" not in str(value)}
    own = ("post_code", "address_identifier", "utrn", "export_mpan")
    kept = {name: {k: v for k, v in params.items() if k not in own} for name, params in found.items()}
    firmware = ("firmware_image", "firmware_version", "firmware_hash", "remote_party_role")
    return {
        name: rest
        for name, params in sorted(kept.items(), key=lambda item: _number(item[0]))
        if (rest := {key: value for key, value in params.items() if key not in firmware})
    }


def _number(name: str) -> tuple[list[int], str]:
    variant, _, rest = name.partition(" ")
    return [int(part) for part in variant.split(".")], rest
