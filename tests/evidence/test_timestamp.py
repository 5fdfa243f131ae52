"""RFC 3161 time stamps, by an authority that is not ours: OpenSSL behind a small HTTP server."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench.clock import RealClock
from bench.errors import BenchError, UsageError
from bench.evidence.keys import BenchKey
from bench.evidence.manifest import SIGNATURE, TIMESTAMP
from bench.evidence.timestamp import check, load_roots, stamp
from bench.evidence.verify import Level, verify
from tests.evidence.bundles import pack_virtual

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl"),
]
KEY = BenchKey(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
TYPE = "application/timestamp-reply"


def authority(folder: Path, name: str) -> Path:
    """Make an authority: its root, its certificate, and OpenSSL's configuration."""
    folder.mkdir()
    now = RealClock().now().utc
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} root")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def certificate(of: x509.Name, public: ec.EllipticCurvePublicKey, ca: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(of)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(root_key, hashes.SHA256())

    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "tsa.key").write_bytes(pem)
    (folder / "tsa.pem").write_bytes(certificate(subject, key.public_key(), False).public_bytes(Encoding.PEM))
    (folder / "root.pem").write_bytes(certificate(issuer, root_key.public_key(), True).public_bytes(Encoding.PEM))
    (folder / "serial").write_text("01")
    (folder / "tsa.cnf").write_text(
        f"[tsa]\ndefault_tsa = t\n[t]\nserial = {folder}/serial\nsigner_cert = {folder}/tsa.pem\n"
        f"signer_key = {folder}/tsa.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4\n"
        "digests = sha256\ness_cert_id_alg = sha256\n"
    )
    return folder


def answer(folder: Path, request: bytes) -> bytes:
    (folder / "request").write_bytes(request)
    command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "request"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout


@asynccontextmanager
async def serving(respond) -> AsyncIterator[str]:
    """An HTTP server whose answers are what `respond` makes of the requests."""

    async def handle(request: web.Request) -> web.Response:
        made = respond(await request.read())
        return made if isinstance(made, web.Response) else web.Response(body=made, content_type=TYPE)

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority(tmp_path_factory.mktemp("tsa") / "a", "Greenwich")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return pack_virtual(tmp_path, KEY)


async def stamped(bundle: Path, tsa: Path) -> None:
    async with serving(lambda request: answer(tsa, request)) as url:
        await stamp(bundle, url)


def test_a_stamp_says_when_and_whose_word_it_is(bundle: Path, tsa: Path) -> None:
    asyncio.run(stamped(bundle, tsa))
    report = verify(bundle, [KEY.fingerprint], load_roots(tsa / "root.pem"))
    assert (report.level, report.problem, report.stamp_verified) == (Level.VERIFIED, "", True)
    assert abs(datetime.fromisoformat(report.stamped) - RealClock().now().utc) < timedelta(minutes=1)
    assert any("as CN=Greenwich certifies" in note for note in report.notes)
    without = verify(bundle, [KEY.fingerprint])
    assert (without.level, without.stamp_verified) == (Level.VERIFIED, False)
    assert any("nobody said that this one is to be believed" in note for note in without.notes)
    with pytest.raises(UsageError, match="has a time stamp already"):
        asyncio.run(stamped(bundle, tsa))


def test_another_authority_is_not_believed(bundle: Path, tsa: Path, tmp_path: Path) -> None:
    other = authority(tmp_path / "other", "Paris")
    asyncio.run(stamped(bundle, tsa))
    report = verify(bundle, [KEY.fingerprint], load_roots(other / "root.pem"))
    assert report.level is Level.FAILED
    assert "by no authority that is believed" in report.problem


def test_a_stamp_of_another_bundle_is_found(bundle: Path, tsa: Path, tmp_path: Path) -> None:
    other = pack_virtual(tmp_path, KEY, run="r2")
    asyncio.run(stamped(other, tsa))
    shutil.copy(other / TIMESTAMP, bundle / TIMESTAMP)
    assert verify(bundle, [KEY.fingerprint]).problem == f"{TIMESTAMP} is about something else than {SIGNATURE}"


def test_every_byte_that_says_something_counts(bundle: Path, tsa: Path) -> None:
    asyncio.run(stamped(bundle, tsa))
    roots, token = load_roots(tsa / "root.pem"), (bundle / TIMESTAMP).read_bytes()
    good = check(token, (bundle / SIGNATURE).read_bytes(), roots)
    passed = []
    for place in range(0, len(token), 7):
        changed = token[:place] + bytes([token[place] ^ 0x41]) + token[place + 1 :]
        try:
            found = check(changed, (bundle / SIGNATURE).read_bytes(), roots)
        except BenchError:
            continue
        passed.append(place)
        assert found.at == good.at, f"byte {place} changes the time unseen"
    assert len(passed) < 20
    for length in range(0, len(token), 97):
        with pytest.raises(BenchError):
            check(token[:length], (bundle / SIGNATURE).read_bytes(), roots)


@pytest.mark.parametrize(
    ("respond", "says"),
    [
        (lambda _: web.Response(status=503), "answered 503"),
        (lambda _: web.Response(text="hello"), "answered 200 text/plain, not a time stamp"),
        (lambda _: b"hello", "no time stamp that can be read"),
        (lambda _: b"0" * (1 << 19), "answered more than"),
    ],
)
async def test_a_bad_answer_is_one_clear_error_and_nothing_is_kept(bundle: Path, respond, says: str) -> None:
    async with serving(respond) as url:
        with pytest.raises(BenchError, match=says):
            await stamp(bundle, url)
    assert [path.name for path in bundle.iterdir() if "tsr" in path.name] == []


async def test_an_answer_to_another_request_is_refused(bundle: Path, tsa: Path, tmp_path: Path) -> None:
    old: list[bytes] = []

    def replay(request: bytes) -> bytes:
        old.append(answer(tsa, request))
        return old[0]

    other = pack_virtual_elsewhere(tmp_path)
    async with serving(replay) as url:
        await stamp(other, url)
        with pytest.raises(BenchError, match="answered another request"):
            await stamp(bundle, url)


def pack_virtual_elsewhere(tmp_path: Path) -> Path:
    """A copy of the bundle, since no second loop can be run inside one."""
    return Path(shutil.copytree(tmp_path / "r1", tmp_path / "copy"))


async def test_nobody_there_and_no_bundle(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="does not answer"):
        await stamp(bundle, "http://127.0.0.1:9/")
    with pytest.raises(BenchError, match="does not answer"):
        await stamp(bundle, "no address")
    with pytest.raises(UsageError, match="no sealed bundle"):
        await stamp(tmp_path, "http://127.0.0.1:9/")
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(UsageError, match="holds no certificate"):
        load_roots(tmp_path / "empty.pem")


def test_it_is_utc(bundle: Path, tsa: Path) -> None:
    asyncio.run(stamped(bundle, tsa))
    assert check((bundle / TIMESTAMP).read_bytes(), (bundle / SIGNATURE).read_bytes(), ()).at.tzinfo == UTC
