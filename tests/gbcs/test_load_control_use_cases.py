"""Load control: what is written is read again, also where the accesses depend on the parameters."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.gbcs import dlms
from bench.gbcs.dlms_forms import OptionalItems, ScriptItems
from bench.gbcs.dlms_use_case import DlmsUseCase
from bench.gbcs.errors import GbcsError
from bench.gbcs.load_control_fields import (
    LAST_DAY,
    SECOND_LAST_DAY,
    SWITCHES,
    DatePattern,
    SpecialDay,
    SwitchingTime,
)
from bench.gbcs.load_control_use_cases import USE_CASES
from bench.gbcs.use_case import UseCase
from tests.gbcs.properties import command_comes_back, is_read_or_refused
from tests.gbcs.samples import ESME, SUPPLIER

MOMENTS = st.integers(0, 2**32 - 2).map(lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
PATTERNS = st.builds(
    DatePattern,
    st.none() | st.integers(2000, 2100),
    st.none() | st.integers(1, 12),
    st.none() | st.integers(1, 31) | st.sampled_from([LAST_DAY, SECOND_LAST_DAY]),
    st.none() | st.integers(1, 7),
)
TIMES = st.builds(
    SwitchingTime,
    st.integers(0, 0xFFFF),
    st.times().map(lambda at: at.replace(microsecond=at.microsecond // 10_000 * 10_000, fold=0)),
    st.lists(st.booleans(), min_size=7, max_size=7).map(tuple),
    st.lists(st.booleans(), max_size=20).map(tuple),
    PATTERNS,
    PATTERNS,
)
TABLES: dict[str, st.SearchStrategy[Any]] = {
    "special_days": st.lists(st.builds(SpecialDay, st.integers(1, 20), PATTERNS), max_size=20).map(tuple),
    "switching_times": st.lists(TIMES, max_size=48).map(tuple),
    "activation_time": st.sampled_from(["now", "never"]) | MOMENTS,
    "randomised_offset_limit_s": st.integers(0, 0xFFFF),
    "boost_function_available": st.booleans(),
    "boost_log": st.lists(st.tuples(MOMENTS, st.integers(0, 2**32 - 1)), max_size=25).map(tuple),
    **dict.fromkeys(("log_from", "log_to", "period_start", "period_end"), MOMENTS),
    **dict.fromkeys((f"boost_{n}" for n in SWITCHES), st.booleans()),
    **dict.fromkeys((f"closed_{n}" for n in SWITCHES), st.booleans()),
    **dict.fromkeys(
        (f"label_{n}" for n in SWITCHES), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=127)
    ),
    **dict.fromkeys((f"device_{n}" for n in SWITCHES), st.binary(min_size=8, max_size=8).map(Eui64)),
}
LEVELS = st.fixed_dictionaries(
    {
        "controller": st.sampled_from(SWITCHES),
        "level_percent": st.integers(0, 100),
        "input": st.booleans(),
        "period_start": MOMENTS,
        "period_end": MOMENTS,
    }
)
COMMANDS = st.fixed_dictionaries(
    {
        "switch": st.sampled_from(SWITCHES),
        "action": st.sampled_from(["close", "open"]),
        "duration_min": st.integers(0, 1440),
    }
) | st.fixed_dictionaries({"switch": st.sampled_from(SWITCHES), "action": st.just("revert")})


def use_case(name: str) -> Any:
    return next(each for each in USE_CASES if each.name == name)


def params_of(found: UseCase) -> st.SearchStrategy[dict[str, Any]]:
    if isinstance(found, ScriptItems):
        return COMMANDS if found.name == "ECS47" else LEVELS
    if isinstance(found, OptionalItems):
        always = {name: TABLES[name] for item in found.items for name in item.params}
        optional = {item.name: TABLES[item.name] for item in found.optional}
        made = st.fixed_dictionaries(always, optional=optional)
        return made if always else made.filter(bool)
    assert isinstance(found, DlmsUseCase)
    return st.fixed_dictionaries({name: TABLES[name] for item in found.items for name in item.params})


@given(st.sampled_from(USE_CASES), st.integers(0, 2**63), st.data())
@settings(max_examples=150, deadline=None)
def test_commands_come_back(found: UseCase, counter: int, data: st.DataObject) -> None:
    params = data.draw(params_of(found))
    command_comes_back(found, counter, params)


@given(st.sampled_from(USE_CASES), st.integers(0, 2**32), st.booleans(), st.data())
@settings(max_examples=150, deadline=None)
def test_a_response_has_the_accesses_of_its_command(
    found: UseCase, counter: int, ok: bool, data: st.DataObject
) -> None:
    params = data.draw(params_of(found))
    command = found.build_command(params, originator=SUPPLIER, recipient=ESME, originator_counter=counter)
    names = [n for item in found.items for n in item.returned.names] if isinstance(found, DlmsUseCase) else []
    values = data.draw(st.fixed_dictionaries({name: TABLES[name] for name in names})) if ok else {}
    response = found.build_response(command, values, ok=ok)
    _, accesses = dlms.decode_request(command.content)
    _, results = dlms.decode_response(response.content)
    assert len(accesses) == len(results)
    read = found.decode_response(response.content)
    assert read.ok is ok
    assert read.values == values or not ok


@given(st.sampled_from(USE_CASES), st.binary(max_size=80))
@settings(max_examples=200)
def test_any_bytes_are_read_or_refused(found: UseCase, content: bytes) -> None:
    is_read_or_refused(found, content)


def test_a_command_without_duration_has_one_access() -> None:
    content = use_case("ECS47").encode_command({"switch": 2, "action": "revert"}, originator_counter=1)
    assert content.hex() == "d92000000100" + "01" + "03000900000a0067ff01" + "01" + "120220"


@pytest.mark.parametrize(
    ("name", "params", "complaint"),
    [
        ("ECS46a", {}, "nothing to set"),
        ("ECS46a", {"label_6": "x"}, "has no parameter label_6"),
        ("ECS46a", {"label_1": "x" * 128}, "0 to 127 ASCII"),
        ("ECS47", {"switch": 6, "action": "open"}, "0 to 5"),
        ("ECS47", {"switch": 0, "action": "open"}, "1 to 5"),
        ("ECS47", {"switch": 1, "action": "toggle"}, "close or open or revert"),
        ("ECS47", {"switch": 1, "action": "close"}, "duration_min is missing"),
        ("ECS47a", {"controller": 1, "level_percent": 101, "input": False}, "0 to 100"),
        ("ECS62", {f"boost_{n}": 1 for n in SWITCHES}, "True or False"),
        ("ECS46d", {"special_days": (1,)}, "a tuple of SpecialDay"),
    ],
)
def test_wrong_parameters_are_explained(name: str, params: dict[str, Any], complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        use_case(name).encode_command(params, originator_counter=1)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("01 03000900000A0067FF01 01 120413", "action is 19"),
        ("01 03000900000A0067FF01 01 120620", "the switch is 6"),
        ("01 03000900000A0067FF01 01 120111", "not those of ECS47"),
        ("00 00", "no accesses"),
    ],
)
def test_wrong_commands_are_explained(content: str, complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        use_case("ECS47").decode_command(bytes.fromhex("D9 20000001 00" + content))


def test_date_patterns() -> None:
    last = DatePattern(day=LAST_DAY)
    assert [last.matches(date(2028, 2, day)) for day in (28, 29)] == [False, True]
    assert DatePattern(day=SECOND_LAST_DAY).matches(date(2026, 4, 29))
    assert DatePattern(month=12, day=25).matches(date(2031, 12, 25))
    assert not DatePattern(weekday=1).matches(date(2026, 1, 1))
    assert DatePattern(2026, None, 5).near(date(2030, 7, 9)) == (2026, 7, 5)
    assert SwitchingTime(0x0101, time(6)).weekdays == (True,) * 7
