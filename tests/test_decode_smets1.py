"""`hilbench decode` on what SMETS1 Service Providers say: two signatures, secrets, and what puzzles."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bench.decode import decode, read_input
from bench.decode_certificates import Certificates
from bench.errors import UsageError
from tests.duis.certs import DSP, Signer
from tests.duis.test_smets1 import GOOD, PROVIDER, alert, declare, delivered, provided, s1sp_alert

SIGNED = delivered(GOOD)


def certificates(folder: Path, *holders: Signer) -> Certificates:
    for number, holder in enumerate(holders):
        (folder / f"{number}.pem").write_bytes(holder.certificate.public_bytes(Encoding.PEM))
    return Certificates(folder)


def shown(document: bytes, known: Certificates | None = None) -> str:
    return "\n".join(decode(document, known).lines())


def test_an_alert_is_shown_in_words_and_both_signatures_are_judged(tmp_path: Path) -> None:
    text = shown(SIGNED, certificates(tmp_path, DSP, PROVIDER))
    assert text.startswith("XML; lines are those of the document")
    assert "8F40  (SMETS1: average RMS voltage above the average over-voltage threshold)" in text
    assert text.count("Signature: by the holder of certificate ") == 2
    assert "\n              verified: valid, by " in text
    assert "provider verified: valid, by 90-B3-D5-1F-30-07-00-00" in text
    assert "differs" not in text and "!" not in text


def test_a_provider_whose_certificate_is_missing_is_not_checked(tmp_path: Path) -> None:
    text = shown(SIGNED, certificates(tmp_path, DSP))
    assert "  verified: valid" in text and "provider verified: not checked: no certificate 7007" in text


def test_what_was_changed_before_the_dcc_signed_it_is_a_fault_of_the_provider_s_signature(tmp_path: Path) -> None:
    decoded = decode(delivered(GOOD.replace(b">8F40<", b">8F41<")), certificates(tmp_path, DSP, PROVIDER))
    text = "\n".join(decoded.lines())
    assert decoded.exit_code == 1 and "  verified: valid" in text
    assert "! fault: the signature of the SMETS1 Service Provider is not valid" in text


def test_a_provider_s_document_by_itself_is_read_too(tmp_path: Path) -> None:
    text = shown(GOOD, certificates(tmp_path, PROVIDER))
    assert "DUIS SMETS1SignedResponse" in text and "verified: valid, by 90-B3-D5-1F-30-07-00-00" in text
    assert "differs" not in text
    wrong = provided(alert().replace("AlertDescription", "Description"), declared=declare("ra"))
    assert "differs from the schema: line" in shown(delivered(wrong))


def test_a_utrn_is_never_shown() -> None:
    text = shown(s1sp_alert("<sr:UTRN>12345678901234567890</sr:UTRN>"))
    assert "UTRN: (hidden)" in text and "12345678901234567890" not in text


def test_input_by_a_pipe_and_what_is_no_input(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, b"df09")
    os.close(write)
    try:
        assert read_input(f"/dev/fd/{read}", BytesIO()) == b"df09"
    finally:
        os.close(read)
    for argument, words in (
        (str(tmp_path), "it is a folder"),
        ("a\x07b", r"a\\x07b: there is no such file"),
        ("", "no"),
    ):
        with pytest.raises(UsageError, match=words):
            read_input(argument, BytesIO())
