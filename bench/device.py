"""What every driver shares: its place in the rig, its configuration, and supervised background work."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from bench.clock import Clock, Instant
from bench.errors import BenchError
from bench.events import EventStream
from bench.parties import Parties
from bench.tasks import stop


class Counters(Protocol):
    """Counters that never go back: kept on disk, never reused, across kill, resume and rigs."""

    def next(self, name: str, *, at_least: int = 1) -> int:
        """The next value of a counter, durable before it is returned."""


class NoCounters:
    """Drivers that are only looked at count nothing."""

    def next(self, name: str, *, at_least: int = 1) -> int:
        """Never asked."""
        raise AssertionError(f"{name} was counted without a connection")


@dataclass(frozen=True, slots=True)
class DeviceContext:
    """A driver's surroundings.

    Attributes:
        name: the device's name in the rig; the source of its events.
        stream: where events go.
        parties: Users, devices under test and certificates of the rig.
        counters: counters that survive the process.
        rig: the rig's name.
        shared: the folder of what rigs of several processes share; None for a rig that only this process reaches.
    """

    name: str
    stream: EventStream
    parties: Parties
    counters: Counters
    rig: str = ""
    shared: Path | None = None

    @property
    def clock(self) -> Clock:
        """The one clock."""
        return self.stream.clock

    def emit(
        self,
        kind: str,
        data: Mapping[str, Any],
        *,
        at: Instant | None = None,
        volatile: Mapping[str, Any] | None = None,
    ) -> None:
        """Put an event of this device on the stream."""
        self.stream.emit(self.name, kind, data, at=at, volatile=volatile)

    def wire(self, direction: str, payload: str | bytes, **more: Any) -> None:
        """Record one exchange on the wire, "tx" or "rx": text as it is, bytes in hexadecimal."""
        form = {"text": payload} if isinstance(payload, str) else {"hex": payload.hex()}
        self.emit("wire", {"direction": direction, **form, **more})


@dataclass(frozen=True, slots=True)
class Problem:
    """What a look at a device's section of the rig file shows, before anything is connected.

    Attributes:
        what: what is so.
        next_step: what to do about it.
        wrong: it cannot work like this; otherwise it is only worth a word.
    """

    what: str
    next_step: str
    wrong: bool = True

    def __str__(self) -> str:
        return f"{self.what}. {self.next_step}"


class DriverConfig(BaseModel):
    """Base of every driver's section in the rig file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ConfigT = TypeVar("ConfigT", bound=DriverConfig)


class Driver(ABC, Generic[ConfigT]):
    """One device of the rig, over its wire.

    A driver class names its configuration model in `Config`; the rig file's keys for the device, but for
    `driver`, are that model's fields. The constructor touches nothing: `connect` opens, `close` frees all.

    Attributes:
        arms: whether it arms the instrument's own watchdog while it is connected, and switches it off as it leaves.
    """

    Config: type[ConfigT]
    arms = True

    def __init__(self, context: DeviceContext, config: ConfigT) -> None:
        self.context = context
        self.config = config
        self._background: list[asyncio.Task[None]] = []

    @property
    def name(self) -> str:
        """The device's name in the rig."""
        return self.context.name

    @abstractmethod
    async def connect(self) -> None:
        """Open the wire and make sure that the right device answers, within a few seconds.

        Raises:
            DeviceLost: nothing answers, or the wire cannot be opened.
            DeviceError: something else answers.
        """

    @abstractmethod
    async def close(self) -> None:
        """Free everything; never raises for a wire that is already broken, and may be called twice."""

    def rig_connected(self) -> None:
        """Called once every device of the rig is connected, before anything is done with it."""

    def resources(self) -> list[str]:
        """Ports and addresses held exclusively, so that two devices on one are found before anything opens."""
        return []

    def shared_ports(self) -> Mapping[str, str]:
        """Ports that others may use too if they use them in the same way, and that way: speed, protocol."""
        return {}

    def problems(self) -> Sequence[Problem]:
        """What is wrong with its configuration, and the files that this names, as far as can be seen offline."""
        return ()

    def start_background(self, work: Callable[[], Coroutine[Any, Any, None]], *, title: str) -> None:
        """Run supervised work until `stop_background`; if it fails, the device is reported lost."""

        async def supervised() -> None:
            try:
                await work()
            except BenchError as error:
                self.context.emit("device", {"state": "lost", "detail": str(error)})

        self._background.append(asyncio.create_task(supervised(), name=f"{self.name}: {title}"))

    async def stop_background(self) -> None:
        """Cancel background work and await its end; an error in the code of a driver is raised here."""
        tasks, self._background = self._background, []
        for task in tasks:
            stop(task)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


AnyDriver = Driver[Any]
