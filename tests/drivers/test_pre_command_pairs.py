"""A published request with the pre-command that belongs to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.duis.requests import parse_request
from bench.duis.safe_xml import parse
from bench.errors import DeviceError
from bench.gbcs.message import Message
from bench.gbcs.use_cases import use_case_for
from drivers.pre_command import check_pre_command


def test_credentials_are_replaced_by_those_that_were_sent_and_by_no_others(rtds: Path) -> None:
    (file,) = (rtds / "duis").glob("CS02bSupplierBySupplier_6.15.1_*_REQUEST_DUIS.XML")
    request = parse_request(parse(file.read_bytes()))
    name = file.name.replace("_REQUEST_DUIS.XML", "_PRECOMMAND_GBCS.HEX")
    payload = bytes.fromhex((rtds / "gbcs" / "messages" / name).read_text())
    message = Message.parse(payload)
    use_case = use_case_for(message.message_code)
    assert use_case is not None
    sent = [each.certificate for each in use_case.decode_command(message.content)["replacements"]]
    names = ("digital_signing_certificate", "key_agreement_certificate", "key_agreement_top_up_certificate")
    # The certificates of the published request were issued anew, those of its pre-command were not.
    with pytest.raises(DeviceError, match="certificate that was not sent"):
        check_pre_command(payload, request, None)
    params = dict(request.params) | dict(zip(names, sent, strict=True))
    check_pre_command(payload, replace(request, params=params), None)
