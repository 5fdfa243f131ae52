"""No garbage is collected while a process loads: nearly all that it makes then stays for good.

A collection looks at everything that lives. While some 800 modules are loaded that costs a tenth of the whole start;
afterwards each full one would hold the engine up for 50 ms, if it still had to look at what they made.
"""

from __future__ import annotations

import gc


def begin() -> None:
    """Collect nothing until `done`: for the start of a process that calls it soon."""
    gc.disable()


def done() -> None:
    """Collect from now on, and never again look at what is there already; nothing after anything but `begin`."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
