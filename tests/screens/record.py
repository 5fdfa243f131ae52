"""Records what an engine says to a cockpit, for tests that need no engine: `python -m tests.screens.record`.

Two files come of it: what is asked and answered, and every message in its order, of an over-voltage run and of some
acts by hand on the emulated rig, in virtual time.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from bench.virtual_time import VirtualLoop
from tests.service.engines import attached

HERE = Path(__file__).parent
MESSAGES, ANSWERS = HERE / "messages.jsonl", HERE / "answers.json"


async def _record() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        async with attached(Path(folder)) as (_, client):
            answers: dict[str, Any] = {"hello": dict(client.hello)}
            answers["describe"] = await client.call("describe")
            answers["runbooks"] = await client.call("runbooks")
            answers["plan"] = await client.call("plan", runbooks=["over-voltage"])
            answers["requests"] = await client.call("requests")
            answers["form"] = await client.call("form", service_request="6.5", to="esme", **{"as": "ED"})
            answers["form 7.4"] = await client.call("form", service_request="7.4", to="esme", **{"as": "IS"})
            await client.call("subscribe", after=0, live=True)
            await client.call("run", runbooks=["over-voltage"])
            messages: list[dict[str, Any]] = []
            raw: dict[str, Any] = {}
            while (message := await client.messages.get()) is not None:
                messages.append(message)
                if message.get("kind", "").startswith("seen.") and message["n"] > 30:
                    raw[str(message["n"])] = await client.call("raw", n=message["n"])
                if message["type"] == "job" and message["state"] == "end":
                    break
            answers["raw"] = raw
            for step in ({"supply": {"set": "245 V"}}, {"supply": {"interrupt": {"for": "3 s"}}}):
                await client.call("act", step=step)
                while True:
                    message = await client.messages.get() or {}
                    messages.append(message)
                    if message.get("kind") == "manual" and message["data"]["state"] == "end":
                        break
            await client.call("park")
            while not client.messages.empty():
                messages.append(await client.messages.get() or {})
            answers["bundles"] = await client.call("bundles")
            newest = answers["bundles"]["bundles"][-1]["name"]
            answers["bundle"] = await client.call("bundle", bundle=newest)
            answers["verify"] = await client.call("verify", bundle=newest)
            return messages, answers


def _same_everywhere(text: str) -> str:
    """Without what differs from one recording to the next: ports, folders, moments of the wall clock."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:5025", text)
    text = re.sub(r"/tmp/hilbench-wires-\w+", "/tmp/wires", text)
    text = re.sub(r"/tmp/tmp\w+", "/tmp/bench", text)
    text = re.sub(r"20\d{6}T\d{6}Z-(.)", lambda found: f"20260101T0000{ord(found[1]) % 60:02d}Z-{found[1]}", text)
    text = text.replace(str(HERE.parents[1]), "/bench")
    return re.sub(r'"pid": \d+', '"pid": 4711', text)


def main() -> None:
    """Record."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        messages, answers = runner.run(_record())
    MESSAGES.write_text(_same_everywhere("".join(f"{json.dumps(each)}\n" for each in messages)))
    ANSWERS.write_text(_same_everywhere(json.dumps(answers, indent=1)) + "\n")


if __name__ == "__main__":
    main()
