"""What a fault implies for the verdict of a run, from the runbook's windows and the world's timing alone.

Nothing here looks at a run. Moments are seconds after the beginning of the run. None means that the fault begins or
ends so close to a moment that matters that both answers would be right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.runbook import Runbook
from bench.verdict import Verdict, gravest
from drivers.emulated.faults import Fault
from drivers.emulated.spec import WorldSpec

PASSED, FAILED, UNDECIDED = Verdict.PASSED, Verdict.FAILED, Verdict.UNDECIDED

GUARD_S = 1.5
"""Closer than this to a moment both answers would be right."""
LOST_S = 8.0
"""A meter that does not answer for so long is lost for certain: three readings, one a second, each given a second."""
PARKED_BEFORE_S = 180.0
"""The rig is parked so long before a run begins, whatever became of the last one."""
_QUIET_S = 60.0
"""What an outage makes a meter say has come after so long: boot, and the way to the bench."""
_BOOT_S = 7.0

_DEAF = ("silent", "slow", "garbled", "half", "stuck", "vanishes")


@dataclass(frozen=True)
class Windows:
    """When a run uses what.

    Attributes:
        source: moments at which the AC source is commanded.
        source_moves: those at which that changes anything.
        relay: moments at which the relay is commanded.
        reads: moments at which a step measures the voltage.
        dcc: moments at which the DCC is asked.
        delivered: moments at which the DCC delivers what is expected.
        raised: the moment at which the meter raises the alert that is expected.
        console: moments at which the console is asked.
        restored: when the supply is back after the run's own outage; None where it makes none.
        judged_until: until when the voltage has to stay as it was set; 0 where no step sets it.
        ends: the last moment of the run.
        tight: from when to when the steps follow each other as soon as answers come, so that delays move them.
    """

    source: Sequence[float]
    source_moves: Sequence[float]
    relay: Sequence[float]
    reads: Sequence[float]
    dcc: Sequence[float]
    delivered: Sequence[float]
    raised: float
    console: Sequence[float]
    restored: float | None
    judged_until: float
    ends: float
    tight: tuple[float, float] | None


def outage_windows(runbook: Runbook, world: WorldSpec, drain_s: float) -> Windows:
    """Of `supply-outage-short`: the supply goes at once, and comes back; then it waits for what must not come."""
    step = next(placed.step for placed in runbook.steps if placed.step.supply is not None)
    assert step.supply is not None and step.supply.interrupt is not None
    restored = step.supply.interrupt.duration
    ends = max(forbid.duration + (restored if forbid.after == "restore" else 0.0) for forbid in step.forbid)
    raised = restored + world.esme_boot
    delivered = restored + world.hub_boot + world.han_latency + world.wan_latency
    return Windows(
        source=(0.0, restored, ends),
        source_moves=(0.0, restored),
        relay=(ends,),
        reads=(0.0, ends),
        dcc=(0.0, ends + drain_s),
        delivered=(delivered,),
        raised=raised,
        console=(),
        restored=restored,
        judged_until=ends,
        ends=ends + drain_s,
        tight=None,
    )


def arm_windows(runbook: Runbook, world: WorldSpec, drain_s: float) -> Windows:
    """Of `arm-supply`: the first step waits for what must not come, the others for answers, one after the other."""
    first = runbook.steps[0].step
    way_s = 2 * (world.han_latency + world.wan_latency) + 0.1
    begins = max(forbid.duration for forbid in first.forbid)
    asks = [begins + number * way_s for number in range(4)]
    ends = asks[-1] + way_s
    return Windows(
        source=(ends,),
        source_moves=(),
        relay=(ends,),
        reads=(),
        dcc=(0.0, *asks, ends + drain_s),
        delivered=(way_s, *(moment + way_s for moment in asks)),
        raised=asks[1] + way_s / 2,
        console=(asks[-1],),
        restored=None,
        judged_until=0.0,
        ends=ends + drain_s,
        tight=(begins, ends),
    )


@dataclass(frozen=True)
class _Lasting:
    """A fault that lasts from `begins` until `ends`."""

    begins: float
    ends: float

    def covers(self, moments: Sequence[float]) -> bool:
        return any(self.begins <= moment < self.ends for moment in moments)

    def is_near(self, moments: Sequence[float], guard_s: float = GUARD_S) -> bool:
        return any(abs(edge - moment) <= guard_s for edge in (self.begins, self.ends) for moment in moments)

    def overlap(self, from_s: float, to_s: float) -> float:
        return max(0.0, min(self.ends, to_s) - max(self.begins, from_s))


def implied(fault: Fault, began_s: float, windows: Windows) -> Verdict | None:
    """The verdict of the run that begins `began_s` after the start of the world, if this fault is all there is."""
    device, _, how = fault.name.partition("-")
    away_s = {"source-reboots": 5.0, "relay-reboots": 3.0, "meter-reboots": 3.0}.get(fault.name, 0.0)
    lasting = _Lasting(fault.begins_s - began_s, max(fault.ends_s, fault.begins_s + away_s) - began_s)
    if lasting.ends < -PARKED_BEFORE_S or lasting.begins > windows.ends + GUARD_S:
        return PASSED
    judge = _JUDGES.get(fault.name) or (_deaf(device) if how in _DEAF else None)
    assert judge is not None, f"nobody says what {fault} implies"
    return judge(lasting, windows)


_Judge = Callable[[_Lasting, Windows], Verdict | None]


def _nothing(_lasting: _Lasting, _windows: Windows) -> Verdict | None:
    return PASSED


def _if_used(use: Callable[[Windows], Sequence[float]], verdict: Verdict = UNDECIDED) -> _Judge:
    """It matters at moments of use, and at no other."""

    def judge(lasting: _Lasting, windows: Windows) -> Verdict | None:
        if lasting.is_near(use(windows)):
            return None
        return verdict if lasting.covers(use(windows)) else PASSED

    return judge


def _deaf(device: str) -> _Judge:
    if device == "meter":
        return _deaf_meter
    return _if_used(lambda windows: windows.source if device == "source" else windows.relay)


def _deaf_meter(lasting: _Lasting, windows: Windows) -> Verdict | None:
    if lasting.is_near((*windows.reads, 0.0, windows.ends), LOST_S + GUARD_S):
        return None
    length_s = lasting.ends - lasting.begins
    if lasting.covers(windows.reads) or lasting.overlap(0.0, windows.ends) >= LOST_S:
        return UNDECIDED
    return PASSED if length_s < 1.0 or not lasting.overlap(0.0, windows.ends) else None


def _restarted_meter(lasting: _Lasting, windows: Windows) -> Verdict | None:
    if lasting.is_near((*windows.reads, 0.0, windows.ends)):
        return None
    # Of readings every second, three fall in any three seconds.
    return UNDECIDED if lasting.overlap(0.0, windows.ends) else PASSED


def _wrong_reading(lasting: _Lasting, windows: Windows) -> Verdict | None:
    """The meter reads another voltage than there should be, and answers."""
    if windows.restored is None:
        return PASSED
    if lasting.is_near((*windows.reads, 0.0, windows.restored), 5.0):
        return None
    verdicts = [FAILED] if lasting.covers(windows.reads) else []
    # Only a voltage that was seen as it was set can be seen not to stay.
    if lasting.begins > windows.restored and lasting.overlap(windows.restored, windows.judged_until) >= 4.0:
        verdicts.append(UNDECIDED)
    elif lasting.begins > windows.restored and lasting.overlap(windows.restored, windows.judged_until) > 1.0:
        return None
    return gravest(verdicts) if verdicts else PASSED


def _no_supply(lasting: _Lasting, windows: Windows) -> Verdict | None:
    """A brown-out: an outage to all that lives on the supply."""
    if windows.restored is None:
        return PASSED if lasting.ends < -_QUIET_S or lasting.begins > windows.ends + GUARD_S else None
    if -_QUIET_S <= lasting.ends <= GUARD_S or lasting.covers((windows.restored,)):
        return None
    return _wrong_reading(lasting, windows)


def _source_restarts(lasting: _Lasting, windows: Windows) -> Verdict | None:
    """Its output is off until somebody switches it on: the run itself, if that is still to come."""
    if windows.restored is None:
        return PASSED if lasting.begins > windows.judged_until and lasting.begins > windows.ends + GUARD_S else None
    if lasting.begins < -PARKED_BEFORE_S - GUARD_S:
        return PASSED
    moments = (-PARKED_BEFORE_S, 0.0, windows.restored, windows.judged_until)
    if any(moment - _BOOT_S - 3.0 <= lasting.begins <= moment + GUARD_S for moment in moments):
        return None
    if lasting.begins < 0:
        return FAILED
    if lasting.begins < windows.restored:
        return PASSED
    return UNDECIDED if lasting.begins < windows.judged_until else PASSED


def _relay_restarts(lasting: _Lasting, windows: Windows) -> Verdict | None:
    """It is open until the rig is parked: the supply does not come back, or goes."""
    judged = _source_restarts(lasting, windows)
    if judged is PASSED and windows.restored is not None and 0 <= lasting.begins < windows.restored:
        return FAILED
    return judged


def _silent_dcc(lasting: _Lasting, windows: Windows) -> Verdict | None:
    """It answers nothing, and what it should deliver is lost."""
    if lasting.is_near((*windows.dcc, *windows.delivered)):
        return None
    if lasting.covers(windows.dcc):
        return UNDECIDED
    return FAILED if lasting.covers(windows.delivered) else PASSED


def _refusing_dcc(lasting: _Lasting, windows: Windows) -> Verdict | None:
    """Without the inventory nothing is known; a refused step has failed; at the end it only has to be there."""
    first, *asks, _last = windows.dcc
    if lasting.is_near((first, *asks)):
        return None
    if lasting.covers((first,)):
        return UNDECIDED
    return FAILED if lasting.covers(asks) else PASSED


def _twice(lasting: _Lasting, windows: Windows) -> Verdict | None:
    if windows.tight is not None:
        return PASSED if not lasting.overlap(-GUARD_S, windows.ends + GUARD_S) else None
    return _if_used(lambda each: each.delivered, FAILED)(lasting, windows)


def _refused(lasting: _Lasting, windows: Windows) -> Verdict | None:
    """A precondition that cannot be read leaves the run undecided; a step whose request is refused has failed.

    At the end the DCC only has to be there: a refusal says that it is.
    """
    first, asked = windows.dcc[:1], windows.dcc[1:-1]
    if lasting.is_near((*first, *asked)):
        return None
    return UNDECIDED if lasting.covers(first) else FAILED if lasting.covers(asked) else PASSED


def _moves_steps(lasting: _Lasting, windows: Windows) -> Verdict | None:
    """What comes a little later is still in time; where steps wait for it, they are later too."""
    return PASSED if windows.tight is None or not lasting.overlap(-GUARD_S, windows.ends + GUARD_S) else None


_JUDGES: dict[str, _Judge] = (
    {
        "meter-reboots": _restarted_meter,
        "meter-stale": _nothing,
        "meter-wrong-unit": _wrong_reading,
        "source-ignores": _if_used(lambda windows: windows.source_moves),
        "source-reboots": _source_restarts,
        "relay-reboots": _relay_restarts,
        "console-unplugged": _if_used(lambda windows: windows.console),
        "mains-sag": _wrong_reading,
        "mains-brown-out": _no_supply,
        "dcc-silent": _silent_dcc,
        "dcc-rejects": _refused,
        "dcc-duplicate": _twice,
        "dcc-late": _moves_steps,
        "dcc-out-of-order": _moves_steps,
        "meter-reboot": _moves_steps,
        "alert-storm": _if_used(lambda windows: (windows.raised,), FAILED),
        "alert-never": _if_used(lambda windows: (windows.raised,), FAILED),
    }
    | dict.fromkeys(("dcc-away", "dcc-slow"), _if_used(lambda windows: windows.dcc))
    | dict.fromkeys(
        (
            "source-disconnects",
            "relay-disconnects",
            "meter-disconnects",
            "relay-ignores",
            "broker-restart",
            "sniffer-unplugged",
            "sniffer-garbled",
            "mains-flicker",
            "mains-frequency-drift",
            "dcc-storm",
            "device-clock-drifts",
        ),
        _nothing,
    )
)
