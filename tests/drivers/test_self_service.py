"""The log-in to the Self Service Interface, by way of an identity provider that is really asked."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.clock import VirtualClock
from bench.device import DeviceContext
from bench.errors import BenchError, DeviceError, DeviceLost, UsageError
from bench.events import Event, EventStream
from drivers.emulated.self_service import CLIENT_ID, IdentityProvider
from drivers.oidc import Page, login_form
from drivers.self_service import SelfServiceConfig, SelfServiceInterface
from tests.fakes import make_parties

PASSWORD = "correct horse"


class NoCounters:
    """This driver counts nothing."""

    def next(self, name: str, *, at_least: int = 1) -> int:
        raise AssertionError(name)


@asynccontextmanager
async def interface(
    tmp_path: Path, **more: Any
) -> AsyncIterator[tuple[SelfServiceInterface, IdentityProvider, list[Event]]]:
    clock = VirtualClock(asyncio.get_running_loop())
    provider = IdentityProvider({"the-is": PASSWORD}, lambda: clock.now().utc_ns / 1e9)
    await provider.start("127.0.0.1", 0)
    accounts = tmp_path / "accounts.json"
    accounts.touch(mode=0o600)
    accounts.write_text(json.dumps({"IS": {"username": "the-is", "password": PASSWORD}}))
    events: list[Event] = []
    stream = EventStream(clock)
    stream.subscribe(events.append)
    section = {
        "issuer": provider.issuer,
        "portal": f"{provider.issuer}/ssi",
        "client_id": CLIENT_ID,
        "accounts": accounts,
        "picture": False,
    }
    context = DeviceContext("ssi", stream, make_parties(tmp_path), NoCounters())
    driver = SelfServiceInterface(context, SelfServiceConfig.model_validate(section | more))
    await driver.connect()
    try:
        yield driver, provider, events
    finally:
        await driver.close()
        await provider.close()


async def test_a_user_logs_in_and_the_page_is_kept(tmp_path: Path) -> None:
    async with interface(tmp_path) as (driver, provider, events):
        done = await driver.log_in("IS")
        assert (done.subject, done.issuer, done.title) == ("the-is", provider.issuer, "Self Service Interface")
        assert done.picture is False
        (page,) = [event for event in events if event.kind == "wire"]
        assert "Logged in: the-is" in page.data["text"]
        assert PASSWORD not in repr([event.data for event in events])
        assert driver.problems() == ()


def claim(name: str, value: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda claims: {**claims, name: value}


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (claim("nonce", "another"), "another nonce"),
        (claim("aud", "somebody"), "not valid: Audience"),
        (claim("aud", [CLIENT_ID, "others"]), "for others"),
        (claim("iss", "http://elsewhere"), "not valid: Invalid issuer"),
        (claim("exp", 1), "has expired"),
        (claim("iat", 4_000_000_000), "from the future"),
        (lambda claims: {name: claims[name] for name in claims if name != "sub"}, "sub"),
    ],
)
async def test_a_token_that_is_not_what_it_has_to_be_is_refused(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], dict[str, Any]], what: str
) -> None:
    async with interface(tmp_path) as (driver, provider, _):
        provider.spoil = spoil
        with pytest.raises(DeviceError, match=what):
            await driver.log_in("IS")


async def test_a_key_that_the_provider_does_not_publish_is_refused(tmp_path: Path) -> None:
    async with interface(tmp_path) as (driver, provider, _):
        published = provider._key_id

        def other(claims: dict[str, Any]) -> dict[str, Any]:
            provider._key_id = "unknown"
            return claims

        provider.spoil = other
        keys = provider._keys

        async def old(request: Any) -> Any:
            provider._key_id = published
            return await keys(request)

        provider._keys = old  # type: ignore[method-assign]
        await provider.close()
        await provider.start("127.0.0.1", int(provider.issuer.rpartition(":")[2]))
        with pytest.raises(DeviceError, match="a key that it does not publish"):
            await driver.log_in("IS")


async def test_who_is_not_let_in_is_told(tmp_path: Path) -> None:
    async with interface(tmp_path) as (driver, provider, events):
        (tmp_path / "accounts.json").write_text('{"IS": {"username": "the-is", "password": "wrong"}}')
        with pytest.raises(DeviceError, match="does not let the-is in") as caught:
            await driver.log_in("IS")
        assert "wrong" not in str(caught.value)
        with pytest.raises(UsageError, match="no account for GS"):
            await driver.log_in("GS")
        assert [event for event in events if event.kind == "log_in"] == []


async def test_another_page_is_no_log_in(tmp_path: Path) -> None:
    async with interface(tmp_path, shows="Welcome") as (driver, _, _):
        with pytest.raises(DeviceError, match="answers 200 and shows 'Self Service Interface', without 'Welcome'"):
            await driver.log_in("IS")
    async with interface(tmp_path, client_id="stranger") as (driver, _, _):
        with pytest.raises(DeviceError, match="nothing to log in with"):
            await driver.log_in("IS")


async def test_a_provider_that_is_gone_is_lost(tmp_path: Path) -> None:
    async with interface(tmp_path) as (driver, provider, _):
        await provider.close()
        with pytest.raises(DeviceLost, match="openid-configuration does not answer"):
            await driver.log_in("IS")


@pytest.mark.parametrize(
    ("mode", "text", "what"),
    [
        (0o644, "{}", "others may read"),
        (0o600, "{", "not JSON"),
        (0o600, '{"IS": {"username": "a"}}', "User to username and password"),
    ],
)
async def test_a_bad_file_of_accounts_is_named(tmp_path: Path, mode: int, text: str, what: str) -> None:
    async with interface(tmp_path) as (driver, _, _):
        path = tmp_path / "accounts.json"
        path.write_text(text)
        path.chmod(mode)
        (problem,) = driver.problems()
        assert what in str(problem)
        with pytest.raises(BenchError, match=what):
            await driver.log_in("IS")


def test_a_login_form_is_found() -> None:
    page = Page(
        "https://idp.example/a/b",
        200,
        '<form><input name=q></form><form action="../in"><input type=hidden name=csrf value=7>'
        "<input type=email name=mail><input type=password name=word></form>",
    )
    assert login_form(page) == ("https://idp.example/in", {"csrf": "7"}, "mail", "word")
    assert login_form(Page("https://idp.example/", 200, "<p>No form")) is None
    assert login_form(Page("https://idp.example/", 200, "")) is None


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium on this machine")
@pytest.mark.soak
async def test_a_real_browser_draws_the_page(tmp_path: Path) -> None:
    async with interface(tmp_path, picture=True) as (driver, _, events):
        assert (await driver.log_in("IS")).picture
        picture = next(event for event in events if event.data.get("channel") == "picture")
        assert picture.data["hex"].startswith("89504e470d0a1a0a")
