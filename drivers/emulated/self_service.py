"""An emulated identity provider (OpenID Connect) with the Self Service Interface behind it.

The provider asks for user name and password with a form, gives codes that hold once and for a minute, and checks PKCE;
the interface presents itself to who brings an access token. Its keys are really random: nothing in the event stream
depends on them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from drivers.emulated.wires import Place, Wire

CLIENT_ID = "hilbench"
_CODE_S, _TOKEN_S = 60, 300
_no_access_log = logging.getLogger(f"{__name__}.no_access_log")
_no_access_log.disabled = True


@dataclass(frozen=True, slots=True)
class _Grant:
    username: str
    query: Mapping[str, str]
    until_s: float


class IdentityProvider:
    """Provider and interface in one HTTP server.

    Args:
        accounts: passwords by user name.
        now_s: seconds since 1970.

    Attributes:
        spoil: changes the claims of an ID token before it is signed, for tests.
    """

    def __init__(self, accounts: Mapping[str, str], now_s: Callable[[], float]) -> None:
        self.spoil: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self._accounts, self._now_s = accounts, now_s
        self._key, self._key_id = ec.generate_private_key(ec.SECP256R1()), secrets.token_hex(8)
        self._codes: dict[str, _Grant] = {}
        self._tokens: dict[str, tuple[str, float]] = {}
        self._runner: web.AppRunner | None = None
        self.issuer = ""

    async def start(self, host: str, port: int) -> None:
        """Listen; `issuer` says where."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._configuration),
                web.get("/keys", self._keys),
                web.get("/authorize", self._ask),
                web.post("/authorize", self._authorise),
                web.post("/token", self._token),
                web.get("/ssi", self._interface),
            ]
        )
        self._runner = web.AppRunner(app, access_log=_no_access_log, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.issuer = f"http://{host}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop; may be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _configuration(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _keys(self, request: web.Request) -> web.Response:
        key = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        return web.json_response({"keys": [key | {"kid": self._key_id, "use": "sig", "alg": "ES256"}]})

    async def _ask(self, request: web.Request) -> web.Response:
        query = request.query
        if query.get("client_id") != CLIENT_ID or not query.get("redirect_uri"):
            return web.Response(status=400, text="unknown client")
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            return self._back(query, {"error": "invalid_request"})
        return self._form(dict(query), 200)

    def _form(self, query: Mapping[str, str], status: int) -> web.Response:
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in query.items()
        )
        text = (
            "<!doctype html><title>Log in</title><h1>Identity provider</h1>"
            f'<form method="post" action="/authorize">{hidden}'
            '<input type="text" name="who"><input type="password" name="secret"><button>Log in</button></form>'
        )
        return web.Response(status=status, text=text, content_type="text/html")

    async def _authorise(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        who, secret = form.pop("who", ""), form.pop("secret", "")
        if not hmac.compare_digest(self._accounts.get(who, secrets.token_hex()), secret):
            return self._form(form, 401)
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Grant(who, form, self._now_s() + _CODE_S)
        return self._back(form, {"code": code})

    @staticmethod
    def _back(query: Mapping[str, str], answer: Mapping[str, str]) -> web.Response:
        answer = {**answer, "state": query.get("state", "")}
        return web.Response(status=302, headers={"Location": f"{query['redirect_uri']}?{urlencode(answer)}"})

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        grant = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        good = (
            grant is not None
            and form.get("grant_type") == "authorization_code"
            and form.get("client_id") == CLIENT_ID
            and form.get("redirect_uri") == grant.query.get("redirect_uri")
            and challenge.rstrip(b"=").decode() == grant.query.get("code_challenge")
            and grant.until_s >= self._now_s()
        )
        if grant is None or not good:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now_s = int(self._now_s())
        claims = self.spoil(
            {
                "iss": self.issuer,
                "sub": grant.username,
                "aud": CLIENT_ID,
                "iat": now_s,
                "exp": now_s + _TOKEN_S,
                "nonce": grant.query.get("nonce"),
            }
        )
        token = secrets.token_urlsafe(32)
        self._tokens[token] = (grant.username, now_s + _TOKEN_S)
        id_token = jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_id})
        return web.json_response(
            {"access_token": token, "token_type": "Bearer", "expires_in": _TOKEN_S, "id_token": id_token}
        )

    async def _interface(self, request: web.Request) -> web.Response:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        who, until_s = self._tokens.get(token, ("", 0.0))
        if kind != "Bearer" or until_s < self._now_s():
            return web.Response(status=401, text="<!doctype html><title>Log in first</title>", content_type="text/html")
        text = (
            "<!doctype html><title>Self Service Interface</title><h1>Self Service Interface</h1>"
            f"<p>Logged in: {html.escape(who)}</p><ul><li>Smart Metering Inventory</li><li>Incidents</li></ul>"
        )
        return web.Response(text=text, content_type="text/html")


class SelfServiceWire(Wire):
    """Provider and interface, with an account for each User of the rig."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        users = place.world.users
        self._accounts = {name: (str(user.eui), secrets.token_urlsafe(16)) for name, user in users.items()}
        self._server = IdentityProvider(dict(self._accounts.values()), lambda: place.world.mail.now.timestamp())

    async def start(self) -> Mapping[str, Any]:
        """Listen, and write the accounts to a file that the driver reads."""
        spec = self.place.spec
        await self._server.start(spec.host, spec.port)
        path = Path(self.place.folder) / f"{self.place.name}-accounts.json"
        accounts = {name: {"username": who, "password": secret} for name, (who, secret) in self._accounts.items()}
        path.touch(mode=0o600)
        path.write_text(json.dumps(accounts), "utf-8")
        return {
            "issuer": self._server.issuer,
            "portal": f"{self._server.issuer}/ssi",
            "client_id": CLIENT_ID,
            "accounts": str(path),
        }

    async def close(self) -> None:
        """Stop listening."""
        await self._server.close()
