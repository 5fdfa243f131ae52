"""No garbage is collected while a process loads: nearly all that it makes then stays for good.

A collection looks at everything that lives. While some 800 modules are loaded that costs a tenth of the whole start;
afterwards each full one would hold the engine up for 50 ms, if it still had to look at what they made.
"""

from __future__ import annotations

import gc
import threading

LONGEST_S = 10.0
"""After so many seconds garbage is collected again, whatever the process waits for."""

_latest: threading.Timer | None = None


def begin() -> None:
    """Collect nothing until `done`, or for `LONGEST_S`: for the start of a process."""
    global _latest
    gc.disable()
    _latest = threading.Timer(LONGEST_S, done)
    _latest.daemon = True
    _latest.start()


def done() -> None:
    """Collect from now on, and never again look at what is there already; nothing after anything but `begin`."""
    if not gc.isenabled():
        if _latest is not None:
            _latest.cancel()
        gc.freeze()
        gc.enable()
