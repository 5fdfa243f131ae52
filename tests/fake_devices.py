"""Drivers without a wire: each does what a test tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.capabilities import Edge, EdgeKind, Exchange, HubState, Measurement, SourceState, TimedBy
from bench.device import DeviceContext, Driver, DriverConfig
from bench.errors import DeviceLost, UsageError
from bench.eui import Eui64


class Fake(Driver[DriverConfig]):
    """What every fake driver can be told.

    Attributes:
        calls: (seconds, verb, arguments) of every verb that was begun.
        blocks: verbs that never return.
        raises: verb to what it raises.
        ignores: verbs that return as if they had worked, and change nothing.
    """

    Config = DriverConfig

    def __init__(self, context: DeviceContext) -> None:
        super().__init__(context, DriverConfig())
        self.calls: list[tuple[float, str, tuple[Any, ...]]] = []
        self.blocks: set[str] = set()
        self.raises: dict[str, Exception] = {}
        self.ignores: set[str] = set()
        self.closed = 0

    async def connect(self) -> None:
        await self.begin("connect")

    async def close(self) -> None:
        self.closed += 1

    def lose(self, *verbs: str) -> None:
        """From now on these verbs find the device gone."""
        self.raises |= dict.fromkeys(verbs, DeviceLost(f"{self.name} does not answer"))

    async def begin(self, verb: str, *arguments: Any) -> bool:
        """Note a verb, and do as told; returns whether it is to take effect."""
        self.calls.append((asyncio.get_running_loop().time(), verb, arguments))
        if verb in self.blocks:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0)
        if verb in self.raises:
            raise self.raises[verb]
        return verb not in self.ignores

    def verbs(self) -> list[str]:
        """Names of the verbs that were begun."""
        return [verb for _, verb, _ in self.calls]

    def when(self, verb: str) -> float:
        """When a verb was begun for the last time, in seconds."""
        return next(at for at, name, _ in reversed(self.calls) if name == verb)

    def edge(self, kind: EdgeKind, volts: float) -> Edge:
        return Edge(kind, volts, self.context.clock.now(), 1_000_000, TimedBy.BENCH)


class FakeSource(Fake):
    """An AC source; it begins on, at 230 V."""

    def __init__(self, context: DeviceContext) -> None:
        super().__init__(context)
        self.on, self.volts, self.hertz = True, 230.0, 50.0

    async def output(self, on: bool) -> Edge:
        if await self.begin("output", on):
            self.on = on
        return self.edge(EdgeKind.RESTORE if on else EdgeKind.FALL, self.volts if on else 0.0)

    async def set_voltage(self, volts: float) -> Edge:
        if await self.begin("set_voltage", volts):
            self.volts = volts
        return self.edge(EdgeKind.SET, volts)

    async def set_frequency(self, hertz: float) -> None:
        if await self.begin("set_frequency", hertz):
            self.hertz = hertz

    async def ramp(self, volts: float, volts_per_second: float) -> Sequence[Edge]:
        await self.begin("ramp", volts, volts_per_second)
        await asyncio.sleep(abs(volts - self.volts) / volts_per_second)
        self.volts = volts
        return (self.edge(EdgeKind.SET, volts),)

    async def excursion(self, volts: float, duration_s: float) -> Sequence[Edge]:
        await self.begin("excursion", volts, duration_s)
        before, self.volts = self.volts, volts
        first = self.edge(EdgeKind.SET, volts)
        await asyncio.sleep(duration_s)
        self.volts = before
        return first, self.edge(EdgeKind.SET, before)

    async def interrupt(self, duration_s: float) -> Sequence[Edge]:
        await self.begin("interrupt", duration_s)
        self.on = False
        fall = self.edge(EdgeKind.FALL, 0.0)
        await asyncio.sleep(duration_s)
        self.on = True
        return fall, self.edge(EdgeKind.RESTORE, self.volts)

    async def read_state(self) -> SourceState:
        await self.begin("read_state")
        return SourceState(self.on, self.volts, self.hertz, self.volts if self.on else 0.0)

    async def make_safe(self) -> None:
        if await self.begin("make_safe"):
            self.on = False


class FakeRelay(Fake):
    """A relay; it begins closed."""

    def __init__(self, context: DeviceContext) -> None:
        super().__init__(context)
        self.contact = True

    async def switch(self, closed: bool) -> Edge:
        if await self.begin("switch", closed):
            self.contact = closed
        return self.edge(EdgeKind.RESTORE if closed else EdgeKind.FALL, float("nan") if closed else 0.0)

    async def is_closed(self) -> bool:
        await self.begin("is_closed")
        return self.contact


class FakeMeter(Fake):
    """A reference meter behind source and relay; `reads` overrules what it would see."""

    def __init__(self, context: DeviceContext, source: FakeSource, relay: FakeRelay) -> None:
        super().__init__(context)
        self._source, self._relay = source, relay
        self.reads: float | None = None

    async def measure(self, quantity: str) -> Measurement:
        await self.begin("measure", quantity)
        volts = self._source.volts if self._source.on and self._relay.contact else 0.0
        value = volts if self.reads is None else self.reads
        return Measurement(quantity, value, "V", self.context.clock.now())


class FakeGateway(Fake):
    """The DCC: answers I0 after a second, unless told otherwise with `on`.

    Attributes:
        requests: (User, variant, target, parameters) of every request.
        inventory: status by device under test; one that is missing is absent.
        sync_codes: synchronous response code by variant.
    """

    def __init__(self, context: DeviceContext) -> None:
        super().__init__(context)
        self.requests: list[tuple[str, str, Eui64, dict[str, Any]]] = []
        self.inventory = {"esme": "Commissioned", "chf": "Commissioned"}
        self.inventory_changes: dict[str, Any] = {}
        self.sync_codes: dict[str, str] = {}
        self._scripts: dict[str, list[tuple[float, Callable[[str, str], None]]]] = {}
        self._number = 1000

    def on(self, variant: str, after_s: float, act: Callable[[str, str], None] | None = None) -> None:
        """Do something (given User and RequestID) after each request of this variant instead of answering I0."""
        script = self._scripts.setdefault(variant, [])
        if act is not None:
            script.append((after_s, act))

    def local_command(self, digest: str) -> bytes:
        raise UsageError(f"no local command {digest}")

    async def request(
        self,
        user: str,
        service_request: str,
        target: Eui64,
        params: Mapping[str, Any],
        command_variant: int | None = None,
    ) -> Exchange:
        self.requests.append((user, service_request, target, dict(params)))
        sent = self.context.clock.now()
        await self.begin("request", service_request)
        await asyncio.sleep(0.1)
        self._number += 1
        request_id = f"{user}:{service_request}:{self._number}"
        code = self.sync_codes.get(service_request, "I0")
        if service_request == "8.2":
            self._answer_inventory(user, request_id, code, params)
        else:
            loop = asyncio.get_running_loop()
            for after_s, act in self._scripts.get(service_request, [(1.0, self.answer)]):
                loop.call_later(after_s, act, user, request_id)
        return Exchange(request_id, code, sent, self.context.clock.now())

    def _answer_inventory(self, user: str, request_id: str, code: str, params: Mapping[str, Any]) -> None:
        duts = self.context.parties.duts.values()
        device = next(dut for dut in duts if dut.eui == params["device_id"])
        known = self.inventory.get(device.name)
        devices = [{"device_id": str(device.eui), "status": known}] if known else []
        values = {"values": {"devices": devices}} | self.inventory_changes
        if values.get("seen", True):
            self.answer(user, request_id, code=code, gbcs=None, synchronous=True, **values)

    def answer(self, user: str, request_id: str, *, code: str = "I0", **changes: Any) -> None:
        """A response, sound but for the changes."""
        self._number += 1
        data = {
            "user": user,
            "request_id": request_id,
            "service_request": request_id.split(":")[1],
            "response_code": code,
            "synchronous": False,
            "device": str(self.context.parties.duts["esme"].eui),
            "signature": "valid",
            "digest": f"digest {self._number}",
            "gbcs": {"ok": True, "values": {}},
        }
        self.context.emit("seen.response", data | changes)

    def alert(self, code: str = "0x8F35", *, user: str = "ED", device: str = "esme", **changes: Any) -> dict[str, Any]:
        """A Device Alert, sound but for the changes; returns its data, to be delivered again."""
        self._number += 1
        data = {
            "user": user,
            "device": str(self.context.parties.duts[device].eui),
            "code": code,
            "counter": self._number,
            "device_time_utc_ns": self.context.clock.now().utc_ns,
            "values": {},
            "signature": "valid",
            "digest": f"digest {self._number}",
        } | changes
        self.context.emit("seen.device_alert", data)
        return data

    def dcc_alert(self, code: str, *, user: str = "ED", for_request: str | None = None, **changes: Any) -> None:
        """A DCC Alert, sound but for the changes."""
        self._number += 1
        data = {"user": user, "code": code, "for_request": for_request, "device": None, "values": {}}
        self.context.emit("seen.dcc_alert", data | {"signature": "valid", "digest": f"digest {self._number}"} | changes)


class FakeWitness(Fake):
    """Somebody who sees; `sees` is whether now, `missed` how often not."""

    def __init__(self, context: DeviceContext) -> None:
        super().__init__(context)
        self.sees = True
        self.missed = 0

    def can_see(self) -> bool:
        return self.sees

    def gaps(self) -> int:
        return self.missed


class FakeHub(FakeWitness):
    """A Comms Hub monitor."""

    def __init__(self, context: DeviceContext) -> None:
        super().__init__(context)
        self.state: dict[str, str | None] = {"power": None, "wan": None, "han": None}

    def hub_state(self) -> HubState:
        return HubState()

    def says(self, **states: str) -> None:
        """News of the hub, part by part."""
        for part, state in states.items():
            self.state |= {part: state}
            self.context.emit("seen.hub", self.state | {"leds": {}, "changed": part, "retained": False})


class FakeSniffer(FakeWitness):
    """A HAN sniffer."""

    async def listen(self, channel: int) -> None:
        await self.begin("listen", channel)

    def join(self, device: str = "esme") -> None:
        """A join on the air."""
        eui = str(self.context.parties.duts[device].eui)
        self.context.emit("seen.han", {"stage": "join", "device": eui, "short_address": 1, "device_us": 0})


class FakeConsole(Fake):
    """A console; `answers` by command."""

    def __init__(self, context: DeviceContext) -> None:
        super().__init__(context)
        self.answers: dict[str, dict[str, str]] = {}

    def commands(self) -> Sequence[str]:
        return list(self.answers)

    async def ask(self, command: str, arguments: Mapping[str, str]) -> Mapping[str, str]:
        await self.begin("ask", command, dict(arguments))
        return self.answers[command]
