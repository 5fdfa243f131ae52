"""Clients on other computers: TLS and a token, or nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.clock import RealClock
from bench.errors import UsageError
from bench.evidence.keys import BenchKey
from bench.one_run import RigRunner
from bench.rig.check import check
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.service.client import NoEngineError, connected
from bench.service.remote import CA_VARIABLE, TOKEN_VARIABLE, Remote
from bench.service.remote_server import listening_remotely
from bench.service.server import EngineService
from drivers.emulated.tls_material import make_material
from tests.emulated.benches import RIG

TOKEN = "0123456789abcdef"


def rig_with_a_service(folder: Path) -> tuple[Rig, Remote]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name, content in make_material(RealClock().now().utc, ["localhost", "127.0.0.1"], []).items():
        (folder / name).write_bytes(content)
    token = folder / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    text = RIG.read_text().replace("duts: duts/", f"duts: {RIG.parent}/duts/")
    service = f"{{listen: '127.0.0.1:{port}', certificate: dcc.pem, key: dcc.key, token: token}}"
    (folder / "rig.yaml").write_text(f"{text}\nservice: {service}\n")
    environment = {CA_VARIABLE: str(folder / "ca.pem"), TOKEN_VARIABLE: str(token)}
    return load_rig(folder / "rig.yaml"), Remote.parse(f"tls://localhost:{port}", environment)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Remote]:
    rig, remote = rig_with_a_service(folder)
    async with open_rig(rig, RealClock(), only=set()) as session:
        service = EngineService(session, RigRunner(session, folder, BenchKey.load_or_create(folder / "keys")), folder)
        async with listening_remotely(service, rig):
            yield remote


@pytest.mark.realtime
async def test_a_client_with_the_token_is_served(tmp_path: Path) -> None:
    async with served(tmp_path) as remote, connected(remote, who="Ada") as client:
        assert client.hello["rig"] == "emulated"
        assert (await client.call("status"))["clients"] == 1
        assert TOKEN not in repr(remote)


@pytest.mark.realtime
async def test_nobody_else_is(tmp_path: Path) -> None:
    async with served(tmp_path) as remote:
        with pytest.raises(UsageError, match="the login is not right"):
            async with connected(Remote(remote.host, remote.port, remote.ca, "another token")):
                pass
        with pytest.raises(NoEngineError, match="certificate verify failed"):
            async with connected(Remote(remote.host, remote.port, None, TOKEN)):
                pass
        reader, writer = await asyncio.open_connection(remote.host, remote.port)
        writer.write(json.dumps({"do": "login", "token": TOKEN}).encode() + b"\n")
        assert b"hello" not in await reader.read()
        writer.close()
        context = ssl.create_default_context(cafile=remote.ca)
        for said in (b'{"do": "estop"}\n', b"[]\n", b'{"do": "login", "token": 5}\n', b"\xff\n", b""):
            reader, writer = await asyncio.open_connection(remote.host, remote.port, ssl=context)
            writer.write(said)
            if not said:
                writer.write_eof() if writer.can_write_eof() else writer.close()
            assert b"hello" not in await reader.read()
            writer.close()


def test_bad_files_are_found_before_anything_is_served(tmp_path: Path) -> None:
    rig_with_a_service(tmp_path)
    path = tmp_path / "rig.yaml"
    assert check(path, tmp_path, offline=True).problems == []
    (tmp_path / "token").chmod(0o644)
    (tmp_path / "dcc.key").write_text("no key")
    problems = check(path, tmp_path, offline=True).problems
    assert len(problems) == 2
    assert "others may read the token" in problems[0]
    assert "cannot be used" in problems[1]
    assert TOKEN not in " ".join(problems)


@pytest.mark.parametrize("text", ["tls://", "tls://host", "https://host:1", "tls://host:99999", "tls://host:1/path"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no address of an engine"):
        Remote.parse(text, {})


@pytest.mark.parametrize("listen", ["localhost", ":80", "localhost:0", "localhost:http", "localhost:70000"])
def test_a_rig_file_names_an_address_and_a_port(tmp_path: Path, listen: str) -> None:
    rig_with_a_service(tmp_path)
    path = tmp_path / "rig.yaml"
    text = path.read_text()
    section = f"service: {{listen: '{listen}', certificate: a, key: b, token: c}}"
    path.write_text(text[: text.index("service:")] + section)
    with pytest.raises(UsageError, match="ADDRESS:PORT"):
        load_rig(path)
