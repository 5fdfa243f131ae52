"""The Test Data Plan: what follows from the rig, what its file says instead, and mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.ctsd.tables import Role, Smets
from bench.errors import UsageError
from bench.parties import DeviceType
from bench.rig.file import Rig
from bench.testscripts.data import DataPlan, load_test_data
from bench.testscripts.data_text import data_text


def test_users_and_devices_follow_from_the_rig(uept_data: DataPlan) -> None:
    assert uept_data.user(Role.ED) == "ED"
    assert uept_data.new_supplier(Role.GS) == "GS2"
    assert uept_data.new_supplier(Role.ES) == "IS2"
    assert uept_data.older_user(Role.GT) == "GT-OLD"
    assert uept_data.other_id(Role.ED) == "ED-OTHER"
    assert uept_data.device(Smets.SMETS2, DeviceType.HCALCS) == "hcalcs"
    assert uept_data.device(Smets.SMETS1, DeviceType.GPF) == "s1-gpf"


def test_the_whole_plan_written_out_means_the_same(uept_rig: Rig, uept_data: DataPlan, tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(data_text(uept_data, "uept"))
    again = load_test_data(uept_rig, path)
    assert again.model_copy(update={"params": {}}) == uept_data
    assert again.params["2.1 GSME"]["update_prepay_config_gas"]
    assert data_text(again, "uept") == path.read_text()


def test_a_file_takes_the_place_of_what_follows(uept_rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    path.write_text("users: {IS: IS2}\nwindows: {gas: 2 h}\nfirmware: {image: AAAA}\n")
    data = load_test_data(uept_rig, path)
    assert (data.user(Role.IS), data.user(Role.GS)) == ("IS2", "GS")
    assert data.windows.gas == 7200
    assert data.firmware.hash.startswith("709e80c88487a241")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("users: {IS: NOBODY}", r"data.yaml:1: the rig has no User 'NOBODY'; it has IS"),
        ("users: {XX: IS}", "data.yaml:1"),
        ("other_ids: {ED: ED-NONE}", r"data.yaml:1: the rig has no User 'ED-NONE'"),
        ("smets1_utrn: '12'", "smets1_utrn"),
        ("devices:\n  SMETS2+: {ESME: gsme}", r"data.yaml:2: gsme is a GSME"),
        ("devices:\n  SMETS2+: {ESME: x}", r"data.yaml:2: the rig has no device under test 'x'"),
        ("windows: {gas: 5}", "gas.*not a duration"),
        ("window: {}", "window"),
        ("firmware: {image: '*'}", "base64"),
        ("firmware: {version: xyz}", "version"),
    ],
)
def test_a_mistake_is_named_with_its_line(uept_rig: Rig, tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(text + "\n")
    with pytest.raises(UsageError, match=what):
        load_test_data(uept_rig, path)
