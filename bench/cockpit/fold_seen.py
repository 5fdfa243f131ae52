"""Folds what devices and the DCC said into the list of messages, the time line, and what is known of each device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.cockpit.model import NS, Message, Model
from bench.cockpit.moments import note

_KINDS = {
    "seen.response": "response",
    "seen.device_alert": "device alert",
    "seen.dcc_alert": "DCC alert",
    "seen.han": "HAN",
    "seen.hub": "hub",
    "seen.console": "console",
    "seen.refused": "refused",
}
_LANES = {"device alert": "alert", "DCC alert": "alert", "refused": "trouble", "console": "hub"}


def fold_seen(model: Model, message: Mapping[str, Any]) -> None:
    """Take an event of a kind `seen.*` into account."""
    kind, data = _KINDS.get(message["kind"], message["kind"].removeprefix("seen.")), message["data"]
    at_ns = message["mono_ns"]
    code, about = _code(kind, data)
    source = model.name_of(data["device"]) if data.get("device") else message["source"]
    signature = data.get("signature")
    bad = signature is not None and signature != "valid"
    notes = [f"SIGNATURE: {signature}" if bad else "", str(data.get("strange") or ""), about]
    if kind == "response" and data.get("synchronous") and code == "I99":
        notes.append("taken; the answer will follow")
    remark = "; ".join(each for each in notes if each)
    seen = Message(
        message["n"], at_ns, message["utc_ns"], kind, code, source, str(data.get("user") or ""), remark, data
    )
    model.messages.append(seen)
    _device(model, message, data)
    if kind == "hub":
        model.supply.hub = {key: str(data[key]) for key in ("power", "wan", "han") if data.get(key)}
    elif kind in ("device alert", "DCC alert"):
        model.trace.marks.append((at_ns / NS, code))
    to = f" to {seen.to}" if seen.to else ""
    lane = _LANES.get(kind, kind)
    text = f"{code} from {source}{to}{'; ' + remark if remark else ''}"
    note(model, at_ns, lane, text, False if bad or kind == "refused" else None)


def _code(kind: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """What a message says in a word, and what it is about."""
    if kind == "response":
        content = data.get("gbcs") or {}
        detail = "" if content.get("ok", True) else f"the device says {content.get('detail')}"
        return str(data.get("response_code")), " ".join(part for part in (str(data["service_request"]), detail) if part)
    if kind == "HAN":
        return str(data.get("stage")), ""
    if kind == "hub":
        changed = data.get("changed")
        value = data.get(changed) if isinstance(changed, str) else None
        if isinstance(value, Mapping):
            return str(changed), ", ".join(f"{name} {state}" for name, state in value.items())
        return f"{changed} {value}" if changed else "state", ""
    if kind == "console":
        return "line", str(data.get("text", ""))
    if kind == "refused":
        return "refused", f"{data.get('what')}: {data.get('why')}"
    return str(data.get("code")), f"for {data['for_request']}" if data.get("for_request") else ""


def _device(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    dut = next((each for each in model.duts.values() if each.address == data.get("device")), None)
    if dut is None:
        return
    dut.seen_ns = message["mono_ns"]
    device_ns = data.get("device_time_utc_ns")
    if device_ns is not None:
        dut.offset_s = (device_ns - message["utc_ns"]) / NS
