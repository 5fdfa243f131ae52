"""Hubs, opt-in, coverage; commands that got lost; versions of DUIS."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cryptography import x509

from bench.duis import responses as duis
from bench.duis.default_params import default_params
from bench.duis.safe_xml import MAX_BYTES
from bench.duis.service_requests import WebService
from bench.errors import UsageError
from bench.eui import Eui64
from bench.parties import KeyUse
from drivers.emulated.dcc import Rejected
from drivers.emulated.dcc_parts.hub_status import NO_ADDRESS, NO_HUB, NOT_THAT_TYPE, OTHER_UNKNOWN, RETURNED, region_of
from tests.emulated.worlds import CHF, DCC, ESME, GPF, MPAN, Small, small_world


def told(small: Small, variant: str, **more: Any) -> str:
    params = default_params(variant, 8, now=small.world.mail.now) | {"device_id": CHF} | more
    return small.send("IS", variant, params=params).response_code


async def test_a_hub_is_put_up_and_goes_back() -> None:
    with small_world() as small:
        assert told(small, "8.14.1", mpxn=MPAN) == "I99"
        assert told(small, "8.14.2", mpxn=MPAN) == "I99"
        assert told(small, "8.14.1", mpxn=MPAN, device_id=ESME) == NO_HUB
        unknown = Eui64.parse("00-DB-12-34-56-78-90-FF")
        assert told(small, "8.14.3", other_device_id=unknown) == OTHER_UNKNOWN
        assert told(small, "8.14.3", other_device_id=CHF) == OTHER_UNKNOWN
        assert told(small, "8.14.3", other_device_id=ESME) == "I99"
        assert (small.status(CHF), small.status(GPF)) == ("Withdrawn", "Withdrawn")
        assert told(small, "8.14.4") in (RETURNED, "E5")


async def test_opting_in_gives_the_brokers_certificates() -> None:
    with small_world() as small:
        params = default_params("8.6", 8, now=small.world.mail.now) | {"device_id": ESME, "import_mpxn": MPAN}
        answer = small.send("IS", "8.6", params=params)
        assert isinstance(answer, duis.DspResponse)
        assert answer.values["device_id"] == ESME
        der = answer.values["dsp_broker_security_credentials_key_agreement"]
        known = small.world.parties.certificates.public_key(DCC, KeyUse.KEY_AGREEMENT)
        assert x509.load_der_x509_certificate(der).public_key() == known
        assert small.send("IS", "8.6", params=params | {"device_type": "GSME"}).response_code == NOT_THAT_TYPE


@pytest.mark.parametrize(
    ("post_code", "region"), [("EH1 1AA", "North"), ("s1 2ab", "North"), ("CF10 1AA", "South"), ("B1 1AA", "Central")]
)
async def test_coverage_goes_by_the_post_code(post_code: str, region: str) -> None:
    with small_world() as small:
        answer = small.send("IS", "12.1", params={"post_code": post_code, "address_identifier": "1"})
        assert isinstance(answer, duis.DspResponse)
        assert answer.values["request"]["post_code"] == post_code
        (row,) = answer.values["dsp_wan_matrix_response"]
        assert (row["csp_region"], row["coverage_availability"]) == (region, True)


async def test_no_such_address() -> None:
    assert region_of("") is None
    with small_world() as small:
        answer = small.send("IS", "12.1", params={"post_code": "12345 6", "address_identifier": "1"})
        assert answer.response_code == NO_ADDRESS


@pytest.mark.parametrize("user", ["IS", "ED"])
async def test_a_command_that_never_reached_its_meter(user: str) -> None:
    with small_world(world={"device_timeout": "5 min"}) as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(60)
        sent = small.send(user, "4.10", ESME)
        assert sent.response_code == "I99"
        await asyncio.sleep(400)
        lost = small.post("N53")
        assert lost.user == user
        assert isinstance(lost.message, duis.DccAlert)
        assert lost.message.body == {"command_request_id": sent.request_id, "device_id": ESME}
        failed = small.post("4.10").message
        assert (failed.request_id, failed.response_code) == (sent.request_id, "E20")


async def test_a_meter_that_does_not_answer_is_no_lost_command() -> None:
    with small_world(world={"device_timeout": "5 min"}) as small:
        small.world.esme.actions = {}
        small.send("IS", "4.10", ESME)
        await asyncio.sleep(400)
        assert small.codes() == []
        assert small.post("4.10").message.response_code == "E21"


async def test_a_user_with_another_version_of_duis_is_told_what_it_cannot_read() -> None:
    with small_world(duis_versions={"IS": "5.3", "ED": "5.4"}) as small:
        sent = small.send("IS", "4.10", ESME)
        small.send("ED", "4.10", ESME)
        await asyncio.sleep(30)
        assert [(post.code, post.user) for post in small.posts] == [("N999", "IS"), ("4.10", "ED")]
        message = small.post("N999").message
        assert isinstance(message, duis.DccAlert)
        assert message.body == {
            "service_response_version_mismatch": {
                "request_id": sent.request_id,
                "service_reference": "4.10",
                "service_reference_variant": "4.10",
                "service_request_duis_version": "5.4",
            },
            "service_user_duis_version": "5.3",
        }


async def test_an_alert_that_a_version_lacks() -> None:
    with small_world(duis_versions={"IS": "1.1"}) as small:
        small.world.mail.dcc_alert("N54", "DualBandCHAlert", {}, small.world.users["IS"])
        message = small.post("N999").message
        assert isinstance(message, duis.DccAlert)
        assert message.body == {
            "dcc_alert_version_mismatch": {"dcc_alert_code": "N54"},
            "service_user_duis_version": "1.1",
        }


def test_versions_are_of_users_of_the_rig() -> None:
    async def build() -> None:
        with small_world(duis_versions={"nobody": "5.3"}):
            pass

    with pytest.raises(UsageError, match="nobody"):
        asyncio.run(build())


async def test_only_the_service_that_takes_images_takes_large_documents() -> None:
    with small_world() as small:
        for service in (WebService.TRANSFORM, WebService.SEND_COMMAND):
            with pytest.raises(Rejected, match="bytes"):
                small.world.dcc.handle(service, bytes(MAX_BYTES + 1))
        image = bytes(2 * MAX_BYTES)
        params = {"firmware_image": image, "firmware_version": "00010002", "device_id_list": [ESME]}
        assert small.send("IS", "11.1", params=params).response_code == "I99"
