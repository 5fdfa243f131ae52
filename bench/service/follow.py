"""Showing at a terminal what an engine in another process does: the same table as of a run in this one."""

from __future__ import annotations

import json
from typing import Any, TextIO

from bench.service.client import EngineClient
from bench.service.lines import event_of
from bench.terminal import TablePrinter


class Follower:
    """Prints events, questions and results.

    Args:
        out: where to.
        as_json: print the engine's lines as they are.
    """

    def __init__(self, out: TextIO, *, as_json: bool) -> None:
        self._out, self._as_json = out, as_json
        self._table = TablePrinter(out)

    async def watch(self, client: EngineClient, until: set[int] | None) -> list[dict[str, Any]]:
        """Show everything until the engine goes or, if given, until these jobs have ended.

        Returns:
            how the jobs ended.
        """
        if until is None:
            await client.call("subscribe", after=0)
        ended: list[dict[str, Any]] = []
        while (message := await client.messages.get()) is not None:
            self._show(message)
            if until is not None and message["type"] == "job" and message["state"] == "end" and message["job"] in until:
                ended.append(message)
                until = until - {message["job"]}
                if not until:
                    return ended
        self._print("the engine has gone")
        return ended

    def _show(self, message: dict[str, Any]) -> None:
        if self._as_json:
            self._print(json.dumps(message))
        elif message["type"] == "event":
            event = event_of(message)
            if event.kind == "run" and event.data["state"] == "start":
                self._table.heading(event.data["runbook"], event.data["title"], event.data["rig"], event.at.kind)
                self._table.began(event.at.mono_ns)
            self._table.event(event)
        elif message["type"] == "prompt" and message["state"] == "open":
            choices = "/".join(message["choices"])
            if picture := message.get("picture"):
                self._print(f"  look at the picture {picture['path']}")
            self._print(
                f"  the runbook asks: {message['text']} [{choices}]: hilbench answer RIG {message['prompt']} ..."
            )
        elif message["type"] == "job" and message["state"] == "end":
            verdict = message.get("verdict", "not run").upper()
            reason = message.get("reason") or message["error"]
            self._print(f"  {message['runbook']} {verdict}{': ' if reason else ''}{reason}")
            if bundle := message.get("bundle"):
                self._print(f"  evidence {bundle}")

    def _print(self, text: str) -> None:
        print(text, file=self._out, flush=True)
