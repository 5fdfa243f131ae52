"""What the emulated service provider writes, against the schemas of DUIS and of the Message Mapping Catalogue."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from bench.duis.default_params import default_params
from bench.duis.safe_xml import parse
from bench.duis.service_requests import service_request
from bench.parties import DeviceType
from drivers.emulated.dcc_rules import eligible_roles, smets1_variants
from drivers.emulated.s1sp_contents import is_answered
from tests.emulated.smets1_worlds import S1_CHF, S1_ESME, S1_GSME, ask, smets1_world
from tests.emulated.worlds import DCC, Small

TARGETS = {DeviceType.ESME: (S1_ESME, "IS"), DeviceType.GSME: (S1_GSME, "GS"), DeviceType.CHF: (S1_CHF, "IS")}
HASH = {"firmware_hash": bytes(32)}


def _params(small: Small, variant: str, kind: DeviceType, user: str) -> dict[str, Any]:
    party, now = small.world.users[user], small.world.mail.now
    keys = {
        "digital_signing_certificate": party.signing.certificate.public_bytes(Encoding.DER),
        "key_agreement_certificate": party.agreement.certificate.public_bytes(Encoding.DER),
    }
    if variant in ("6.15.1", "6.23"):
        own: dict[str, Any] = {"remote_party_role": "Supplier"} if variant == "6.15.1" else {"import_mpxn": "1"}
        return keys | own | {"certificate": [keys["digital_signing_certificate"]]}
    if variant in ("2.2", "11.3", "8.1.1"):
        return {"2.2": {"utrn": "10050012345678901234"}, "11.3": HASH}.get(variant, {"current_date_time": now})
    gas = "GSME" if kind is DeviceType.GSME else None
    params = default_params(variant, None, now=now, device_type=gas)
    if "start_date_time" in params:
        params |= {"start_date_time": now - timedelta(hours=3), "end_date_time": now}
    return params


async def test_every_answer_and_alert_is_valid(duis_schema: etree.XMLSchema) -> None:
    answered = 0
    with smets1_world(inventory={"s1-gsme": "InstalledNotCommissioned"}) as small:
        await asyncio.sleep(2 * 3600)
        for variant in ["8.1.1", *sorted(smets1_variants() - {"8.1.1", "6.23"}), "6.23"]:
            for kind, (target, user) in TARGETS.items():
                if not is_answered(variant, kind) or (variant == "8.1.1" and kind is not DeviceType.GSME):
                    continue
                sender = user if user in eligible_roles()[variant] else "ED"
                answer = await ask(small, sender, variant, target, _params(small, variant, kind, sender))
                assert answer.name == f"{service_request(variant).body}Rsp"
                assert answer.success or variant in ("1.5", "7.3", "11.3"), (variant, answer.debug)
                answered += 1
        small.world.source_node.step(268.0)
        await asyncio.sleep(1900)
        small.send("IS", "2.2", S1_ESME, {"utrn": "10050012345678901234"}, command_variant=3)
        image = {"firmware_image": b"image", "firmware_version": "01020305", "device_id_list": [S1_CHF]}
        assert small.send("IS", "11.1", DCC, image).response_code == "I99"
        await asyncio.sleep(600)
        small.world.source_node.step(0.0)
        await asyncio.sleep(1)
        small.send("ED", "7.4", S1_ESME)
        await asyncio.sleep(3600)
        assert {"N55", "N56", "N57", "0x8F40"} <= set(small.codes())
        for post in small.posts:
            duis_schema.assertValid(parse(post.raw))
    assert answered > 50
