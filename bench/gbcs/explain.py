"""A message as a tree that can be printed or put into JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time
from enum import Enum
from typing import Any

from bench.eui import Eui64
from bench.gbcs import catalogue, dlms, times, use_cases
from bench.gbcs.alerts import IntegrityIssue, decode_alert
from bench.gbcs.dlms_tree import REGISTER_DEVICE
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Cra, Message
from bench.gbcs.tree import HIDDEN

SECRET_NAMES = frozenset({"install_code"})
"""Values that are never shown: a tree ends up in journals and reports."""

_SECRET_CONTENT = frozenset({0x0001})  # CCS01 carries the install code
_UNDERSTOOD = frozenset({"alert", "params", "values", "accesses"})


def explain(message_bytes: bytes) -> dict[str, Any]:
    """Return what a message says: who to whom, counters, and its content as far as it is known.

    Content that is not known, or does not have the form that it should have, is given in hexadecimal; in the second
    case `fault` says what is wrong. Every leaf is a string, a number, a boolean or None.

    Raises:
        GbcsError: the bytes are no message.
    """
    message = Message.parse(message_bytes)
    use_case = use_cases.use_case_for(message.message_code)
    tree: dict[str, Any] = {
        "kind": message.cra.name.lower(),
        "use_case": use_case.name if use_case else catalogue.use_case_name(message.message_code),
        "message_code": f"0x{message.message_code:04X}",
        "originator": str(message.originator),
        "recipient": str(message.recipient),
        "originator_counter": message.originator_counter,
        "framing": message.framing.value,
    }
    if message.date_time is not None:
        tree["date_time"] = _plain(times.decode_dlms(message.date_time))
    if message.supplementary_remote_party is not None:
        tree["supplementary_remote_party"] = str(message.supplementary_remote_party)
        tree["supplementary_remote_party_counter"] = message.supplementary_remote_party_counter
    tree.update(explain_content(message))
    if not tree.keys() & _UNDERSTOOD:
        tree["content_hex"] = HIDDEN if is_secret(message) else message.content.hex()
    if message.signature is not None:
        tree["signature"] = message.signature.hex()
    if message.mac is not None:
        tree["mac"] = message.mac.hex()
    return tree


def is_secret(message: Message) -> bool:
    """Return whether the content holds, or may hold, an install code."""
    return message.message_code in _SECRET_CONTENT or REGISTER_DEVICE in message.content


def explain_content(message: Message) -> dict[str, Any]:
    """Return what the content says: `alert`; `params`; `ok`, `detail` and `values`; or `accesses`.

    Empty where it is not known; `fault` where it has not the form that it should have.
    """
    try:
        return _content(message)
    except GbcsError as fault:
        hidden = is_secret(message)
        return {"fault": "the content has not the form of its use case" if hidden else str(fault)}


def _content(message: Message) -> dict[str, Any]:
    use_case = use_cases.use_case_for(message.message_code)
    if message.cra is Cra.ALERT:
        alert = decode_alert(message)
        if alert is None:
            return {}
        tree = {
            "code": f"0x{alert.code:04X}",
            "meaning": alert.meaning,
            "timestamp": _plain(alert.timestamp),
            "encoding": alert.encoding.value,
        }
        if isinstance(alert.specific, IntegrityIssue):
            tree["reason"] = alert.specific.meaning
        elif alert.specific != b"":
            tree["specific"] = _plain(alert.specific)
        return {"alert": tree}
    if use_case is not None and message.cra is Cra.COMMAND:
        return {"params": _plain(use_case.decode_command(message.content))}
    if use_case is not None:
        response = use_case.outcome(message.content)
        return {"ok": response.ok, "detail": response.detail, "values": _plain(response.values)}
    if message.content[:1] == b"\xd9":
        _, accesses = dlms.decode_request(message.content)
        return {"accesses": [f"{access.verb.name.lower()} {access.target}" for access in accesses]}
    return {}


def _plain(value: Any) -> Any:
    """Turn values into what JSON knows."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, date | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, Eui64 | dlms.Target):
        return str(value)
    if isinstance(value, Mapping):
        return {name: HIDDEN if name in SECRET_NAMES else _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    return value
