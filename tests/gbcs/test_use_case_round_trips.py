"""Use cases: what is written is read again, whatever the parameters and values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.gbcs import (
    asn1_use_cases,
    credentials,
    dlms_use_cases,
    gbz_reads,
    gbz_use_cases,
    log_use_cases,
    voltage_use_cases,
)
from bench.gbcs.credentials import Cell, Replacement
from bench.gbcs.dlms import Data, Tag
from bench.gbcs.dlms_use_case import DlmsUseCase
from bench.gbcs.gbz_use_cases import GbzUseCase
from bench.gbcs.use_case import UseCase

FOUNDATION: tuple[UseCase, ...] = (
    *voltage_use_cases.USE_CASES,
    *dlms_use_cases.USE_CASES,
    *log_use_cases.USE_CASES,
    *gbz_use_cases.USE_CASES,
    *gbz_reads.USE_CASES,
    *asn1_use_cases.READS,
    asn1_use_cases.CLOCK,
    *asn1_use_cases.JOIN,
    *credentials.USE_CASES,
)
"""The other areas have tests of their own."""

EUIS = st.binary(min_size=8, max_size=8).map(Eui64)
MOMENTS = st.integers(0, 2**32 - 2).map(lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
UINT32 = st.integers(0, 2**32 - 1)
UINT16 = st.integers(0, 0xFFFF)
DATA = st.recursive(
    st.builds(Data, st.just(Tag.UINT16), UINT16) | st.builds(Data, st.just(Tag.OCTET_STRING), st.binary(max_size=20)),
    lambda inner: st.builds(Data, st.just(Tag.STRUCTURE), st.lists(inner, max_size=3).map(tuple)),
    max_leaves=5,
)
BEHAVIOURS = st.binary(min_size=64, max_size=64)
CELLS = st.builds(
    Cell,
    st.sampled_from(["supplier", "network_operator", "wan_provider", "other"]),
    st.sampled_from(["digital_signature", "key_agreement"]),
    st.booleans(),
)
CERTIFICATES = st.binary(max_size=300).map(lambda body: b"\x30\x82" + len(body).to_bytes(2, "big") + body)
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "device": EUIS,
    "other_device": EUIS,
    "install_code": st.binary(min_size=16, max_size=16),
    "join_time_period_s": st.integers(0, 0xFFFF),
    "import_mpan": st.integers(0, 10**13 - 1).map(lambda n: f"{n:013}"),
    "import_mprn": st.integers(0, 10**10 - 1).map(lambda n: f"{n:010}"),
    "supply_state": st.sampled_from(["disabled", "enabled", "armed"]),
    "other_device_type": st.sampled_from(["GSME", "ESME", "PPMID"]),
    "device_type": st.sampled_from(["GSME", "ESME", "PPMID"]),
    "clock_status": st.integers(0, 255),
    "remaining_battery_life_days": st.integers(0, 0xFFFF),
    **{
        name: st.lists(st.tuples(MOMENTS, *cells), max_size=40).map(tuple)
        for name, cells in {
            "average_rms_voltage_log": (UINT32,),
            **{f"phase_{phase}_average_rms_voltage_log": (UINT32,) for phase in (1, 2, 3)},
            "prepayment_credits": (UINT32,),
            "event_log": (UINT16, st.binary(max_size=130)),
            "security_log": (UINT16,),
            "power_event_log": (UINT16, UINT32),
            "switch_event_log": (UINT16, st.integers(0, 0xFF), UINT32),
        }.items()
    },
    **dict.fromkeys(("wan_alerts", "han_events", "audible_alarms", "logged_events"), BEHAVIOURS),
    "load_limit_supply_flag": st.integers(0, 0xFF),
    "activation_time": st.sampled_from(["now", "never"]) | MOMENTS,
    "firmware_version": st.binary(min_size=4, max_size=4),
    "joined_devices": st.lists(st.tuples(EUIS, st.sampled_from(["GSME", "GPF", "PPMID"])), max_size=3).map(tuple),
    "matching_events": UINT16,
    "copy_of_gsme": st.just(True),
    "events": st.lists(
        st.tuples(st.integers(0, 0xFF), UINT16, MOMENTS, st.binary(max_size=200)), min_size=1, max_size=10
    ).map(tuple),
    "certificate": CERTIFICATES,
    "authorising_cell": CELLS,
    "floor_counter": st.integers(0, 2**64 - 1),
    "replacements": st.lists(st.builds(Replacement, CELLS, CERTIFICATES), max_size=3).map(tuple),
    "certification_path": st.lists(CERTIFICATES, max_size=2).map(tuple),
}
OTHER_PARAMS: dict[str, tuple[str, ...]] = {
    "CS07": (),
    "CS08": (),
    "GCS28": ("validity_interval_start", "validity_interval_end"),
    "CS03B": ("other_device", "other_device_type"),
    "CS03C": ("other_device", "other_device_type", "certificate"),
    "CS02b": ("authorising_cell", "floor_counter", "replacements", "certification_path", "execution_time"),
}


def strategy(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    times = ("issued_at", "device_time", "log_from", "log_to", "execution_time")
    moments = {name: MOMENTS for name in names if name in times or name.startswith("validity")}
    return st.fixed_dictionaries({name: BY_NAME.get(name, moments.get(name, UINT32)) for name in names})


def param_names(found: UseCase) -> tuple[str, ...]:
    if isinstance(found, DlmsUseCase):
        return tuple(name for item in found.items for name in item.params)
    return found.names if isinstance(found, GbzUseCase) else OTHER_PARAMS[found.name.split()[0]]


def returned_names(found: UseCase) -> tuple[str, ...]:
    if isinstance(found, DlmsUseCase):
        return tuple(name for item in found.items for name in item.returned.names)
    if isinstance(found, GbzUseCase):
        return found.returned
    return {"CS07": ("joined_devices",), "CS08": ("firmware_version",)}.get(found.name, ())


@given(st.sampled_from(FOUNDATION), st.integers(0, 2**63), st.data())
@settings(max_examples=200)
def test_commands_round_trip(found: UseCase, counter: int, data: st.DataObject) -> None:
    params = data.draw(strategy(param_names(found)))
    content = found.encode_command(params, originator_counter=counter)
    assert found.decode_command(content) == params
    assert found.encode_command(found.decode_command(content), originator_counter=counter) == content


@given(st.sampled_from(FOUNDATION), st.integers(0, 2**63), st.data())
@settings(max_examples=200)
def test_responses_round_trip(found: UseCase, counter: int, data: st.DataObject) -> None:
    if found.name == "GCS28":
        return  # one form only, covered above
    values = data.draw(strategy(returned_names(found)))
    response = found.decode_response(found.encode_response(values, originator_counter=counter))
    assert response.values == values
