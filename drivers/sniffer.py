"""The nRF 802.15.4 sniffer on a serial line: an independent witness of what happens on the HAN.

Its firmware is a shell: it echoes commands, prints prompts, and prints a line for each frame. Nothing tells that it
hears, so the driver asks for the channel back, after each command and whenever the air was quiet for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from typing import Annotated, Any

from pydantic import Field, field_validator

from bench.clock import Instant
from bench.device import DeviceContext, Driver, DriverConfig
from bench.errors import DeviceError, DeviceLost
from bench.quantities import SecondsField
from bench.zigbee.frame import decode, learn
from bench.zigbee.join import JoinTracker
from bench.zigbee.reader import ZigbeeError
from bench.zigbee.security import WELL_KNOWN_LINK_KEY, Keys, link_key_from_install_code
from drivers.sniffer_format import DeviceClock, SniffedFrame, parse_line, plain

_BAUD_RATE = 115_200
"""USB CDC ACM ignores it."""

_OPEN_S = 5.0
_ANSWER_S = 1.0
_REOPEN_S, _REOPEN_MAX_S = 2.0, 30.0
_MAX_LINE = 1024
_TRIES = 2
_CHANNEL_ANSWER = re.compile(r"(?:channel\W+)?(\d{1,2})", re.IGNORECASE)

Channel = Annotated[int, Field(ge=11, le=26)]


class SnifferConfig(DriverConfig):
    """An nRF 802.15.4 sniffer in the rig file.

    Attributes:
        resource: its serial port, such as /dev/serial/by-id/..., or socket://HOST:PORT of a raw serial server.
        channel: where to listen as soon as it is connected; without it the sniffer sleeps until asked.
        probe: after how long a silence it is asked whether it is still there.
    """

    resource: str
    channel: Channel | None = None
    probe: Annotated[SecondsField, Field(ge=1, le=3600)] = 30.0

    @field_validator("resource")
    @classmethod
    def _port_or_socket(cls, value: str) -> str:
        if not value.startswith("/") and not re.fullmatch(r"socket://[^/:]+:\d{1,5}", value):
            raise ValueError(f"{value!r} is no serial port: write /dev/serial/by-id/... or socket://HOST:PORT")
        return value


class NrfSniffer(Driver[SnifferConfig]):
    """Implements `HanSniffer`.

    Each frame is a `wire` event with `hex` (the frame without its FCS), `channel`, `power_dbm`, `lqi`, `device_us`
    (the sniffer's time, without wraps), `air_mono_ns` (when it was on the air, on the bench's clock; the event's own
    time is its arrival) and `summary`. What a join shows is a `seen.han` event. Install codes of the rig's devices
    are the keys; a network key is learned when it is handed out.
    """

    Config = SnifferConfig

    def __init__(self, context: DeviceContext, config: SnifferConfig) -> None:
        super().__init__(context, config)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._commands = asyncio.Lock()
        self._wanted = config.channel
        self._channel: int | None = None
        self._up = False
        self._hears = False
        self._echoes: deque[str] = deque(maxlen=16)
        self._questions: deque[asyncio.Future[int]] = deque()
        self._chatter = ""
        self._last_line_s = 0.0
        self._keys = Keys()
        self._tracker = JoinTracker()
        self._device_clock = DeviceClock()
        self._fcs_is_real = False
        self._gaps = 0
        self.frames = 0
        self.garbled = 0

    def resources(self) -> list[str]:
        """Its port."""
        return [self.config.resource]

    async def connect(self) -> None:
        """Open the port, stop what it was doing, make sure that a sniffer answers, and listen if the rig says where.

        Raises:
            DeviceLost: the port cannot be opened, or nothing answers.
            DeviceError: what answers is no sniffer, or it does not take the channel.
            UsageError: a device of the rig has an install code that cannot be right.
        """
        codes = [dut.install_code for dut in self.context.parties.duts.values() if dut.install_code is not None]
        links = (*(link_key_from_install_code(code) for code in codes), WELL_KNOWN_LINK_KEY)
        self._keys = Keys(link=tuple(dict.fromkeys(links)))
        await self._open()
        self.start_background(self._keep_up, title="sniffer line")
        try:
            await self._settle(self._wanted)
        except BaseException:
            await self.close()
            raise
        self._up = True
        self.context.emit("device", {"state": "connected", "detail": self.config.resource})

    async def close(self) -> None:
        """Put it to sleep and give the port back."""
        await self.stop_background()
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.write(b"sleep\r\n")
        await self._shut()
        if self._up:
            self._up = False
            self.context.emit("device", {"state": "closed", "detail": self.config.resource})

    async def listen(self, channel: int) -> None:
        """Listen on an IEEE 802.15.4 channel, 11 to 26; returns when the sniffer confirmed it.

        Cancelled, it may leave the sniffer asleep; `can_see` is false until a later call ends well.

        Raises:
            DeviceLost: it does not answer, or is unplugged at the moment.
            DeviceError: there is no such channel, or the sniffer does not take it.
        """
        if not 11 <= channel <= 26:
            raise DeviceError(f"channel {channel} is not one of 11 to 26", where=self._where)
        self._wanted = channel
        await self._settle(channel)

    def can_see(self) -> bool:
        """Whether it is listening now, as far as its last answer tells."""
        return self._hears

    def gaps(self) -> int:
        """How often it was lost or printed what is no frame; a frame with a wrong FCS is the radio's, not its own."""
        return self._gaps

    @property
    def _where(self) -> str:
        return f"{self.name} ({self.config.resource})"

    def _lost(self, what: str) -> DeviceLost:
        return DeviceLost(what, where=self._where, next_step="Check its cable, and that nothing else has the port open")

    async def _open(self) -> None:
        from serialx import open_serial_connection  # a tenth of a second that other commands need not wait for

        try:
            async with asyncio.timeout(_OPEN_S):
                reader, writer = await open_serial_connection(self.config.resource, baudrate=_BAUD_RATE)
        except TimeoutError:
            raise self._lost(f"the port did not open within {_OPEN_S:g} s") from None
        except OSError as error:
            raise self._lost(f"the port cannot be opened: {error.strerror or error}") from error
        self._reader, self._writer = reader, writer
        self._echoes.clear()
        self._device_clock = DeviceClock()
        self._last_line_s = asyncio.get_running_loop().time()

    async def _shut(self) -> None:
        writer, self._reader, self._writer = self._writer, None, None
        self._stop_hearing()
        while self._questions:
            question = self._questions.popleft()
            if not question.done():
                question.set_exception(self._lost("it went away before it answered"))
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _stop_hearing(self) -> None:
        self._gaps += self._hears
        self._hears, self._channel = False, None

    async def _keep_up(self) -> None:
        """Read what it prints for as long as the driver is connected, and open the line again when it breaks."""
        resumed, pause_s = False, _REOPEN_S
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._read(), name=f"{self.name}: lines")
                    group.create_task(self._attend(resumed), name=f"{self.name}: probe")
            except* DeviceError as errors:
                if self._up:
                    self.context.emit("device", {"state": "lost", "detail": str(errors.exceptions[0])})
                    self._up, pause_s = False, _REOPEN_S
            await self._shut()
            while self._writer is None:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _REOPEN_MAX_S)
                # That it is lost is on the stream already, and nothing has changed.
                with contextlib.suppress(DeviceLost):
                    await self._open()
            resumed = True

    async def _attend(self, resumed: bool) -> None:
        """After a loss, listen again as before; then ask whether it is there whenever it was quiet for long."""
        if resumed:
            await self._settle(self._wanted)
            self._up = True
            self.context.emit("device", {"state": "reconnected", "detail": self.config.resource})
        loop = asyncio.get_running_loop()
        while True:
            quiet_s = loop.time() - self._last_line_s
            if quiet_s < self.config.probe:
                # Not less than a millisecond: a remainder of rounding would not move the clock at all.
                await asyncio.sleep(max(self.config.probe - quiet_s, 0.001))
                continue
            async with self._commands:
                channel, answer = self._channel, await self._ask()
            if channel is not None and answer != channel:
                raise self._lost(f"it left channel {channel} for {answer}, so it was restarted")

    async def _settle(self, channel: int | None) -> None:
        """Put it to sleep and, if a channel is given, let it receive there."""
        async with self._commands:
            self._stop_hearing()
            self._send("")
            self._send("sleep")
            if channel is None:
                await self._ask()
                return
            self._send(f"channel {channel}")
            answer = await self._ask()
            if answer != channel:
                raise DeviceError(f"it was told to use channel {channel} and is on {answer}", where=self._where)
            self._channel = channel
            self._send("receive")
            # The shell answers in order: when this answer comes, `receive` has been carried out.
            await self._ask()
            self._hears = True

    def _send(self, command: str) -> None:
        if self._writer is None:
            raise self._lost("it is unplugged or does not answer at the moment")
        self.context.wire("tx", command)
        if command:
            self._echoes.append(command)
        try:
            self._writer.write(command.encode() + b"\r\n")
        except OSError as error:
            raise self._lost(f"the line broke: {error.strerror or error}") from error

    async def _ask(self) -> int:
        """Ask for its channel, once more if no answer comes; without any the line is given up, and opened again."""
        self._chatter = ""
        for _ in range(_TRIES):
            question: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._questions.append(question)
            self._send("channel")
            try:
                async with asyncio.timeout(_ANSWER_S):
                    return await question
            except TimeoutError:
                if question in self._questions:
                    self._questions.remove(question)
        if self._writer is not None:
            self._writer.transport.abort()
        if self._chatter:
            raise DeviceError(
                f"what answers is no sniffer: it says {self._chatter[:60]!r}",
                where=self._where,
                next_step="Check the port in the rig file, and the sniffer's firmware",
            )
        raise self._lost(f"it did not answer within {_TRIES * _ANSWER_S:g} s")

    async def _read(self) -> None:
        reader, waiting = self._reader, bytearray()
        assert reader is not None
        while True:
            try:
                data = await reader.read(4096)
            except OSError as error:
                raise self._lost(f"the line broke: {error.strerror or error}") from error
            if not data:
                raise self._lost("the line was closed")
            arrival = self.context.clock.now()
            self._last_line_s = asyncio.get_running_loop().time()
            waiting += data
            *lines, waiting = waiting.split(b"\n")
            for line in lines:
                self._take(plain(line.decode("ascii", "replace")), arrival)
            if len(waiting) > _MAX_LINE:
                self._gaps += 1
                self._damaged(plain(waiting.decode("ascii", "replace")), arrival)
                waiting.clear()

    def _take(self, text: str, arrival: Instant) -> None:
        if not text:
            return
        if text in self._echoes:
            self._echoes.remove(text)
        elif match := _CHANNEL_ANSWER.fullmatch(text):
            self.context.emit("wire", {"direction": "rx", "text": text}, at=arrival)
            if self._questions:
                question = self._questions.popleft()
                if not question.done():
                    question.set_result(int(match[1]))
        elif self._channel is not None and (frame := parse_line(text)) is not None:
            self._frame(frame, text, self._channel, arrival)
        elif self._hears and "Booting" in text:
            raise self._lost("it was restarted")
        elif self._hears:
            self._gaps += 1
            self._damaged(text, arrival)
        else:
            self._chatter = text
            self.context.emit("wire", {"direction": "rx", "text": text}, at=arrival)

    def _damaged(self, text: str, arrival: Instant) -> None:
        """Count a line that is no frame; a flood of them is reported with ever larger strides."""
        self.garbled += 1
        self.context.emit("wire", {"direction": "rx", "text": text}, at=arrival)
        if self.garbled.bit_count() == 1:
            detail = f"{self.garbled} garbled so far, the last: {text[:60]!r}"
            self.context.emit("device", {"state": "garbled", "detail": detail}, at=arrival)

    def _frame(self, sniffed: SniffedFrame, text: str, channel: int, arrival: Instant) -> None:
        self._fcs_is_real = self._fcs_is_real or bool(sniffed.fcs_ok)
        if sniffed.fcs_ok is False and self._fcs_is_real:
            self._damaged(text, arrival)
            return
        self.frames += 1
        air = self._device_clock.relate(sniffed.device_us, arrival.mono_ns)
        if air.jumped_us:
            detail = f"its clock jumped by {air.jumped_us / 1e6:+.3f} s"
            self.context.emit("device", {"state": "garbled", "detail": detail}, at=arrival)
        frame, summary = None, ""
        try:
            frame = decode(sniffed.psdu, self._keys)
            summary = frame.summary
        except ZigbeeError as error:
            summary = str(error)  # not every frame on the channel is Zigbee
        data = {
            "direction": "rx",
            "hex": sniffed.psdu.hex(),
            "channel": channel,
            "power_dbm": sniffed.power_dbm,
            "lqi": sniffed.lqi,
            "device_us": air.device_us,
            "air_mono_ns": air.mono_ns,
            "summary": summary,
        }
        self.context.emit("wire", data, at=arrival)
        if frame is None:
            return
        self._keys = learn(self._keys, frame)
        for stage in self._tracker.feed(air.mono_ns, frame):
            seen: dict[str, Any] = {
                "stage": str(stage.stage),
                "device": str(stage.device),
                "short_address": stage.short_address,
                "device_us": air.device_us,
                "air_mono_ns": air.mono_ns,
            }
            if stage.missed:
                seen["missed"] = [str(missed) for missed in stage.missed]
            self.context.emit("seen.han", seen, at=arrival)
