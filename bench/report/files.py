"""Files of ours among those of others: a page is replaced, nothing else is."""

from __future__ import annotations

from pathlib import Path

from bench.errors import UsageError

GENERATOR = b'<meta name="generator" content="hilbench">'
"""What every page has near its beginning."""


def check_own(page: Path) -> None:
    """Refuse to replace a file that is no page of ours.

    Raises:
        UsageError: it is there, and something else.
    """
    try:
        with page.open("rb") as file:
            if GENERATOR in file.read(1024):
                return
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{page} cannot be read: {error.strerror}", next_step="Give another --out") from None
    raise UsageError(f"{page} is there, and no report of a run", next_step="Move it away, or give another --out")
