"""How an emulated device takes a GBCS command: whether it believes it, what it does, what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from bench.errors import CodecError
from bench.gbcs import crypto, protected
from bench.gbcs.message import MAC_LENGTH, Cra, Framing, Message
from bench.gbcs.use_cases import UseCase, all_use_cases, use_case_for
from drivers.emulated.identities import RemotePartyRole

if TYPE_CHECKING:
    from drivers.emulated.device import Anchor, EmulatedDevice

_UNAUTHORISED = 0x8F3E

Values = Mapping[str, Any]
Action = Callable[[Values], Values]
"""Takes the parameters of a command and returns the values of its response, or raises `Refused`."""


class Refused(Exception):
    """The device does not carry a command out, and its response says so.

    Attributes:
        values: of the response, where the use case needs any.
    """

    def __init__(self, why: str, values: Values | None = None) -> None:
        super().__init__(why)
        self.values: Values = values or {}


def respond(device: EmulatedDevice, raw: bytes) -> bytes | None:
    """Carry a command out and return the response.

    A device says nothing to what it does not believe or know: a message for somebody else, with a wrong tag, from a
    stranger, without the signature that its use case asks for, with a counter that was used already, or of a use
    case that it does not have.
    """
    try:
        command = Message.parse(raw)
        use_case = use_case_for(command.message_code)
        if use_case is None or use_case.name not in device.actions:
            return None
        sender = _sender(device, command, use_case)
        if sender is None:
            if command.recipient == device.eui:
                device.happens(_UNAUTHORISED)
            return None
        params = use_case.decode_command(command.content)
    except CodecError:
        return None
    device.command, device.sender = command, sender
    ok, values = _carry_out(device, use_case, params)
    for listener in tuple(device.on_command):
        listener(use_case, ok)
    response = use_case.build_response(command, values, ok=ok, device_time=device.clock.utc())
    if use_case.protected:
        reader = _reader(command, sender)
        if reader is None:
            return None
        key = protected.content_key(response, device.agreement.private_key, reader)
        response = protected.conceal(response, key, use_case.in_the_clear)
    return device.protect(response, sender, signed=use_case.response_signed).encode()


def _reader(command: Message, sender: Anchor) -> ec.EllipticCurvePublicKey | None:
    """The key agreement key of the User for whom protected content is encrypted.

    Of a User whom the device does not know the command brings the certificate, which the Access Control Broker has
    checked.
    """
    if command.supplementary_remote_party is None:
        return sender.agreement_key
    if command.supplementary_certificate is None:
        return None
    try:
        key = x509.load_der_x509_certificate(command.supplementary_certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) else None


def carry_out_again(device: EmulatedDevice, command: Message, sender: Anchor) -> None:
    """Carry out a command that the device has answered in an earlier life of the world."""
    use_case = use_case_for(command.message_code)
    if use_case is not None and use_case.name in device.actions:
        device.command, device.sender = command, sender
        _carry_out(device, use_case, use_case.decode_command(command.content))


def _carry_out(device: EmulatedDevice, use_case: UseCase, params: Values) -> tuple[bool, Values]:
    faults = device.world.faults
    # Several use cases may share a message code, and a device cannot tell which Service Request was behind it.
    variants = (
        ref for each in all_use_cases() if each.message_code == use_case.message_code for ref in each.service_references
    )
    injected = any(faults.find("response-error", variant) for variant in variants)
    try:
        if injected or (use_case.name == "CCS01" and faults.find("log-update-rejected")):
            raise Refused("a fault is injected", device.refusal(use_case, params))
        return True, device.actions[use_case.name](params)
    except Refused as refused:
        return False, refused.values


def _sender(device: EmulatedDevice, command: Message, use_case: UseCase) -> Anchor | None:
    """Who sent a command, if the device believes it."""
    broker = device.anchors[RemotePartyRole.ACCESS_CONTROL_BROKER]
    if (command.cra, command.framing, command.recipient) != (Cra.COMMAND, Framing.MACED, device.eui):
        return None
    # Every command to a device is sealed by the broker, whoever is its originator.
    key = crypto.message_key(command, device.agreement.private_key, broker.agreement_key)
    if not crypto.verify_mac(command, key):
        return None
    sender = next((anchor for anchor in device.anchors.values() if anchor.eui == command.originator), None)
    if sender is None:
        return None
    if use_case.critical or use_case.broker_signs:
        if not crypto.verify_signature(command, sender.signature_key):
            return None
        if command.originator_counter <= device.last_counter.get(sender.eui, -1):
            return None
        device.last_counter[sender.eui] = command.originator_counter
    return sender


def carry_out_directly(
    device: EmulatedDevice, command: Message, sender: Anchor, use_case: UseCase
) -> tuple[bool, Values]:
    """Carry a command out that needs no belief, since it came by way of somebody whom the device trusts anyway.

    Returns:
        Whether it was done, and the values of the response.
    """
    if command.framing is Framing.MACED:
        command = replace(command, mac=bytes(MAC_LENGTH))  # what a device keeps of its commands has a tag
    device.command, device.sender = command, sender
    ok, values = _carry_out(device, use_case, use_case.decode_command(command.content))
    for listener in tuple(device.on_command):
        listener(use_case, ok)
    return ok, values
