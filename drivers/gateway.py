"""The gateway to the DCC: Service Requests out over HTTP as DCC Boxed takes them, responses and alerts in.

Two HTTP roles make one device of the rig: a client of the DCC's serviceT, serviceS and serviceD, and the receive
service to which the DCC delivers. See docs/dcc-gateway.md.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from bench.capabilities import Exchange
from bench.clock import Instant
from bench.device import DeviceContext, Driver, DriverConfig, Problem
from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import build_request, parse_request
from bench.duis.safe_xml import parse
from bench.duis.service_requests import CV_SIGNED, CV_TRANSFORM, SIGNED_VARIANTS, WebService, web_service
from bench.duis.service_requests import service_request as lookup
from bench.duis.signatures import sign
from bench.errors import CodecError, DeviceError, DeviceLost, UsageError
from bench.eui import Eui64
from bench.gbcs.crypto import sign_pre_command
from bench.parties import User
from bench.quantities import SecondsField
from bench.schema import YesNo
from drivers.duis_sightings import Received, Sightings
from drivers.gateway_check import problems
from drivers.pre_command import check_pre_command
from drivers.redaction import Redactor
from drivers.tls import TlsFiles

# These load aiohttp: not before a rig connects.
if TYPE_CHECKING:
    from drivers.duis_http import DuisClient
    from drivers.receive_address import Member
    from drivers.receive_service import ReceiveService
    from drivers.routed_receive import RoutedReceive
    from drivers.shared_receive import SharedReceive

_DCC_BOXED_PATH = "/api/v1"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22,128}")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


class GatewayConfig(DriverConfig):
    """The gateway's section in the rig file.

    Attributes:
        url: of the DCC, up to what stands before `/serviceT`; without a path, DCC Boxed's `/api/v1` is added.
        timeout: bound of each exchange with the DCC.
        receive_host: IP address at which the bench listens for the DCC.
        receive_port: TCP port of the same; 0 takes any free one.
        receive_path: path of the same, as the DCC is configured.
        receive_shared: other rigs take what is posted to the same address, too.
        receive_token: a secret, the last part of the path: required unless only this machine can reach the address.
        schema_version: of DUIS, as the requests state it.
        late: what comes for a request later than this, after it was sent or is to be carried out, is late.
        token: a secret that each request brings as `Authorization: Bearer TOKEN`, where a gateway asks for one.
        tls: for an https `url`: whom to trust, and the bench's certificate if the DCC asks for one.
        receive_tls: makes the receive service https; its `ca`, if given, is what the DCC's certificate must be from.
    """

    # A mistake elsewhere in the section must not print the token.
    model_config = ConfigDict(hide_input_in_errors=True)

    url: str
    timeout: Annotated[SecondsField, Field(gt=0, le=60)] = 3.0
    receive_host: str = "127.0.0.1"
    receive_port: Annotated[int, Field(ge=0, le=0xFFFF)]
    receive_path: str = "/smartdcc/duis"
    receive_shared: YesNo = False
    receive_token: SecretStr | None = None
    token: SecretStr | None = None
    late: Annotated[SecondsField, Field(gt=0)] = 86400.0
    schema_version: Annotated[str, Field(pattern=r"^\d{1,2}\.\d{1,2}$")] = "5.4"
    tls: TlsFiles = TlsFiles()
    receive_tls: TlsFiles | None = None

    @field_validator("url")
    @classmethod
    def _complete(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            good = False
        if not good or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("write the address of the DCC as http://HOST:8079")
        return value.rstrip("/") + ("" if parts.path.strip("/") else _DCC_BOXED_PATH)

    @field_validator("receive_host")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise ValueError("write the IP address of the network interface to listen at, such as 127.0.0.1") from None

    @field_validator("receive_path")
    @classmethod
    def _path(cls, value: str) -> str:
        if not _PATH.fullmatch(value):
            raise ValueError("write a path such as /smartdcc/duis, without a slash at its end")
        return value

    @field_validator("receive_token", "token")
    @classmethod
    def _strong(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("a token has 22 to 128 letters, digits, '-' or '_': make a random one")
        return value

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> GatewayConfig:
        if self.receive_token is None and not ipaddress.ip_address(self.receive_host).is_loopback:
            raise ValueError("receive_token is required where receive_host can be reached from the network")
        if self.receive_tls is not None and self.receive_tls.certificate is None:
            raise ValueError("receive_tls needs a certificate")
        return self


_SERVICES = {WebService.TRANSFORM: "serviceT", WebService.SEND_COMMAND: "serviceS", WebService.DCC_ONLY: "serviceD"}
# What each may answer at once (DUIS: the responses of a device come to the receive service).
_ALLOWED: Mapping[WebService, tuple[type[duis.ServiceResponse], ...]] = {
    # A critical request to a SMETS1 device is not transformed but acknowledged, and carried out.
    WebService.TRANSFORM: (duis.PreCommand, duis.Acknowledgement, duis.ErrorResponse),
    WebService.SEND_COMMAND: (duis.Acknowledgement, duis.ErrorResponse, duis.LocalCommand, duis.OtherServiceResponse),
    WebService.DCC_ONLY: (
        duis.Acknowledgement,
        duis.ErrorResponse,
        duis.LocalCommand,
        duis.InventoryResponse,
        duis.DspResponse,
        duis.OtherServiceResponse,
    ),
}


@dataclass(frozen=True, slots=True)
class _Answer:
    """One request, the synchronous answer to it, and when it was asked for and got; `date` is when to carry it out."""

    request: bytes
    received: Received
    message: duis.ServiceResponse
    sent_at: Instant
    answered_at: Instant
    date: datetime | None


class Gateway(Driver[GatewayConfig]):
    """Implements `DccGateway`."""

    Config = GatewayConfig

    def __init__(self, context: DeviceContext, config: GatewayConfig) -> None:
        super().__init__(context, config)
        self._redactor = Redactor(context.parties)
        self._sightings = Sightings(context, self._redactor)
        self._client: DuisClient | None = None
        self._service: ReceiveService | None = None
        self._shared: SharedReceive | RoutedReceive | None = None
        self._member: Member | None = None
        self._lost = False

    def resources(self) -> list[str]:
        """The address of the receive service, unless any free port will do, or rigs share it."""
        port = self.config.receive_port
        return [f"tcp:{self.config.receive_host}:{port}"] if port and not self.config.receive_shared else []

    def problems(self) -> Sequence[Problem]:
        """What is wrong with addresses, TLS files, tokens, keys and certificates."""
        return tuple(problems(self.config, self.context.parties, self.context.clock.now().utc))

    @property
    def receive_port(self) -> int:
        """The TCP port of the receive service."""
        service = self._service or self._shared
        return service.port if service else self.config.receive_port

    async def connect(self) -> None:
        """Start the receive service, and see whether the DCC's port answers; see `Driver.connect`."""
        from drivers.duis_http import DuisClient
        from drivers.receive_address import Address, Member
        from drivers.receive_service import ReceiveService
        from drivers.shared_receive import join

        config, token = self.config, self.config.receive_token
        client = DuisClient(
            config.url,
            timeout_s=config.timeout,
            tls=config.tls.context(server=False) if config.url.startswith("https:") else None,
            where=self.name,
            token=config.token.get_secret_value() if config.token else None,
        )
        self._client = client
        path = config.receive_path + (f"/{token.get_secret_value()}" if token else "")
        tls = config.receive_tls.context(server=True) if config.receive_tls else None
        try:
            if config.receive_shared:
                address = Address(config.receive_host, config.receive_port, path, repr(config.receive_tls))
                interests = self._sightings.interests
                member = Member(self.context.rig, self.name, interests, self._deliver, self._refuse)
                self._shared, self._member = await join(address, tls, member, self.context.shared), member
            else:
                self._service = ReceiveService(
                    config.receive_host,
                    config.receive_port,
                    path,
                    tls=tls,
                    deliver=self._deliver,
                    refused=self._refuse,
                    where=self.name,
                )
                await self._service.start()
            await client.open()
        except BaseException:
            await self.close()
            raise
        self.context.emit("device", {"state": "connected", "detail": "DCC"}, volatile={"url": config.url})

    def rig_connected(self) -> None:
        """Take what other engines kept for the rig; see `Driver.rig_connected`."""
        if self._shared is not None:
            self._shared.rig_connected()

    async def close(self) -> None:
        """Stop listening and free the sockets, within about two seconds."""
        service, shared, client = self._service, self._shared, self._client
        self._service = self._shared = self._client = None
        if service is not None:
            await service.stop()
        if shared is not None and self._member is not None:
            await shared.leave(self._member)
        if client is not None:
            await client.close()

    def _refuse(self, what: str, why: str, peer: str) -> None:
        """Take note of what came to the receive service and never became a message."""
        self._sightings.refuse(what, why, volatile={"peer": peer})

    def _deliver(self, document: bytes, peer: str) -> str | None:
        """Take what was delivered to the receive service; return why it is refused, or None."""
        volatile = {"peer": peer}
        record = {"direction": "rx", "text": self._redactor.document(document), "channel": "receive"}
        self.context.emit("wire", record, volatile=volatile)
        try:
            received = self._sightings.read(document)
        except CodecError as error:
            self._sightings.refuse("a message at the receive service", str(error), volatile=volatile)
            return error.what
        self._sightings.report(received)
        return None

    async def request(
        self,
        user: str,
        service_request: str,
        target: Eui64,
        params: Mapping[str, Any],
        command_variant: int | None = None,
    ) -> Exchange:
        """Send one Service Request as a User of the rig; see `DccGateway.request`.

        A critical one is transformed (Command Variant 4), held against what was asked, signed, and sent under the same
        RequestID with Command Variant 5, or 6 or 7 if `command_variant` says so. With `command_variant` 4 it is only
        transformed and checked. The parameter `raw_body` gives the body as XML for a variant whose parameters the
        bench does not know; `gbcs_payload` gives a signed pre-command that is sent as it is.

        Cancellation leaves it open whether the DCC acts on what it got.
        """
        sender = self._user(user)
        variant = lookup(service_request)
        final = command_variant or variant.usual_command_variant
        if command_variant is None and variant.critical:
            final = CV_SIGNED
        transforms = variant.critical and final in SIGNED_VARIANTS and "gbcs_payload" not in params
        first = CV_TRANSFORM if transforms else final
        utc_ms = self.context.clock.now().utc_ns // 1_000_000
        counter = self.context.counters.next(f"request-id/{sender.eui}", at_least=utc_ms)
        request_id = RequestId(sender.eui, target, counter)
        answer = await self._exchange(sender, service_request, request_id, first, params)
        if isinstance(answer.message, duis.PreCommand):
            pre_command = answer.message.payload
            self._check(pre_command, service_request, answer.request, target)
            if transforms:
                self._sightings.record_gbcs("rx", pre_command)
                signed: dict[str, Any] = {"gbcs_payload": sign_pre_command(pre_command, sender.signing.private_key)}
                # The DCC goes by the date that stands beside the signed pre-command, not by that of the first request.
                if answer.date is not None:
                    signed["execution_date_time"] = answer.date
                self._sightings.record_gbcs("tx", signed["gbcs_payload"])
                answer = await self._exchange(sender, service_request, request_id, final, signed)
        self._sightings.report(answer.received, synchronous=True)
        return Exchange(str(request_id), answer.message.response_code, answer.sent_at, answer.answered_at)

    def local_command(self, digest: str) -> bytes:
        """The command for local delivery that an event names; see `DccGateway.local_command`."""
        if (command := self._sightings.local_commands.get(digest)) is not None:
            return command
        raise UsageError(
            f"no local command {digest} was given since the gateway was connected",
            next_step="Send its request again",
        )

    def _user(self, name: str) -> User:
        users = self.context.parties.users
        if name not in users:
            raise UsageError(f"the rig has no User {name!r}", next_step=f"It has {', '.join(users) or 'none'}")
        return users[name]

    def _check(self, payload: bytes, variant: str, unsigned: bytes, target: Eui64) -> None:
        dut = self.context.parties.dut_by_eui(target)
        try:
            check_pre_command(payload, parse_request(parse(unsigned)), dut.type if dut else None)
        except CodecError as error:
            raise UsageError(f"the body given for {variant} cannot be held against its pre-command: {error}") from None
        except DeviceError as error:
            self._sightings.refuse(f"pre-command for {variant}", error.what)
            error.where = self.name
            raise

    async def _exchange(
        self, user: User, variant: str, request_id: RequestId, command_variant: int, params: Mapping[str, Any]
    ) -> _Answer:
        """Send one document and read the answer to it."""
        if self._client is None:
            raise DeviceLost("it is not connected", where=self.name, next_step="Connect the rig first")
        unsigned = self._write(variant, request_id, command_variant, params)
        try:
            document = sign(unsigned, user.xml.private_key, user.xml.certificate)
        except CodecError as error:
            raise UsageError(f"{user.name} cannot sign its requests: {error}", where=self.name) from None
        web = web_service(command_variant)
        date = _execution_date(unsigned)
        sent_at = self.context.clock.now()
        wait_s = max(0.0, (date - sent_at.utc).total_seconds()) if date is not None else 0.0
        self._sightings.sent(request_id, variant, command_variant, late_s=wait_s + self.config.late)
        if self._shared is not None:
            self._shared.asked(request_id)
        self._record("tx", document, sent_at, web)
        try:
            reply = await self._client.post(_SERVICES[web], document)
        except DeviceLost as error:
            self._note_lost(error.what)
            raise
        self._note_lost(None)
        answered_at = self.context.clock.now()
        self._record("rx", reply.body, answered_at, web, reply.volatile)
        try:
            received = self._sightings.read(reply.body)
        except CodecError as error:
            raise self._refused(variant, str(error)) from None
        message = received.message
        answers = message.request_id or (message.response_id and message.response_id.response_id())
        acknowledged = web is WebService.TRANSFORM and isinstance(message, duis.Acknowledgement)
        if not isinstance(message, _ALLOWED[web]) or (acknowledged and not self._is_smets1(request_id.target)):
            raise self._refused(variant, f"{_SERVICES[web]} must not answer with a {type(message).__name__}")
        if answers != request_id:
            raise self._refused(variant, f"it answers {answers or 'no request'}, not {request_id}")
        if message.service_reference_variant != variant:
            raise self._refused(variant, f"it answers {message.service_reference_variant}")
        return _Answer(unsigned, received, message, sent_at, answered_at, date)

    def _is_smets1(self, target: Eui64) -> bool:
        dut = self.context.parties.dut_by_eui(target)
        return dut is not None and dut.smets1

    def _write(self, variant: str, request_id: RequestId, command_variant: int, params: Mapping[str, Any]) -> bytes:
        given = dict(params)
        raw_body = given.pop("raw_body", None)
        try:
            return build_request(
                variant,
                request_id=request_id,
                command_variant=command_variant,
                params=given,
                raw_body=raw_body.encode() if isinstance(raw_body, str) else raw_body,
                schema_version=self.config.schema_version,
            )
        except CodecError as error:
            raise UsageError(f"the body given for {variant} cannot be sent: {error}") from None

    def _note_lost(self, detail: str | None) -> None:
        """Report once that the DCC is lost, and once that it is back."""
        if (detail is not None) != self._lost:
            self._lost = not self._lost
            state = "lost" if self._lost else "reconnected"
            self.context.emit("device", {"state": state, "detail": detail or ""})

    def _record(
        self, direction: str, document: bytes, at: Instant, web: WebService, volatile: Mapping[str, Any] | None = None
    ) -> None:
        record = {"direction": direction, "text": self._redactor.document(document), "channel": _SERVICES[web]}
        self.context.emit("wire", record, at=at, volatile=volatile)

    def _refused(self, variant: str, why: str) -> DeviceError:
        self._sightings.refuse(f"answer to {variant}", why)
        return DeviceError(f"the answer to {variant} cannot be believed: {why}", where=self.name)


def _execution_date(unsigned: bytes) -> datetime | None:
    """When a request says that it is to be carried out, where it does; one that was written raw may say anything."""
    try:
        date = parse_request(parse(unsigned)).params.get("execution_date_time")
    except CodecError:
        return None
    return date if isinstance(date, datetime) else None
