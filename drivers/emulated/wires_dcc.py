"""The wire to the emulated DCC: its web services, and its way to the bench's receive service."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.errors import UsageError
from drivers.emulated.dcc_http import DccServer, HttpFaults, Postman
from drivers.emulated.faults import Fault
from drivers.emulated.tls_material import BENCH, CA, DCC, make_material
from drivers.emulated.wires import Place, Wire
from drivers.tls import TlsFiles

_RECEIVE_PATH = "/smartdcc/duis"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,128}")


class DuisHttp(Wire):
    """DUIS over HTTP as DCC Boxed speaks it, or over HTTPS with certificates on both sides.

    Options:
        tls: `made`: a CA and certificates for both sides are made, both for requests and for deliveries; or
            `{certificate, key, client_ca}`, PEM files of the DCC's services: with `client_ca` every client has to show
            a certificate from there.
        receive_tls: `{ca, certificate, key}`, PEM files for a receive service that is https.
        name: a host name or address that clients use, where it is not that of `listen`.
        token: every request has to bring it, as `Authorization: Bearer TOKEN`.

    Where `listen` can be reached from the network, every client has to show a certificate or the token.

    The port of the receive service, unless the rig file gives one, is chosen here and held by a socket that does
    not listen, so that nobody else gets it; the receive service binds it beside that socket (SO_REUSEADDR).
    """

    options = ("tls", "receive_tls", "name", "token")
    faults = ("dcc-silent", "dcc-bad-xml-signature", "dcc-garbled", "dcc-away")

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        find = place.world.faults.find
        self._http = HttpFaults(slow_s=lambda: slow.delay_s if (slow := find("dcc-slow")) is not None else 0.0)
        given = place.spec.options.get("tls")
        self._made = given == "made"
        self._tls = None if given is None or self._made else self._files("tls", given)
        receive = place.spec.options.get("receive_tls")
        self._receive_tls = None if receive is None else self._files("receive_tls", receive)
        token = place.spec.options.get("token")
        if token is not None and not _TOKEN.fullmatch(str(token)):
            raise place.wrong("its token is too weak", "Give 22 to 128 random letters, digits, '-' or '_'")
        if self._tls is not None and self._tls.certificate is None:
            raise place.wrong("tls has no certificate", "Give certificate and key, or write tls: made")
        authenticated = self._made or token is not None or (self._tls is not None and self._tls.ca is not None)
        if not _is_loopback(place.spec.host) and not authenticated:
            raise place.wrong(
                f"{place.spec.host} can be reached from the network, and anybody could use the DCC",
                "Listen on 127.0.0.1, or give the options tls (with client_ca, or made) or token",
            )
        self._token = None if token is None else str(token)
        self._server = DccServer(place.world.handle, self._http, token=self._token)
        self._postman: Postman | None = None
        self._reserved: socket.socket | None = None
        self._saved: Mapping[str, Any] = {}
        self._material: dict[str, bytes] = {}
        self._port = self._receive_port = 0

    def save(self) -> Any:
        """What was not delivered yet, its ports, and what was made for TLS, so that its clients find it again."""
        return {
            "bag": self._postman.save() if self._postman is not None else [],
            "port": self._port,
            "receive_port": self._receive_port,
            "tls": self._material,
        }

    def load(self, saved: Any) -> None:
        """Go on with that."""
        self._saved = saved

    async def start(self) -> Mapping[str, Any]:
        """Listen for Service Requests, and begin to deliver."""
        place, section = self.place, self.place.section
        host = str(section.get("receive_host", "127.0.0.1"))
        path = str(section.get("receive_path", _RECEIVE_PATH))
        secret = section.get("receive_token")
        self._receive_port = int(section.get("receive_port", 0)) or self._reserve(host)
        own_name = str(place.spec.options.get("name", place.spec.host))
        settings: dict[str, Any] = {
            "receive_host": host,
            "receive_port": self._receive_port,
            "receive_path": path,
        }
        if self._made:
            settings |= self._make(own_name, host)
        server = self._tls.context(server=True) if self._tls is not None else None
        client = self._receive_tls.context(server=False) if self._receive_tls is not None else None
        scheme = "http" if client is None and section.get("receive_tls") is None else "https"
        url = f"{scheme}://{_in_url(host)}:{self._receive_port}{path}" + (f"/{secret}" if secret else "")
        spec = place.world.spec.world
        self._postman = Postman(
            url, place.world.schedule, self._http, retry_s=spec.retry, retry_for_s=spec.retry_for, tls=client
        )
        self._postman.on_change = lambda: place.world.on_change()
        self._postman.load(self._saved.get("bag", []))
        await self._postman.start()
        place.world.outbox = self._postman.deliver
        self._port = await self._listen(server)
        settings["url"] = f"{'http' if server is None else 'https'}://{_in_url(own_name)}:{self._port}"
        return settings | ({"token": self._token} if self._token is not None else {})

    async def _listen(self, tls: ssl.SSLContext | None) -> int:
        """Listen where the rig file says; at any free port, at the same one as in an earlier life if possible."""
        spec = self.place.spec
        earlier = int(self._saved.get("port", 0))
        if not spec.port and earlier:
            try:
                return await self._server.start(spec.host, earlier, tls)
            except OSError:
                # Somebody else has it now; the rig file that is written says where the DCC is.
                await self._server.close()
                self._server = DccServer(self.place.world.handle, self._http, token=self._token)
        try:
            return await self._server.start(spec.host, spec.port, tls)
        except OSError as error:
            raise self.place.wrong(
                f"the DCC cannot listen at {spec.listen}: {error.strerror}",
                "End the other program that listens there, or change listen",
            ) from None

    async def close(self) -> None:
        """Stop listening and delivering."""
        self.place.world.outbox = lambda document: None
        await self._server.close()
        if self._postman is not None:
            await self._postman.close()
        if self._reserved is not None:
            self._reserved.close()

    async def fail(self, fault: Fault) -> None:
        """Fall silent, talk nonsense, sign badly, or have no time."""
        self._set(fault, True)

    async def mend(self, fault: Fault) -> None:
        """Be as it should be again."""
        self._set(fault, False)

    def _set(self, fault: Fault, wrong: bool) -> None:
        match fault.name:
            case "dcc-silent":
                self._http.silent = wrong
            case "dcc-garbled":
                self._http.garbled = wrong
            case "dcc-away":
                self._http.away = wrong
            case _:
                self.place.world.mail.bad_signatures = wrong

    def _files(self, option: str, given: Any) -> TlsFiles:
        """The files that an option names; the DCC's services call `client_ca` what others call `ca`."""
        if not isinstance(given, Mapping):
            raise self.place.wrong(f"{option} is {given!r}", "Write {certificate: FILE, key: FILE}, or tls: made")
        if option == "tls":
            given = {{"client_ca": "ca", "ca": "no ca"}.get(name, name): value for name, value in given.items()}
        try:
            return TlsFiles.model_validate(given)
        except ValidationError:
            known = "certificate, key and client_ca" if option == "tls" else "ca, certificate and key"
            raise self.place.wrong(f"{option} has other keys than it may have", f"It takes {known}") from None

    def _make(self, own_name: str, receive_host: str) -> dict[str, Any]:
        """Make, or take over from an earlier life, what both sides need; returns the bench's part."""
        now = self.place.world.mail.now
        material: dict[str, bytes] = dict(self._saved.get("tls", {}))
        if not material:
            hosts = list(dict.fromkeys((own_name, self.place.spec.host, *_LOOPBACK)))
            material = make_material(now, hosts, list(dict.fromkeys((receive_host, *_LOOPBACK))))
        self._material = material
        folder = self.place.folder / f"{self.place.name}-tls"
        folder.mkdir(mode=0o700)
        for name, content in material.items():
            path = folder / name
            path.touch(mode=0o600)
            path.write_bytes(content)
        ca, dcc, bench = folder / f"{CA}.pem", folder / DCC, folder / BENCH
        self._tls = TlsFiles(ca=ca, certificate=dcc.with_suffix(".pem"), key=dcc.with_suffix(".key"))
        self._receive_tls = self._tls
        files: dict[str, Path] = {
            "ca": ca,
            "certificate": bench.with_suffix(".pem"),
            "key": bench.with_suffix(".key"),
        }
        return {"tls": files, "receive_tls": files}

    def _reserve(self, host: str) -> int:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for port in dict.fromkeys((int(self._saved.get("receive_port", 0)), 0)):
            held = socket.socket(family)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                held.bind((host, port))
            except OSError as error:
                held.close()
                if port:
                    continue
                raise UsageError(f"no port can be had at {host}: {error.strerror}", where=self.place.name) from None
            self._reserved = held
            return int(held.getsockname()[1])
        raise AssertionError("port 0 is always tried")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
