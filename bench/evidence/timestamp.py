"""RFC 3161 time stamps: an authority's word that a bundle was there, as it is, at a time that the bench did not choose.

What is stamped is the signature over the manifest, and so everything that the manifest lists. The authority gets a hash
and a random number, nothing else. Its answer is kept as it came: `manifest.tsr` beside the signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from bench.durable import sync_folder
from bench.errors import BenchError, UsageError
from bench.evidence.manifest import SIGNATURE, TIMESTAMP

_TYPE, _ANSWER_TYPE = "application/timestamp-query", "application/timestamp-reply"
_LARGEST = 1 << 18
_GRANTED = (0, 1)
_SHA256 = "2.16.840.1.101.3.4.2.1"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a time stamp says.

    Attributes:
        at: when the authority saw the signature, UTC.
        authority: the subject of the authority's certificate, as the token names it; empty if it names none.
        verified: whether a root that is believed vouches for the authority.
    """

    at: datetime
    authority: str
    verified: bool


async def stamp(bundle: Path, url: str, *, timeout_s: float = 30.0) -> Stamp:
    """Have an authority stamp a sealed bundle, and keep its answer.

    Raises:
        UsageError: the bundle is not sealed, or is stamped already.
        BenchError: the authority cannot be reached, refuses, or answers for something else; nothing is kept then.
    """
    signature = _signature(bundle)
    target = bundle / TIMESTAMP
    if target.exists():
        raise UsageError(f"{bundle} has a time stamp already", next_step="`hilbench verify` says what it says")
    request = TimestampRequestBuilder().data(signature).hash_algorithm(HashAlgorithm.SHA256).build()
    answer = await _ask(url, request.as_bytes(), timeout_s)
    response = _decode(answer, url)
    if response.tst_info.nonce != request.nonce:
        raise BenchError(f"{url} answered another request than ours")
    found = check(answer, signature, ())
    half = target.with_name(f".{TIMESTAMP}.part")
    try:
        half.write_bytes(answer)
        half.replace(target)
        sync_folder(bundle)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise BenchError(f"cannot write {target}: {error.strerror}") from None
    return found


def _signature(bundle: Path) -> bytes:
    try:
        return (bundle / SIGNATURE).read_bytes()
    except OSError:
        raise UsageError(
            f"{bundle} is no sealed bundle: it has no {SIGNATURE}", next_step="Only a run that ended can be stamped"
        ) from None


async def _ask(url: str, request: bytes, timeout_s: float) -> bytes:
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=request, headers={"Content-Type": _TYPE}) as response,
        ):
            if response.status != 200 or response.content_type != _ANSWER_TYPE:
                raise BenchError(f"{url} answered {response.status} {response.content_type}, not a time stamp")
            answer = b""
            while len(answer) <= _LARGEST and (piece := await response.content.read(_LARGEST)):
                answer += piece
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise BenchError(
            f"the time stamping authority {url} does not answer: {error or 'time-out'}", next_step="Try again later"
        ) from None
    if len(answer) > _LARGEST:
        raise BenchError(f"{url} answered more than {_LARGEST} bytes")
    return answer


def _decode(answer: bytes, source: str) -> TimeStampResponse:
    try:
        response = decode_timestamp_response(answer)
        if response.status not in _GRANTED:
            raise BenchError(f"{source}: the authority did not grant a time stamp (status {response.status})")
        _ = response.tst_info
    except ValueError as error:
        raise BenchError(f"{source}: no time stamp that can be read: {error}") from None
    return response


def check(answer: bytes, signature: bytes, roots: Sequence[x509.Certificate]) -> Stamp:
    """Check a time stamp.

    Args:
        answer: of the authority.
        signature: the bytes of the file that it is to be about.
        roots: of authorities that are believed; with none, who stamped it is not checked.

    Raises:
        BenchError: it cannot be read, is about something else, or no root vouches for it.
    """
    response = _decode(answer, TIMESTAMP)
    info = response.tst_info
    imprint = info.message_imprint
    if imprint.hash_algorithm.dotted_string != _SHA256 or imprint.message != hashlib.sha256(signature).digest():
        raise BenchError(f"{TIMESTAMP} is about something else than {SIGNATURE}")
    if roots:
        builder = VerifierBuilder()
        for root in roots:
            builder = builder.add_root_certificate(root)
        try:
            builder.build().verify(response, imprint.message)
        except VerificationError as error:
            raise BenchError(f"{TIMESTAMP} is by no authority that is believed: {error}") from None
    return Stamp(info.gen_time, _authority(response), bool(roots))


def _authority(response: TimeStampResponse) -> str:
    signers = response.signed_data.signer_infos
    for der in response.signed_data.certificates:
        certificate = x509.load_der_x509_certificate(der)
        if any(
            (each.issuer, each.serial_number) == (certificate.issuer, certificate.serial_number) for each in signers
        ):
            return certificate.subject.rfc4514_string()
    return ""


def load_roots(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates in a PEM file.

    Raises:
        UsageError: it cannot be read, or holds none.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{path} holds no certificate", next_step="Give the authority's root in PEM") from None
