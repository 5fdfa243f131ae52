"""What `hilbench rig check` says of a gateway: one line for each problem, with what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.clock import RealClock
from bench.parties import Certificates, DeviceType, Dut, KeyPair, KeyUse, Parties
from bench.rig.check import check
from drivers.emulated.identities import certificate_pem, private_pem
from drivers.emulated.tls_material import make_material
from drivers.gateway import GatewayConfig
from drivers.gateway_check import problems
from tests.drivers.dcc_fake import DCC, ED, ESME, IDENTITIES, IS, make_parties

NOW = datetime(2026, 7, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
DOCS, LAB, DUTS = ROOT / "docs/dcc-gateway.md", ROOT / "rigs/example-lab.yaml", ROOT / "rigs/duts/emulated.yaml"
TOKEN, OTHER = "Zk3-qT7_vW9xYb1cD4eF6g", "m8Qw-2Lk_Zr5tYp7sXc0Vb1n"
REMOTE = {
    "url": "http://192.0.2.14:8079",
    "receive_host": "192.0.2.20",
    "receive_port": 8080,
    "receive_token": TOKEN,
}
SECURE = REMOTE | {"url": "https://gateway.example:8443"}


def everybody() -> Parties:
    """Parties whose devices all have certificates."""
    return make_parties()


def said(
    section: Mapping[str, Any], parties: Parties | None = None, now: datetime = NOW, *, wrong: bool = True
) -> list[str]:
    found = problems(GatewayConfig.model_validate(section), parties or everybody(), now)
    return [str(problem) for problem in found if problem.wrong is wrong]


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, str]:
    made = make_material(NOW, ["gateway.example"], ["192.0.2.20"])
    for name, content in made.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_bytes(content)
    return {
        "ca": str(tmp_path / "ca.pem"),
        "certificate": str(tmp_path / "bench.pem"),
        "key": str(tmp_path / "bench.key"),
    }


def test_a_dcc_boxed_on_the_network_has_no_problem_and_a_word_about_plain_http() -> None:
    assert said(REMOTE) == []
    assert any("cross the network in the clear" in note for note in said(REMOTE, wrong=False))


def test_a_gateway_with_mutual_tls_has_no_problem(tls: dict[str, str]) -> None:
    section = SECURE | {"tls": tls, "receive_tls": tls, "token": OTHER}
    assert said(section) == []
    assert said(section, wrong=False) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://192.0.2.14"}, "url names no port, so that 80 is used; a DCC Boxed listens at 8079"),
        ({"url": "https://192.0.2.14"}, "url names no port, so that 443 is used. Write it: https://192.0.2.14:PORT"),
        ({"receive_host": "127.0.0.1"}, "cannot deliver to receive_host 127.0.0.1.* Write the IP address"),
        ({"receive_port": 0}, "receive_port is 0, and the DCC cannot know"),
        ({"token": OTHER}, "token crosses the network in the clear. Write url with https"),
        ({"token": TOKEN, "url": "https://192.0.2.14:8443"}, "token and receive_token are the same secret"),
        ({"tls": {"ca": "ca.pem"}}, "tls is given and not used, because url is http"),
        ({"tls": {"key": "x.key"}, "url": "https://192.0.2.14:8443"}, "tls has a key and no certificate"),
        ({"tls": {"certificate": "no.pem"}, "url": "https://192.0.2.14:8443"}, "cannot read no.pem: No such file"),
    ],
)
def test_addresses_and_secrets(change: Mapping[str, Any], words: str) -> None:
    assert any(re.search(words, line) for line in said(REMOTE | dict(change))), said(REMOTE | dict(change))


@pytest.mark.parametrize(
    ("change", "now", "words"),
    [
        ({"key": "dcc.key"}, NOW, "dcc.key does not belong to the certificate"),
        ({"key": "bench.pem"}, NOW, "bench.pem holds no unencrypted private key"),
        ({"certificate": "bench.key"}, NOW, "bench.key holds no certificate in PEM"),
        ({"ca": "bench.pem"}, NOW, "bench.pem is no certificate of a CA"),
        ({}, NOW + timedelta(days=900), "bench.pem was valid until 2028"),
        ({}, NOW - timedelta(days=9), "bench.pem is not valid before 2026-06-30"),
    ],
)
def test_tls_files(tls: dict[str, str], change: Mapping[str, str], now: datetime, words: str) -> None:
    folder = Path(tls["ca"]).parent
    files = tls | {name: str(folder / file) for name, file in change.items()}
    lines = said(SECURE | {"tls": files}, now=now)
    assert any(words in line for line in lines), lines


def test_a_key_that_others_can_read(tls: dict[str, str]) -> None:
    Path(tls["key"]).chmod(0o640)
    (line,) = said(SECURE | {"tls": tls})
    assert line == f"tls: {tls['key']} can be read by others. chmod 600 {tls['key']}"


def test_a_receive_service_with_a_certificate_for_another_address(tls: dict[str, str]) -> None:
    (line,) = said(SECURE | {"tls": tls, "receive_tls": tls, "receive_host": "192.0.2.99"})
    assert "the certificate is for 192.0.2.20, not for receive_host 192.0.2.99" in line


def test_a_certificate_that_ends_soon_is_a_word_and_no_problem(tls: dict[str, str]) -> None:
    soon = NOW + timedelta(days=810)
    assert said(SECURE | {"tls": tls}, now=soon) == []
    assert any("is valid until 2028-10-02 only" in line for line in said(SECURE | {"tls": tls}, now=soon, wrong=False))


def test_a_users_certificates_have_to_be_its_own_for_their_use_and_in_time() -> None:
    parties = everybody()
    user = parties.users["IS"]
    swapped = replace(user, xml=user.agreement)
    lines = said(REMOTE, replace(parties, users={**parties.users, "IS": swapped}))
    assert any(
        "the xml certificate of User IS has the remote party role 2, where 135 belongs" in each for each in lines
    )
    assert any("the xml certificate of User IS has a key for another use" in each for each in lines)
    stranger = replace(user, signing=parties.users["ED"].signing)
    lines = said(REMOTE, replace(parties, users={**parties.users, "IS": stranger}))
    assert any(f"the ds certificate of User IS is that of {ED}, not of {IS}" in each for each in lines)
    lines = said(REMOTE, parties, datetime(2100, 1, 2, tzinfo=UTC))
    assert any("the ka certificate of User ED was valid until 2099-12-31" in each for each in lines)


def test_a_smets1_device_needs_its_service_provider_and_no_certificates_of_its_own() -> None:
    parties = everybody()
    duts = {"s1": Dut("s1", DeviceType.ESME, ESME, smets1=True)}
    (line,) = [each for each in said(REMOTE, replace(parties, duts=duts), wrong=False) if "s1" in each]
    assert line.startswith("certificates has no XML signing certificate of a SMETS1 Service Provider")


def test_certificates_that_are_missing() -> None:
    parties = everybody()
    bare = replace(parties, certificates=Certificates())
    assert any("no XML signing certificate of the DCC" in line for line in said(REMOTE, bare))
    assert any("no ds certificate of esme" in line for line in said(REMOTE, bare, wrong=False))


def _example(heading: str) -> dict[str, Any]:
    text = DOCS.read_text()
    block = text.split(heading, 1)[1].split("```yaml\n", 1)[1].split("```", 1)[0]
    loaded = yaml.load(block, yaml.BaseLoader)
    assert isinstance(loaded, dict)
    return loaded


def _write(folder: Path, section: Mapping[str, Any]) -> Path:
    """A rig with the users, certificates and gateway of an example, and keys for it."""
    parties = everybody()
    for name in section["users"]:
        user = parties.users[name]
        keys = folder / section["users"][name]["keys"]
        keys.mkdir(parents=True)
        for use, pair in zip(KeyUse, (user.signing, user.agreement, user.xml), strict=True):
            assert isinstance(pair, KeyPair)
            (keys / f"{use}.key").touch(mode=0o600)
            (keys / f"{use}.key").write_bytes(private_pem(pair.private_key))
            (keys / f"{use}.pem").write_bytes(certificate_pem(pair.certificate))
    trusted = folder / section["certificates"]
    trusted.mkdir(parents=True)
    xml = parties.certificates.find(DCC, KeyUse.XML_SIGN)
    assert xml is not None
    (trusted / f"{DCC.hex}-xml.pem").write_bytes(certificate_pem(xml))
    signing = IDENTITIES.device(ESME, KeyUse.DIGITAL_SIGNATURE).certificate
    (trusted / f"{ESME.hex}-ds.pem").write_bytes(certificate_pem(signing))
    path = folder / "rig.yaml"
    _save(path, section)
    return path


def _save(path: Path, section: Mapping[str, Any]) -> None:
    base = yaml.load(LAB.read_text(), yaml.BaseLoader)
    whole = {**base, **section, "devices": {**base["devices"], **section["devices"]}, "duts": str(DUTS)}
    path.write_text(yaml.safe_dump(whole, sort_keys=False))


@pytest.mark.parametrize("heading", ["### A DCC Boxed", "### A gateway with certificates on both sides"])
def test_the_documented_configurations_are_right(tmp_path: Path, heading: str, monkeypatch: pytest.MonkeyPatch) -> None:
    section = _example(heading)
    gateway = section["devices"]["dcc"]
    tls_folder = tmp_path / "tls"
    tls_folder.mkdir()
    for name, content in make_material(RealClock().now().utc, ["gateway.example"], [gateway["receive_host"]]).items():
        (tls_folder / name).touch(mode=0o600)
        (tls_folder / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    path = _write(tmp_path, section)
    report = check(path, tmp_path / "state", offline=True)
    assert report.problems == []
    gateway["receive_host"] = "127.0.0.1"
    _save(path, section)
    report = check(path, tmp_path / "state", offline=False)
    assert report.exit_code == 2
    assert any(line.startswith("  problem: dcc: the DCC at") for line in report.lines())
    assert not report.as_json()["ok"]
