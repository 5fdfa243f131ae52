"""What clients may ask an engine without changing anything: the rig, plans, forms, messages and evidence."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import capabilities
from bench.capabilities import Console, can
from bench.duis.bodies import body_of
from bench.duis.service_requests import all_service_requests, service_request
from bench.duis.shapes import Flag, Group, Leaf, Repeat, leaves, needed
from bench.duis.values import Kind
from bench.errors import BenchError, UsageError
from bench.evidence.keys import BenchKey
from bench.parties import dut_summary
from bench.planner import plan
from bench.request_params import request_params
from bench.rig.session import RigSession
from bench.runbook import find_runbook, load_runbook
from bench.safety import describe as describe_action
from bench.service import nights, rooms
from bench.service.clients import Client
from bench.service.commands import Command
from bench.service.jobs import plan_for_clients
from bench.service.originals import Originals

_CAPABILITIES = ("AcSource", "Switch", "Measures", "CommsHub", "Console", "HanSniffer", "DccGateway")


class Questions:
    """Answers them.

    Args:
        session: the rig.
        out: the folder of its evidence.
        key: this bench's own, which it believes.
        originals: messages as they came.
        nights_folder: of the nights of campaigns.

    Attributes:
        commands: what may be asked; all of it takes a while, and keeps nobody else waiting.
    """

    def __init__(
        self, session: RigSession, out: Path, key: BenchKey, originals: Originals, nights_folder: Path
    ) -> None:
        self._session, self._out, self._key, self._originals = session, out, key, originals
        self._nights = nights_folder
        self.commands: dict[str, Command] = {
            "describe": self._describe,
            "runbooks": self._runbooks,
            "plan": self._plan,
            "requests": self._requests,
            "form": self._form,
            "raw": self._raw,
            "bundles": self._bundles,
            "bundle": self._bundle,
            "verify": self._verify,
            "nights": self._list_nights,
            "night": self._night,
        }

    async def _describe(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        session, rig = self._session, self._session.rig
        file, limits = rig.file, rig.file.limits
        return {
            "rig": rig.name,
            "title": file.title,
            "file": str(rig.document.path.absolute()),
            "supply": file.supply.model_dump(),
            "limits": {
                "lowest_v": limits.voltage.min,
                "highest_v": limits.voltage.max,
                "lowest_hz": limits.frequency.min,
                "highest_hz": limits.frequency.max,
                "highest_a": limits.current,
                "slope_v_per_s": limits.slope,
                "outage_s": limits.outage,
            },
            "devices": [
                {
                    "name": name,
                    "driver": str(file.devices[name]["driver"]),
                    "address": ", ".join(driver.resources()),
                    "can": [each for each in _CAPABILITIES if can(driver, getattr(capabilities, each))],
                    "commands": list(driver.commands()) if can(driver, Console) else [],
                }
                for name, driver in session.drivers.items()
            ],
            "duts": dut_summary(rig.duts),
            "dcc": str(file.dcc),
            "users": {name: {"role": user.role, "id": str(user.id)} for name, user in file.users.items()},
            "monitors": [f"{each.device} {each.quantity}" for each in file.monitors],
            "park": [f"{action.device} {describe_action(action)}" for action in file.park.actions],
            "safe": [f"{action.device} {describe_action(action)}" for action in file.safe.actions],
            "protection": list(file.protection),
            "evidence": str(self._out.absolute()),
        }

    async def _runbooks(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"runbooks": await asyncio.to_thread(_list_runbooks)}

    async def _plan(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        names = message.get("runbooks")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise UsageError("runbooks is no list of names", next_step='Send {"do": "plan", "runbooks": ["ic02"]}')

        def make() -> list[dict[str, Any]]:
            plans = [plan(self._session.rig, load_runbook(find_runbook(name))) for name in names]
            return [plan_for_clients(each) for each in plans]

        return {"plans": await asyncio.to_thread(make)}

    async def _requests(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "requests": [
                {"variant": each.variant, "name": each.name, "target": each.target, "device_types": each.device_types}
                for each in all_service_requests().values()
            ]
        }

    async def _form(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        request = service_request(str(message.get("service_request")))
        body = body_of(request.variant)
        fields = [_field(item) for item in leaves(body.shape)] if body is not None else []
        return {
            "variant": request.variant,
            "name": request.name,
            "target": request.target,
            "critical": request.critical,
            "device_types": request.device_types,
            "filled": self._filled(request.variant, message),
            "fields": fields,
        }

    def _filled(self, variant: str, message: Mapping[str, Any]) -> list[str]:
        """Parameters that the rig itself fills in for this User and these devices."""
        parties = self._session.parties
        user = parties.users.get(str(message.get("as"))) or next(iter(parties.users.values()))
        target, device = (parties.duts.get(str(message.get(name))) for name in ("to", "device"))
        try:
            known = request_params(
                variant,
                {},
                user=user,
                target=target,
                device=device,
                parties=parties,
                clock=self._session.clock,
                saved={},
            )
        except BenchError:
            return []
        return list(known)

    async def _raw(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"wire": self._originals.of(message.get("n"))}

    async def _bundles(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "folder": str(self._out.absolute()),
            "bundles": await asyncio.to_thread(rooms.list_bundles, self._out),
        }

    async def _bundle(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        folder = self._bundle_folder(message)
        return await asyncio.to_thread(rooms.describe_bundle, folder.parent, folder.name)

    def _bundle_folder(self, message: Mapping[str, Any]) -> Path:
        name, out = message.get("bundle"), self._out
        if message.get("night") is not None:
            out = nights.folder_of_run(nights.night_folder(self._nights, message["night"]), out, name)
        return rooms.bundle_folder(out, name)

    async def _list_nights(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        found = await asyncio.to_thread(nights.list_nights, self._nights)
        return {"folder": str(self._nights.absolute()), "nights": found}

    async def _night(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        night = nights.night_folder(self._nights, message.get("night"))
        return await asyncio.to_thread(nights.describe_night, night)

    async def _verify(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Verify in a process of its own: a long journal must not hold the engine's loop up."""
        folder = self._bundle_folder(message)
        command = ("verify", str(folder), "--json", "--trust", self._key.fingerprint)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.cli",
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            said, complaint = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        try:
            report: dict[str, Any] = json.loads(said)[0]
        except (ValueError, IndexError, KeyError):
            raise BenchError(f"the evidence cannot be verified: {complaint.decode(errors='replace')}") from None
        return report


def _list_runbooks(folder: Path = Path("runbooks")) -> list[dict[str, str]]:
    found = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            runbook = load_runbook(path)
            found.append({"name": runbook.name, "title": runbook.title, "error": ""})
        except BenchError as error:
            found.append({"name": path.stem, "title": "", "error": str(error)})
    return found


def _field(item: Leaf | Flag | Repeat | Group) -> dict[str, Any]:
    """One parameter, for a form."""
    field = {"key": item.key, "required": needed(item), "default": None, "secret": False}
    if isinstance(item, Flag):
        return field | {"kind": "flag", "expected": "true or false"}
    if isinstance(item, Group):
        return field | {"kind": "mapping", "expected": _keys(item.items, "a mapping")}
    if isinstance(item, Repeat):
        inside = item.content.expected if isinstance(item.content, Kind) else _keys(item.content, "mappings")
        default = len(item.default) or None
        amount = f"a list of {item.minimum} to {item.maximum}: "
        return field | {"kind": "list", "expected": amount + inside, "default": default and f"{default} entries"}
    shown = None if item.secret or item.default is None else str(item.default)
    return field | {"kind": "value", "expected": item.kind.expected, "default": shown, "secret": item.secret}


def _keys(items: Any, what: str) -> str:
    return f"{what} with {', '.join(each.key for each in leaves(items))}"
