from __future__ import annotations

import pytest

from bench.duis.alert_bodies import ALERT_BODIES
from bench.duis.bodies import body_of
from bench.duis.service_requests import all_service_requests
from bench.duis.shapes import Choice, Group, Item, Repeat, leaves, snake
from bench.duis.values import Kind


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("AverageRMSOverVoltageThreshold", "average_rms_over_voltage_threshold"),
        ("UpdateDeviceStatusExceptCH", "update_device_status_except_ch"),
        ("ImportMPxN", "import_mpxn"),
        ("MPxN", "mpxn"),
        ("SecondaryImportMPAN", "secondary_import_mpan"),
        ("GBCSPayload", "gbcs_payload"),
        ("DSPScheduleID", "dsp_schedule_id"),
        ("DeviceID", "device_id"),
        ("SMETSCHTSVersion", "smets_chts_version"),
        ("S1SP", "s1sp"),
        ("ApplyTimeBasedCPVChecks", "apply_time_based_cpv_checks"),
        ("UpdateHANDeviceLogServiceRequestID", "update_han_device_log_service_request_id"),
        ("AssociatedType1Device", "associated_type1_device"),
        ("CPLStatus", "cpl_status"),
        ("MeterIDs", "meter_ids"),
        ("UTRN", "utrn"),
        ("index", "index"),
    ],
)
def test_parameter_names_are_the_snake_case_of_element_names(tag: str, name: str) -> None:
    assert snake(tag) == name


def names_within(items: tuple[Item, ...]) -> list[str]:
    """Names at one level; those of the branches of a choice may be the same, since one branch is chosen."""
    names: list[str] = []
    for item in items:
        if isinstance(item, Choice):
            names += dict.fromkeys(name for branch in item.branches for name in names_within(branch))
        elif isinstance(item, Group) and not item.nests:
            names += names_within(item.items)
        else:
            names.append(item.key)
            inner = item.items if isinstance(item, Group) else item.content if isinstance(item, Repeat) else ()
            if not isinstance(inner, Kind):
                assert len(names_within(inner)) == len(set(names_within(inner)))
    return names


def branches_of(items: tuple[Item, ...]) -> list[Choice]:
    choices = [item for item in items if isinstance(item, Choice)]
    for item in items:
        if isinstance(item, Group):
            choices += branches_of(item.items)
    return choices


def test_no_two_parameters_of_a_body_share_a_name() -> None:
    shapes = {variant: body.shape for variant in all_service_requests() if (body := body_of(variant))} | ALERT_BODIES
    for subject, shape in shapes.items():
        names = names_within(shape)
        assert len(names) == len(set(names)), subject
        for choice in branches_of(shape):
            keys = [{item.key for item in leaves(branch)} for branch in choice.branches]
            assert sum(map(len, keys)) == len(set().union(*keys)), f"{subject}: branches cannot be told apart"
