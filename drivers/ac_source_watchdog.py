"""An AC source's own watchdog: it takes its output away when it has heard nothing for some time, and stays so.

It protects the bench when the PC is dead and nothing else of the bench is left to act. Its state is volatile: a source
that was restarted, or that another rig has left in order, is armed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bench.device import DeviceContext
from bench.errors import BenchError
from bench.quantities import format_duration
from drivers.ac_source_profile import WatchdogCommands, differs, query_of
from drivers.scpi import Answer, ScpiInstrument

_AGAIN_S = 1.0
_GRAIN_S = 0.001


class SourceWatchdog:
    """The watchdog behind a source's line.

    Args:
        context: takes the news of it.
        line: to the source.
        commands: of its profile.
        time_s: how long it is to wait for a word, in seconds; None leaves it as it is, and only looks at it.
        set_and_read_back: sends a command and raises DeviceError if it does not read back.
    """

    def __init__(
        self,
        context: DeviceContext,
        line: ScpiInstrument,
        commands: WatchdogCommands,
        time_s: float | None,
        set_and_read_back: Callable[[str], Awaitable[Answer]],
    ) -> None:
        self._context, self._line, self._commands, self._set = context, line, commands, set_and_read_back
        self._time_s = time_s
        self._armed_on = -1
        self._told = False
        self.armed = False

    async def arm(self) -> None:
        """Switch it on with its time, and read both back.

        Raises:
            DeviceError: it does not read back.
            DeviceLost: nothing answers.
        """
        assert self._time_s is not None
        # The time first: what was left in the source may be shorter than this takes.
        await self._set(self._delay)
        await self._set(self._on)
        self._armed_on, self.armed = self._line.openings, True

    async def disarm(self) -> None:
        """Switch it off: the bench takes its leave, and the output is to stay as it is."""
        if self.armed:
            self.armed = False
            with suppress(BenchError):
                await self._line.command(self._commands.state.format(state="OFF"))

    async def keep(self) -> None:
        """Let it hear a word in time, and see that it stays armed, until cancelled.

        A word is one query, and only if nothing else was said for half its time, or if the line was opened anew.
        """
        assert self._time_s is not None
        loop, half_s = asyncio.get_running_loop(), self._time_s / 2
        while True:
            left_s = half_s - (loop.time() - self._line.heard_s)
            if left_s > _GRAIN_S and self._line.openings == self._armed_on:
                await self._context.clock.sleep(left_s)
                continue
            try:
                await self._look()
            except BenchError:
                await self._context.clock.sleep(min(_AGAIN_S, half_s / 4))

    async def has_tripped(self) -> bool:
        """Whether it has taken the output away, and was not cleared since; news the first time that this is seen."""
        found, _ = await self._line.ask_number(self._commands.tripped)
        return self._note(int(found))

    async def clear(self) -> None:
        """Let the output be switched on again: its own switch must be off, since clearing gives back what that says."""
        await self._line.command(self._commands.clear)
        self._told = False
        self._context.emit("device", {"state": "reconnected", "detail": "its watchdog had acted, and is cleared"})

    async def _look(self) -> None:
        query = ";:".join((query_of(self._on), query_of(self._delay), self._commands.tripped))
        answer = (await self._line.ask(query)).text
        parts = answer.split(";")
        try:
            state, delay, tripped = parts[0], parts[1], int(float(parts[2]))
        except (IndexError, ValueError):
            self._line.garbled(f"it answers {answer[:80]!r} to {query}")
        self._note(tripped)
        was_armed = not differs(self._on, state) and not differs(self._delay, delay)
        self._armed_on = self._line.openings
        if not was_armed:
            await self.arm()
            detail = "its watchdog was not armed any more, as after a restart, and is again"
            self._context.emit("device", {"state": "reconnected", "detail": detail})

    def _note(self, register: int) -> bool:
        tripped = bool(register & self._commands.tripped_mask)
        if tripped and not self._told:
            heard = f": it had heard nothing for {format_duration(self._time_s)}" if self._time_s is not None else ""
            detail = f"its own watchdog has switched its output off{heard}"
            self._context.emit("device", {"state": "tripped", "detail": detail})
        self._told = tripped
        return tripped

    @property
    def _on(self) -> str:
        return self._commands.state.format(state="ON")

    @property
    def _delay(self) -> str:
        return self._commands.delay.format(delay_s=self._time_s or 0.0)
