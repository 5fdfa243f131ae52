"""Auxiliary load control, boost buttons and controllers: Service Requests made into commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bench.duis.body_parts import DAYS
from bench.eui import Eui64
from bench.gbcs.load_control_fields import (
    CALENDAR_ACTIONS,
    CONTROLLER,
    LEVEL_FLAG,
    SWITCHES,
    SpecialDay,
    SwitchingTime,
)
from drivers.emulated.functions.load_control import INSTRUCTIONS, OWN_SWITCH
from drivers.emulated.transforms.base import Command, NotTransformable, Transform, Wanted, plain, wildcard_date

_CLOSE, _OPEN = CALENDAR_ACTIONS
_Entry = Mapping[str, Any]


def _labels(wanted: Wanted) -> Command:
    entries = wanted.params["alcshcalcs_description"]
    return wanted.only({f"label_{each['index']}": each["switch_description"] for each in entries})


def _calendar(wanted: Wanted) -> Command:
    switches = {
        f"device_{each['index']}": each.get("hcalcs", Eui64(OWN_SWITCH))
        for each in wanted.params.get("switch_type_and_id", ())
    }
    days = wanted.params.get("alcshcalcs_special_day", ())
    schedule = wanted.params["alcshcalcs_connection_schedule"]
    return _configured(wanted, switches, days, "index", schedule, _switch_selector)


def _switch_selector(entry: _Entry) -> int:
    return int(entry["index"]) << 8 | (_CLOSE if entry.get("activate_switch") else _OPEN)


def _controllers(wanted: Wanted) -> Command:
    days = wanted.params.get("auxiliary_controller_special_day_definition", ())
    schedule = wanted.params.get("auxiliary_controller_schedule", ())
    return _configured(wanted, {}, days, "identifier", schedule, _level_selector)


def _level_selector(entry: _Entry) -> int:
    """Published calendars have the flag for a level of output; that input has none is inferred."""
    flag = 0 if entry.get("input_from_controlled_load") else LEVEL_FLAG
    return (CONTROLLER | int(entry["auxiliary_controller"])) << 8 | flag | int(entry["commanded_state_level"])


def _configured(
    wanted: Wanted,
    settings: Mapping[str, Any],
    days: Sequence[_Entry],
    numbered: str,
    schedule: Sequence[_Entry],
    selector: Callable[[_Entry], int],
) -> Command:
    """A calendar and its special days, which take effect at one time.

    Raises:
        NotTransformable: E12, a switching time is for a special day that the request does not have.
    """
    special_days = tuple(SpecialDay(day[numbered], wildcard_date(day)) for day in days)
    numbers = [day.number for day in special_days]
    times = []
    for entry in schedule:
        applies = [day[numbered] for day in entry.get("special_days_applicability", ())]
        if not set(applies) <= set(numbers):
            raise NotTransformable("E12")
        times.append(
            SwitchingTime(
                selector(entry),
                entry["switch_time"].replace(tzinfo=None),
                tuple(day in entry.get("days_of_week", ()) for day in DAYS),
                tuple(number in applies for number in numbers),
                wildcard_date(entry["start_date"]),
                wildcard_date(entry["end_date"]),
            )
        )
    params = {"special_days": special_days, "switching_times": tuple(times), "activation_time": wanted.activation}
    dated = isinstance(params["activation_time"], datetime)
    return wanted.only({**settings, **params}, INSTRUCTIONS if dated else 0)


def _switch(action: str) -> Transform:
    def made(wanted: Wanted) -> Command:
        params: dict[str, Any] = {"switch": wanted.params["index"], "action": action}
        if "duration" in wanted.params:
            params["duration_min"] = wanted.params["duration"]
        return wanted.only(params)

    return made


def _boost(key: str, entry: str, controlled: bool) -> Transform:
    """7.9, 7.10: the command sets all switches, so what is neither added nor removed is the opposite."""

    def made(wanted: Wanted) -> Command:
        named = {each["index"]: each[entry] for each in wanted.params[key]}
        return wanted.only({f"boost_{n}": bool(named.get(n)) is controlled for n in SWITCHES})

    return made


def _boost_details(wanted: Wanted) -> Command:
    return wanted.only({"log_from": wanted.params["start_date_time"], "log_to": wanted.params["end_date_time"]})


def _limit(wanted: Wanted) -> Command:
    return wanted.only({"randomised_offset_limit_s": wanted.params["randomised_offset_limit"]})


def _level(wanted: Wanted) -> Command:
    params = wanted.params
    return wanted.only(
        {
            "controller": params["auxiliary_controller"],
            "level_percent": params.get("commanded_state_level", 0),
            "input": bool(params.get("input_from_controlled_load")),
            "period_start": params["start_date_time"],
            "period_end": params["end_date_time"],
        }
    )


TRANSFORMS: Mapping[str, Transform] = {
    "6.14.1": _labels,
    "6.14.2": _calendar,
    "6.14.3": _controllers,
    "7.5": _switch("close"),
    "7.6": _switch("open"),
    "7.7": plain,
    "7.8": _switch("revert"),
    "7.9": _boost("add_to_boost_button", "add", controlled=True),
    "7.10": _boost("remove_from_boost_button", "remove", controlled=False),
    "7.11": _boost_details,
    "7.12": _limit,
    "7.13": _level,
    "7.16": _level,
}
"""By Service Reference Variant."""
