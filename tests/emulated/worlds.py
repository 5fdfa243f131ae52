"""A small emulated world without wires, and what its DCC sends, read and verified."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.clock import VirtualClock
from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import build_request
from bench.duis.service_requests import WebService, service_request, web_service
from bench.duis.signatures import sign, verify
from bench.eui import Eui64
from bench.gbcs.alerts import Alert, decode_alert
from bench.gbcs.crypto import message_key, sign_pre_command, verify_mac
from bench.gbcs.message import Message
from bench.gbcs.use_cases import use_case_for
from bench.parties import DeviceType, Dut, KeyUse
from drivers.emulated.faults import Faults
from drivers.emulated.identities import RemotePartyRole
from drivers.emulated.spec import EmulationSpec
from drivers.emulated.world import Wiring, World
from drivers.gbcs_protection import check_protection, in_the_clear

DCC = Eui64.parse("90-B3-D5-1F-30-00-00-02")
ESME = Eui64.parse("00-DB-12-34-56-78-90-A0")
GSME = Eui64.parse("00-DB-12-34-56-78-90-A1")
CHF = Eui64.parse("00-DB-12-34-56-78-90-A2")
GPF = Eui64.parse("00-DB-12-34-56-78-90-A3")
USERS = {
    "IS": ("IS", Eui64.parse("90-B3-D5-1F-30-01-00-00")),
    "GS": ("GS", Eui64.parse("90-B3-D5-1F-30-03-00-00")),
    "ED": ("ED", Eui64.parse("90-B3-D5-1F-30-02-00-00")),
    "GT": ("GT", Eui64.parse("90-B3-D5-1F-30-04-00-00")),
}
OTHER_USERS = {
    "ES": ("ES", Eui64.parse("90-B3-D5-1F-30-05-00-00")),
    "RSA": ("RSA", Eui64.parse("90-B3-D5-1F-30-06-00-00")),
    "OU": ("OU", Eui64.parse("00-DB-12-34-56-78-00-04")),
    "IS2": ("IS", Eui64.parse("90-B3-D5-1F-30-07-00-00")),
    "GS2": ("GS", Eui64.parse("90-B3-D5-1F-30-08-00-00")),
}
ALL_USERS = USERS | OTHER_USERS
"""For worlds with every role, and with suppliers to change to."""
MPAN, MPRN = "1012345678901", "7412345604"
CODES = {"esme": "83FED3407A939723A5C639B26916D505", "gsme": "51C8D3A76F1B2E905D3C4A7788E60F12"}
DUTS = {
    "esme": Dut("esme", DeviceType.ESME, ESME, "00010001", "1234", mpxn=MPAN, install_code=CODES["esme"]),
    "gsme": Dut("gsme", DeviceType.GSME, GSME, "00020001", "1234", mpxn=MPRN, install_code=CODES["gsme"]),
    "chf": Dut("chf", DeviceType.CHF, CHF, "00030001", "5678"),
    "gpf": Dut("gpf", DeviceType.GPF, GPF, "00030001", "5678"),
}
DETAILS = {"device_manufacturer": "1234", "device_model": "00010001"}


@dataclass
class Post:
    """One document that the DCC delivered."""

    at_s: float
    raw: bytes
    message: duis.Response
    gbcs: Message | None

    @property
    def code(self) -> str:
        match self.message:
            case duis.DeviceAlert():
                return f"0x{self.message.alert_code:04X}"
            case duis.DccAlert():
                return self.message.alert_code
            case duis.Smets1Response(device_alert_code=int() as code):
                return f"0x{code:04X}"
            case duis.Smets1Response(service_reference_variant=str() as variant):
                return variant
            case duis.ServiceResponse():
                return self.message.service_reference_variant
        raise AssertionError(self.message)

    @property
    def user(self) -> str:
        response_id = self.message.response_id
        assert response_id is not None
        return next(name for name, (_, eui) in ALL_USERS.items() if eui == response_id.target)

    @property
    def alert(self) -> Alert:
        assert self.gbcs is not None
        alert = decode_alert(self.gbcs)
        assert alert is not None
        return alert


@dataclass
class Small:
    """The world, and its Users' side of it."""

    world: World
    loop: asyncio.AbstractEventLoop
    posts: list[Post] = field(default_factory=list)
    air: list[tuple[float, bytes]] = field(default_factory=list)
    counter: int = 1_767_225_600_000

    def receive(self, document: bytes) -> None:
        parties = self.world.parties
        verified = verify(document, parties.certificates.all(KeyUse.XML_SIGN))
        assert verified.signer_eui == DCC
        message = duis.parse_response(verified.root)
        payload = getattr(message, "payload", None)
        gbcs = Message.parse(payload) if payload else None
        self.posts.append(Post(self.loop.time(), document, message, gbcs))

    def alerts(self) -> list[tuple[str, str]]:
        """Every alert that came: code and User."""
        return [
            (post.code, post.user)
            for post in self.posts
            if not isinstance(post.message, duis.ServiceResponse)
            and getattr(post.message, "service_reference_variant", None) is None
        ]

    def codes(self) -> list[str]:
        return [code for code, _ in self.alerts()]

    def post(self, code: str) -> Post:
        (found,) = [post for post in self.posts if post.code == code]
        return found

    def protection(self, post: Post) -> str:
        assert post.gbcs is not None
        return check_protection(post.gbcs, self.world.parties)

    def send(
        self,
        user: str,
        variant: str,
        target: Eui64 = DCC,
        params: Mapping[str, Any] | None = None,
        *,
        command_variant: int | None = None,
        service: WebService | None = None,
        counter: int | None = None,
    ) -> duis.Response:
        """Send one document and read the answer."""
        if counter is None:
            self.counter += 1
            counter = self.counter
        cv = command_variant or service_request(variant).usual_command_variant
        party = self.world.users[user]
        request_id = RequestId(party.eui, target, counter)
        unsigned = build_request(variant, request_id=request_id, command_variant=cv, params=params or {})
        document = sign(unsigned, party.xml.private_key, party.xml.certificate)
        reply = self.world.dcc.handle(service or web_service(cv), document)
        certificates = self.world.parties.certificates.all(KeyUse.XML_SIGN)
        answer = duis.parse_response(verify(reply, certificates).root)
        assert answer.request_id == request_id
        return answer

    async def ask(
        self, user: str, variant: str, target: Eui64, params: Mapping[str, Any] | None = None, within_s: float = 120.0
    ) -> Any:
        """Send a request, critical or not, wait for the device's response, and decode it."""
        answer = self.send(user, variant, target, params)
        if isinstance(answer, duis.PreCommand):
            assert answer.request_id is not None
            payload = sign_pre_command(answer.payload, self.world.users[user].signing.private_key)
            signed = {"gbcs_payload": payload}
            answer = self.send(user, variant, target, signed, command_variant=5, counter=answer.request_id.counter)
        assert answer.response_code == "I99", answer
        before = len(self.posts)
        end_s = self.loop.time() + within_s
        while self.loop.time() < end_s:
            await asyncio.sleep(0.25)
            for post in self.posts[before:]:
                if isinstance(post.message, duis.GbcsResponse) and post.message.request_id == answer.request_id:
                    return self.decode(post)
        raise TimeoutError(variant)

    def decode(self, post: Post) -> Any:
        assert post.gbcs is not None
        assert check_protection(post.gbcs, self.world.parties, broker_vouches=True) == "valid"
        if post.gbcs.recipient == DCC and post.gbcs.mac is not None:
            self.check_broker_mac(post.gbcs)
        use_case = use_case_for(post.gbcs.message_code)
        assert use_case is not None
        plain = in_the_clear(post.gbcs, self.world.parties) if use_case.protected else post.gbcs
        return use_case.decode_response(plain.content)

    def check_broker_mac(self, message: Message) -> None:
        identities, role = self.world.surroundings.identities, RemotePartyRole.ACCESS_CONTROL_BROKER
        own = identities.organisation(DCC, KeyUse.KEY_AGREEMENT, role).private_key
        device = self.world.parties.certificates.public_key(message.originator, KeyUse.KEY_AGREEMENT)
        assert device is not None
        assert verify_mac(message, message_key(message, own, device))

    def status(self, eui: Eui64) -> str:
        entry = self.world.dcc.inventory.find(eui)
        return entry.status if entry else "unknown"

    async def install(self, user: str, name: str, window_s: int = 600) -> None:
        """Bring a meter from nothing to Commissioned."""
        eui = DUTS[name].eui
        details = {"device_id": eui, "device_type": DUTS[name].type.value, **DETAILS}
        assert self.send(user, "12.2", params=details).response_code == "I99"
        added = {"device_id": eui, "install_code": CODES[name], "join_time_period": window_s}
        assert (await self.ask(user, "8.11", CHF, added)).ok
        await asyncio.sleep(60)
        assert self.status(eui) == "InstalledNotCommissioned"
        assert (await self.ask(user, "8.1.1", eui, {"current_date_time": self.world.mail.now})).ok
        assert self.status(eui) == "Commissioned"


@contextmanager
def small_world(
    *faults: str,
    seed: int = 1,
    relay: bool = True,
    users: Sequence[str] = tuple(USERS),
    more_duts: Mapping[str, Dut] | None = None,
    **spec: Any,
) -> Iterator[Small]:
    """A world on the running loop; `spec` are keys of the rig file's `emulation`."""
    loop = asyncio.get_running_loop()
    kept = {name: ALL_USERS[name] for name in users}
    world = World(
        EmulationSpec.model_validate(spec),
        seed,
        Faults(faults),
        Wiring("esme", relay),
        kept,
        DUTS | dict(more_duts or {}),
        VirtualClock(loop),
        loop,
    )
    small = Small(world, loop)
    world.outbox = small.receive
    world.overhear(lambda psdu: small.air.append((loop.time(), psdu)))
    try:
        yield small
    finally:
        world.close()
