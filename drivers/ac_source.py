"""A programmable AC source that speaks SCPI.

A setting is believed after it was read back, and a change of the output after the source's own voltmeter has followed
it. Sags, swells and interruptions that are short enough are left to the timing of an instrument that has one; the
others the bench times, from the sending of one command to the sending of the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from bench.capabilities import Edge, EdgeKind, Measurement, SourceState, TimedBy
from bench.device import DeviceContext, Driver, Problem
from bench.errors import DeviceError, DeviceLost, UsageError
from drivers.ac_source_config import AcSourceConfig as AcSourceConfig
from drivers.ac_source_profile import UNITS, Program, differs, profiles, query_of
from drivers.ac_source_watchdog import SourceWatchdog
from drivers.scpi import Answer, ScpiInstrument, expire
from drivers.scpi_transport import ScpiAddress

_POLL_S = 0.1
_HOLD_S = 10.0


class ScpiAcSource(Driver[AcSourceConfig]):
    """Implements `AcSource` and `Measures`."""

    Config = AcSourceConfig

    def __init__(self, context: DeviceContext, config: AcSourceConfig) -> None:
        super().__init__(context, config)
        self._profile = profiles()[config.profile]
        self._address = ScpiAddress.parse(config.resource)
        transport = self._address.transport(
            timeout_s=config.timeout, baud_rate=config.baud_rate, visa_library=config.visa_library
        )
        self._line = ScpiInstrument(context, transport, config.resource, config.timeout)
        latency_s = self._profile.latency_s if config.latency is None else config.latency
        self._latency_ns = round(latency_s * 1e9)
        self._acts: list[asyncio.Timeout] = []
        commands = self._profile.watchdog
        self._watchdog = (
            SourceWatchdog(context, self._line, commands, config.watchdog_s, self._set) if commands else None
        )
        self._unsafe = False
        # A program of an earlier run may still be going on.
        self._program_may_run = self._profile.program is not None

    def resources(self) -> list[str]:
        """The one line to the instrument."""
        return [self._address.exclusive]

    async def connect(self) -> None:
        """Open the line and make sure that a source of this profile answers; its output stays as it is."""
        identity = await self._line.connect()
        try:
            if self._profile.identity.upper() not in identity.upper():
                raise DeviceError(
                    f"it is {identity!r}, which the profile {self.config.profile} does not fit",
                    where=self._line.where,
                    next_step="Check `resource` and `profile` in the rig file",
                )
            # What others left in the queue must not be taken for an error of this bench.
            await self._line.drain_errors()
            await self._take_watchdog()
        except BaseException:
            await self._line.close()
            raise

    async def close(self) -> None:
        """Free the line; the output stays as it is, and its watchdog, which would end it later, is off.

        It stays armed if the source could not be made safe: then it is the last that may still do it.
        """
        await self.stop_background()
        if self._watchdog is not None and not self._unsafe:
            await self._watchdog.disarm()
        await self._line.close()

    @property
    def acts_alone_after_s(self) -> float | None:
        """How long after the last word of the bench its watchdog takes the output away; None if none is armed."""
        return self.config.watchdog_s

    @property
    def opens_unpowered(self) -> bool:
        """A source without power feeds nobody."""
        return True

    def problems(self) -> Sequence[Problem]:
        """A watchdog that the instrument has and that nobody arms."""
        if self._watchdog is None or self.config.watchdog_s is not None:
            return ()
        return (Problem("its own watchdog is not armed", "Take `watchdog: no` out of the rig file", wrong=False),)

    async def _take_watchdog(self) -> None:
        if self._watchdog is None or not self.arms:
            return
        if await self._watchdog.has_tripped():
            # Its terminals are dead; its switch, which may still say "on", would give the supply back once cleared.
            await self._switch(False)
        if self.config.watchdog_s is not None:
            await self._watchdog.arm()
            self.start_background(self._watchdog.keep, title="watchdog")

    async def output(self, on: bool) -> Edge:
        """Switch the output and read it back; the edge is "set" if it was so already."""
        async with self._act():
            was_on = await self._is_on()
            if on and not was_on:
                await self._halt()
                if self._watchdog is not None and await self._watchdog.has_tripped():
                    await self._switch(False)
                    await self._watchdog.clear()
            answer = await self._switch(on)
            volts = await self._set_volts() if on else 0.0
            await self._settle(volts)
            kind = EdgeKind.SET if on is was_on else EdgeKind.RESTORE if on else EdgeKind.FALL
            return self._edge(kind, volts, answer)

    async def set_voltage(self, volts: float) -> Edge:
        """Set the voltage, read it back, and see the output follow if it is on."""
        async with self._act():
            on, before = await self._is_on(), await self._set_volts()
            answer = await self._set(self._profile.voltage.format(volts=volts))
            # Only now, so that a program under way gives way to the new voltage and not first to the old one.
            await self._halt()
            if not on:
                return self._edge(EdgeKind.SET, 0.0, answer)
            await self._settle(volts)
            return self._edge(_kind(before, volts), volts, answer)

    async def set_frequency(self, hertz: float) -> None:
        """Set the frequency and read it back."""
        async with self._act():
            await self._set(self._profile.frequency.format(hertz=hertz))

    async def ramp(self, volts: float, volts_per_second: float) -> Sequence[Edge]:
        """Ramp by the instrument's program, or else in steps, each with the voltage that the slope has by then."""
        if not volts_per_second > 0:
            raise UsageError(f"a slope of {volts_per_second:g} V/s leads nowhere", where=self._line.where)
        async with self._act():
            await self._halt()
            before = await self._energised("ramp")
            duration_s = abs(volts - before) / volts_per_second
            program = self._profile.program
            if program is not None and 0 < duration_s <= program.longest_ramp_s:
                edge = await self._run_ramp(program, before, volts, duration_s)
            else:
                edge = await self._step_ramp(before, volts, duration_s)
            await self._settle(volts)
            return (edge,)

    async def excursion(self, volts: float, duration_s: float) -> Sequence[Edge]:
        """Sag or swell, timed by the instrument if it can do so short a one, else by the bench."""
        async with self._act():
            await self._halt()
            before = await self._energised("excursion")
            program = self._program_for(duration_s)
            if program is not None:
                return await self._run_excursion(program, before, volts, duration_s)
            first = await self._set(self._profile.voltage.format(volts=volts))
            await self._hold(volts, first, duration_s)
            second = await self._set(self._profile.voltage.format(volts=before))
            await self._settle(before)
            return self._edge(_kind(before, volts), volts, first), self._edge(_kind(volts, before), before, second)

    async def interrupt(self, duration_s: float) -> Sequence[Edge]:
        """Interrupt: by the instrument as a sag to 0 V, by the bench by switching the output off and on."""
        async with self._act():
            await self._halt()
            before = await self._energised("interruption")
            program = self._program_for(duration_s)
            if program is not None:
                return await self._run_excursion(program, before, 0.0, duration_s)
            first = await self._switch(False)
            await self._hold(0.0, first, duration_s)
            second = await self._switch(True)
            await self._settle(before)
            return self._edge(EdgeKind.FALL, 0.0, first), self._edge(EdgeKind.RESTORE, before, second)

    async def read_state(self) -> SourceState:
        """Read the settings and the measured voltage."""
        hertz, _ = await self._line.ask_number(query_of(self._profile.frequency))
        measured, _ = await self._line.ask_number(self._profile.measure["voltage"])
        return SourceState(await self._is_on(), await self._set_volts(), hertz, measured)

    async def measure(self, quantity: str) -> Measurement:
        """Measure at the source's terminals."""
        query = next((query for known, query in self._profile.measure.items() if known == quantity), None)
        if query is None:
            known = ", ".join(self._profile.measure)
            raise UsageError(f"it cannot measure {quantity!r}; it measures {known}", where=self._line.where)
        value, answer = await self._line.ask_number(query)
        return Measurement(quantity, value, UNITS[quantity], answer.middle)

    async def make_safe(self) -> None:
        """Output off past whatever else is going on, and read back; other verbs under way end with DeviceError."""
        for act in self._acts:
            expire(act)
        self._unsafe = True
        off = self._profile.output.format(state="OFF")
        try:
            await self._line.seize(off)
            still_on = await self._switched_on()
        except DeviceLost:
            # A connection that broke unnoticed takes the command with it: once more, on a fresh one.
            await self._line.seize(off)
            still_on = await self._switched_on()
        if still_on:
            raise DeviceError(
                f"it is still on after {off}",
                where=self._line.where,
                next_step="Cut the supply by other means",
            )
        self._unsafe = False
        await self._line.drain_errors()

    @asynccontextmanager
    async def _act(self) -> AsyncIterator[None]:
        """A change of the output, which `make_safe` ends wherever it is: it must not go on afterwards."""
        try:
            async with asyncio.timeout(None) as act:
                self._acts.append(act)
                try:
                    yield
                finally:
                    self._acts.remove(act)
        except TimeoutError as error:
            raise DeviceError("given up: the source was made safe meanwhile", where=self._line.where) from error

    async def _set(self, command: str) -> Answer:
        answer = await self._line.command(command)
        query = query_of(command)
        read = (await self._line.ask(query)).text
        if differs(command, read):
            raise DeviceError(
                f"it accepted {command} and did not follow it: {query} says {read[:80]}", where=self._line.where
            )
        return answer

    async def _switch(self, on: bool) -> Answer:
        return await self._set(self._profile.output.format(state="ON" if on else "OFF"))

    async def _switched_on(self) -> bool:
        """What its switch says, whatever a watchdog may have done since."""
        return await self._line.ask_boolean(query_of(self._profile.output))

    async def _is_on(self) -> bool:
        on = await self._switched_on()
        return on and not (self._watchdog is not None and await self._watchdog.has_tripped())

    async def _set_volts(self) -> float:
        volts, _ = await self._line.ask_number(query_of(self._profile.voltage))
        return volts

    async def _energised(self, shape: str) -> float:
        """The set voltage, if the output is on."""
        if not await self._is_on():
            raise DeviceError(f"its output is off: there is nothing for an {shape} to change", where=self._line.where)
        return await self._set_volts()

    async def _settle(self, volts: float) -> None:
        """Wait until the measured voltage is what was set, for a bounded time."""
        loop = asyncio.get_running_loop()
        latest_s = loop.time() + self.config.settle_time
        query = self._profile.measure["voltage"]
        while True:
            measured, _ = await self._line.ask_number(query)
            if abs(measured - volts) <= self.config.settle_tolerance:
                return
            left_s = latest_s - loop.time()
            if left_s <= 0:
                raise DeviceError(
                    f"its output did not follow: {volts:g} V was set, {query} says {measured:g} V",
                    where=self._line.where,
                )
            await self.context.clock.sleep(min(_POLL_S, left_s))

    async def _hold(self, volts: float, first: Answer, duration_s: float) -> None:
        """Stay until the second command is due, and meanwhile see that the first was followed if there is time."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + duration_s - (self.context.clock.now().mono_ns - first.asked.mono_ns) / 1e9
        if duration_s > self.config.settle_time:
            await self._settle(volts)
        await self.context.clock.sleep(max(0.0, due_s - loop.time()))

    async def _step_ramp(self, before: float, volts: float, duration_s: float) -> Edge:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        steps = 0
        while (elapsed_s := loop.time() - began_s) < duration_s:
            # By the time that has really gone by: a slow instrument makes coarser steps, never a steeper slope.
            await self._line.command(
                self._profile.voltage.format(volts=before + (volts - before) * elapsed_s / duration_s)
            )
            steps += 1
            due_s = began_s + min(steps * self._profile.ramp_interval_s, duration_s)
            await self.context.clock.sleep(max(0.0, due_s - loop.time()))
        return self._edge(_kind(before, volts), volts, await self._set(self._profile.voltage.format(volts=volts)))

    async def _run_ramp(self, program: Program, before: float, volts: float, duration_s: float) -> Edge:
        first = await self._start(program, program.ramp, duration_s, volts=volts, from_volts=before)
        await self._sleep_from(first, duration_s)
        # While the program holds the end of the ramp, so that the plain setting is there when it is left.
        await self._set(self._profile.voltage.format(volts=volts))
        await self._halt()
        return self._later_edge(_kind(before, volts), volts, first, duration_s)

    async def _run_excursion(
        self, program: Program, before: float, volts: float, duration_s: float
    ) -> tuple[Edge, Edge]:
        first = await self._start(program, program.excursion, duration_s, volts=volts)
        loop = asyncio.get_running_loop()
        await self._sleep_from(first, duration_s)
        # The program is over when the second half of its period is.
        latest_s = loop.time() + duration_s + self.config.timeout
        while (await self._line.ask(program.state)).text.strip().upper() == program.running:
            if loop.time() > latest_s:
                raise DeviceError(f"its program does not end: {program.state} still says so", where=self._line.where)
            await self.context.clock.sleep(min(_POLL_S, duration_s / 4))
        await self._halt()
        await self._settle(before)
        return (
            self._later_edge(_kind(before, volts), volts, first, 0.0),
            self._later_edge(_kind(volts, before), before, first, duration_s),
        )

    async def _start(
        self, program: Program, commands: Sequence[str], duration_s: float, *, volts: float, from_volts: float = 0.0
    ) -> Answer:
        hertz, _ = await self._line.ask_number(query_of(self._profile.frequency))
        values = {
            "volts": volts,
            "from_volts": from_volts,
            "hertz": hertz,
            "duration_ms": duration_s * 1000,
            "period_ms": duration_s * 2000,
            "hold_ms": _HOLD_S * 1000,
        }
        for command in commands:
            await self._set(command.format(**values))
        self._program_may_run = True
        return await self._line.command(program.on)

    async def _halt(self) -> None:
        """Leave a program for the plain settings, if one may be running."""
        program = self._profile.program
        if program is not None and self._program_may_run:
            await self._line.command(program.off)
            await self._set(program.fixed)
            self._program_may_run = False

    async def _sleep_from(self, answer: Answer, duration_s: float) -> None:
        gone_s = (self.context.clock.now().mono_ns - answer.asked.mono_ns) / 1e9
        await self.context.clock.sleep(max(0.0, duration_s - gone_s))

    def _program_for(self, duration_s: float) -> Program | None:
        if not duration_s > 0:
            raise UsageError(f"a duration of {duration_s:g} s is none", where=self._line.where)
        program = self._profile.program
        return program if program is not None and duration_s <= program.longest_excursion_s else None

    def _edge(self, kind: EdgeKind, volts: float, answer: Answer) -> Edge:
        return Edge(kind, volts, answer.middle, answer.half_width_ns + self._latency_ns, TimedBy.BENCH)

    def _later_edge(self, kind: EdgeKind, volts: float, trigger: Answer, after_s: float) -> Edge:
        """An edge of the instrument's own, at an exact distance from a trigger."""
        start, after_ns = trigger.middle, round(after_s * 1e9)
        at = replace(start, mono_ns=start.mono_ns + after_ns, utc_ns=start.utc_ns + after_ns)
        return Edge(kind, volts, at, trigger.half_width_ns + self._latency_ns, TimedBy.INSTRUMENT)


def _kind(before: float, after: float) -> EdgeKind:
    if after == 0.0 and before > 0.0:
        return EdgeKind.FALL
    return EdgeKind.RESTORE if before == 0.0 and after > 0.0 else EdgeKind.SET
