"""OpenID Connect as a client: the authorisation code flow with PKCE (OpenID Connect Core 3.1, RFC 7636, RFC 8414).

What is a secret (passwords, codes, verifiers, tokens) never leaves this module but in the requests that need it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import aiohttp
import jwt
from lxml import html

from bench.errors import DeviceError, DeviceLost

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures with a public key alone: what anybody with the client's secret could make proves nothing."""
_MAX_BYTES = 4 * 1024 * 1024
_MAX_STEPS = 12
_LEEWAY_S = 60


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """What an address answered at last."""

    url: str
    status: int
    text: str = field(repr=False)

    @property
    def title(self) -> str:
        """The title of an HTML page, or nothing."""
        try:
            found = html.fromstring(self.text).findtext(".//title") if self.text.strip() else None
        except ValueError:
            return ""
        return (found or "").strip()


class Browser:
    """An HTTP client with cookies, which goes from page to page as people do.

    Args:
        timeout_s: bound of each exchange.
        tls: context for https addresses; None for that of the operating system.
        where: how errors name the device.
    """

    def __init__(self, *, timeout_s: float, tls: ssl.SSLContext | None, where: str) -> None:
        self._timeout_s, self._where = timeout_s, where
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls if tls is not None else True, force_close=True, use_dns_cache=False),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )

    async def close(self) -> None:
        """Free the sockets."""
        await self._session.close()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> tuple[Page, str | None]:
        """Get an address; the page, and where it redirects to."""
        return await self._ask("GET", url, None, headers)

    async def post(
        self, url: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> tuple[Page, str | None]:
        """Send a form."""
        return await self._ask("POST", url, fields, headers)

    async def _ask(
        self, method: str, url: str, fields: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> tuple[Page, str | None]:
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.hostname}{parts.path}"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise DeviceError(f"it leads to {place or 'nowhere'}, which is no web page", where=self._where)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.request(method, url, data=fields, headers=headers, allow_redirects=False) as answer,
            ):
                body = await answer.content.read(_MAX_BYTES + 1)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            why = "nothing came in time" if isinstance(error, TimeoutError) else type(error).__name__
            raise DeviceLost(f"{place} does not answer: {why}", where=self._where) from None
        if len(body) > _MAX_BYTES:
            raise DeviceError(f"{place} answers with more than {_MAX_BYTES} bytes", where=self._where)
        target = answer.headers.get("Location") if answer.status in (301, 302, 303, 307, 308) else None
        text = body.decode(answer.charset or "utf-8", errors="replace")
        return Page(url, answer.status, text), urljoin(url, target) if target else None


@dataclass(frozen=True, slots=True)
class Client:
    """The bench as the identity provider knows it.

    Attributes:
        issuer: the provider, as its ID tokens name it.
        client_id: of the bench.
        client_secret: of a confidential client; None for a public one.
        redirect_uri: where the provider sends the browser back to; nothing needs to listen there.
        scope: what is asked for.
    """

    issuer: str
    client_id: str
    redirect_uri: str
    client_secret: str | None = field(default=None, repr=False)
    scope: str = "openid"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the provider gave: the claims of a verified ID token, and the access token."""

    claims: Mapping[str, Any]
    access_token: str = field(repr=False)


async def log_in(browser: Browser, client: Client, account: Account, now_s: float, where: str) -> Tokens:
    """Go through the whole flow, and verify the ID token.

    Args:
        browser: that goes to the provider.
        client: the bench.
        account: who logs in.
        now_s: seconds since 1970, by the bench's clock; tokens are held against it.
        where: how errors name the device.

    Raises:
        DeviceLost: the provider does not answer.
        DeviceError: it refuses, or what it gives is not what it has to be.
    """
    flow = _Flow(browser, client, where)
    found = await flow.discover()
    code, verifier, nonce = await flow.authorise(found, account)
    given = await flow.exchange(found, code, verifier)
    claims = await flow.verify(found, given, nonce, now_s)
    return Tokens(claims, given["access_token"])


class _Flow:
    def __init__(self, browser: Browser, client: Client, where: str) -> None:
        self._browser, self._client, self._where = browser, client, where

    def _wrong(self, what: str) -> DeviceError:
        return DeviceError(f"the identity provider {self._client.issuer}: {what}", where=self._where)

    async def _json(self, url: str) -> Mapping[str, Any]:
        page, _ = await self._browser.get(url)
        return self._read(page)

    def _read(self, page: Page) -> Mapping[str, Any]:
        try:
            document = json.loads(page.text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise self._wrong(f"{urlsplit(page.url).path} answers {page.status} and no JSON object")
        if page.status != 200:
            raise self._wrong(f"{urlsplit(page.url).path} answers {page.status}: {document.get('error', 'no reason')}")
        return document

    async def discover(self) -> Mapping[str, Any]:
        found = await self._json(f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self._client.issuer:
            raise self._wrong(f"it calls itself {found.get('issuer')}")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(found.get(name), str):
                raise self._wrong(f"its configuration has no {name}")
        return found

    async def authorise(self, found: Mapping[str, Any], account: Account) -> tuple[str, str, str]:
        verifier, state, nonce = (secrets.token_urlsafe(48) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": self._client.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        answer = await self._walk(f"{found['authorization_endpoint']}?{urlencode(query)}", account)
        if "error" in answer:
            raise self._wrong(f"it refuses: {answer['error']}")
        if answer.get("state") != state:
            raise self._wrong("its answer has another state: it belongs to another log-in")
        if "code" not in answer:
            raise self._wrong("its answer has no code")
        return answer["code"], verifier, nonce

    async def _walk(self, url: str, account: Account) -> dict[str, str]:
        """Go from page to page, and log in where one asks, until the provider sends the browser back."""
        page, target = await self._browser.get(url)
        tried = False
        for _ in range(_MAX_STEPS):
            if target is not None:
                if target.partition("?")[0] == self._client.redirect_uri:
                    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
                page, target = await self._browser.get(target)
                continue
            form = login_form(page)
            if form is None or page.status not in (200, 400, 401):
                raise self._wrong(f"it shows {page.title or 'a page'!r} ({page.status}), and nothing to log in with")
            if tried:
                raise self._wrong(f"it does not let {account.username} in")
            tried = True
            action, fields, name, password = form
            page, target = await self._browser.post(
                action, fields | {name: account.username, password: account.password}
            )
        raise self._wrong("it leads from page to page, and never back")

    async def exchange(self, found: Mapping[str, Any], code: str, verifier: str) -> Mapping[str, Any]:
        client = self._client
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "client_id": client.client_id,
            "code_verifier": verifier,
        }
        if client.client_secret is not None:
            fields["client_secret"] = client.client_secret
        page, _ = await self._browser.post(found["token_endpoint"], fields)
        given = self._read(page)
        if not isinstance(given.get("id_token"), str) or not isinstance(given.get("access_token"), str):
            raise self._wrong("it gives no ID token and access token")
        return given

    async def verify(
        self, found: Mapping[str, Any], given: Mapping[str, Any], nonce: str, now_s: float
    ) -> Mapping[str, Any]:
        keys = await self._json(found["jwks_uri"])
        token = given["id_token"]
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(keys, header)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[header["alg"]],
                audience=self._client.client_id,
                issuer=self._client.issuer,
                # The times are held against the bench's own clock below.
                options={
                    "require": ["exp", "iat", "sub", "aud", "iss"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise self._wrong(f"its ID token is not valid: {error}") from None
        if claims.get("nonce") != nonce:
            raise self._wrong("its ID token has another nonce: it belongs to another log-in")
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._client.client_id:
            raise self._wrong("its ID token is for others, too, and not made out to the bench")
        if not all(isinstance(claims[name], int | float) for name in ("exp", "iat")):
            raise self._wrong("its ID token states no times")
        if claims["exp"] < now_s - _LEEWAY_S:
            raise self._wrong("its ID token has expired")
        if claims["iat"] > now_s + _LEEWAY_S:
            raise self._wrong("its ID token is from the future")
        return claims

    def _key(self, keys: Mapping[str, Any], header: Mapping[str, Any]) -> Any:
        if header.get("alg") not in _ALGORITHMS:
            raise self._wrong(f"its ID token is signed with {header.get('alg')!r}, which proves nothing")
        for each in jwt.PyJWKSet.from_dict(dict(keys)).keys:
            if each.key_id == header.get("kid") and each.public_key_use in (None, "sig"):
                return each.key
        raise self._wrong("its ID token is signed with a key that it does not publish")


def login_form(page: Page) -> tuple[str, dict[str, str], str, str] | None:
    """The form of a page that asks for a password: its address, its fields, and the names of the two to fill in."""
    try:
        forms = list(html.fromstring(page.text).iter("form")) if page.text.strip() else []
    except ValueError:
        return None
    for form in forms:
        fields, username, password = dict[str, str](), None, None
        for each in form.iter("input"):
            name, kind = each.get("name"), (each.get("type") or "text").lower()
            if not name:
                continue
            if kind == "password":
                password = password or name
            elif kind in ("text", "email"):
                username = username or name
            elif kind == "hidden" or (kind == "checkbox" and each.get("checked") is not None):
                fields[name] = each.get("value") or ""
        if username and password:
            return urljoin(page.url, form.get("action") or page.url), fields, username, password
    return None
