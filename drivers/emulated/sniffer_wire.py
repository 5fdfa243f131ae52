"""An emulated nRF 802.15.4 sniffer: the firmware's shell on a serial line, and the frames that it hears."""

from __future__ import annotations

import asyncio
import base64
from enum import Enum
from pathlib import Path
from random import Random

from bench.zigbee.mac import fcs
from drivers.emulated.pty_line import PtyLine

PROMPT = "uart:~$ "

_CHANNELS = range(11, 27)


class Dialect(Enum):
    """Which firmware it is: how it prints a frame."""

    HEX_WITH_FCS = "hex with FCS"
    """`received: HEX power: -40 lqi: 220 time: 1234`, FCS included, time in 32 bits."""
    BASE64 = "base64"
    """`r BASE64 -40 220 1234`, without FCS, time in 64 bits."""
    HEX_WITHOUT_FCS = "hex without FCS"
    """`psdu: HEX power: -40 lqi: 220 time: 1234`, time in 64 bits."""


class SnifferWire:
    """The firmware: it starts asleep, on channel 11, each time it is plugged in, and its time starts over.

    Args:
        link: the stable path of its serial port.
        channel: the channel on which the emulated HAN is.
        rng: for what goes wrong.
        dialect: which firmware.
        uptime_us: what its clock shows when it is plugged in.

    Attributes:
        line: the serial line, with its faults.
        power_dbm: how strong it hears everything.
        lqi: how well it hears everything.
    """

    def __init__(
        self, link: Path, channel: int, rng: Random, *, dialect: Dialect = Dialect.BASE64, uptime_us: int = 0
    ) -> None:
        self.line = PtyLine(link, self._command, rng)
        self.power_dbm = -48
        self.lqi = 212
        self._han_channel = channel
        self._dialect = dialect
        self._uptime_us = uptime_us
        self._plugged_s = 0.0
        self._channel = _CHANNELS[0]
        self._receiving = False

    @property
    def receiving(self) -> bool:
        """Whether it prints what it hears on the HAN's channel."""
        return self.line.plugged and self._receiving and self._channel == self._han_channel

    def plug(self) -> None:
        """Plug it in, and let its firmware start."""
        self.line.plug()
        self._plugged_s = asyncio.get_running_loop().time()
        self._channel, self._receiving = _CHANNELS[0], False
        self.line.send(PROMPT.encode())

    def unplug(self) -> None:
        """Pull it out."""
        self.line.unplug()

    def close(self) -> None:
        """Free everything; may be called twice."""
        self.line.close()

    def air(self, psdu: bytes, at_s: float | None = None) -> None:
        """Let it hear a frame, if it listens.

        Args:
            psdu: the frame without its FCS.
            at_s: when on the event loop's clock, now if left out; the line is printed at once all the same.
        """
        if not self.receiving:
            return
        when_s = asyncio.get_running_loop().time() if at_s is None else at_s
        time_us = self._uptime_us + round((when_s - self._plugged_s) * 1e6)
        tail = f"power: {self.power_dbm} lqi: {self.lqi} time: "
        match self._dialect:
            case Dialect.HEX_WITH_FCS:
                text = f"received: {(psdu + fcs(psdu)).hex()} {tail}{time_us & 0xFFFFFFFF}"
            case Dialect.HEX_WITHOUT_FCS:
                text = f"psdu: {psdu.hex()} {tail}{time_us}"
            case Dialect.BASE64:
                text = f"r {base64.b64encode(psdu).decode()} {self.power_dbm} {self.lqi} {time_us}"
        self._print(text)

    def _print(self, text: str) -> None:
        """Print beside the prompt as the shell does: wipe it, print, and put it back."""
        self.line.send(f"\r\x1b[J{text}\r\n{PROMPT}".encode())

    def _command(self, line: str) -> None:
        words = line.split()
        match words:
            case []:
                answer = ""
            case ["sleep"]:
                self._receiving, answer = False, ""
            case ["receive"]:
                self._receiving, answer = True, ""
            case ["channel"]:
                answer = str(self._channel)
            case ["channel", number] if number.isdigit() and int(number) in _CHANNELS:
                self._channel, answer = int(number), ""
            case ["channel", *_]:
                answer = "channel: wrong parameter"
            case _:
                answer = f"{words[0]}: command not found"
        self.line.send(f"{line}\r\n{answer}{answer and chr(13) + chr(10)}{PROMPT}".encode())
