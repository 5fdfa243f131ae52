"""The wire to the emulated DCC: its web services, and its way to the bench's receive service."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from drivers.emulated.dcc_http import DccServer, HttpFaults, Postman
from drivers.emulated.faults import Fault
from drivers.emulated.wires import Place, Wire

_RECEIVE_PATH = "/smartdcc/duis"


class DuisHttp(Wire):
    """DUIS over HTTP, as DCC Boxed speaks it.

    The port of the receive service, unless the rig file gives one, is chosen here and held by a socket that does
    not listen, so that nobody else gets it; the receive service binds it beside that socket (SO_REUSEADDR).
    """

    faults = ("dcc-silent", "dcc-bad-xml-signature", "dcc-garbled")

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._http = HttpFaults()
        self._server = DccServer(place.world.dcc.handle, self._http)
        self._postman: Postman | None = None
        self._reserved: socket.socket | None = None

    async def start(self) -> Mapping[str, Any]:
        """Listen for Service Requests, and begin to deliver."""
        place, section = self.place, self.place.section
        host = str(section.get("receive_host", "127.0.0.1"))
        path = str(section.get("receive_path", _RECEIVE_PATH))
        token = section.get("receive_token")
        receive_port = int(section.get("receive_port", 0)) or self._reserve(host)
        url = f"http://{host}:{receive_port}{path}" + (f"/{token}" if token else "")
        spec = place.world.spec.world
        self._postman = Postman(url, place.world.schedule, self._http, retry_s=spec.retry, retry_for_s=spec.retry_for)
        await self._postman.start()
        place.world.outbox = self._postman.deliver
        port = await self._server.start(place.spec.host, place.spec.port)
        return {
            "url": f"http://{place.spec.host}:{port}",
            "receive_host": host,
            "receive_port": receive_port,
            "receive_path": path,
        }

    async def close(self) -> None:
        """Stop listening and delivering."""
        self.place.world.outbox = lambda document: None
        await self._server.close()
        if self._postman is not None:
            await self._postman.close()
        if self._reserved is not None:
            self._reserved.close()

    async def fail(self, fault: Fault) -> None:
        """Fall silent, talk nonsense, or sign badly."""
        match fault.name:
            case "dcc-silent":
                self._http.silent = True
            case "dcc-garbled":
                self._http.garbled = True
            case _:
                self.place.world.mail.bad_signatures = True

    def _reserve(self, host: str) -> int:
        self._reserved = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind((host, 0))
        return int(self._reserved.getsockname()[1])
