"""The sub-GHz radio of a dual band Comms Hub (6.28 to 6.32, DCC Alert N54).

Channels are flags: `{"upper_band_sub_ghz_channels0_to26": {"channel3": True}}`; by default every channel is in use.
The other defaults lie within what the schema allows.
"""

from __future__ import annotations

from bench.duis import values as v
from bench.duis.body_parts import EMPTY, LOG_PERIOD, Body
from bench.duis.shapes import Choice, Flag, Group, Leaf, Shape


def _channels(tag: str, first: int, last: int) -> Group:
    flags = tuple(Flag(f"Channel{number}") for number in range(first, last + 1))
    return Group(tag, flags, nests=True, default={each.key: True for each in flags})


_PERCENT = v.decimal("1.00", "100.00", 2)

SUB_GHZ_CONFIGURATION: Shape = (
    _channels("LowerBandSubGHzChannels0To26", 0, 26),
    _channels("LowerBandSubGHzChannels27To34", 27, 34),
    _channels("LowerBandSubGHzChannels35To61", 35, 61),
    _channels("UpperBandSubGHzChannels0To26", 0, 26),
    Leaf("NormalLimitedDutyCycleThreshold", v.decimal("0.5", "2.0", 1), default="1.5"),
    # The schema excludes both 1.5 and 2.5.
    Leaf("LimitedCriticalDutyCycleThreshold", v.decimal("1.6", "2.4", 1), default="2.2"),
    Leaf("MaximumSubGHzChannelChangesPerWeek", v.whole(1, 7), default=3),
    Leaf("GSMECurfew", v.whole(2, 0xFFFF), default=120),
    Leaf("ChannelQuieterThreshold", v.whole(1, 255), default=10),
    Leaf("ChannelNoisierThreshold", v.whole(0, 20), default=10),
    Leaf("NonGSMEPoorCommsPercentageThreshold", _PERCENT, default="50.00"),
    Leaf("NonGSMEPoorCommsMeasurementPeriods", v.whole(50, 150), default=100),
    Leaf("LocalCHNoiseMeasurementPeriod", v.whole(61, 0xFFFF), default=120),
    Leaf("LocalCHFailurePercentage", _PERCENT, default="50.00"),
    Leaf("LocalCHRetryPercentage", _PERCENT, default="50.00"),
)
"""As 6.28 sets it and DCC Alert N54 tells it."""

BODIES: dict[str, Body] = {
    "6.28": Body(SUB_GHZ_CONFIGURATION),
    "6.29": EMPTY,
    "6.30": EMPTY,
    "6.31": EMPTY,
    "6.32": Body((LOG_PERIOD,)),
}
"""Bodies by Service Reference Variant."""


def _one_channel(tag: str, last: int) -> Group:
    branches = tuple((Flag(f"Channel{number}", required=True),) for number in range(last + 1))
    return Group(tag, (Choice(branches),), nests=True)


SCAN_TRIGGERS = (
    "RemotePartyCommand",
    "GSMERequest",
    "GSMEMissedItsCurfew",
    "GSMEMissingForTheLastDay",
    "CHDetectedMessageFailureProblems",
    "CHDetectedMessageRetryProblems",
    "SubGHzNon-GSMEDeviceRequest",
    "SMHANFormation",
)
"""Why a hub scans."""
SCAN_OUTCOMES = (
    "ScanRequestAccepted",
    "HHTConnected",
    "DutyCycleUsageIsTooHigh",
    "JoiningIsCurrentlyPermitted",
    "GSMEOTADistributionUnderway",
    "TooManyScansToday",
    "TooManyCommandsToday",
    "TooManyScansThisWeek",
)
"""What a hub makes of a request to scan."""

_SCAN_TRIGGER = Leaf("ScanTrigger", v.one_of(*SCAN_TRIGGERS))
_OUTCOME = Leaf("StatusCode", v.one_of(*SCAN_OUTCOMES))
_OPERATING_CHANNEL = Group(
    "OperatingSubGHzChannel",
    (
        Choice(
            (
                (_one_channel("OperatingLowerBandSubGHzChannel", 61),),
                (_one_channel("OperatingUpperBandSubGHzChannel", 26),),
            )
        ),
    ),
)


def _branch(tag: str, *items: Leaf | Group) -> tuple[Group, ...]:
    return (Group(tag, items, nests=True),)


DUAL_BAND_ALERT: Shape = (
    Leaf("CHFDeviceID", v.EUI),
    Leaf("DeviceAlertCode", v.ALERT_CODE),
    Leaf("GBCSHexadecimalMessageCode", v.ALERT_CODE, required=False),
    Choice(
        (
            _branch("LimitedDutyCycleActionTaken", Leaf("DeviceIDToSuspend", v.EUI)),
            _branch("SubGHzChannelChanged", _OPERATING_CHANNEL, _SCAN_TRIGGER),
            _branch("SubGHzChannelScanRequestAssessmentOutcome", _OUTCOME, _SCAN_TRIGGER),
            (Group("SubGHzConfigurationChanged", SUB_GHZ_CONFIGURATION, nests=True),),
            _branch(
                "MessageDiscardedDueToDutyCycleManagement",
                Leaf("RequestID", v.REQUEST_ID),
                Leaf("CRAFlag", v.one_of("Command", "Response", "Alert")),
            ),
            _branch(
                "NoMoreSubGHzDeviceCapacity",
                Leaf("DeviceID", v.EUI),
                Leaf("DeviceType", v.DEVICE_TYPE, required=False),
            ),
        ),
        required=False,
    ),
)
"""The body of DCC Alert N54."""
