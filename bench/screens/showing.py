"""Showing a file that a terminal cannot show: in the person's browser, on the desktop, or only by its name."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from textual.app import App


def show_file(app: App[Any], path: Path, what: str, *, opens: bool = True) -> None:
    """Open a file, or say where it is: without a desktop a browser in text mode would take this terminal.

    Args:
        app: the cockpit.
        path: the file, on this computer.
        what: how it is called, such as "the report".
        opens: whether it can be looked at, or is only there to be had.
    """
    if app.is_web:
        app.notify(f"{what} comes to the browser")
        # To the browser through which this cockpit is used; it may be on another computer.
        app.deliver_binary(path, open_method="browser" if opens else "download")
        return
    app.notify(f"{what} is {path}", timeout=15, markup=False)
    if opens and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin"):
        app.open_url(path.as_uri())
