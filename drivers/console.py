"""A device's service console on a serial line, in whatever grammar the rig file describes.

One command at a time. An answer is complete when each of its patterns has found its line and the prompt is back.
After a time-out, a cancelled verb or garbage the next command first synchronises: it sends an empty line and waits for
the prompts of everything that was sent before, so that a late answer is thrown away and never believed. With `echo`,
nothing counts but what follows the echo of the very command.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from bench.device import DeviceContext, Driver
from bench.errors import DeviceError, DeviceLost, UsageError
from drivers.console_config import CommandConfig, ConsoleConfig
from drivers.console_line import LineAssembler

if TYPE_CHECKING:
    from serialx import BaseSerialTransport

_HIDDEN = "(secret)"
_MAX_LINES = 200
_OPEN_S = 5.0
_ENDINGS = {"CRLF": "\r\n", "CR": "\r", "LF": "\n"}


@dataclass(slots=True)
class _Answer:
    """What has come of the answer to one command.

    Attributes:
        echo: the line that must come before anything counts, until it has come.
        missing: patterns that have not found their line.
        complete: everything has come, and the prompt after it.
    """

    echo: str
    missing: list[re.Pattern[str]]
    refusals: Sequence[re.Pattern[str]]
    parts: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    refused: str = ""
    complete: bool = False

    def take(self, line: str, shown: str) -> None:
        """One line; `shown` is what may be seen of it."""
        if self.complete or self.echo:
            if line == self.echo:
                self.echo = ""
            return
        if len(self.lines) < _MAX_LINES:
            self.lines.append(shown)
        for index, pattern in enumerate(self.missing):
            if match := pattern.fullmatch(line):
                self.parts.update({name: value or "" for name, value in match.groupdict().items()})
                del self.missing[index]
                return
        if any(pattern.fullmatch(line) for pattern in self.refusals):
            self.refused = shown

    def prompt(self) -> None:
        """A prompt; a stray one, before the answer, ends nothing."""
        if not self.echo and (self.refused or not self.missing):
            self.complete = True


class SerialConsole(Driver[ConsoleConfig]):
    """Implements `Console`."""

    Config = ConsoleConfig

    def __init__(self, context: DeviceContext, config: ConsoleConfig) -> None:
        super().__init__(context, config)
        self._lock = asyncio.Lock()
        self._transport: BaseSerialTransport | None = None
        self._state = "closed"
        self._password = ""
        self._news = asyncio.Event()
        self._cause = ""
        self._garbled = ""
        self._tail = ""
        self._said: deque[str] = deque(maxlen=8)
        self._answer: _Answer | None = None
        # Prompts that are still to come for what was sent.
        self._owed = 0
        self._prompted = False
        self._synchronised = False

    def resources(self) -> list[str]:
        """Its port."""
        return [self.config.resource]

    def commands(self) -> Sequence[str]:
        """Names of the commands in the rig file."""
        return list(self.config.commands)

    async def connect(self) -> None:
        """Open the port, log in if need be, and ask the probe.

        Raises:
            UsageError: the password cannot be read, or the port does not know its settings.
            DeviceLost: the port cannot be opened, or nothing answers.
            DeviceError: it refuses the login, or it does not answer the probe as described.
        """
        if self._state != "closed":
            return
        self._password = self.config.password()
        self._state = "connecting"
        try:
            async with self._lock:
                await self._synchronise()
            if self.config.probe is not None:
                await self.ask(self.config.probe, {})
        except BaseException:
            await self.close()
            raise
        self._note("connected", self.config.resource)

    async def close(self) -> None:
        """Give the port back; a command under way fails."""
        was, self._state = self._state, "closed"
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
            await transport.wait_closed()
        if was in ("connected", "lost"):
            self._note("closed", self.config.resource)

    async def ask(self, command: str, arguments: Mapping[str, str]) -> Mapping[str, str]:
        """Run one described command and return the named parts of its answer; a part that was not there is "".

        Raises:
            UsageError: there is no such command, or it does not take these arguments.
            DeviceLost: the console is unplugged or silent.
            DeviceError: it refuses, or its answer is not the one that is described.
        """
        described = self.config.commands.get(command)
        if described is None:
            known = ", ".join(self.config.commands)
            raise UsageError(f"there is no command {command!r}", where=self.name, next_step=f"It knows {known}")
        try:
            line = described.render(arguments)
        except UsageError as error:
            error.where = f"{self.name}, command {command}"
            raise
        async with self._lock:
            if self._state == "closed":
                raise DeviceError("it is not connected", where=self._where)
            try:
                if self._transport is None or not self._synchronised:
                    await self._synchronise()
                answer = await self._run(line, described)
            except DeviceLost as error:
                if self._state == "connected":
                    self._note("lost", error.what)
                raise
            if self._state == "lost":
                self._note("reconnected", self.config.resource)
        if answer.refused:
            raise DeviceError(f"it refuses {self._hide(line)!r}: {answer.refused!r}", where=self._where)
        return answer.parts

    async def _run(self, line: str, described: CommandConfig) -> _Answer:
        timeout_s = described.timeout or self.config.timeout
        answer = _Answer(line if self.config.echo else "", list(described.reply), self.config.refusals)
        self._answer, self._garbled = answer, ""
        self._synchronised = False
        try:
            self._send(line)
            if not await self._wait(lambda: answer.complete, timeout_s):
                raise self._no_answer(line, answer, timeout_s)
        finally:
            self._answer = None
        self._synchronised = True
        return answer

    def _no_answer(self, line: str, answer: _Answer, timeout_s: float) -> DeviceError:
        line = self._hide(line)
        if self._garbled:
            return self._nonsense(f"its answer to {line!r} is garbled: {self._garbled}")
        if not answer.lines:
            return self._lost(f"it does not answer {line!r} within {timeout_s:g} s")
        missing = " or ".join(repr(pattern.pattern) for pattern in answer.missing)
        lacks = f"no line of it is {missing}" if missing else "the prompt did not come back"
        return DeviceError(
            f"its answer to {line!r} is not as described: it said {' / '.join(answer.lines)[:200]!r}, and {lacks}",
            where=self._where,
            next_step="Compare the command in the rig file with what the console prints",
        )

    async def _synchronise(self) -> None:
        """Open the port and log in if need be, and be at a prompt with nothing owed."""
        await self._open()
        config = self.config
        self._garbled, self._prompted = "", False
        self._said.clear()
        self._send("")
        # Twice the time-out: a console that is merely slow gives back all its prompts within that.
        settled = await self._wait(lambda: not self._owed or self._asks_for_login(), 2 * config.timeout)
        if self._asks_for_login():
            await self._log_in()
        elif not settled and not self._prompted:
            if self._garbled or self._said or self._tail.strip():
                raise self._nonsense(f"it shows no prompt {config.prompt.pattern!r}; it said {self._recently()}")
            raise self._lost(f"it does not answer within {2 * config.timeout:g} s")
        self._owed = 0
        self._synchronised = True

    def _asks_for_login(self) -> bool:
        login = self.config.login
        return bool(login and login[0].expect.search(self._tail))

    async def _log_in(self) -> None:
        for step in self.config.login:
            if not await self._wait(partial(self._tail_has, step.expect), self.config.timeout):
                raise self._nonsense(f"its login does not ask for {step.expect.pattern!r}; it said {self._recently()}")
            self._tail = ""
            self._send(self._password if step.password else step.send, secret=step.password)
        self._prompted = False
        if not await self._wait(lambda: self._prompted, self.config.timeout):
            raise DeviceError(
                f"it does not let the bench log in; it said {self._recently()}",
                where=self._where,
                next_step="Check the login and the password file",
            )

    def _tail_has(self, expected: re.Pattern[str]) -> bool:
        return bool(expected.search(self._tail))

    async def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something that arrived makes the condition true; false if nothing did in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    if self._transport is None:
                        raise self._lost(f"the line is gone: {self._cause}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def _open(self) -> None:
        if self._transport is not None:
            return
        # A tenth of a second that other commands need not wait for.
        from serialx import Parity, SerialException, StopBits, create_serial_connection

        config = self.config
        try:
            async with asyncio.timeout(_OPEN_S):
                transport, _ = await create_serial_connection(
                    asyncio.get_running_loop(),
                    lambda: LineAssembler(self, config.prompt, config.max_line),
                    config.resource,
                    config.baud,
                    Parity(config.parity),
                    StopBits(float(config.stop_bits)),
                    byte_size=int(config.data_bits),
                )
        except TimeoutError:
            raise self._lost(f"the port did not open within {_OPEN_S:g} s") from None
        except OSError as error:
            raise self._lost(f"the port cannot be opened: {error.strerror or error}") from None
        except SerialException as error:
            raise UsageError(f"the port cannot be set up: {error}", where=self._where) from None
        self._transport = transport
        self._cause = self._tail = ""
        self._owed = 0

    def _send(self, line: str, *, secret: bool = False) -> None:
        assert self._transport is not None
        self.context.wire("tx", _HIDDEN if secret else self._hide(line))
        self._owed += 1
        self._transport.write((line + _ENDINGS[self.config.line_ending]).encode())

    def on_line(self, text: str) -> None:
        """Take a whole line."""
        self._tail = ""
        shown = self._hide(text)
        self.context.wire("rx", shown)
        for name, pattern in self.config.unsolicited.items():
            if match := pattern.fullmatch(text):
                values = {key: value or "" for key, value in match.groupdict().items()}
                self.context.emit("seen.console", {"line": name, "text": shown, "values": values})
                return
        self._said.append(shown)
        if self._answer is not None:
            self._answer.take(text, shown)
        self._news.set()

    def on_prompt(self) -> None:
        """Take note that it is ready."""
        self._tail = ""
        self._prompted = True
        self._owed = max(0, self._owed - 1)
        if self._answer is not None:
            self._answer.prompt()
        self._news.set()

    def on_tail(self, text: str) -> None:
        """Take what stands in the last line so far: perhaps a question of the login."""
        self._tail = text
        self._news.set()

    def on_garbage(self, what: str, text: str) -> None:
        """Take note of a line that nobody can read."""
        self._tail = ""
        self._garbled = what
        self.context.wire("rx", self._hide(text))
        self.context.emit("device", {"state": "garbled", "detail": what})

    def on_lost(self, cause: str) -> None:
        """Take note that the line is gone; the next command opens it again."""
        self._transport, self._synchronised, self._cause = None, False, cause
        if self._state == "connected":
            self._note("lost", f"the line is gone: {cause}")
        self._news.set()

    @property
    def _where(self) -> str:
        return f"{self.name} ({self.config.resource})"

    def _recently(self) -> str:
        said = [*self._said, self._hide(self._tail.strip())]
        return repr(" / ".join(line for line in said if line)[-200:])

    def _hide(self, text: str) -> str:
        return text.replace(self._password, _HIDDEN) if self._password else text

    def _note(self, state: str, detail: str) -> None:
        self._state = "connected" if state == "reconnected" else state
        self.context.emit("device", {"state": state, "detail": detail})

    def _lost(self, what: str) -> DeviceLost:
        return DeviceLost(what, where=self._where, next_step="Check its power and its cable")

    def _nonsense(self, what: str) -> DeviceError:
        return DeviceError(what, where=self._where, next_step="Check baud, parity and wiring, and the rig file")
