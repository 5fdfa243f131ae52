"""The Comms Hub's logs, joins and sub-GHz radio: Service Requests made into commands (6.28 to 6.32, 8.7 to 8.12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.gbcs.asn1_use_cases import DEVICE_TYPES
from bench.gbcs.hub_use_cases import Backup
from bench.gbcs.sub_ghz import ALL_CHANNELS, PAGES, Channel, Configuration
from bench.parties import DeviceType
from drivers.emulated.transforms.base import Command, NotTransformable, Transform, Wanted, plain

NO_CHANNEL, NO_ORDER = "E062801", "E062802"
"""6.28: no channel may be used; the limited-critical threshold is not above the normal-limited one. The schema of DUIS
lists these codes and not what they mean."""
NO_LOG, NO_GPF_LOG = "E081202", "E081221"
"""8.12.1 and 8.12.2: the DCC has no log of the old hub. The schema lists these codes likewise."""

_BATTERY = (DeviceType.GSME, DeviceType.GPF)
_METERS = (DeviceType.ESME, DeviceType.GSME)
_TYPE_2 = "TYPE2"

CHANNEL_GROUPS = {
    28: "lower_band_sub_ghz_channels0_to26",
    29: "lower_band_sub_ghz_channels27_to34",
    30: "lower_band_sub_ghz_channels35_to61",
    31: "upper_band_sub_ghz_channels0_to26",
}
"""What DUIS calls the channels of each page."""
PERCENTAGES = {
    "normal_limited_duty_cycle_threshold": "normal_limited_threshold",
    "limited_critical_duty_cycle_threshold": "limited_critical_threshold",
    "non_gsme_poor_comms_percentage_threshold": "non_gsme_poor_comms",
    "local_ch_failure_percentage": "failure_percentage",
    "local_ch_retry_percentage": "retry_percentage",
}
"""What DUIS calls the settings that are percentages; GBCS has them in hundredths."""
NUMBERS = {
    "maximum_sub_ghz_channel_changes_per_week": "most_channel_changes_per_week",
    "gsme_curfew": "gsme_curfew_min",
    "channel_quieter_threshold": "channel_quieter_threshold",
    "channel_noisier_threshold": "channel_noisier_threshold",
    "non_gsme_poor_comms_measurement_periods": "non_gsme_poor_comms_periods",
    "local_ch_noise_measurement_period": "noise_measurement_period_s",
}
"""What DUIS calls the other ones."""


def _known_type(kind: str | None) -> str:
    """A device type as ASN.1 content names it; whatever has no certificates is a Type 2 device."""
    return str(kind) if kind in DEVICE_TYPES.values() else _TYPE_2


def _refuse_hub(wanted: Wanted) -> None:
    """A CHF is joined to nobody: its GPF is."""
    if wanted.target_type == DeviceType.CHF:
        raise NotTransformable("E11")


def _join(wanted: Wanted, name: str, *, certified: bool = False) -> Command:
    _refuse_hub(wanted)
    params: dict[str, Any] = {
        "other_device": wanted.params["other_device_id"],
        "other_device_type": _known_type(wanted.other_type),
    }
    if certified and wanted.other_certificate is not None:
        params["certificate"] = wanted.other_certificate
    return wanted.command(name, params)


def _join_critical(wanted: Wanted) -> Command:
    """8.7.1: method A, at a meter or at the other device."""
    return _join(wanted, "CS03A1" if wanted.target_type in _METERS else "CS03A2")


def _join_non_critical(wanted: Wanted) -> Command:
    """8.7.2: method B for gas, and else C, which brings the other device's certificate."""
    if wanted.target_type in _BATTERY:
        return _join(wanted, "CS03B")
    return _join(wanted, "CS03C", certified=True)


def _unjoin(wanted: Wanted, name: str) -> Command:
    _refuse_hub(wanted)
    return wanted.command(name, {"other_device": wanted.params["other_device_id"]})


def _read_log(wanted: Wanted) -> Command:
    """8.9: of a hub its device log, with security details the hashes of its link keys; of others whom they have joined.

    CCS06 is what took the place of CCS05CCS04 in later versions of GBCS.
    """
    if wanted.target_type != DeviceType.CHF:
        return wanted.command("CS07")
    return wanted.command("CCS07" if wanted.params.get("read_security_details") else "CCS06")


def _restore_log(wanted: Wanted) -> Command:
    backup = wanted.log
    if not isinstance(backup, Backup):
        raise NotTransformable(NO_LOG)
    return wanted.only({"device_log_to_restore": Backup(None, backup.extended_pan_id, backup.keys)})


def _restore_gpf(wanted: Wanted) -> Command:
    if not isinstance(wanted.log, tuple):
        raise NotTransformable(NO_GPF_LOG)
    return wanted.only({"joined_devices": tuple((eui, _known_type(kind)) for eui, kind in wanted.log)})


# The radio


def configuration_of(params: Mapping[str, Any]) -> Configuration:
    """The configuration that parameters of DUIS say."""
    channels = tuple(
        channel for channel in ALL_CHANNELS if params[CHANNEL_GROUPS[channel.page]].get(f"channel{channel.number}")
    )
    numbers = {name: round(params[key] * 100) for key, name in PERCENTAGES.items()}
    return Configuration(channels=channels, **numbers, **{name: int(params[key]) for key, name in NUMBERS.items()})


def params_of(configuration: Configuration) -> dict[str, Any]:
    """A configuration as parameters of DUIS."""
    groups: dict[str, Any] = {CHANNEL_GROUPS[page]: {} for page in PAGES}
    for channel in configuration.channels:
        groups[CHANNEL_GROUPS[channel.page]][f"channel{channel.number}"] = True
    # Of duty cycles DUIS tells tenths of a percent.
    digits = {key: 1 if "duty_cycle" in key else 2 for key in PERCENTAGES}
    percentages = {key: f"{getattr(configuration, PERCENTAGES[key]) / 100:.{digits[key]}f}" for key in PERCENTAGES}
    return groups | percentages | {key: getattr(configuration, name) for key, name in NUMBERS.items()}


def channel_params(channel: Channel) -> dict[str, Any]:
    """The channel in use, as parameters of DUIS."""
    band = channel.band
    return {f"operating_{band}_band_sub_ghz_channel": {f"channel{channel.number}": True}}


def _configure(wanted: Wanted) -> Command:
    configuration = configuration_of(wanted.params)
    if not configuration.channels:
        raise NotTransformable(NO_CHANNEL)
    if configuration.limited_critical_threshold <= configuration.normal_limited_threshold:
        raise NotTransformable(NO_ORDER)
    return wanted.only({"sub_ghz_configuration": configuration})


def _channel_log(wanted: Wanted) -> Command:
    params = wanted.params
    return wanted.only({"log_from": params["start_date_time"], "log_to": params["end_date_time"]})


TRANSFORMS: Mapping[str, Transform] = {
    "6.28": _configure,
    "6.29": lambda wanted: wanted.only(),
    "6.30": plain,
    "6.31": plain,
    "6.32": _channel_log,
    "8.7.1": _join_critical,
    "8.7.2": _join_non_critical,
    "8.8.1": lambda wanted: _unjoin(wanted, "CS04ACCritical"),
    "8.8.2": lambda wanted: _unjoin(wanted, "CS04B" if wanted.target_type in _BATTERY else "CS04ACNonCritical"),
    "8.9": _read_log,
    "8.12.1": _restore_log,
    "8.12.2": _restore_gpf,
}
"""By Service Reference Variant."""
