"""`hilbench web`: who may come in, and the cockpit in a real browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bench.errors import UsageError
from bench.web import COOKIE, CockpitServer, Door, WebOptions, check_options
from tests.processes import ROOT, environment, serving

pytestmark = pytest.mark.realtime
TOKEN = "correct horse battery staple"
RIG = ROOT / "rigs" / "emulated.yaml"
PICTURES = ROOT / "build" / "pictures"


@asynccontextmanager
async def door(token: str = "", *, loopback: bool = True) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """The server behind its door; nobody opens the websocket, so that no cockpit is started."""
    options = WebOptions(RIG)
    server = CockpitServer(options, Door(token, loopback=loopback, secure=False))
    async with TestClient(TestServer(await server.make_app())) as client:
        yield client


async def test_this_computer_comes_in_and_pages_of_other_sites_do_not() -> None:
    async with door() as client:
        page = await client.get("/")
        assert page.status == 200
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        text = await page.text()
        assert f"ws://127.0.0.1:{client.port}/ws" in text
        assert (await client.get("/static/js/textual.js")).status == 200
        evil = {"Origin": "https://evil.example"}
        for path in ("/", "/ws"):
            assert (await client.get(path, headers=evil)).status == 403
        # A name that somebody else's DNS server gave this address.
        assert (await client.get("/", headers={"Host": "rebound.example"})).status == 403


async def test_others_show_a_token_once_and_it_does_not_stay_in_the_address() -> None:
    async with door(TOKEN, loopback=False) as client:
        for path in ("/", "/ws", "/static/js/textual.js", "/download/x", "/?token=wrong"):
            assert (await client.get(path)).status == 401
        shown = await client.get("/", params={"token": TOKEN}, allow_redirects=False)
        assert (shown.status, shown.headers["Location"]) == (303, "/")
        cookie = shown.cookies[COOKIE]
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")
        assert TOKEN not in await shown.text()
        assert cookie.value != TOKEN
        assert (await client.get("/")).status == 200
        client.session.cookie_jar.clear()
        assert (await client.get("/")).status == 401
        assert (await client.get("/", headers={"Cookie": f"{COOKIE}={cookie.value}x"})).status == 401


def test_others_are_not_served_without_a_token(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="anybody could use the rig"):
        check_options(WebOptions(RIG, "0.0.0.0"))
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o644)
    with pytest.raises(UsageError, match="others may read the token"):
        check_options(WebOptions(RIG, "0.0.0.0", token=token))
    token.chmod(0o600)
    assert check_options(WebOptions(RIG, "0.0.0.0", token=token)) == (TOKEN, None)
    with pytest.raises(UsageError, match="a certificate needs its key"):
        check_options(WebOptions(RIG, "0.0.0.0", token=token, certificate=token))
    assert check_options(WebOptions(RIG, "::1")) == ("", None)
    assert "--view" in WebOptions(RIG, view_only=True).command()


@contextmanager
def serving_browsers(folder: Path, *more: str) -> Iterator[str]:
    """`hilbench web`, once it says where."""
    command = [sys.executable, "-m", "bench.cli", "web", str(RIG), "--port", "0", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment(folder))
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert found
        yield found[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


class Browser:
    """Headless Chromium, by its DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self.asked_elsewhere: list[str] = []

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=30)
            url = message.get("params", {}).get("request", {}).get("url", "")
            if url and "127.0.0.1" not in url and not url.startswith("data:"):
                self.asked_elsewhere.append(url)
            if message.get("id") == self._number:
                return dict(message.get("result", {}))

    async def press(self, key: str, number: int) -> None:
        await self.call("Runtime.evaluate", expression="document.querySelector('textarea').focus()")
        for kind in ("rawKeyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=number)

    async def picture(self, path: Path) -> None:
        shot = await self.call("Page.captureScreenshot", format="png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b64decode(shot["data"]))


@asynccontextmanager
async def chromium(folder: Path, url: str) -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
    flags += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "--window-size=1000,600"]
    process = await asyncio.create_subprocess_exec(
        program, *flags, "about:blank", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        port_file = folder / "DevToolsActivePort"
        while not port_file.exists():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
        port = port_file.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            async with session.put(f"http://127.0.0.1:{port}/json/new?about:blank") as answer:
                address = json.loads(await answer.text())["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                browser = Browser(socket)
                for domain in ("Page", "Network", "Runtime"):
                    await browser.call(f"{domain}.enable")
                await browser.call("Page.navigate", url=url)
                yield browser
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.soak
async def test_the_cockpit_is_used_in_a_browser(tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("Chromium is not installed")
    with serving(tmp_path, "--speed", "50", rig=RIG), serving_browsers(tmp_path) as url:
        async with chromium(tmp_path / "profile", url) as browser:
            await said(browser, "emulated", tmp_path)
            await browser.picture(PICTURES / "web-rig.png")
            await browser.press("F9", 120)
            for _ in range(200):
                if (await asyncio.to_thread(state, tmp_path)) == "safe":
                    break
                await asyncio.sleep(0.1)
            assert await asyncio.to_thread(state, tmp_path) == "safe"
            await asyncio.sleep(0.6)
            await browser.picture(PICTURES / "web-stopped.png")
            assert browser.asked_elsewhere == []
    # Something was drawn: an empty page of this size is far smaller.
    assert (PICTURES / "web-rig.png").stat().st_size > 15_000


async def said(browser: Browser, text: str, folder: Path) -> None:
    """Wait until the terminal in the page has drawn, and the cockpit behind it is attached."""
    for _ in range(300):
        drawn = await browser.call(
            "Runtime.evaluate", expression="document.body.classList.contains('-first-byte')", returnByValue=True
        )
        if drawn["result"].get("value") and clients(await asyncio.to_thread(status, folder)) > 1:
            await asyncio.sleep(1.0)
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the page never said {text}")


def status(folder: Path) -> dict[str, Any]:
    from tests.processes import hilbench

    found: dict[str, Any] = json.loads(hilbench(folder, "status", str(RIG), "--json").stdout)
    return found


def state(folder: Path) -> str:
    return str(status(folder)["state"])


def clients(found: dict[str, Any]) -> int:
    return int(found["clients"])
