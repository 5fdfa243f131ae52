"""Telling people over TLS: whoever is not who the campaign's file names gets nothing, and that is on record."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP

from bench.campaign.notices import tell_all
from bench.journal_reader import read_journal
from drivers.emulated.broker import Broker
from drivers.tls import TlsFiles
from tests.campaign.test_notices import PASSWORD, TOKEN, Mails, a_night, secret, smtp
from tests.pki import make_pki

pytestmark = pytest.mark.realtime

ELSEWHERE = "127.0.0.2"
"""This machine too, under a name that is in no certificate."""


def server_context(pki: Path) -> ssl.SSLContext:
    return TlsFiles(certificate=pki / "dcc.pem", key=pki / "dcc.key").context(server=True)


@asynccontextmanager
async def broker(pki: Path) -> AsyncIterator[tuple[str, list[Any]]]:
    serves = Broker(host="0.0.0.0", username="bench", password=PASSWORD, tls=server_context(pki))  # noqa: S104
    await serves.start()
    got: list[Any] = []
    believed = ssl.create_default_context(cafile=pki / "ca.pem")

    async def listen() -> None:
        login = {"username": "bench", "password": PASSWORD}
        async with aiomqtt.Client("localhost", serves.port, **login, tls_context=believed) as client:
            await client.subscribe("lab/#")
            ready.set()
            async for message in client.messages:
                got.append(message.topic)

    ready = asyncio.Event()
    listening = asyncio.create_task(listen())
    try:
        await ready.wait()
        yield (
            f'mqtt: {{broker: "HOST:{serves.port}", tls: yes, topic: lab/NAME, credentials: secret.yaml, ca: CA}}',
            got,
        )
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        await serves.stop()


@asynccontextmanager
async def mail_with_starttls(pki: Path) -> AsyncIterator[tuple[str, list[Any]]]:
    mails = Mails()
    async with smtp(pki, mails, host="0.0.0.0") as port:  # noqa: S104
        whom = f'server: "HOST:{port}", sender: bench@lab.example, to: [NAME@lab.example]'
        yield f"mail: {{{whom}, credentials: secret.yaml, ca: CA}}", mails.got


@asynccontextmanager
async def mail_in_tls(pki: Path) -> AsyncIterator[tuple[str, list[Any]]]:
    mails = Mails()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mails, hostname="localhost"),
        "0.0.0.0",
        0,
        ssl=server_context(pki),  # noqa: S104
    )
    port = server.sockets[0].getsockname()[1]
    try:
        whom = f'server: "HOST:{port}", sender: bench@lab.example, to: [NAME@lab.example]'
        yield f"mail: {{{whom}, security: tls, ca: CA}}", mails.got
    finally:
        server.close()
        await asyncio.sleep(0.05)


@asynccontextmanager
async def hook(pki: Path) -> AsyncIterator[tuple[str, list[Any]]]:
    got: list[Any] = []

    async def take(request: web.BaseRequest) -> web.StreamResponse:
        got.append(await request.json())
        return web.Response(status=200)

    runner = web.ServerRunner(web.Server(take))
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", 0, ssl_context=server_context(pki)).start()  # noqa: S104
    port = runner.addresses[0][1]
    try:
        yield f'webhook: {{url: "https://HOST:{port}/NAME", credentials: token.yaml, ca: CA}}', got
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("way", [broker, mail_with_starttls, mail_in_tls, hook])
async def test_only_whom_the_authority_vouches_for_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: Callable[[Path], AbstractAsyncContextManager[tuple[str, list[Any]]]],
) -> None:
    pki = make_pki(tmp_path)
    secret(tmp_path, "secret.yaml", f"username: bench\npassword: {PASSWORD}\n")
    secret(tmp_path, "token.yaml", f"token: {TOKEN}\n")
    async with way(pki) as (form, got):
        cases = {
            "right": ("localhost", "ca.pem"),
            "authority": ("localhost", "other.pem"),
            "name": (ELSEWHERE, "ca.pem"),
        }
        notify = ", ".join(
            "{" + form.replace("HOST", host).replace("CA}", f"{ca}}}").replace("NAME", name) + "}"
            for name, (host, ca) in cases.items()
        )
        campaign, summary, night = await a_night(tmp_path, monkeypatch, f"notify: [{notify}]")
        told = await tell_all(campaign, summary, night, say=lambda _: None, again_s=(0.01,))
        assert [(each.sent, each.tries) for each in told] == [(True, 1), (False, 2), (False, 2)], told
        assert "certificate verify failed" in told[1].error and "certificate verify failed" in told[2].error
        assert ELSEWHERE in told[2].error, "it says whose name is not in it"
        await asyncio.sleep(0.05)
        assert len(got) == 1, "nothing of the night, and no login, went to the others"
        tries = [record.data for record in read_journal(night / "notices.jsonl") if record.kind == "notice"]
        assert sorted(each["state"] for each in tries) == ["failed"] * 4 + ["sent"]
        # Asked once more, after somebody has put the file right, it goes to those who got nothing, and to nobody twice.
        monkeypatch.setattr(ssl, "create_default_context", lambda cafile: _believing(pki / "ca.pem"))
        told = await tell_all(campaign, summary, night, say=lambda _: None, again_s=())
        assert [each.sent for each in told] == [True, True]
        await asyncio.sleep(0.05)
        assert len(got) == 3


async def test_a_broker_that_refuses_the_login_is_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pki = make_pki(tmp_path)
    secret(tmp_path, "secret.yaml", f"username: bench\npassword: not-{PASSWORD}\n")
    async with broker(pki) as (form, got):
        way = form.replace("HOST", "localhost").replace("CA}", "ca.pem}")
        campaign, summary, night = await a_night(tmp_path, monkeypatch, f"notify: [{{{way}}}]")
        (told,) = await tell_all(campaign, summary, night, say=lambda _: None, again_s=())
        assert (told.sent, got) == (False, [])
        assert "authori" in told.error, told.error
        assert PASSWORD not in told.error


_made = ssl.create_default_context


def _believing(ca: Path) -> ssl.SSLContext:
    context = _made(cafile=ca)
    context.check_hostname = False
    return context
