"""Telling people: over real SMTP, HTTP and MQTT, again if it fails, and never a secret in a record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from bench.campaign.file import load_campaign
from bench.campaign.notices import Told, already_told, due, finished, tell_all
from bench.campaign.state import AttemptResult
from bench.campaign.summary import Summary, summarise
from bench.campaign.work import conclude
from bench.journal_reader import read_journal
from drivers.emulated.broker import Broker
from drivers.tls import TlsFiles
from tests.campaign.campaigns import Script, entry, planned, run, write
from tests.pki import make_pki

PASSWORD, TOKEN = "correct-horse-battery", "tok-5e9f-staple"


class Mails:
    """Takes mail, after a log-in if there is a password, and refuses the first few."""

    def __init__(self, refuse: int = 0) -> None:
        self.got: list[bytes] = []
        self._refuse = refuse

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self._refuse:
            self._refuse -= 1
            return "451 try again later"
        assert isinstance(envelope.content, bytes)
        self.got.append(envelope.content)
        return "250 OK"


@asynccontextmanager
async def smtp(pki: Path, mails: Mails, *, host: str = "127.0.0.1") -> AsyncIterator[int]:
    context = TlsFiles(certificate=pki / "dcc.pem", key=pki / "dcc.key").context(server=True)

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any) -> AuthResult:
        good = isinstance(login, LoginPassword) and (login.login, login.password) == (b"bench", PASSWORD.encode())
        return AuthResult(success=good)

    def make() -> SMTP:
        return SMTP(mails, tls_context=context, authenticator=check, auth_required=True, hostname="localhost")

    server = await asyncio.get_running_loop().create_server(make, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.05)


def secret(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    (folder / name).chmod(0o600)
    return name


async def a_night(folder: Path, monkeypatch: pytest.MonkeyPatch, notify: str) -> tuple[Any, Summary, Path]:
    """A scripted night with one flaky pass and one failure, its campaign asking for notifications."""
    verdicts: dict[str, list[str | AttemptResult]] = {"e/han-join/a/1": ["failed"], "e/han-join/a/2": ["failed"] * 2}
    head = f"retry: {{times: 1}}\n{notify}"
    plan = planned(folder, entry("e", repeats="2"), head=head)
    ran = await run(plan, folder / "out", monkeypatch, Script(verdicts, takes_s=0.01))
    return plan.campaign, conclude(plan.campaign, ran.folder, ran.state, "real"), ran.folder


def records(night: Path) -> list[dict[str, Any]]:
    reader = read_journal(night / "notices.jsonl")
    return [dict(record.data) for record in reader if record.kind == "notice"]


@pytest.mark.realtime
async def test_a_mail_goes_out_over_tls_with_a_login_at_the_second_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pki, mails = make_pki(tmp_path), Mails(refuse=1)
    file = secret(tmp_path, "mail.yaml", f"username: bench\npassword: {PASSWORD}\n")
    async with smtp(pki, mails) as port:
        whom = "sender: bench@lab.example, to: [a@lab.example]"
        way = f'{{server: "localhost:{port}", {whom}, credentials: {file}, ca: ca.pem}}'
        campaign, summary, night = await a_night(tmp_path, monkeypatch, f"notify: [{{mail: {way}}}]")
        told = await tell_all(campaign, summary, night, say=lambda _: None, again_s=(0.01, 0.01))
        assert [(each.sent, each.tries) for each in told] == [(True, 2)]
        # Nobody gets it twice.
        assert await tell_all(campaign, summary, night, say=lambda _: None) == []
    message = message_from_bytes(mails.got[0], policy=policy.default)
    assert len(mails.got) == 1
    assert message["Subject"] == "test: 1 failed, 1 flaky pass"
    parts = {part.get_content_type(): part for part in message.walk()}
    assert "e/han-join/a/2: it failed" in parts["text/plain"].get_content()
    assert "flaky pass" in parts["text/html"].get_content()
    assert [each["state"] for each in records(night)] == ["failed", "sent"]
    assert "451" in records(night)[0]["error"]
    assert finished(night)
    everything = "".join(path.read_text() for path in night.rglob("*") if path.is_file())
    assert PASSWORD not in everything


@pytest.mark.realtime
async def test_a_webhook_gets_the_token_and_no_record_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str | None, dict[str, Any]]] = []

    async def hook(request: web.BaseRequest) -> web.StreamResponse:
        seen.append((request.headers.get("Authorization"), await request.json()))
        if len(seen) < 2:
            return web.Response(status=503)
        return web.Response(status=200) if len(seen) < 3 else web.Response(status=302, headers={"Location": "/on"})

    runner = web.ServerRunner(web.Server(hook))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    file = secret(tmp_path, "hook.yaml", f'token: {TOKEN}\nurl: "http://127.0.0.1:{port}/services/T0{TOKEN}"\n')
    try:
        campaign, summary, night = await a_night(
            tmp_path, monkeypatch, f"notify: [{{webhook: {{credentials: {file}}}, when: problems}}]"
        )
        told = await tell_all(campaign, summary, night, say=lambda _: None, again_s=(0.01,))
    finally:
        await runner.cleanup()
    assert told == [Told("webhook of hook.yaml", True, 2)]
    authorization, body = seen[1]
    assert authorization == f"Bearer {TOKEN}"
    assert (body["verdict"], body["outcomes"]) == ("failed", {"failed": 1, "flaky pass": 1})
    # Nobody listens there any more: it is on record, without the address, which is a secret too.
    (night / "notices.jsonl").unlink()
    told = await tell_all(campaign, summary, night, say=lambda _: None, again_s=())
    assert not told[0].sent
    assert records(night)[0]["state"] == "failed"
    assert TOKEN not in (night / "notices.jsonl").read_text()
    assert not already_told(night)


@pytest.mark.realtime
async def test_mqtt_keeps_the_last_night_for_whoever_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker(username="bench", password=PASSWORD)
    await broker.start()
    try:
        file = secret(tmp_path, "mqtt.yaml", f"username: bench\npassword: {PASSWORD}\n")
        way = f'{{broker: "127.0.0.1:{broker.port}", topic: lab/night, credentials: {file}}}'
        campaign, summary, night = await a_night(tmp_path, monkeypatch, f"notify: [{{mqtt: {way}}}]")
        told = await tell_all(campaign, summary, night, say=lambda _: None, again_s=())
        assert told[0].sent, told
        async with aiomqtt.Client("127.0.0.1", broker.port, username="bench", password=PASSWORD) as client:
            await client.subscribe("lab/night")
            message = await anext(aiter(client.messages))
            assert isinstance(message.payload, bytes)
            assert message.retain
            assert json.loads(message.payload)["headline"] == summary.headline
    finally:
        await broker.stop()


async def test_who_is_told_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(tmp_path, entry("e"))
    first = await run(plan, tmp_path / "out", monkeypatch, Script())
    fine = summarise(first.folder, plan.campaign, first.state, "virtual")
    bad = await run(plan, tmp_path / "out", monkeypatch, Script({"e/han-join/a/1": ["failed"]}))
    failed = summarise(bad.folder, plan.campaign, bad.state, "virtual")
    changed = summarise(bad.folder, plan.campaign, bad.state, "virtual")
    changed.before, changed.differences = "a night", {"new failures": ["e"]}
    same = summarise(first.folder, plan.campaign, first.state, "virtual")
    same.before = "a night"
    path = write(
        tmp_path,
        entry("e"),
        head="notify: ["
        + ", ".join(f'{{mqtt: {{broker: "localhost:1", topic: {when}}}, when: {when}}}' for when in WHEN)
        + "]",
    )
    specs = load_campaign(path).file.notify
    assert [[due(spec, summary) for spec in specs] for summary in (fine, failed, changed, same)] == [
        [True, False, False],
        [True, True, True],
        [True, True, True],
        [True, False, False],
    ]


WHEN = ("always", "problems", "changes")
