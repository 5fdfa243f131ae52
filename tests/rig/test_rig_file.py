from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.rig.check import check
from bench.rig.load import load_rig
from tests.rig.rig_files import ROOT, rig_with


def test_the_emulated_rig_is_valid() -> None:
    rig = load_rig(ROOT / "rigs" / "emulated.yaml")
    assert rig.emulated
    assert rig.file.limits.voltage.max == 270
    assert {dut.name for dut in rig.duts.values()} >= {"esme", "gsme", "chf", "gpf"}


def test_the_example_of_a_lab_is_valid_but_for_its_keys() -> None:
    rig = load_rig(ROOT / "rigs" / "example-lab.yaml")
    assert not rig.emulated
    assert rig.file.protection, "it shows how to say what protects the bench"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("title:", "titel:", "unknown key 'titel'; did you mean 'title'?"),
        ("max: 270 V", "max: 270", "'270' is not a voltage"),
        ("max: 270 V", "max: 100 V", "must be below max"),
        ("slope: 200 V/s", "slope: 200 V", "is not a slope"),
        ("supply: {source: source", "supply: {source: sauce", "there is no device 'sauce'"),
        ("relay: relay, meter: meter", "relay: source, meter: meter", "cannot be both source and relay"),
        ("feeds: esme}", "feeds: gsme}", "the mains feeds an ESME"),
        ("feeds: esme}", "feeds: nobody}", "there is no device under test 'nobody'"),
        ("GS: {role: GS, id: 90-B3-D5-1F-30-03-00-00}", "GS: {role: GS, id: 90-B3}", "is not an EUI-64"),
        (
            "GS: {role: GS, id: 90-B3-D5-1F-30-03-00-00}",
            "GS: {role: GS, id: 90-B3-D5-1F-30-01-00-00}",
            "User GS has the same id as User IS",
        ),
        ("hub: {driver: mqtt-hub}", "hub: {}", "device hub names no driver"),
        ("- {device: relay, closed: no}", "- {device: reley, closed: no}", "there is no device 'reley'"),
        ("- {device: relay, closed: no}", "- {device: relay}", "say what to do"),
        ("output: on, voltage: 230 V", "output: on, voltage: 400 V", "outside the rig's own limits"),
        ("output: on, voltage: 230 V", "output: off, voltage: 230 V", "a voltage needs 'output: on'"),
        ("every: 1 s", "every: 1 ms", "more often than"),
        ("emulation:", "emulated:", "unknown key 'emulated'"),
        ("duts: duts/emulated.yaml", "duts: duts/none.yaml", "cannot read"),
    ],
)
def test_each_mistake_is_one_sentence_with_its_line(tmp_path: Path, old: str, new: str, what: str) -> None:
    path = rig_with(tmp_path, old, new)
    line = path.read_text()[: path.read_text().index(new)].count("\n") + 1
    with pytest.raises(UsageError) as caught:
        load_rig(path)
    text = str(caught.value)
    assert what in text
    if "cannot read" not in what:
        lines = [int(part.split(":")[1]) for part in text.splitlines()]
        assert any(abs(found - line) <= 1 for found in lines), (text, line)


def test_two_devices_under_test_with_one_id_are_found(tmp_path: Path) -> None:
    path = rig_with(tmp_path, "title: The", "title: the")
    duts = tmp_path / "duts" / "emulated.yaml"
    duts.write_text(duts.read_text().replace("90-A1", "90-A0"))
    with pytest.raises(UsageError, match="gsme has the same id as esme"):
        load_rig(path)


def test_a_wrong_install_code_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    path = rig_with(tmp_path, "title: The", "title: the")
    duts = tmp_path / "duts" / "emulated.yaml"
    duts.write_text(duts.read_text().replace("83FED3407A939723A5C639B26916D505", "SECRETCODE"))
    with pytest.raises(UsageError, match="install_code") as caught:
        load_rig(path)
    assert "SECRETCODE" not in str(caught.value)


def test_the_example_of_a_lab_describes_every_device_rightly() -> None:
    report = check(ROOT / "rigs" / "example-lab.yaml", ROOT / "unused", offline=True)
    assert set(report.devices) == {"source", "relay", "meter", "hub", "console", "sniffer", "dcc"}
    assert report.exit_code == 0


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (
            "resource: /dev/serial/by-id/usb-meter-console",
            "resource: /dev/serial/by-id/usb-ZEPHYR_nRF_802154_Sniffer",
            "sniffer and console are both on /dev/serial/by-id/usb-ZEPHYR_nRF_802154_Sniffer",
        ),
        (
            "resource: /dev/serial/by-id/usb-meter-console",
            "resource: /dev/serial/by-id/usb-FTDI_reference-meter",
            "console and meter are both on /dev/serial/by-id/usb-FTDI_reference-meter",
        ),
        (
            "resource: tcp://192.0.2.12:502?device=1",
            "resource: rtu:///dev/serial/by-id/usb-FTDI_reference-meter?baud=9600&device=1",
            "Modbus RTU at 19200 baud, 8E1 and Modbus RTU at 9600 baud, 8E1",
        ),
    ],
)
def test_two_devices_on_one_port_are_found_without_opening_it(tmp_path: Path, old: str, new: str, what: str) -> None:
    (tmp_path / "duts").mkdir()
    (tmp_path / "duts" / "emulated.yaml").write_text((ROOT / "rigs" / "duts" / "emulated.yaml").read_text())
    text = (ROOT / "rigs" / "example-lab.yaml").read_text()
    assert old in text
    path = tmp_path / "rig.yaml"
    path.write_text(text.replace(old, new))
    with pytest.raises(UsageError) as caught:
        check(path, tmp_path, offline=True)
    assert what in str(caught.value)


def test_two_devices_may_share_a_modbus_line(tmp_path: Path) -> None:
    (tmp_path / "duts").mkdir()
    (tmp_path / "duts" / "emulated.yaml").write_text((ROOT / "rigs" / "duts" / "emulated.yaml").read_text())
    path = tmp_path / "rig.yaml"
    line = "rtu:///dev/serial/by-id/usb-FTDI_reference-meter?baud=19200&device=1"
    path.write_text((ROOT / "rigs" / "example-lab.yaml").read_text().replace("tcp://192.0.2.12:502?device=1", line))
    assert check(path, tmp_path, offline=True).exit_code == 0


def test_a_driver_that_does_not_exist_and_a_key_that_it_does_not_have_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "duts").mkdir()
    (tmp_path / "duts" / "emulated.yaml").write_text((ROOT / "rigs" / "duts" / "emulated.yaml").read_text())
    text = (ROOT / "rigs" / "example-lab.yaml").read_text()
    path = tmp_path / "rig.yaml"
    path.write_text(text.replace("driver: mqtt-hub", "driver: mqtt-hob").replace("coil: 0", "koil: 0"))
    with pytest.raises(UsageError) as caught:
        check(path, tmp_path, offline=True)
    assert "there is no driver 'mqtt-hob'" in str(caught.value)
    assert "unknown key 'koil'; did you mean 'coil'?" in str(caught.value)
