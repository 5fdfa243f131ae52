"""Telling somebody in the morning: by e-mail, webhook or MQTT; tried again if it fails, and all of it on record.

Each night keeps what was told in a journal of its own, `notices.jsonl`, by the real clock: whom, when, and what went
wrong. No secret is in it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from bench.campaign.file import Campaign
from bench.campaign.notice_file import (
    Credentials,
    MailSpec,
    MqttSpec,
    NoticeSpec,
    WebhookSpec,
    check_url,
    host_and_port,
    named,
    read_credentials,
)
from bench.campaign.pages import summary_page, text_lines
from bench.campaign.summary import Summary
from bench.clock import RealClock
from bench.errors import BenchError, UsageError
from bench.events import EventStream
from bench.journal import Journal
from bench.journal_reader import read_journal
from bench.tasks import ours
from bench.tidy_socket import TidySocket

AGAIN_S = (10.0, 60.0, 300.0)
"""How long to wait before each further try, in seconds."""

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """How one notification went."""

    to: str
    sent: bool
    tries: int
    error: str = ""


def due(spec: NoticeSpec, summary: Summary) -> bool:
    """Whether a night is worth this notification."""
    if spec.when == "problems":
        return summary.problems
    if spec.when == "changes":
        return summary.problems if not summary.before else bool(summary.differences)
    return True


async def tell_all(
    campaign: Campaign,
    summary: Summary,
    night: Path,
    *,
    say: Callable[[str], None],
    again_s: Sequence[float] = AGAIN_S,
) -> list[Told]:
    """Send everything that is due, all at the same time; what was sent before from this night is not sent again.

    Raises:
        StorageError: the record cannot be written.
    """
    before = already_told(night)
    stream = EventStream(RealClock())
    number = next(number for number in itertools.count(1) if not _path(night, number).exists())
    journal = Journal.open(_path(night, number), stream, run=f"{night.name}/notices/{number}")
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_tell(name, spec, campaign, summary, night, stream, journal, again_s))
                for name, spec in named(campaign.file.notify)
                if due(spec, summary) and name not in before
            ]
        await journal.close()
    except BaseExceptionGroup as errors:
        raise ours(errors) from None
    finally:
        journal.abandon()
    told = [task.result() for task in tasks]
    for each in told:
        say(f"told: {each.to}" if each.sent else f"NOT told, after {each.tries} tries: {each.to}: {each.error}")
    return told


def _path(night: Path, number: int) -> Path:
    return night / ("notices.jsonl" if number == 1 else f"notices-{number}.jsonl")


def already_told(night: Path) -> set[str]:
    """The notifications of a night that went out."""
    sent = set[str]()
    for number in itertools.count(1):
        if not _path(night, number).exists():
            return sent
        try:
            for record in read_journal(_path(night, number)):
                if record.kind == "notice" and record.data.get("state") == "sent":
                    sent.add(str(record.data["to"]))
        except BenchError:
            continue  # it was killed while it wrote; what is before that counts
    raise AssertionError("numbers do not end")


def finished(night: Path) -> bool:
    """Whether everybody was told, or every try failed: the last record of it is complete."""
    number = next(number for number in itertools.count(1) if not _path(night, number).exists()) - 1
    if not number:
        return False
    reader = read_journal(_path(night, number))
    try:
        for _ in reader:
            pass
    except BenchError:
        return False
    return reader.seal is not None


async def _tell(
    name: str,
    spec: NoticeSpec,
    campaign: Campaign,
    summary: Summary,
    night: Path,
    stream: EventStream,
    journal: Journal,
    again_s: Sequence[float],
) -> Told:
    error = ""
    for number, wait_s in enumerate((*again_s, None), 1):
        problem = await _once(spec, campaign, summary, night)
        state = "sent" if problem is None else "failed"
        stream.emit("campaign", "notice", {"state": state, "to": name, "try": number, "error": problem or ""})
        await journal.barrier()
        if problem is None:
            return Told(name, True, number)
        error = problem
        if wait_s is None:
            break
        await asyncio.sleep(wait_s)
    return Told(name, False, len(again_s) + 1, error)


async def _once(spec: NoticeSpec, campaign: Campaign, summary: Summary, night: Path) -> str | None:
    """Try once; what went wrong, without any secret, or None."""
    way = spec.mail or spec.webhook or spec.mqtt
    assert way is not None
    folder = campaign.document.path.parent
    credentials = Credentials()
    try:
        if way.credentials is not None:
            credentials = read_credentials(folder / way.credentials)
        context = _context(folder / way.ca if way.ca else None)
        async with asyncio.timeout(_TIMEOUT_S):
            if isinstance(way, MailSpec):
                await _mail(way, credentials, context, summary)
            elif isinstance(way, WebhookSpec):
                await _webhook(way, credentials, context, summary)
            else:
                await _mqtt(way, credentials, context, summary)
    except TimeoutError:
        return f"no answer within {_TIMEOUT_S:g} s"
    except Exception as error:
        # Three libraries, each with its own errors: whatever it is, it is on record, and is tried again.
        text = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
        return _without_secrets(text, credentials)
    return None


def _without_secrets(text: str, credentials: Credentials) -> str:
    secrets = [credentials.password, credentials.token, credentials.url]
    for secret in secrets:
        value = secret.get_secret_value() if secret is not None else ""
        # An address may come back in parts.
        for part in (value, value.partition("://")[2], value.partition("://")[2].partition("/")[2]):
            if len(part) > 3:
                text = text.replace(part, "***")
    return text


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise UsageError(f"the authority cannot be read: {error.strerror or error}", where=str(ca)) from None


def brief(summary: Summary) -> dict[str, Any]:
    """What a webhook and MQTT get: enough to decide whether to get up."""
    return {
        "campaign": summary.campaign,
        "night": summary.night,
        "verdict": summary.verdict,
        "headline": summary.headline,
        "outcomes": summary.outcomes,
        "not_done": summary.not_ended,
        "unsafe": summary.unsafe,
        "quarantined": [{"rig": rig, "device": device, "why": why} for rig, device, why in summary.quarantined],
        "differences": summary.differences,
        "began": summary.began_utc,
        "ended": summary.ended_utc,
        "text": "\n".join(text_lines(summary)),
    }


async def _mail(spec: MailSpec, credentials: Credentials, context: ssl.SSLContext, summary: Summary) -> None:
    import aiosmtplib

    message = EmailMessage()
    message["From"], message["To"] = spec.sender, ", ".join(spec.to)
    message["Subject"] = f"{'UNSAFE ' if summary.unsafe else ''}{summary.headline}"
    message["Date"] = RealClock().now().utc
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(text_lines(summary)) + "\n")
    message.add_attachment(summary_page(summary).encode(), maintype="text", subtype="html", filename="summary.html")
    host, port = host_and_port(spec.server)
    await aiosmtplib.send(
        message,
        hostname=host,
        port=port,
        use_tls=spec.security == "tls",
        start_tls=spec.security == "starttls",
        tls_context=context if spec.security != "none" else None,
        username=credentials.username or None,
        password=credentials.password.get_secret_value() or None,
        timeout=_TIMEOUT_S,
    )


async def _webhook(spec: WebhookSpec, credentials: Credentials, context: ssl.SSLContext, summary: Summary) -> None:
    import aiohttp

    url = spec.url or (credentials.url.get_secret_value() if credentials.url else "")
    try:
        check_url(url)
    except ValueError as error:
        raise UsageError(str(error), where=str(spec.credentials or "")) from None
    headers = {"Content-Type": "application/json"}
    if credentials.token is not None:
        headers["Authorization"] = f"Bearer {credentials.token.get_secret_value()}"
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    body = json.dumps(brief(summary))
    # Where it would be sent on to, the token has no business.
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(url, data=body, headers=headers, ssl=context, allow_redirects=False) as answer,
    ):
        if not 200 <= answer.status < 300:
            raise BenchError(f"the webhook answered {answer.status}")


async def _mqtt(spec: MqttSpec, credentials: Credentials, context: ssl.SSLContext, summary: Summary) -> None:
    import aiomqtt

    host, port = host_and_port(spec.broker)
    context.sslsocket_class = TidySocket
    async with aiomqtt.Client(
        host,
        port,
        username=credentials.username or None,
        password=credentials.password.get_secret_value() or None,
        tls_context=context if spec.tls == "yes" else None,
        timeout=_TIMEOUT_S,
    ) as client:
        await client.publish(spec.topic, json.dumps(brief(summary)), qos=1, retain=True)
