"""An engine on another computer, as its clients reach it."""

from __future__ import annotations

import asyncio
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.errors import UsageError
from bench.service.lines import encode

_SHORTEST_TOKEN = 16
SCHEME = "tls"
CA_VARIABLE, TOKEN_VARIABLE = "HILBENCH_ENGINE_CA", "HILBENCH_ENGINE_TOKEN"  # noqa: S105 - names, no secrets


@dataclass(frozen=True, slots=True)
class Remote:
    """An engine on another computer.

    Attributes:
        host: its name, which its certificate must have.
        port: its TCP port.
        ca: PEM file of the authority that the certificate is of; None for those of the operating system.
        token: the secret.
    """

    host: str
    port: int
    ca: Path | None
    token: str

    def __repr__(self) -> str:
        return f"{SCHEME}://{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str]) -> Remote:
        """Read `tls://HOST:PORT`; token and authority are in files that the environment names.

        Raises:
            UsageError: it is something else, or a file is missing.
        """
        try:
            parts = urlsplit(text)
            host, port, rest = parts.hostname, parts.port, (parts.scheme, parts.path, parts.username)
        except ValueError:
            host, port, rest = None, None, ("", "", None)
        if rest != (SCHEME, "", None) or not host or not port:
            raise UsageError(f"{text!r} is no address of an engine", next_step=f"Write {SCHEME}://HOST:PORT")
        if TOKEN_VARIABLE not in environment:
            raise UsageError("an engine elsewhere asks for a token", next_step=f"Name its file in {TOKEN_VARIABLE}")
        ca = environment.get(CA_VARIABLE)
        return cls(host, port, Path(ca) if ca else None, read_token(Path(environment[TOKEN_VARIABLE])))

    async def open(self, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect and log in.

        Raises:
            OSError: nobody answers there, or its certificate is not believed.
            UsageError: the file of the authority cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise UsageError(f"the authority cannot be read: {error.strerror}", where=str(self.ca)) from None
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=context, limit=limit)
        writer.write(encode({"do": "login", "token": self.token}))
        return reader, writer


def read_token(path: Path) -> str:
    """Read the secret that clients on other computers show.

    Raises:
        UsageError: it cannot be read, others than its owner may read it, or it is too short.
    """
    try:
        mode, token = path.stat().st_mode, path.read_text().strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"the token cannot be read: {error}", where=str(path)) from None
    if stat.S_IMODE(mode) & 0o077:
        raise UsageError("others may read the token", where=str(path), next_step=f"chmod 600 {path}")
    if len(token) < _SHORTEST_TOKEN:
        raise UsageError(
            f"the token has fewer than {_SHORTEST_TOKEN} characters",
            where=str(path),
            next_step="Make one: openssl rand -hex 32",
        )
    return token
