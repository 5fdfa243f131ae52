"""What a benchmark measures, and the machine it was measured on."""

from __future__ import annotations

import math
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RIG = ROOT / "rigs" / "emulated.yaml"


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    Attributes:
        what: what was measured.
        unit: of the samples.
        samples: one for each repeat; none for what could not be measured, as `note` says.
        target: what the median must not exceed; None for a number that only explains the others.
        note: what else is worth knowing.
    """

    what: str
    unit: str
    samples: Sequence[float]
    target: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """The middle of the samples; not a number without any."""
        return statistics.median(self.samples) if self.samples else math.nan

    @property
    def met(self) -> bool:
        """Whether the target is met, or there is none."""
        return self.target is None or self.median <= self.target

    def as_json(self) -> dict[str, Any]:
        """The line for a program to read."""
        return {
            "what": self.what,
            "unit": self.unit,
            "target": self.target,
            "median": self.median if self.samples else None,
            "least": min(self.samples, default=None),
            "most": max(self.samples, default=None),
            "repeats": len(self.samples),
            "met": self.met,
            "note": self.note,
        }


Benchmark = Callable[[], list[Result]]


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return {
        "processor": f"{models[0] if models else platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "disk": _file_system(Path(tempfile.gettempdir())),
        "load": f"{os.getloadavg()[0]:.2f} before the start",
    }


def _file_system(path: Path) -> str:
    """The kind of the file system that evidence goes to here: on tmpfs, nothing is ever synced to a disk."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = [line.split()[1:3] for line in file]
    holders = [(point, kind) for point, kind in mounts if path.is_relative_to(point)]
    return max(holders, key=lambda holder: len(holder[0]))[1]
