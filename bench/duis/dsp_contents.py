"""What the DCC itself answers: schedules, opt-in, WAN coverage, firmware warnings, as DUIS Schema V5.4 says."""

from __future__ import annotations

from bench.duis import values as v
from bench.duis.body_parts import text_of
from bench.duis.dcc_bodies import BODIES
from bench.duis.reading_bodies import SCHEDULE, SCHEDULE_ID
from bench.duis.shapes import Group, Leaf, Repeat, Shape

_DEVICE_LIST = v.text(23, 1_199_999, meaning="EUI-64s with commas between them")
_WARNING: Shape = tuple(
    Leaf(tag, _DEVICE_LIST, required=False)
    for tag in (
        "InvalidDeviceIDList",
        "NotCommissionedDeviceIDList",
        "NotApplicableFirmwareDeviceIDList",
        "OtherRequestInProgressList",
        "InvalidGBCSVersionList",
    )
)
_REGIONS = ("North", "Central", "South", "4G North", "4G Central", "4G South", "Unknown", "SMETS1")

CONTENTS: dict[str, Shape] = {
    "DSPScheduleID": (text_of("dsp_schedule_id", SCHEDULE_ID),),
    "DSPSchedulesRead": (
        Repeat(
            "DSPSchedules",
            (Leaf("DSPScheduleID", SCHEDULE_ID), Group("DSPScheduleDetails", SCHEDULE, nests=True)),
            1,
            99,
        ),
    ),
    "DSPOptIn": (
        Leaf("DeviceID", v.EUI),
        Leaf("DSPBrokerSecurityCredentialsDigitalSigning", v.BASE64, required=False),
        Leaf("DSPBrokerSecurityCredentialsKeyAgreement", v.BASE64),
    ),
    "DSPUpdateFirmwareWarning": _WARNING,
    "DSPUpdatePPMIDFirmwareWarning": _WARNING,
    "DSPWANMatrix": (
        Group("Request", BODIES["12.1"].shape, nests=True),
        Repeat(
            "DSPWANMatrixResponse",
            (
                Leaf("CSPRegion", v.one_of(*_REGIONS), key="csp_region"),
                Leaf("CSPRegionResponseCode", v.text(2, 8, "[EIW][0-9]+"), key="csp_region_response_code"),
                # The schema has the rest as one optional sequence.
                Leaf("CoverageAvailability", v.BOOLEAN, required=False),
                Leaf("AnticipatedCoverageDate", v.DATE, required=False),
                Leaf("WANTechnology", v.text(1, 30), required=False),
                Leaf("ConnectivityLikelihood", v.one_of("High", "Medium", "Low"), required=False),
                Leaf("AuxiliaryEquipmentRequired", v.text(0, 50), required=False),
                Leaf("AdditionalInformation", v.text(0, 250), required=False),
            ),
            1,
            64,
            key="dsp_wan_matrix_response",
        ),
    ),
}
"""Shapes by the name of the element in ResponseMessage."""
