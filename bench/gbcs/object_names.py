"""What COSEM objects, ZigBee clusters, their attributes and commands are called; the data are in object_names.json.

An object that is not named there is shown by its number. `access_lists.json` says what each use case asks for, in
order: a DLMS response does not repeat it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from bench.gbcs.dlms import Target

_METHOD = "action"


@dataclass(frozen=True, slots=True)
class Listed:
    """One access of a use case.

    Attributes:
        verb: get, set, action or get selected.
        target: class, logical name and attribute or method number, as `Target` prints them.
    """

    verb: str
    target: str

    def describe(self) -> str:
        """Return the name of what is accessed; empty where it has none."""
        class_id, obis, index = self.target.split("/")
        return describe(Target(int(class_id), obis, int(index)), method=self.verb == _METHOD)


@cache
def _data() -> Any:
    return json.loads((files("bench.gbcs") / "object_names.json").read_text(encoding="utf-8"))


def object_name(obis: str) -> str:
    """Return what the object of a logical name is called; empty where it has no name here."""
    name: str = _data()["objects"].get(obis, "")
    return name


def describe(target: Target, *, method: bool = False) -> str:
    """Return object, class and attribute or method in words, as far as they are known."""
    row = _data()["classes"].get(str(target.class_id), {})
    parts = row.get("methods" if method else "attributes", {})
    part = parts.get(str(target.index), f"{'method' if method else 'attribute'} {target.index}")
    name = object_name(target.obis) or row.get("name", "")
    return f"{name}: {part}" if name else ""


@cache
def _access_lists() -> Mapping[int, tuple[Listed, ...]]:
    rows = json.loads((files("bench.gbcs") / "access_lists.json").read_text(encoding="utf-8"))
    return {int(code, 16): tuple(Listed(*entry.rsplit(" ", 1)) for entry in entries) for code, entries in rows.items()}


def access_list(message_code: int) -> tuple[Listed, ...]:
    """Return what the use case of a message code asks for; empty where it is not known, or differs by command."""
    return _access_lists().get(message_code, ())


def cluster_name(cluster: int) -> str:
    """Return what a ZigBee cluster is called; empty where it has no name here."""
    name: str = _data()["clusters"].get(f"{cluster:04X}", {}).get("name", "")
    return name


def attribute_name(cluster: int, attribute: int) -> str:
    """Return what an attribute of a cluster is called; empty where it has no name here."""
    name: str = _data()["clusters"].get(f"{cluster:04X}", {}).get("attributes", {}).get(f"{attribute:04X}", "")
    return name


def command_name(cluster: int, frame_control: int, command: int) -> str:
    """Return what a ZigBee command is called; empty where it has no name here.

    Args:
        cluster: cluster id.
        frame_control: bit 0 says that the command is of the cluster, bit 3 that it comes from the server.
        command: command id.
    """
    if frame_control & 0x03 == 0:
        name: str = _data()["general_commands"].get(f"{command:02X}", "")
        return name
    way = "from_server" if frame_control & 0x08 else "to_server"
    specific: str = _data()["clusters"].get(f"{cluster:04X}", {}).get(way, {}).get(f"{command:02X}", "")
    return specific


def zcl_status_name(status: int) -> str:
    """Return what a ZCL status means; empty where it has no name here."""
    name: str = _data()["zcl_statuses"].get(f"{status:02X}", "")
    return name
