"""The state of a rig as a person sees it: plain values that `fold` changes and screens read.

Times are the engine's monotonic nanoseconds. Everything that grows has an end, so that a night of events takes no
more memory than an hour.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NS = 1_000_000_000

DARK_V = 10.0
"""What the reference meter reads below this is no supply."""

MOST_MESSAGES = 5_000
MOST_MOMENTS = 1_000
MOST_READINGS = 2_000
MOST_LINES = 200


@dataclass(slots=True)
class Device:
    """A device of the rig, or a device under test.

    Attributes:
        name: in the rig file or the DUT file.
        kind: its driver, or its DUIS device type.
        address: where it is reached; the EUI-64 of a device under test.
        state: "connected", "lost", "reconnected" ...; empty for a device under test.
        detail: what is known besides.
        seen_ns: when something came from it last.
        offset_s: how far its clock was from the bench's when it last said what time it is, latency included.
    """

    name: str
    kind: str
    address: str
    state: str = ""
    detail: str = ""
    seen_ns: int | None = None
    offset_s: float | None = None


@dataclass(slots=True)
class SupplyPath:
    """What the supply is and reads; None where nobody knows yet."""

    source: str = ""
    relay: str = ""
    meter: str = ""
    feeds: str = ""
    on: bool | None = None
    set_v: float | None = None
    source_v: float | None = None
    meter_v: float | None = None
    closed: bool | None = None
    hub: dict[str, str] = field(default_factory=dict)

    @property
    def live(self) -> bool | None:
        """Whether the meter under test has power, as far as source, relay and reference meter tell."""
        if self.on is False or self.closed is False or (self.meter_v is not None and self.meter_v < DARK_V):
            return False
        return None if self.on is None else True


@dataclass(slots=True)
class Trace:
    """The voltage over time: (moment in seconds, volts), and what happened to it.

    Attributes:
        set: what was commanded, with two points for each edge.
        source: what the source reads at its terminals.
        meter: what the reference meter reads.
        outages: [began, ended]; None for one that goes on.
        marks: alerts: (moment, code).
        thresholds: volts by name, as the meter was last told or last said.
    """

    set: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MOST_READINGS))
    source: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MOST_READINGS))
    meter: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MOST_READINGS))
    outages: deque[list[float | None]] = field(default_factory=lambda: deque(maxlen=100))
    marks: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=100))
    thresholds: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class StepLine:
    """A step of the run: as planned, and what became of it. `verdict` is "" until it ends, "running" meanwhile."""

    group: str
    name: str
    user: str = ""
    act: str = ""
    verdict: str = ""
    reason: str = ""
    began_ns: int | None = None
    duration_ns: int | None = None


@dataclass(slots=True)
class Awaited:
    """What must come, or must not, in the step that is going on.

    Attributes:
        label: "0x8F35 from esme".
        must: "come" or "not come".
        to: the User that must get it, or "".
        after: what its window counts from.
        due_ns: when the window ends; None until that is known.
        verdict: "" while it is open.
    """

    label: str
    must: str
    to: str
    after: str
    due_ns: int | None
    verdict: str = ""
    reason: str = ""
    latency_ns: int | None = None
    uncertainty_ns: int = 0


@dataclass(slots=True)
class Run:
    """The run that is going on, or the last one."""

    job: int
    runbook: str
    title: str = ""
    state: str = "running"
    verdict: str = ""
    reason: str = ""
    bundle: str = ""
    began_ns: int | None = None
    ended_ns: int | None = None
    paused: bool = False
    plan: Mapping[str, Any] = field(default_factory=dict)
    steps: list[StepLine] = field(default_factory=list)
    awaited: list[Awaited] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state == "ended"


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the time line.

    Attributes:
        at_ns: when it happened.
        kind: "step", "stimulus", "supply", "HAN", "hub", "alert", "response", "verdict", "operator", "trouble".
        text: what.
        good: True for something awaited that came, False for trouble, None otherwise.
    """

    at_ns: int
    kind: str
    text: str
    good: bool | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message that came.

    Attributes:
        n: the event's number.
        kind: "response", "device alert", "DCC alert", "HAN", "hub", "console", "refused".
        code: response code, alert code, stage.
        source: whom it is from, by name where that is known.
        to: the User that got it.
        note: what is strange, or what it is about.
        data: all that the engine said of it.
    """

    n: int
    at_ns: int
    utc_ns: int
    kind: str
    code: str
    source: str
    to: str
    note: str
    data: Mapping[str, Any]

    @property
    def text(self) -> str:
        """All that a search looks through."""
        return f"{self.kind} {self.code} {self.source} {self.to} {self.note}".lower()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question that waits for an answer.

    Attributes:
        picture: what the engine says of the picture to it: `name`, `path`, `size`, `sha256` ...; None without one.
    """

    number: int
    text: str
    choices: tuple[str, ...]
    picture: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Model:
    """Everything that is shown.

    Attributes:
        link: "looking", "attached", "lost", "none" (no engine serves the rig) or "refused".
        why: what is wrong with the link.
        engine: what the engine says of itself: `hello`, and after every change `status`.
        rig: what it says of the rig: `describe`.
        changes: counts what changed, so that a screen knows whether to draw again.
    """

    link: str = "looking"
    why: str = ""
    engine: dict[str, Any] = field(default_factory=dict)
    rig: dict[str, Any] = field(default_factory=dict)
    state: str = ""
    devices: dict[str, Device] = field(default_factory=dict)
    duts: dict[str, Device] = field(default_factory=dict)
    supply: SupplyPath = field(default_factory=SupplyPath)
    trace: Trace = field(default_factory=Trace)
    run: Run | None = None
    waiting: list[tuple[int, str]] = field(default_factory=list)
    prompts: dict[int, Prompt] = field(default_factory=dict)
    done: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=50))
    hands_on: dict[str, Any] | None = None
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=MOST_MESSAGES))
    moments: deque[Moment] = field(default_factory=lambda: deque(maxlen=MOST_MOMENTS))
    acts: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    last_n: int = 0
    last_ns: int = 0
    last_utc_ns: int = 0
    last_at_s: float = 0.0
    changes: int = 0

    @property
    def attached(self) -> bool:
        """Whether what is shown is what is."""
        return self.link == "attached"

    @property
    def pid(self) -> int | None:
        """The engine's process."""
        return self.engine.get("pid")

    def now_ns(self, at_s: float) -> int:
        """The engine's monotonic time, as far as it can be known from what it sent last.

        Args:
            at_s: the time of this process's event loop, as given to `fold`.
        """
        speed = self.engine.get("speed") or 1.0
        return self.last_ns + round(max(0.0, at_s - self.last_at_s) * speed * NS)

    def name_of(self, eui: object) -> str:
        """The name of a device under test by its EUI-64, or the EUI-64."""
        if eui and eui == self.rig.get("dcc"):
            return "DCC"
        return next((dut.name for dut in self.duts.values() if dut.address == eui), str(eui or ""))
