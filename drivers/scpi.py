"""One SCPI instrument as a driver sees it: ordered exchanges with a deadline, an error queue, and clear errors.

After an exchange that was cancelled, timed out or made no sense the line is not trusted: it is reopened, and the
instrument is asked to return a token (`*ESE n;*ESE?`, IEEE 488.2 10.10 and 10.11) before anything else. Whatever
arrives before that token belongs to the past and is thrown away, so that a late reply is never taken for the reply
to the next query, not even through a terminal server that keeps it over a reconnection.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass, replace
from typing import NoReturn

from bench.clock import Instant
from bench.device import DeviceContext
from bench.errors import DeviceError, DeviceLost
from drivers.scpi_transport import ScpiTransport

ERROR_QUERY = "SYST:ERR?"
"""SCPI-1999 21.8: the oldest entry of the error queue, `0,"No error"` once it is empty."""

_ERROR = re.compile(r'\s*(?P<code>[+-]?\d+)\s*(?:,\s*"?(?P<text>[^"]*)"?)?\s*')
_MOST_ERRORS = 64
_OPENING = "opening it"
_FIRST_TOKEN, _LAST_TOKEN = 129, 255


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, and when its query went out and it was complete."""

    text: str
    asked: Instant
    got: Instant

    @property
    def middle(self) -> Instant:
        """The best estimate of when the instrument acted."""
        half_ns = self.half_width_ns
        return replace(self.asked, mono_ns=self.asked.mono_ns + half_ns, utc_ns=self.asked.utc_ns + half_ns)

    @property
    def half_width_ns(self) -> int:
        """Half the round trip, in nanoseconds."""
        return (self.got.mono_ns - self.asked.mono_ns) // 2


def expire(scope: asyncio.Timeout) -> None:
    """End a scope of `asyncio.timeout` now, from another task."""
    if not scope.expired():
        scope.reschedule(asyncio.get_running_loop().time())


class ScpiInstrument:
    """An instrument on its line; tasks may share it, their exchanges never mix.

    Args:
        context: takes the wire records and the news of the device.
        transport: the line, held by nobody else.
        resource: how errors name it.
        timeout_s: longest that one exchange, reconnection included, may take.

    Attributes:
        heard_s: when the last message that it answered went out, by the loop's clock.
        openings: how often the line was opened: a number that has changed may be that of another life of it.
    """

    def __init__(self, context: DeviceContext, transport: ScpiTransport, resource: str, timeout_s: float) -> None:
        self._context = context
        self._transport = transport
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._deadline: asyncio.Timeout | None = None
        self._seizing = 0
        self._in_step = False
        self._usable = False
        self._state = "closed"
        self._token = _LAST_TOKEN
        self.heard_s = 0.0
        self.openings = 0
        self.where = f"{context.name} ({resource})"

    async def connect(self) -> str:
        """Open the line and return what the instrument says to `*IDN?`.

        Raises:
            DeviceLost: the line cannot be opened, or nothing answers.
            DeviceError: the answer is no identification.
        """
        self._usable = True
        try:
            async with self._lock:
                identity = (await self._exchange("*IDN?", opening=True)).text
            # IEEE 488.2 10.14: four fields; manufacturers add commas of their own and forget some.
            if identity.count(",") < 2 or not identity.isprintable() or "\\x" in identity:
                self.garbled(f"it answers {identity[:80]!r} to *IDN?, which is no identification")
        except BaseException:
            self._usable = False
            await self._transport.close()
            raise
        self._note("connected", identity)
        return identity

    async def close(self) -> None:
        """Close the line; an exchange under way ends with an error. May be called twice."""
        self._in_step = self._usable = False
        if self._deadline is not None:
            expire(self._deadline)
        await self._transport.close()
        if self._state != "closed":
            self._note("closed", "")

    async def ask(self, query: str) -> Answer:
        """Send a query and await its reply.

        Raises:
            DeviceLost: the line is broken, or there is no reply within the time-out.
            DeviceError: the line was taken over to make the device safe.
        """
        async with self._lock:
            if self._seizing:
                self._taken_over()
            return await self._exchange(query)

    async def ask_number(self, query: str) -> tuple[float, Answer]:
        """Send a query whose reply is a finite number."""
        answer = await self.ask(query)
        try:
            value = float(answer.text)
        except ValueError:
            self.garbled(f"it answers {answer.text[:80]!r} to {query}, which is no number")
        # 9.91E37 is SCPI's "not a number", 9.9E37 its infinity (SCPI-1999 7.2.1).
        if not abs(value) < 9.9e37:
            self.garbled(f"it answers {answer.text[:80]!r} to {query}, which is no measurement")
        return value, answer

    async def ask_boolean(self, query: str) -> bool:
        """Send a query whose reply is 1, 0, ON or OFF."""
        text = (await self.ask(query)).text
        value = {"1": True, "ON": True, "0": False, "OFF": False}.get(text.strip().upper())
        if value is None:
            self.garbled(f"it answers {text[:80]!r} to {query}, which is neither on nor off")
        return value

    async def command(self, command: str) -> Answer:
        """Send a command and make sure that the instrument took it, by its error queue.

        Returns:
            the answer of the error queue: the command was carried out between `asked` and `got`.

        Raises:
            DeviceLost: as `ask`.
            DeviceError: the error queue was not empty after it; it is now.
        """
        answer = await self.ask(f"{command};:{ERROR_QUERY}")
        errors = await self._errors(answer.text)
        if errors:
            raise DeviceError(f"it reports {'; '.join(errors)} after {command}", where=self.where)
        return answer

    async def drain_errors(self) -> list[str]:
        """Empty the error queue and return what was in it, such as `-222 Data out of range`."""
        return await self._errors((await self.ask(ERROR_QUERY)).text)

    async def seize(self, command: str) -> None:
        """Send a command by the shortest path, whatever else is going on, and bring the line back in step.

        Exchanges of other tasks, under way or waiting, end with DeviceError. If the line is busy or not in step the
        command goes out on it at once, and again first of all on a fresh connection.

        Raises:
            DeviceLost: the instrument does not answer; the command may have reached it all the same.
        """
        self._seizing += 1
        try:
            if self._deadline is not None:
                self._transport.shout(command)
                expire(self._deadline)
            async with self._lock:
                await self._exchange("", seizing=command)
        finally:
            self._seizing -= 1

    def garbled(self, what: str) -> NoReturn:
        """Stop trusting the line and raise DeviceError."""
        self._in_step = False
        self._context.emit("device", {"state": "garbled", "detail": what})
        raise DeviceError(what, where=self.where)

    async def _errors(self, first: str) -> list[str]:
        errors: list[str] = []
        text = first
        while (match := _ERROR.fullmatch(text)) is not None and int(match["code"]) != 0:
            errors.append(f"{int(match['code'])} {match['text'] or ''}".strip())
            if len(errors) > _MOST_ERRORS:
                raise DeviceError(f"its error queue does not empty: {'; '.join(errors[:4])} ...", where=self.where)
            text = (await self.ask(ERROR_QUERY)).text
        if match is None:
            self.garbled(f"it answers {text[:80]!r} to {ERROR_QUERY}, which is no error and no 'No error'")
        return errors

    async def _exchange(self, query: str, *, opening: bool = False, seizing: str = "") -> Answer:
        """One exchange; the lock is held. Without a query nothing but `seizing` goes out."""
        if not self._usable:
            raise DeviceError("it is not connected", where=self.where)
        context, transport, loop = self._context, self._transport, asyncio.get_running_loop()
        now = context.clock.now
        in_step, self._in_step = self._in_step, False
        if (cause := transport.broken) and self._state != "lost":
            self._note("lost", cause)
        asked, text = now(), ""
        asked_s = loop.time()
        doing = _OPENING
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                self._deadline = None if seizing else deadline
                if opening:
                    await self._open()
                elif not in_step or cause or self._unasked():
                    await self._resynchronise(seizing)
                elif seizing:
                    await self._write(seizing)
                if query:
                    doing = f"{query} was sent"
                    context.wire("tx", query)
                    asked, asked_s = now(), loop.time()
                    await transport.write(query)
                    text = await transport.read()
        except OSError as error:
            self._lost(error, doing, taken_over=bool(self._seizing and not seizing))
        finally:
            self._deadline = None
        got = now()
        if query:
            self.heard_s = asked_s
            context.wire("rx", text)
        self._in_step = True
        if self._state == "lost":
            self._note("reconnected", "")
        return Answer(text, asked, got)

    async def _resynchronise(self, first: str) -> None:
        transport = self._transport
        await self._open()
        if first:
            await self._write(first)
        self._token = _FIRST_TOKEN if self._token == _LAST_TOKEN else self._token + 1
        await self._write(f"*ESE {self._token};*ESE?")
        while (line := await transport.read()).strip().lstrip("+") != str(self._token):
            self._context.wire("rx", line, discarded=True)
        self._context.wire("rx", line)

    async def _open(self) -> None:
        await self._transport.open()
        self.openings += 1

    async def _write(self, message: str) -> None:
        self._context.wire("tx", message)
        await self._transport.write(message)

    def _unasked(self) -> bool:
        lines = self._transport.unasked()
        for line in lines:
            self._context.wire("rx", line, discarded=True)
        return bool(lines)

    def _lost(self, error: OSError, doing: str, *, taken_over: bool) -> NoReturn:
        if taken_over:
            self._taken_over()
        if not self._usable:
            raise DeviceLost("the bench closed the line during an exchange", where=self.where) from error
        if isinstance(error, TimeoutError):
            what = f"it does not answer: {self._timeout_s:g} s went by after {doing}"
        else:
            # asyncio's own text of a refused connection names an address and no reason.
            number = error.errno or 0
            cause = os.strerror(number).lower() if number > 0 else str(error)
            what = f"{doing} failed: {cause}" if doing == _OPENING else f"{cause} as {doing}"
        if self._state in ("connected", "reconnected"):
            self._note("lost", what)
        raise DeviceLost(
            what,
            where=self.where,
            next_step="Check that it is switched on and reachable, and its `resource` in the rig file",
        ) from error

    def _taken_over(self) -> NoReturn:
        raise DeviceError(
            "the exchange was given up: the line was taken over to make the device safe", where=self.where
        )

    def _note(self, state: str, detail: str) -> None:
        self._state = state
        self._context.emit("device", {"state": state, "detail": detail})
