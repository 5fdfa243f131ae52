"""Which software made the evidence."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_GIT_TIMEOUT_S = 10


@functools.cache
def collect() -> dict[str, Any]:
    """Versions of the bench, of Python, of every installed package and of the kernel, and the source revision.

    `source` is null where the bench does not run from a repository; `modified` says whether the files there differ
    from the revision. Looked up once: what is installed or edited later is not what this process runs.
    """
    packages = dict(filter(None, map(_name_and_version, metadata.distributions())))
    return {
        "hilbench": packages.get("hilbench", "not installed"),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": packages,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "source": _source(),
    }


def _name_and_version(distribution: metadata.Distribution) -> tuple[str, str] | None:
    # `distribution.metadata` parses the whole file each time, most of which is a package's description.
    headers = (distribution.read_text("METADATA") or "").partition("\n\n")[0]
    fields = dict(line.partition(": ")[::2] for line in headers.splitlines())
    return (fields["Name"], fields["Version"]) if {"Name", "Version"} <= fields.keys() else None


def _source() -> dict[str, Any] | None:
    if not (_ROOT / ".git").exists():
        return None
    command = ["git", "--no-optional-locks", "-C", str(_ROOT), "status", "--porcelain=v2", "--branch"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=_GIT_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.splitlines()
    revision = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "")
    return {"modified": any(not line.startswith("#") for line in lines), "revision": revision}
