"""What the supply path reads just now, for those who watch a rig: also between runs, when nothing else reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from bench.capabilities import AcSource, Measures, Switch, can
from bench.errors import BenchError
from bench.rig.session import RigSession

EVERY_S = 1.0


class Live:
    """Reads source, relay and reference meter once a second while somebody watches.

    It changes nothing and is no evidence: what a run measures are its monitors' events. While a run goes on only
    what its monitors do not read is read, by exchanges that no verb has to wait for longer than one of them takes.

    Args:
        session: the rig.
        wanted: whether anybody watches.
        running: whether a run goes on.
        tell: sends a message to those who watch.
    """

    def __init__(
        self,
        session: RigSession,
        wanted: Callable[[], bool],
        running: Callable[[], bool],
        tell: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._session, self._wanted, self._running, self._tell = session, wanted, running, tell
        self._somebody = asyncio.Event()

    def begin(self) -> None:
        """Somebody watches."""
        self._somebody.set()

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self._somebody.wait()
            while self._wanted():
                self._tell(await self._read())
                await self._session.clock.sleep(EVERY_S)
            self._somebody.clear()

    async def _read(self) -> dict[str, Any]:
        supply, drivers = self._session.rig.file.supply, self._session.drivers
        found: dict[str, Any] = {"type": "live"}
        lost: dict[str, str] = {}
        monitored = {monitor.device for monitor in self._session.rig.file.monitors} if self._running() else set()

        async def one(role: str, device: str | None) -> None:
            if device is None or device in monitored:
                return
            try:
                if (values := await self._values(role, drivers[device])) is not None:
                    found[role] = values
            except BenchError as error:
                lost[device] = str(error)

        await asyncio.gather(one("source", supply.source), one("relay", supply.relay), one("meter", supply.meter))
        now = self._session.clock.now()
        return {**found, "lost": lost, "mono_ns": now.mono_ns, "utc_ns": now.utc_ns}

    async def _values(self, role: str, driver: object) -> dict[str, Any] | None:
        if role == "relay":
            return {"closed": await driver.is_closed()} if can(driver, Switch) else None
        if role == "source" and can(driver, AcSource):
            state = await driver.read_state()
            return {"on": state.output_on, "set_v": state.set_volts, "hz": state.set_hertz, "v": state.measured_volts}
        return {"v": (await driver.measure("voltage")).value} if can(driver, Measures) else None
