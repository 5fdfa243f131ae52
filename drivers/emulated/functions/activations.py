"""What a device does later: commands whose instructions have a date of their own, and the alerts that tell of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import ClassVar

from bench.eui import Eui64
from bench.gbcs import dlms
from bench.gbcs.alerts import FUTURE_DATED_DONE, FUTURE_DATED_FAILED, FutureDatedAction, Specific, ZclTarget
from bench.gbcs.message import Message
from drivers.emulated.commands import Refused, carry_out_again
from drivers.emulated.device import Anchor, EmulatedDevice, to_utc_ns
from drivers.emulated.functions.base import Function
from drivers.emulated.schedule import Timer

Instruction = dlms.Target | ZclTarget | Callable[[int], Specific]
"""What is acted on later: an attribute or method, or a ZigBee command; of a use case in ASN.1, which says how it went,
what makes the alert's content of the command's originator counter once that is known."""


class Activations(Function):
    """The future-dated instructions of a device.

    A device answers a future-dated command at once. When its time comes, by the device's own clock, each instruction
    is carried out and answered with 0x8F66, or with 0x8F67 if it cannot be (GBCS section 9.2).

    Attributes:
        commands: the commands whose instructions are still to come, each with its sender.
    """

    remembers: ClassVar[tuple[str, ...]] = ("commands",)

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self._planned: dict[str, tuple[int, Timer]] = {}
        self.commands: dict[int, tuple[bytes, Eui64]] = {}
        self._last = 0

    def at(
        self, moment: datetime, instructions: Sequence[Instruction], apply: Callable[[], None], *, about: str = ""
    ) -> None:
        """Carry instructions of the present command out at a moment, and tell its sender of each.

        Args:
            moment: UTC; what lies in the past is done at once.
            instructions: one alert is sent for each.
            apply: does what was asked, or raises `Refused`.
            about: a name of what is changed; a later plan of the same name takes this one's place.
        """
        if about:
            self.cancel(about)
        command, sender = self.device.command, self.device.sender
        if command is None or sender is None:
            raise RuntimeError("only a command that is being carried out can be future-dated")
        code, counter = command.message_code, command.originator_counter
        says = tuple(partial(_say, each, code, counter) for each in instructions)
        delay_s = (to_utc_ns(moment) - self.device.clock.utc_ns()) / 1e9
        self._last += 1
        number = self._last
        self.commands[number] = command.encode(), sender.eui
        timer = self.world.schedule.after(max(0.0, delay_s), lambda: self._carry_out(number, says, apply, sender))
        if about:
            self._planned[about] = number, timer

    def cancel(self, about: str) -> bool:
        """Forget a plan; False if there is none that is still to come."""
        number, timer = self._planned.pop(about, (0, None))
        if timer is None or not timer.pending:
            return False
        timer.cancel()
        del self.commands[number]
        return True

    def resume(self) -> None:
        """Plan again what an earlier life of the world had planned: its commands are carried out once more.

        A command whose instructions have dates only plans, so that nothing is done twice.
        """
        commands, self.commands = dict.fromkeys(self.commands.values()), {}
        for raw, eui in commands:
            sender = next((anchor for anchor in self.device.anchors.values() if anchor.eui == eui), None)
            if sender is not None:
                carry_out_again(self.device, Message.parse(raw), sender)

    def _carry_out(
        self, number: int, says: Sequence[Callable[[], Specific]], apply: Callable[[], None], sender: Anchor
    ) -> None:
        del self.commands[number]
        try:
            apply()
            code = FUTURE_DATED_DONE
        except Refused:
            code = FUTURE_DATED_FAILED
        for say in says:
            self.device.raise_alert(code, say(), to=sender)


def _say(instruction: Instruction, message_code: int, counter: int) -> Specific:
    if isinstance(instruction, dlms.Target | ZclTarget):
        return FutureDatedAction(message_code, counter, instruction)
    return instruction(counter)
