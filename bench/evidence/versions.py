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
    # The whole file is parsed each time that `metadata` is asked for.
    files = (found.metadata for found in metadata.distributions())
    packages = {file["Name"]: file["Version"] for file in files if file["Name"]}
    return {
        "hilbench": packages.get("hilbench", "not installed"),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": packages,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "source": _source(),
    }


def _source() -> dict[str, Any] | None:
    if not (_ROOT / ".git").exists():
        return None
    try:
        revision = _git("rev-parse", "HEAD").strip()
        return {"modified": bool(_git("status", "--porcelain")), "revision": revision}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(_ROOT), *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=_GIT_TIMEOUT_S).stdout
