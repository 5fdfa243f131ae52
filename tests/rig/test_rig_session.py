"""From a rig file to connected devices, and back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import bench.rig.drivers
from bench.capabilities import AcSource, DccGateway, Measures, Switch
from bench.clock import RealClock, VirtualClock
from bench.device import DriverConfig
from bench.durable import StorageError
from bench.errors import DeviceLost, UsageError
from bench.events import EventStream
from bench.parties import Certificates, Parties
from bench.rig.check import check
from bench.rig.drivers import build_drivers
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from tests.duis.certs import make_signer
from tests.fake_devices import Fake, FakeRelay, FakeSource
from tests.fakes import DUTS, RIG, make_bench
from tests.rig.rig_files import ROOT, rig_with

SMALL = """
rig: hall-3
duts: duts.yaml
dcc: 90-B3-D5-1F-30-00-00-02
users: {IS: {role: IS, id: 90-B3-D5-1F-30-01-00-00, keys: keys}}
supply: {source: source, relay: relay, feeds: esme}
limits: {voltage: {min: 180 V, max: 270 V}, outage: 30 min}
devices: {source: {driver: fake-source}, relay: {driver: fake-relay}}
park: {actions: [{device: source, output: on, voltage: 230 V}]}
safe: {actions: [{device: relay, closed: no}]}
"""


class TwoPorts(DriverConfig):
    port: str = "one"


class Source(FakeSource):
    """A fake that a rig file can configure."""

    made: list[Fake] = []
    Config = TwoPorts

    def __init__(self, context: Any, config: Any) -> None:
        super().__init__(context)
        self.config = config
        self.made.append(self)


class Relay(FakeRelay):
    Config = TwoPorts
    failing = ""

    def __init__(self, context: Any, config: Any) -> None:
        super().__init__(context)
        self.config = config
        Source.made.append(self)
        if self.failing:
            self.lose(self.failing)


@pytest.fixture
def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A rig that is not emulated, with keys, on fake drivers."""
    classes = {"fake-source": Source, "fake-relay": Relay}
    monkeypatch.setattr(bench.rig.drivers, "driver_class", lambda rig, name: classes[rig.file.devices[name]["driver"]])
    monkeypatch.setattr(Source, "made", [])
    (tmp_path / "keys").mkdir()
    for number, use in enumerate(("ds", "ka", "xml")):
        signer = make_signer("90-B3-D5-1F-30-01-00-00", seed=number)
        key = tmp_path / "keys" / f"{use}.key"
        key.touch(mode=0o600)
        key.write_bytes(signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (tmp_path / "keys" / f"{use}.pem").write_bytes(signer.certificate.public_bytes(Encoding.PEM))
    return write(tmp_path, SMALL)


def write(folder: Path, text: str) -> Rig:
    (folder / "duts.yaml").write_text(DUTS)
    (folder / "rig.yaml").write_text(text)
    return load_rig(folder / "rig.yaml")


def clock() -> VirtualClock:
    return VirtualClock(asyncio.get_running_loop())


async def test_a_rig_is_brought_up_and_taken_down(hall: Rig, tmp_path: Path) -> None:
    async with open_rig(hall, clock(), state=tmp_path / "state") as session:
        assert [driver.name for driver in Source.made] == ["source", "relay"]
        assert [driver.verbs() for driver in Source.made] == [["connect"], ["connect"]]
        assert session.parties.users["IS"].signing.certificate is not None
        session.ledger.record("a", None, None)
    assert [driver.closed for driver in Source.made] == [1, 1]
    async with open_rig(hall, clock(), state=tmp_path / "state") as session:
        assert session.ledger.record("a", None, None) == 1, "what was seen is known the next time"


async def test_the_rig_file_may_name_its_state_folder(hall: Rig, tmp_path: Path) -> None:
    rig = write(tmp_path, SMALL + "state: memory\n")
    async with open_rig(rig, clock(), state=tmp_path / "state") as session:
        session.ledger.record("a", None, None)
    assert (tmp_path / "memory" / "hall-3" / "seen.jsonl").exists()
    assert not (tmp_path / "state").exists()


async def test_a_state_folder_that_cannot_be_is_an_error_with_its_path(hall: Rig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="the rig's state folder cannot be made") as caught:
        async with open_rig(hall, clock(), state=tmp_path / "file"):
            pass
    assert str(tmp_path / "file") in str(caught.value)


@pytest.mark.parametrize("what", ["connect", "the run"])
async def test_whatever_goes_wrong_everything_is_closed(
    hall: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(Relay, "failing", "connect" if what == "connect" else "")
    with pytest.raises(DeviceLost if what == "connect" else ZeroDivisionError):
        async with open_rig(hall, clock(), state=tmp_path / "state"):
            raise ZeroDivisionError
    assert [driver.closed for driver in Source.made] == [1, 1]


async def test_mistakes_in_all_sections_are_told_at_once(hall: Rig, tmp_path: Path) -> None:
    rig = write(tmp_path, SMALL.replace("source}", "source, prot: x}").replace("relay}}", "relay, baud: 5}}"))
    with pytest.raises(UsageError) as caught:
        async with open_rig(rig, clock(), state=tmp_path / "state"):
            pass
    text = str(caught.value)
    assert "rig.yaml:8: unknown key 'prot'; did you mean 'port'?" in text
    assert "rig.yaml:8: unknown key 'baud'; known keys here: port" in text
    assert Source.made == [], "and nothing was opened"


def test_two_devices_on_one_resource_are_found_before_anything_opens(
    hall: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cls in (Source, Relay):
        monkeypatch.setattr(cls, "resources", lambda self: [self.config.port])
    nobody = Parties({}, hall.duts, hall.file.dcc, Certificates())
    with pytest.raises(UsageError, match=r"rig\.yaml:8: relay and source are both on one"):
        build_drivers(hall, {}, EventStream(RealClock()), nobody, None)  # type: ignore[arg-type]
    other = {"relay": {"port": "two"}}
    assert list(build_drivers(hall, other, EventStream(RealClock()), nobody, None))  # type: ignore[arg-type]


async def test_a_capability_is_asked_for_by_name_or_there_is_just_one(tmp_path: Path) -> None:
    session = make_bench(tmp_path).session
    assert session.capability(AcSource) is session.drivers["source"]
    assert session.capability(Switch, "relay") is session.drivers["relay"]
    with pytest.raises(UsageError, match="the rig has no device 'reley'. It has source, relay"):
        session.capability(Switch, "reley")
    with pytest.raises(UsageError, match="relay is not an AcSource"):
        session.capability(AcSource, "relay")
    session.drivers["meter2"] = session.drivers["meter"]  # type: ignore[index]
    with pytest.raises(UsageError, match="no single Measures. Name the device; able: meter, meter"):
        session.capability(Measures)
    del session.drivers["dcc"]  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="able: none"):
        session.capability(DccGateway)


# rig check.


def test_the_check_of_a_good_rig_connects_to_every_device(tmp_path: Path) -> None:
    report = check(ROOT / "rigs" / "emulated.yaml", tmp_path, offline=False)
    assert set(report.devices.values()) == {"ok"} and report.exit_code == 0
    assert report.as_json()["ok"] is True
    assert report.notes == []


def test_the_check_says_what_is_missing(tmp_path: Path) -> None:
    path = rig_with(tmp_path, "- {device: relay, closed: no}\n    ", "")
    path.write_text(path.read_text().replace("- {device: meter, quantity: voltage, every: 1 s}", "[]", 1))
    path.write_text(path.read_text().replace("monitors:\n  []", "monitors: []"))
    notes = "\n".join(check(path, tmp_path, offline=True).notes)
    assert "no monitor reads the reference meter" in notes
    assert "the safe state does not open the relay" in notes
    path.write_text((ROOT / "rigs" / "example-lab.yaml").read_text().replace("protection:", "protection: []\nx:"))
    with pytest.raises(UsageError, match="unknown key 'x'"):
        check(path, tmp_path, offline=True)


def test_the_check_of_a_rig_without_protection_says_so(tmp_path: Path) -> None:
    text = (ROOT / "rigs" / "example-lab.yaml").read_text().replace("    watchdog: {holding_register", "    # {")
    head, _, rest = text.partition("protection:")
    path = rig_with(tmp_path, "title:", "title:")
    path.write_text(head + "clock:" + rest.partition("clock:")[2])
    notes = check(path, tmp_path, offline=True).notes
    assert any("what protects the bench when this PC dies" in note for note in notes)
    assert any("the system clock is " in note for note in notes)


def test_the_small_rig_of_the_tests_is_sound(tmp_path: Path) -> None:
    assert write(tmp_path, RIG).name == "small"
