"""An AC source in the rig file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from bench.device import DriverConfig
from bench.quantities import SecondsField, VoltsField
from drivers.ac_source_profile import profiles
from drivers.scpi_transport import ScpiAddress

_WATCHDOG_S = 30.0


class WatchdogConfig(DriverConfig):
    """The source's own watchdog, for a profile that has one.

    Attributes:
        time: how long it waits for a word of the bench before it takes the output away; whole seconds.
    """

    time: Annotated[SecondsField, Field(gt=0)] = _WATCHDOG_S


class AcSourceConfig(DriverConfig):
    """An AC source in the rig file.

    Attributes:
        resource: VISA resource string, or the path of a serial port.
        profile: the command set; see `ac_source_profiles.json`.
        timeout: longest wait for one reply.
        settle_tolerance: by how much the measured voltage may differ from the one set.
        settle_time: how long the measured voltage may take to get there; a shorter excursion is not measured.
        latency: longest from the acceptance of a command to its effect, if the profile's figure does not hold.
        baud_rate: of a serial port.
        visa_library: which VISA serves resources other than TCP sockets and serial ports: "@py", "@ivi" or a path.
        watchdog: the source's own, armed from the connection to its orderly end where the profile has one, with 30 s
            if nothing is said; "no" leaves it as it is.
    """

    resource: str
    profile: str = "scpi-99"
    timeout: Annotated[SecondsField, Field(gt=0, le=60)] = 2.0
    settle_tolerance: Annotated[VoltsField, Field(gt=0, le=50)] = 1.0
    settle_time: Annotated[SecondsField, Field(ge=0, le=60)] = 1.0
    latency: Annotated[SecondsField, Field(ge=0, le=10)] | None = None
    baud_rate: Annotated[int, Field(gt=0)] = 9600
    visa_library: str = "@py"
    watchdog: WatchdogConfig | Literal["no"] | None = None

    @field_validator("resource")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        ScpiAddress.parse(value)
        return value

    @field_validator("profile")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in profiles():
            raise ValueError(f"there is no profile {value!r}; there are {', '.join(profiles())}")
        return value

    @model_validator(mode="after")
    def _fits_its_watchdog(self) -> AcSourceConfig:
        known, time_s = profiles()[self.profile].watchdog, self.watchdog_s
        if known is None and isinstance(self.watchdog, WatchdogConfig):
            raise ValueError(f"no watchdog is known of the profile {self.profile}: leave watchdog out")
        if known is None or time_s is None:
            return self
        if time_s != round(time_s) or not known.shortest_s <= time_s <= known.longest_s:
            span = f"{known.shortest_s} to {known.longest_s}"
            raise ValueError(f"its watchdog waits for whole seconds, {span} of them, not for {time_s:g}")
        if time_s <= 2 * self.timeout:
            raise ValueError(
                f"a watchdog of {time_s:g} s acts when one answer is lost: take more than twice the timeout"
            )
        return self

    @property
    def watchdog_s(self) -> float | None:
        """The time of the source's own watchdog, in seconds; None if none is to be armed."""
        if self.watchdog == "no" or profiles()[self.profile].watchdog is None:
            return None
        return self.watchdog.time if isinstance(self.watchdog, WatchdogConfig) else _WATCHDOG_S
