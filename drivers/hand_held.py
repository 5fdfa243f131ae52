"""A hand-held terminal that takes local commands from a folder and leaves the devices' responses there.

Terminals are their makers' own. What all can be brought to is files: the bench writes `0001-EUI.command`, the
terminal's tool (or a person with the terminal) delivers it to the device on the HAN and leaves the device's response
as `0001-EUI.response`. Both hold the GBCS message in hexadecimal (form of the files: inferred, no public source).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from bench.device import Driver, DriverConfig, Problem
from bench.errors import CodecError, DeviceError, DeviceLost
from bench.eui import Eui64
from bench.gbcs.message import Cra, Message
from bench.gbcs.use_cases import use_case_for
from bench.quantities import SecondsField
from drivers.gbcs_protection import check_protection
from drivers.redaction import HIDDEN, is_secret

COMMAND, RESPONSE = ".command", ".response"
_NUMBERED = re.compile(r"(\d+)-.*")
_MAX_CHARACTERS = 1 << 20


class HandHeldConfig(DriverConfig):
    """The section in the rig file.

    Attributes:
        folder: that the bench and the terminal share.
        timeout: how long the delivery of one command may take: a person may have to carry it.
        poll: how often the bench looks for the response.
    """

    folder: Path
    timeout: SecondsField = Field(default=600.0, gt=0)
    poll: SecondsField = Field(default=1.0, gt=0)


class HandHeldTerminal(Driver[HandHeldConfig]):
    """Implements `HandHeld`."""

    Config = HandHeldConfig

    def problems(self) -> Sequence[Problem]:
        """Whether the folder is there."""
        if self.config.folder.is_dir():
            return ()
        return (Problem(f"{self.config.folder} is no folder", "Make it, and have the terminal's tool look there"),)

    async def connect(self) -> None:
        """See that the folder is there; see `Driver.connect`."""
        if not self.config.folder.is_dir():
            raise DeviceLost(f"{self.config.folder} is no folder", where=self.name, next_step="Make it")
        self.context.emit("device", {"state": "connected", "detail": "hand-held terminal"})

    async def close(self) -> None:
        """Nothing is open."""

    async def deliver(self, target: Eui64, command: bytes) -> bytes:
        """Have a local command delivered; see `HandHeld.deliver`."""
        folder, clock = self.config.folder, self.context.clock
        try:
            numbers = [int(found[1]) for each in folder.iterdir() if (found := _NUMBERED.fullmatch(each.name))]
            stem = f"{max(numbers, default=0) + 1:04}-{target}"
            half = folder / f"{stem}.part"
            half.write_text(command.hex().upper() + "\n", "ascii")
            half.rename(folder / f"{stem}{COMMAND}")
        except OSError as error:
            raise DeviceLost(f"cannot write to {folder}: {error.strerror}", where=self.name) from None
        self._record("tx", command)
        deadline_ns = clock.now().mono_ns + round(self.config.timeout * 1e9)
        answer = folder / f"{stem}{RESPONSE}"
        while not answer.is_file():
            if clock.now().mono_ns > deadline_ns:
                raise DeviceError(f"no response of {target} was left in {folder}", where=self.name)
            await asyncio.sleep(self.config.poll)
        response = self._read(answer)
        self._record("rx", response)
        self._check(response, target)
        return response

    def _record(self, direction: str, message: bytes) -> None:
        shown = HIDDEN if is_secret(message) else message.hex()
        self.context.emit("wire", {"direction": direction, "hex": shown, "channel": "gbcs"})

    def _read(self, path: Path) -> bytes:
        try:
            return bytes.fromhex(path.read_text("ascii")[:_MAX_CHARACTERS])
        except (OSError, ValueError):
            raise DeviceError(f"{path} holds no hexadecimal", where=self.name) from None

    def _check(self, response: bytes, target: Eui64) -> None:
        """See that it is the device's own response, and says yes.

        Raises:
            DeviceError: it is not, or says no.
        """
        try:
            message = Message.parse(response)
        except CodecError as error:
            raise DeviceError(f"what was left as the response is no GBCS message: {error}", where=self.name) from None
        if message.cra is not Cra.RESPONSE or message.originator != target:
            raise DeviceError(f"what was left as the response is no response of {target}", where=self.name)
        found = check_protection(message, self.context.parties, broker_vouches=True)
        if found != "valid":
            raise DeviceError(f"the response of {target} is not to be believed: {found}", where=self.name)
        use_case = use_case_for(message.message_code)
        if use_case is not None and not (outcome := use_case.outcome(message.content)).ok:
            raise DeviceError(f"{target} answered with an error: {outcome.detail}", where=self.name)
