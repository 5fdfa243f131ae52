"""The shape of one area of what a device does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from bench.gbcs.use_cases import UseCase
from drivers.emulated.commands import Action, Values

if TYPE_CHECKING:
    from drivers.emulated.device import EmulatedDevice


class Function:
    """One area of what a device does: prices, registers, logs, switches.

    Args:
        device: whose it is. Its other functions are found by `device.function`, once the world is built.

    Attributes:
        remembers: names of the attributes that a device keeps when it is switched off, and a world when it is stopped
            and started again (`drivers.emulated.memory` says what values they may have).
    """

    remembers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, device: EmulatedDevice) -> None:
        self.device = device
        self.world = device.world

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {}

    def refusal(self, use_case: UseCase, params: Values) -> Values:
        """What a response of its device says beside "no", where its use case needs that."""
        return {}

    def start(self) -> None:
        """Begin to work: every device of the world has its functions now, and remembers what it did before."""

    def save(self) -> dict[str, Any]:
        """What it remembers, by attribute."""
        return {name: getattr(self, name) for name in self.remembers}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Remember what an earlier life saved."""
        for name in self.remembers:
            if name in saved:
                setattr(self, name, saved[name])
