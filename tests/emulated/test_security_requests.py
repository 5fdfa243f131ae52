"""Security credentials through the DCC: who is believed, with which key, and what is refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench.duis import responses as duis
from bench.eui import Eui64
from bench.gbcs.crypto import verify_signature
from bench.gbcs.security_use_cases import HELD, NOT_HELD
from bench.parties import KeyUse
from drivers.emulated.functions.security import NO_REQUEST, WRONG_KEY, Credentials
from drivers.emulated.identities import Identities, RemotePartyRole, key_identifier
from tests.emulated.test_memory import again
from tests.emulated.worlds import ALL_USERS, CHF, ESME, GPF, GSME, Small, small_world

AWAKE = {"gsme_wake": "60 s"}
STRANGER = Eui64.parse("90-B3-D5-1F-30-77-00-00")


def everybody(**spec: Any) -> Any:
    return small_world(users=tuple(ALL_USERS), world=AWAKE, **spec)


def der(small: Small, user: str, use: str) -> bytes:
    certificate: x509.Certificate = getattr(small.world.users[user], use).certificate
    return certificate.public_bytes(Encoding.DER)


def device(small: Small, eui: Eui64) -> Any:
    return next(each for each in small.world.devices if each.eui == eui)


def update(small: Small, user: str, role: str) -> dict[str, Any]:
    return {
        "remote_party_role": role,
        "digital_signing_certificate": der(small, user, "signing"),
        "key_agreement_certificate": der(small, user, "agreement"),
        "certificate": [der(small, user, "signing")],
    }


@pytest.mark.parametrize("target", [ESME, GSME, CHF, GPF])
async def test_a_device_says_whose_credentials_it_holds(target: Eui64) -> None:
    with everybody() as small:
        user = "GS" if target in (GSME, GPF) else "IS"
        roles = {"remote_party_role": ["Supplier", "ACB", "Recovery"]}
        held = (await small.ask(user, "6.24.1", target, roles)).values["credentials"]
        found = {each.role: each for each in held}
        assert found["access_control_broker"].status == HELD
        assert found["recovery"].status == NOT_HELD
        anchor = device(small, target).anchors.get(RemotePartyRole.SUPPLIER)
        if anchor is not None:
            assert found["supplier"].cells[0] == (
                "digital_signature",
                anchor.eui,
                key_identifier(anchor.signature_key),
            )


async def test_a_change_of_supplier_makes_the_device_believe_the_new_one_only() -> None:
    with everybody() as small:
        assert (await small.ask("IS", "7.2", ESME)).ok
        new = small.world.users["ES"]
        change = {
            "supplier_floor_seq_number": 0,
            "digital_signing_certificate": der(small, "ES", "signing"),
            "key_agreement_certificate": der(small, "ES", "agreement"),
            "certificate": [der(small, "ES", "signing")],
            "import_mpxn": small.world.esme.mpxn,
        }
        response = await small.ask("IS", "6.23", ESME, change)
        assert response.ok, response.detail
        assert [outcome.replacing_party for outcome in response.values["outcomes"]] == [new.eui, new.eui]
        assert small.world.esme.anchors[RemotePartyRole.SUPPLIER].eui == new.eui
        with pytest.raises((AssertionError, TimeoutError)):
            await small.ask("IS", "7.1", ESME, within_s=30)


async def test_a_certificate_of_another_authority_is_refused_and_nothing_changes() -> None:
    with everybody() as small:
        before = small.world.esme.anchors[RemotePartyRole.SUPPLIER]
        other = Identities(99).organisation(STRANGER, KeyUse.DIGITAL_SIGNATURE, RemotePartyRole.SUPPLIER)
        params = update(small, "IS", "Supplier") | {
            "digital_signing_certificate": other.certificate.public_bytes(Encoding.DER)
        }
        response = await small.ask("IS", "6.15.1", ESME, params)
        assert not response.ok
        assert [outcome.status for outcome in response.values["outcomes"]] == [5, 0]
        assert small.world.esme.anchors[RemotePartyRole.SUPPLIER] == before


async def test_a_floor_makes_older_commands_unbelievable() -> None:
    with everybody() as small:
        floor = small.world.users["IS"]
        params = update(small, "IS", "Supplier") | {"remote_party_floor_seq_number": 10**15}
        response = await small.ask("IS", "6.15.1", ESME, params)
        assert response.values["floor_changes"] == (("supplier", 10**15),)
        assert small.world.esme.last_counter[floor.eui] == 10**15
        with pytest.raises(TimeoutError):
            await small.ask("IS", "7.2", ESME, within_s=30)


async def test_a_dated_update_is_told_when_it_is_done() -> None:
    with everybody() as small:
        when = small.world.mail.now + timedelta(minutes=20)
        params = update(small, "ED", "NetworkOperator") | {"execution_date_time": when}
        response = await small.ask("ED", "6.15.1", ESME, params)
        assert (response.ok, response.values) == (True, {})
        assert not [post for post in small.posts if isinstance(post.message, duis.FutureDatedDeviceAlert)]
        await asyncio.sleep(1300)
        (told,) = [post.message for post in small.posts if isinstance(post.message, duis.FutureDatedDeviceAlert)]
        assert (told.alert_code, told.instruction_number, told.total_instructions) == (0x8F66, 1, 1)


@pytest.mark.parametrize(("user", "target"), [("IS", ESME), ("GS", GSME)])
async def test_a_new_key_signs_once_its_certificate_has_come(user: str, target: Eui64) -> None:
    with everybody() as small:
        identities = small.world.surroundings.identities
        first = device(small, target).signing
        asked = await small.ask(user, "6.17", target, {"credential_type": "Digital Signature"})
        request = x509.load_der_x509_csr(asked.values["certification_request"])
        assert request.is_signature_valid
        assert device(small, target).signing == first
        certificate = identities.certify(asked.values["certification_request"])
        assert (await small.ask(user, "6.15.2", target, {"device_certificate": certificate})).ok
        second = device(small, target).signing
        assert second.certificate == x509.load_der_x509_certificate(certificate)
        assert second.private_key.public_key() == request.public_key()
        read = await small.ask(user, "6.24.2", target, {"credential_type": "Digital Signature"})
        assert read.values["certificate"] == certificate
        message = small.posts[-1].gbcs
        assert message is not None
        assert verify_signature(message, second.private_key.public_key())
        assert not verify_signature(message, first.private_key.public_key())
        later = again(small)
        try:
            assert device(later, target).signing.private_key.private_numbers() == second.private_key.private_numbers()
        finally:
            later.world.close()


async def test_only_the_certificate_that_was_asked_for_is_taken() -> None:
    with everybody() as small:
        identities = small.world.surroundings.identities
        esme = device(small, ESME)
        own = esme.signing.certificate.public_bytes(Encoding.DER)
        refused = await small.ask("IS", "6.15.2", ESME, {"device_certificate": own})
        assert refused.values == {"status": NO_REQUEST}
        await small.ask("IS", "6.17", ESME, {"credential_type": "Key Agreement"})
        refused = await small.ask("IS", "6.15.2", ESME, {"device_certificate": own})
        assert refused.values == {"status": WRONG_KEY}
        for wrong in (der(small, "IS", "signing"), b"\x30\x00"):
            assert not (await small.ask("IS", "6.15.2", ESME, {"device_certificate": wrong})).ok
        assert esme.function(Credentials).waiting == {"key_agreement": 1}
        with pytest.raises(ValueError, match="asn1"):
            identities.certify(b"\x30\x00")


async def test_keys_come_from_the_seed_alone() -> None:
    one, other = (Identities(seed).request(ESME, KeyUse.DIGITAL_SIGNATURE, 1) for seed in (1, 1))
    assert one == other
    assert Identities(2).request(ESME, KeyUse.DIGITAL_SIGNATURE, 1) != one
