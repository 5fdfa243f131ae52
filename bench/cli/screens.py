"""The command line of what people look at: `tui` and `web`. Nothing of it is loaded before it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import click

from bench.cli.common import RIG, say

_speed = click.option(
    "--speed", type=click.FloatRange(0.001, 1e6), help="Start an engine in virtual time: seconds a second."
)
_who = click.option("--who", default="", help="Who acts, for the record; the user of this process unless given.")
_view = click.option("--view", "view_only", is_flag=True, help="Look only: the engine refuses every act.")


@click.command()
@click.argument("rig_path", metavar="[RIG]", type=RIG, required=False)
@click.option("--start", is_flag=True, help="Start an engine if none serves the rig.")
@_speed
@_view
@_who
def tui(rig_path: Path | None, start: bool, speed: float | None, view_only: bool, who: str) -> None:
    """Watch and use RIG in this terminal; F1 shows the keys. Closing it never disturbs a run."""
    # By name: the screens are no part of the controller, which works without them.
    sys.exit(importlib.import_module("tui").run(rig_path, who=who, view_only=view_only, start=start, speed=speed))


@click.command()
@click.argument("rig_path", metavar="RIG", type=RIG)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535))
@click.option("--token", "token_file", type=click.Path(path_type=Path), help="File with the secret that browsers show.")
@click.option("--certificate", type=click.Path(path_type=Path), help="PEM file: serve over TLS.")
@click.option("--key", type=click.Path(path_type=Path), help="PEM file of the certificate's key.")
@_view
def web(
    rig_path: Path,
    host: str,
    port: int,
    token_file: Path | None,
    certificate: Path | None,
    key: Path | None,
    view_only: bool,
) -> None:
    """Serve the cockpit of RIG to browsers: on this computer only, unless --host and --token say otherwise."""
    from bench.web import WebOptions, serve

    options = WebOptions(rig_path, host, port, token_file, certificate, key, view_only)
    serve(options, say, os.environ)


def add_to(main: click.Group) -> None:
    """Give a program these commands."""
    main.add_command(tui)
    main.add_command(web)
