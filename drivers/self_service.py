"""The DCC's Self Service Interface: a log-in by way of an identity provider, and a look at what is presented then.

The provider's own page asks for user name and password, and the driver fills them in; a second factor cannot be given
so, and needs a test account without one. The picture is drawn by Chromium, if the machine has it, from the page as it
was received.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator

from bench.capabilities import LogIn
from bench.device import Driver, DriverConfig, Problem
from bench.errors import DeviceError, UsageError
from bench.quantities import SecondsField
from drivers.tls import TlsFiles

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_DRAWING_S = 40.0


class SelfServiceConfig(DriverConfig):
    """The section in the rig file.

    Attributes:
        issuer: the identity provider, of the DCC or of the Party: exactly as its ID tokens name it.
        portal: the address of the Self Service Interface.
        client_id: the bench at the provider.
        client_secret: of a confidential client.
        redirect_uri: that the provider has for the client; nothing needs to listen there.
        scope: what is asked for.
        accounts: a file with the test accounts: JSON, User of the rig to `username` and `password`; for its owner only.
        shows: a text that the page of the interface has to show.
        timeout: bound of each exchange.
        picture: whether to have a picture of the page drawn, where there is a browser.
        tls: for https addresses: whom to trust.
    """

    issuer: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]
    portal: Annotated[str, Field(pattern=r"^https?://\S+$")]
    client_id: str
    client_secret: SecretStr | None = None
    redirect_uri: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] = "http://127.0.0.1/hilbench"
    scope: str = "openid"
    accounts: Path
    shows: str = "Self Service Interface"
    timeout: Annotated[SecondsField, Field(gt=0, le=120)] = 15.0
    picture: bool = True
    tls: TlsFiles = TlsFiles()

    @field_validator("scope")
    @classmethod
    def _openid(cls, value: str) -> str:
        if "openid" not in value.split():
            raise ValueError("the scope has to have openid in it")
        return value


class SelfServiceInterface(Driver[SelfServiceConfig]):
    """Implements `SelfService`."""

    Config = SelfServiceConfig

    def problems(self) -> Sequence[Problem]:
        """What is wrong with the file of accounts."""
        found = []
        try:
            self._accounts()
        except UsageError as error:
            found.append(Problem(error.what, error.next_step or "Write the file of test accounts"))
        return tuple(found)

    async def connect(self) -> None:
        """Nothing is kept open: each log-in begins anew; see `Driver.connect`."""
        self.context.emit("device", {"state": "connected", "detail": "Self Service Interface"})

    async def close(self) -> None:
        """Nothing is open."""

    async def log_in(self, user: str) -> LogIn:
        """Log in as a User of the rig; see `SelfService.log_in`."""
        # aiohttp and PyJWT are loaded by the first log-in alone.
        from drivers import oidc

        config, where = self.config, self.name
        accounts = self._accounts()
        if user not in accounts:
            raise UsageError(f"there is no account for {user}", where=str(config.accounts))
        secret = config.client_secret
        client = oidc.Client(
            config.issuer,
            config.client_id,
            config.redirect_uri,
            secret.get_secret_value() if secret else None,
            config.scope,
        )
        account = oidc.Account(**accounts[user])
        tls = config.tls.context(server=False) if config.tls.ca else None
        browser = oidc.Browser(timeout_s=config.timeout, tls=tls, where=where)
        try:
            now_s = self.context.clock.now().utc_ns / 1e9
            tokens = await oidc.log_in(browser, client, account, now_s, where)
            self.context.emit(
                "log_in",
                {
                    "user": user,
                    "issuer": config.issuer,
                    "subject": str(tokens.claims["sub"]),
                    "client": config.client_id,
                },
            )
            page, _ = await browser.get(config.portal, {"Authorization": f"Bearer {tokens.access_token}"})
        finally:
            await browser.close()
        text = page.text.replace(tokens.access_token, "(token)").replace(account.password, "(password)")
        self.context.wire("rx", text, channel="page")
        if page.status != 200 or config.shows not in text:
            raise DeviceError(
                f"the Self Service Interface answers {page.status} and shows {page.title or 'a page'!r},"
                f" without {config.shows!r}",
                where=where,
            )
        picture = await self._draw(text) if config.picture else None
        if picture is not None:
            self.context.wire("rx", picture, channel="picture")
        return LogIn(str(tokens.claims["sub"]), config.issuer, page.title, picture is not None)

    def _accounts(self) -> Mapping[str, Mapping[str, Any]]:
        path = self.config.accounts
        try:
            if path.stat().st_mode & 0o077:
                raise UsageError(f"others may read the passwords in {path}", next_step=f"chmod 600 {path}")
            found = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise UsageError(f"cannot read the accounts in {path}: {error.strerror}") from None
        except ValueError:
            raise UsageError(f"the accounts in {path} are not JSON") from None
        fields = {"username", "password"}
        good = isinstance(found, dict) and all(
            isinstance(each, dict) and each.keys() == fields and all(isinstance(value, str) for value in each.values())
            for each in found.values()
        )
        if not good:
            raise UsageError(f"the accounts in {path} are not: User to username and password")
        accounts: Mapping[str, Mapping[str, Any]] = found
        return accounts

    async def _draw(self, text: str) -> bytes | None:
        """A picture of a page, PNG; None without a browser, or if it draws nothing."""
        program = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
        return None if program is None else await asyncio.to_thread(_draw, program, text)


def _draw(program: str, text: str) -> bytes | None:
    """Have a browser draw a page that was received; it is given no network to fetch more with."""
    with tempfile.TemporaryDirectory(prefix="hilbench-page-") as name:
        folder = Path(name)
        (folder / "page.html").write_text(text, "utf-8")
        command = [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--proxy-server=127.0.0.1:9",
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1280,900",
            f"--screenshot={folder / 'page.png'}",
            (folder / "page.html").as_uri(),
        ]
        try:
            subprocess.run(command, timeout=_DRAWING_S, capture_output=True, check=False)
            return (folder / "page.png").read_bytes()
        except (OSError, subprocess.TimeoutExpired):
            return None
