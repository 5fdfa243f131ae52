"""Whom a campaign tells in the morning, and how: the section `notify` of its file. Secrets lie in files apart."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from bench import strict_yaml
from bench.errors import UsageError
from bench.schema import Part


def _read_address(value: object) -> object:
    if isinstance(value, str):
        host, _, port = value.rpartition(":")
        if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{value!r} is not HOST:PORT")
    return value


Address = Annotated[str, BeforeValidator(_read_address)]


def host_and_port(address: str) -> tuple[str, int]:
    """The two halves of HOST:PORT."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class MailSpec(Part):
    """An e-mail with the summary, over SMTP.

    Attributes:
        server: HOST:PORT.
        security: "starttls", "tls" from the first byte (usually port 465), or "none", which only a server on this
            machine gets.
        sender: the address that it is from.
        credentials: file with `username` and `password`, for its owner only.
        ca: PEM file of the authority that the server's certificate is of; the operating system's if not given.
    """

    server: Address
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str
    to: tuple[str, ...] = Field(min_length=1)
    credentials: Path | None = None
    ca: Path | None = None

    @field_validator("sender", "to")
    @classmethod
    def _addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for each in (value,) if isinstance(value, str) else value:
            name, _, domain = each.rpartition("@")
            if not name or not domain or any(character in each for character in "\r\n,<> "):
                raise ValueError(f"{each!r} is no e-mail address")
        return value

    @model_validator(mode="after")
    def _not_in_the_clear(self) -> Self:
        if self.security == "none" and host_and_port(self.server)[0] not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("'security: none' is for a server on this machine; use starttls or tls")
        return self


class WebhookSpec(Part):
    """The summary as JSON, in an HTTP POST.

    Attributes:
        url: where to; it may instead be `url` in the credentials, where the address itself is the secret.
        credentials: file with `token`, sent as `Authorization: Bearer`, or `url`, for its owner only.
        ca: PEM file of the authority that the server's certificate is of; the operating system's if not given.
    """

    url: str | None = None
    credentials: Path | None = None
    ca: Path | None = None

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None:
            check_url(value)
        return value

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.url is None and self.credentials is None:
            raise ValueError("give 'url', or 'credentials' that hold one")
        return self


class MqttSpec(Part):
    """The summary as JSON, retained under an MQTT topic.

    Attributes:
        broker: HOST:PORT.
        tls: whether the connection is TLS.
        credentials: file with `username` and `password`, for its owner only.
        ca: PEM file of the authority that the broker's certificate is of; the operating system's if not given.
    """

    broker: Address
    topic: str = Field(min_length=1, max_length=200, pattern=r"^[^+#\x00-\x1f]+$")
    tls: Literal["yes", "no"] = "no"
    credentials: Path | None = None
    ca: Path | None = None

    @model_validator(mode="after")
    def _not_in_the_clear(self) -> Self:
        local = host_and_port(self.broker)[0] in ("localhost", "127.0.0.1", "::1")
        if self.credentials is not None and self.tls == "no" and not local:
            raise ValueError("credentials go to another machine over TLS only: tls: yes")
        return self


class NoticeSpec(Part):
    """One way of telling.

    Attributes:
        when: "always"; "problems": if anything failed, was undecided, blocked or flaky; "changes": if anything differs
            from the last night.
    """

    mail: MailSpec | None = None
    webhook: WebhookSpec | None = None
    mqtt: MqttSpec | None = None
    when: Literal["always", "problems", "changes"] = "always"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.mail, self.webhook, self.mqtt)) != 1:
            raise ValueError("give one of mail, webhook, mqtt")
        return self

    @property
    def name(self) -> str:
        """How the record calls it: no secret is in it."""
        if self.mail is not None:
            return f"mail to {', '.join(self.mail.to)} by {self.mail.server}"
        if self.mqtt is not None:
            return f"MQTT {self.mqtt.broker} {self.mqtt.topic}"
        assert self.webhook is not None
        host = urlsplit(self.webhook.url).hostname if self.webhook.url else f"of {self.webhook.credentials}"
        return f"webhook {host}"


def named(specs: Sequence[NoticeSpec]) -> list[tuple[str, NoticeSpec]]:
    """Each with a name that no other has: two webhooks of one host differ in what may be a secret."""
    found: list[tuple[str, NoticeSpec]] = []
    times: Counter[str] = Counter()
    for spec in specs:
        times[spec.name] += 1
        found.append((spec.name if times[spec.name] == 1 else f"{spec.name} ({times[spec.name]})", spec))
    return found


class Credentials(Part):
    """What a file of credentials may hold."""

    username: str = ""
    password: SecretStr = SecretStr("")
    token: SecretStr | None = None
    url: SecretStr | None = None


def check_url(value: str) -> None:
    """See that a webhook's address can be one.

    Raises:
        ValueError: it cannot; the sentence does not repeat it.
    """
    try:
        parts = urlsplit(value)
        good = bool(parts.hostname) and parts.username is None and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    local = good and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not good or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise ValueError("a webhook's address is https://HOST/..., or http:// on this machine, without a user in it")


def read_credentials(path: Path) -> Credentials:
    """Read a file of credentials, which nobody but its owner may read.

    Raises:
        UsageError: it cannot be read, others may read it, or it holds something else.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(f"the credentials cannot be read: {error.strerror}", where=str(path)) from None
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise UsageError(
            "others than its owner may read the credentials", where=str(path), next_step=f"chmod 600 {path}"
        )
    return strict_yaml.build(strict_yaml.load(path), Credentials)
