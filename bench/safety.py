"""Parking a rig, and making it safe: device by device, read back, within a deadline.

The actions on one device are done in order; different devices are acted on at the same time, so that a blocked
instrument never keeps another one, the relay, from doing its part.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.capabilities import AcSource, Switch
from bench.errors import BenchError, DeviceError
from bench.events import Event
from bench.rig.sections import SafetyAction, SafetyState

if TYPE_CHECKING:
    from bench.rig.session import RigSession

_VOLTAGE_TOLERANCE_V = 2.0


async def reach(session: RigSession, name: str, state: SafetyState) -> tuple[str, ...]:
    """Bring the rig to its park or safe state.

    Cancellation is the caller's to prevent: shield this.

    Returns:
        what was not confirmed by read-back within the deadline, a sentence for each device; empty if all was.
    """
    session.stream.emit("engine", name, {"state": "start"})
    by_device: dict[str, list[SafetyAction]] = {}
    for action in state.actions:
        by_device.setdefault(action.device, []).append(action)
    reasons = await asyncio.gather(
        *(_one_device(session, name, device, actions, state.deadline) for device, actions in by_device.items())
    )
    unconfirmed = tuple(
        reason if reason.startswith(device) else f"{device}: {reason}"
        for device, reason in zip(by_device, reasons, strict=True)
        if reason is not None
    )
    session.stream.emit("engine", name, {"state": "end", "confirmed": not unconfirmed})
    return unconfirmed


async def _one_device(
    session: RigSession, name: str, device: str, actions: Sequence[SafetyAction], deadline_s: float
) -> str | None:
    """Act on one device; why it did not confirm, or None."""
    try:
        async with asyncio.timeout(deadline_s):
            for action in actions:
                await _act(session, device, action, urgent=name == "safe")
                session.stream.emit("engine", name, {"state": "done", "device": device, "action": describe(action)})
        return None
    except TimeoutError:
        reason = f"not confirmed within {deadline_s:g} s"
    except BenchError as error:
        reason = str(error)
    except Exception as error:
        # Whatever is wrong with one driver, the other devices still get their part.
        reason = repr(error)
    session.stream.emit("engine", name, {"state": "unconfirmed", "device": device, "reason": reason})
    return reason


async def _act(session: RigSession, device: str, action: SafetyAction, *, urgent: bool) -> None:
    driver = session.drivers[device]
    if action.closed is not None:
        if not isinstance(driver, Switch):
            raise DeviceError(f"{device} cannot be switched")
        await driver.switch(action.closed)
        if await driver.is_closed() != action.closed:
            raise DeviceError(f"{device} reads back {'open' if action.closed else 'closed'}")
    if action.output is None:
        return
    if not isinstance(driver, AcSource):
        raise DeviceError(f"{device} is not an AC source")
    if not action.output and urgent:
        await driver.make_safe()
    else:
        if action.voltage is not None:
            await driver.set_voltage(action.voltage)
        await driver.output(action.output)
    state = await driver.read_state()
    if state.output_on != action.output:
        raise DeviceError(f"{device} reads back output {'on' if state.output_on else 'off'}")
    if action.voltage is not None and not math.isclose(state.set_volts, action.voltage, abs_tol=_VOLTAGE_TOLERANCE_V):
        raise DeviceError(f"{device} reads back {state.set_volts:g} V, not {action.voltage:g} V")


def news_of(event: Event) -> str:
    """What a device says of itself while it is parked or made safe, such as that its watchdog had acted; else ""."""
    if event.kind != "device" or event.data["state"] not in ("tripped", "reconnected") or not event.data["detail"]:
        return ""
    return f"{event.source}: {event.data['detail']}"


def describe(action: SafetyAction) -> str:
    """An action in words: "output off", "closed"."""
    if action.closed is not None:
        return "closed" if action.closed else "open"
    voltage = f" at {action.voltage:g} V" if action.voltage is not None else ""
    return f"output {'on' if action.output else 'off'}{voltage}"
