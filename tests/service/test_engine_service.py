"""What clients of an engine can do, and what they cannot do to it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import stat
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image

from bench.capabilities import AcSource, Switch
from bench.errors import UsageError
from bench.evidence.verify import Level, verify
from bench.pictures import MOST_BYTES
from bench.service import clients as service_clients
from bench.service.client import connected
from tests.service.engines import attached, engine, until


async def test_a_run_is_ordered_watched_and_ends(tmp_path: Path) -> None:
    async with attached(tmp_path) as (_, client):
        assert client.hello["rig"] == "emulated"
        assert await client.call("subscribe", after=0) == {"missed": 0}
        assert (await client.call("run", runbooks=["over-voltage"]))["jobs"] == [1]
        first = await until(client, type="event", kind="run", state="start")
        end = await until(client, type="job", state="end", job=1)
        assert (end["verdict"], end["safe"], end["error"]) == ("passed", True, "")
        assert Path(end["bundle"]).is_dir()
        status = await client.call("status")
        assert (status["state"], status["run"]) == ("parked", None)
        assert first["n"] < status["events"]
        assert [done["job"] for done in status["done"]] == [1]


async def test_a_question_with_the_largest_picture_is_asked_answered_and_kept(tmp_path: Path) -> None:
    books = tmp_path / "books"
    books.mkdir()
    pixels = random.Random(1).randbytes(3 * 590 * 590)
    Image.frombytes("RGB", (590, 590), pixels).save(books / "noise.png")
    data = (books / "noise.png").read_bytes()
    assert 0.99 * MOST_BYTES < len(data) <= MOST_BYTES
    (books / "look.yaml").write_text(
        "runbook: look\ntitle: Look\nsteps:\n  - prompt: {text: Like this?, picture: noise.png}\n"
    )
    async with attached(tmp_path) as (served, client):
        await client.call("subscribe")
        await client.call("run", runbooks=[str(books / "look.yaml")])
        asked = await until(client, type="prompt", state="open")
        assert asked["picture"]["sha256"] == sha256(data).hexdigest()
        assert "data" not in asked["picture"]
        async with connected(served.socket) as looking:
            await looking.call("view")
            found = await looking.call("picture", prompt=asked["prompt"])
            assert b64decode(found["data"]) == data
            with pytest.raises(UsageError, match="may only look"):
                await looking.call("answer", prompt=asked["prompt"], choice="yes")
        # What is shown is what was read, whatever becomes of the file meanwhile.
        (books / "noise.png").unlink()
        await client.call("answer", prompt=asked["prompt"], choice="yes", who="Grace")
        answered = await until(client, kind="operator", did="answer yes")
        assert (answered["data"]["who"], answered["data"]["question"]) == ("Grace", "Like this?")
        end = await until(client, type="job", state="end")
    bundle = Path(end["bundle"])
    assert end["verdict"] == "passed"
    assert (bundle / "runbook" / "noise.png").read_bytes() == data
    assert verify(bundle).level is Level.INTEGRITY_ONLY


async def test_clients_see_the_same_events_in_the_same_order_without_a_gap(tmp_path: Path) -> None:
    async with engine(tmp_path) as served, connected(served.socket) as early, connected(served.socket) as late:
        await early.call("subscribe", after=0)
        await early.call("run", runbooks=["arm-supply"])
        await until(early, type="event", kind="step", state="start")
        await early.call("status")
        assert (await late.call("subscribe", after=0))["missed"] == 0
        await until(early, type="job", state="end")
        seen = []
        while (message := await late.messages.get()) is not None:
            if message["type"] == "job":
                break
            seen.append(message)
        numbers = [message["n"] for message in seen]
        assert numbers == sorted(set(numbers))
        assert numbers[0] < 50
        assert {"step", "drain", "seen.response"} <= {message["kind"] for message in seen}
        assert "wire" not in {message["kind"] for message in seen}


async def test_a_run_is_held_between_steps_and_goes_on(tmp_path: Path) -> None:
    async with attached(tmp_path) as (_, client):
        await client.call("subscribe")
        await client.call("run", runbooks=["supply-outage-short"])
        await until(client, kind="edge")
        interrupting = (await client.call("status"))["run"]
        await client.call("pause")
        held = await until(client, kind="run", state="pause")
        assert interrupting["step"].startswith("2")
        assert held["data"]["reason"] == "by Ada"
        await until(client, kind="step", state="end", name=interrupting["step"])
        await asyncio.sleep(3600)
        after = (await client.call("status"))["run"]
        assert after["paused"]
        assert after["step"] == ""
        await client.call("resume")
        assert (await until(client, type="job", state="end"))["verdict"] == "passed"
        assert (await client.call("status"))["state"] == "parked"


async def test_abort_in_an_outage_makes_safe_and_takes_those_that_wait_along(tmp_path: Path) -> None:
    async with attached(tmp_path) as (served, client):
        await client.call("subscribe")
        await client.call("run", runbooks=["supply-outage-short", "over-voltage"])
        await until(client, kind="edge")
        await client.call("abort")
        end = await until(client, type="job", state="end", job=1)
        assert (end["verdict"], end["safe"]) == ("undecided", True)
        assert "by Ada" in end["reason"]
        status = await client.call("status")
        assert status["state"] == "safe"
        assert [(done["job"], done["error"]) for done in status["done"]][0] == (2, "the run before it was aborted")
        with pytest.raises(UsageError, match="not parked"):
            await client.call("run", runbooks=["over-voltage"])
        assert not await served.session.capability(Switch).is_closed()
        assert await client.call("park") == {"state": "parked"}
        assert await served.session.capability(Switch).is_closed()
        await client.call("run", runbooks=["over-voltage"])
        assert (await until(client, type="job", state="end", runbook="over-voltage", job=3))["verdict"] == "passed"


@pytest.mark.parametrize("during_a_run", [True, False])
async def test_an_emergency_stop_is_safe_and_stays(tmp_path: Path, during_a_run: bool) -> None:
    async with attached(tmp_path) as (served, client):
        await client.call("subscribe")
        if during_a_run:
            await client.call("run", runbooks=["supply-outage-short"])
            await until(client, kind="edge")
        assert await client.call("estop") == {"confirmed": True, "state": "safe"}
        assert not await served.session.capability(Switch).is_closed()
        assert not (await served.session.capability(AcSource).read_state()).output_on
        with pytest.raises(UsageError, match="not parked"):
            await client.call("run", runbooks=["over-voltage"])
        mark = json.loads((tmp_path / "stopped.json").read_text())
        assert mark["who"] == "Ada"
        await client.call("park")
        assert not (tmp_path / "stopped.json").exists()


async def test_a_stop_that_is_not_confirmed_says_so(tmp_path: Path) -> None:
    async with attached(tmp_path, "relay-ignores") as (served, client):
        answer = await client.call("estop")
        assert answer == {"confirmed": False, "state": "unsafe"}
        assert served.service.unsafe


async def test_bad_commands_are_answered_and_change_nothing(tmp_path: Path) -> None:
    async with engine(tmp_path) as served:
        reader, writer = await asyncio.open_unix_connection(str(served.socket))
        assert json.loads(await reader.readline())["type"] == "hello"
        for line, words in (
            (b"hello\n", "no JSON"),
            (b"[1]\n", "no JSON object"),
            (b'{"id": 1, "do": "dance"}\n', "no command 'dance'"),
            (b'{"id": 1}\n', "no command None"),
            (b'{"do": "run", "runbooks": "ic01"}\n', "no list of names"),
            (b'{"do": "run", "runbooks": []}\n', "no list of names"),
            (b'{"do": "run", "runbooks": ["nothing-of-that-name"]}\n', "nothing-of-that-name"),
            (b'{"do": "subscribe", "after": "now"}\n', "after is 'now'"),
            (b'{"do": "pause"}\n', "no run is going on"),
            (b'{"do": "abort"}\n', "no run is going on"),
            (b'{"do": "answer", "prompt": 1, "choice": "yes"}\n', "no question 1 is open"),
            (b'{"do": "answer", "prompt": [], "choice": "yes"}\n', "is open"),
        ):
            writer.write(line)
            reply = json.loads(await reader.readline())
            assert (reply["type"], reply["ok"]) == ("reply", False), line
            assert words in reply["error"], line
        writer.write(b'{"do": "' + b"x" * 100_000 + b'"}\n')
        assert "bytes" in json.loads(await reader.readline())["error"]
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        async with connected(served.socket) as client:
            assert (await client.call("status"))["state"] == "connected"


async def test_a_slow_client_is_dropped_and_the_run_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_clients, "MOST_UNSENT", 4096)
    async with engine(tmp_path) as served, connected(served.socket) as quick:
        reader, writer = await asyncio.open_unix_connection(str(served.socket), limit=1024)
        writer.write(b'{"id": 1, "do": "subscribe", "wire": true}\n')
        await asyncio.sleep(1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await quick.call("subscribe")
        await quick.call("run", runbooks=["supply-outage-long"])
        assert (await until(quick, type="job", state="end"))["verdict"] == "passed"
        assert (await quick.call("status"))["clients"] == 1
        writer.close()


async def test_the_socket_is_for_this_user_alone_and_goes_with_the_engine(tmp_path: Path) -> None:
    async with engine(tmp_path) as served:
        assert stat.S_IMODE(os.stat(served.socket).st_mode) == 0o600
    assert not served.socket.exists()
    with pytest.raises(UsageError, match="no engine serves this rig"):
        async with connected(served.socket):
            pass


async def test_a_client_that_goes_in_the_middle_disturbs_nobody(tmp_path: Path) -> None:
    async with engine(tmp_path) as served:
        async with connected(served.socket) as client:
            await client.call("subscribe")
            await client.call("run", runbooks=["over-voltage"])
            await until(client, kind="step", state="start")
        async with connected(served.socket) as other:
            await other.call("subscribe", after=0)
            assert (await until(other, type="job", state="end"))["verdict"] == "passed"


async def test_a_state_folder_with_a_long_name_has_a_socket_too(tmp_path: Path) -> None:
    folder = tmp_path / ("a-long-name" * 9)
    folder.mkdir()
    async with attached(folder) as (_, client):
        assert (await client.call("status"))["state"] == "connected"


async def test_an_emergency_stop_opens_the_relay_at_once_though_the_source_blocks(tmp_path: Path) -> None:
    async with attached(tmp_path, "source-stuck from 5 s") as (served, client):
        await client.call("subscribe", wire=True)
        await client.call("run", runbooks=["supply-outage-short"])
        await until(client, kind="step", state="start", name="2 Interrupt the supply for 30 s")
        loop = asyncio.get_running_loop()
        await asyncio.sleep(31)  # the source is asked to come back at 30 s, and blocks for two seconds
        called_s = loop.time()
        stop = asyncio.create_task(client.call("estop"))
        opened = await until(client, kind="wire", source="relay", direction="tx")
        assert opened["mono_ns"] / 1e9 - called_s < 0.1
        answer = await stop
        assert answer == {"confirmed": False, "state": "unsafe"}, "nobody knows of the source"
        assert not await served.session.capability(Switch).is_closed()


async def test_what_an_abort_makes_devices_say_is_booked_to_it_before_the_next_run(tmp_path: Path) -> None:
    async with attached(tmp_path) as (_, client):
        await client.call("subscribe")
        await client.call("run", runbooks=["over-voltage"])
        await until(client, kind="step", state="start", group="step")
        await client.call("abort")
        bundle = (await until(client, type="job", state="end"))["bundle"]
        await asyncio.sleep(300)
        await client.call("park")
        await client.call("run", runbooks=["supply-outage-short"])
        assert (await until(client, kind="aftermath", state="end"))["data"]["run"] == bundle
        ended = await until(client, type="job", state="end")
        # 0x8F36 of the abort would be forbidden in it.
        assert (ended["verdict"], ended["reason"]) == ("passed", "")
    (booked,) = [json.loads(line) for line in (tmp_path / "aftermath.jsonl").read_text().splitlines()]
    assert booked["run"] == bundle
    assert [text.split()[0] for text in booked["came"]] == ["AD1", "0x8F36"]
