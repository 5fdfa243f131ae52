"""Checking a pre-command before it is signed: a signature on a command that nobody asked for could cut a supply off.

The DCC transforms a critical Service Request into a GBCS command, and the User answers for that command with a
signature. So what comes back is held against the request: use case, parties, counter and, where the bench can read
the use case, every parameter that both name.
"""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import Any

from bench.duis.requests import Request
from bench.duis.safe_xml import parse
from bench.errors import CodecError, DeviceError
from bench.gbcs import catalogue
from bench.gbcs.message import Cra, Framing, Message
from bench.gbcs.use_cases import use_case_for
from bench.parties import DeviceType
from drivers.gbcs_values import to_json

_CALLED = {"other_device_id": "other_device"}
"""What DUIS and GBCS call by different names."""

DELIVERY = timedelta(hours=1)
"""How much longer than asked a clock may be set: a GSME fetches its commands about every 30 minutes."""


def check_pre_command(payload: bytes, request: Request, device_type: DeviceType | None) -> None:
    """Make sure that a pre-command is the command that was asked for.

    Args:
        payload: what the DCC returned.
        request: what was sent for transformation: variant, User, device, counter and parameters.
        device_type: of the device; None if it is not known.

    Raises:
        DeviceError: it is another command; it must not be signed.
    """
    why = _difference(payload, request, device_type)
    if why is not None:
        raise DeviceError(
            f"the pre-command for {request.service_reference_variant} is not what was asked, so it was not signed:"
            f" {why}",
            next_step="Keep the capture of this run: the DCC transformed the request wrongly, or somebody changed it",
        )


def _difference(payload: bytes, request: Request, device_type: DeviceType | None) -> str | None:
    """Say how the pre-command differs from what was asked, or return None."""
    try:
        message = Message.parse(payload)
    except CodecError as error:
        return f"it is no GBCS message: {error}"
    if message.framing is not Framing.PRE_COMMAND or message.cra is not Cra.COMMAND:
        return f"it is a {message.framing.value} {message.cra.name.lower()} and no unsigned command"
    for what, found, asked in (
        ("originator", message.originator, request.request_id.originator),
        ("recipient", message.recipient, request.request_id.target),
        ("originator counter", message.originator_counter, request.request_id.counter),
        ("supplementary party", message.supplementary_remote_party, None),
    ):
        if found != asked:
            return f"its {what} is {found}, not {asked or 'absent'}"
    return _other_use_case(message.message_code, request, device_type) or _other_content(message, request)


def _other_use_case(code: int, request: Request, device_type: DeviceType | None) -> str | None:
    variant = request.service_reference_variant
    use_case = use_case_for(code)
    entry = catalogue.use_case_names().get(code)
    serves = (*(use_case.service_references if use_case else ()), *(entry.service_references if entry else ()))
    if variant not in serves:
        return f"it is {catalogue.use_case_name(code)} (0x{code:04X}), which does not serve {variant}"
    if use_case and device_type and use_case.device_type not in (device_type.value, "any"):
        return f"it is {use_case.name}, a command for a {use_case.device_type}, and the device is a {device_type}"
    return None


def _other_content(message: Message, request: Request) -> str | None:
    """Compare what the command says with the parameters that were asked for, as far as the bench can read it."""
    use_case = use_case_for(message.message_code)
    if use_case is None:
        return None
    try:
        command = use_case.decode_command(message.content)
    except CodecError as error:
        return f"its content is not that of {use_case.name}: {error}"
    asked = dict(request.params)
    for name, called in _CALLED.items():
        if name in asked:
            asked[called] = asked[name]
    for name in sorted(command.keys() & asked.keys()):
        if to_json(command[name]) != to_json(asked[name]):
            return f"its {name} is {to_json(command[name])}, not {to_json(asked[name])}"
    if "validity_interval_start" in command and "current_date_time" in asked:
        return _other_time(command, asked["current_date_time"], asked["tolerance_period"])
    unknown = [each for each in command.get("replacements", ()) if each.certificate not in _certificates(request)]
    return f"it replaces credentials by a certificate that was not sent ({unknown[0].cell.role})" if unknown else None


def _other_time(command: dict[str, Any], current: Any, tolerance_s: int) -> str | None:
    """8.1.1 and 6.11 name a moment and a tolerance, the command an interval, which has to fit them."""
    start, end = command["validity_interval_start"], command["validity_interval_end"]
    second = timedelta(seconds=1)  # the command may have whole seconds only
    if start is None or end is None or not start - second <= current <= end + second:
        return f"it sets the clock within {to_json(start)} to {to_json(end)}, not at {to_json(current)}"
    if end - start > 2 * (timedelta(seconds=tolerance_s) + second) + DELIVERY:
        return f"it sets the clock at any time from {to_json(start)} to {to_json(end)}, far beyond {tolerance_s} s"
    return None


def _certificates(request: Request) -> list[bytes]:
    """Whatever bytes the request's parameters hold, and whatever base64 its raw body."""
    found = [
        each
        for value in request.params.values()
        for each in (value if isinstance(value, tuple) else (value,))
        if isinstance(each, bytes)
    ]
    for element in parse(request.raw_body).iter() if request.raw_body else ():
        try:
            found.append(base64.b64decode("".join((element.text or "").split()), validate=True))
        except (binascii.Error, ValueError):
            continue
    return found
