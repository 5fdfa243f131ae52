"""A SMETS1 installation beside the SMETS2+ one, and what its service provider says, verified and read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bench.duis import responses as duis
from bench.duis.smets1 import S1spAlert, Smets1Alert, Smets1Content, Smets1Result, read_content
from bench.eui import Eui64
from bench.parties import DeviceType, Dut, KeyUse
from tests.emulated.worlds import ALL_USERS, Post, Small, small_world

S1_ESME = Eui64.parse("00-0A-BC-12-34-56-78-A0")
S1_GSME = Eui64.parse("00-0A-BC-12-34-56-78-A1")
S1_CHF = Eui64.parse("00-0A-BC-12-34-56-78-A2")
S1_GPF = Eui64.parse("00-0A-BC-12-34-56-78-A3")
S1_PPMID = Eui64.parse("00-0A-BC-12-34-56-78-A5")
CODE = "0123456789ABCDEF0123456789ABCDEF"


def _dut(name: str, kind: DeviceType, eui: Eui64, model: str, manufacturer: str = "1234", **more: str) -> Dut:
    return Dut(name, kind, eui, model, manufacturer, "01020304", smets1=True, **more)


S1_DUTS = {
    dut.name: dut
    for dut in (
        _dut("s1-esme", DeviceType.ESME, S1_ESME, "00110001", mpxn="1200000000001", install_code=CODE),
        _dut("s1-gsme", DeviceType.GSME, S1_GSME, "00120001", mpxn="7400000001", install_code=CODE),
        _dut("s1-chf", DeviceType.CHF, S1_CHF, "00130001", "5678"),
        _dut("s1-gpf", DeviceType.GPF, S1_GPF, "00130001", "5678"),
        _dut("s1-ppmid", DeviceType.PPMID, S1_PPMID, "00140001", "9ABC", install_code=CODE),
    )
}
PROMPT = {"gsme_wake": "60 s", "voltage": {"period": "60 s", "over": "253 V", "under": "207 V"}}


@contextmanager
def smets1_world(*faults: str, more: Mapping[str, Dut] | None = None, **spec: Any) -> Iterator[Small]:
    """A world with both installations; the GSMEs wake every minute, and voltages are averaged over one."""
    spec.setdefault("world", PROMPT)
    with small_world(*faults, users=tuple(ALL_USERS), more_duts={**S1_DUTS, **(more or {})}, **spec) as small:
        yield small


def content_of(small: Small, post: Post) -> Smets1Content:
    """What the service provider said, if its own signature is good."""
    assert isinstance(post.message, duis.Smets1Response | duis.DccAlert)
    certificate = small.world.parties.certificates.find(small.world.spec.s1sp, KeyUse.XML_SIGN)
    assert certificate is not None
    return read_content(post.message, [certificate])


def alert_of(small: Small, code: str) -> Smets1Alert:
    """The one device alert of a code that came."""
    content = content_of(small, small.post(code))
    assert isinstance(content, Smets1Alert)
    return content


def provider_alert(small: Small, code: str) -> S1spAlert:
    """The one N55 or N56 that came."""
    content = content_of(small, small.post(code))
    assert isinstance(content, S1spAlert)
    return content


async def ask(
    small: Small,
    user: str,
    variant: str,
    target: Eui64,
    params: Mapping[str, Any] | None = None,
    *,
    command_variant: int | None = None,
    within_s: float = 120.0,
) -> Smets1Result:
    """Send a request, and wait for the device's answer."""
    answer = small.send(user, variant, target, params, command_variant=command_variant)
    assert answer.response_code == "I99", answer
    assert isinstance(answer, duis.Acknowledgement)
    before, end_s = len(small.posts), small.loop.time() + within_s
    while small.loop.time() < end_s:
        await asyncio.sleep(0.5)
        for post in small.posts[before:]:
            if isinstance(post.message, duis.Smets1Response) and post.message.request_id == answer.request_id:
                assert post.message.service_reference_variant == variant
                content = content_of(small, post)
                assert isinstance(content, Smets1Result)
                assert content.header.request_id == answer.request_id
                return content
    raise TimeoutError(variant)
