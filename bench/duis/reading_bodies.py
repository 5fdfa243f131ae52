"""Messages to the consumer, readings and the DCC's schedules of readings (1.7, 2.5, 3.1 to 5.3)."""

from __future__ import annotations

from datetime import time

from bench.duis import values as v
from bench.duis.body_parts import DEVICE, EMPTY, FUTURE, FUTURE_DATABLE, LOG_PERIOD, MIDNIGHT, Body, optional
from bench.duis.shapes import Choice, Flag, Group, Item, Leaf, Shape

_LOG = Body((FUTURE, LOG_PERIOD))
_LOG_WITH_KEY = Body((FUTURE, LOG_PERIOD, optional("KAPublicSecurityCredentials", v.BASE64)))
SCHEDULE_ID = v.whole(0, 10**12)
_SCHEDULE = Body((Choice(((Leaf("DSPScheduleID", SCHEDULE_ID),), (DEVICE,))),))

# Days before the one on which the schedule runs, by default the whole of yesterday.
_OFFSET = v.whole(-400, 0)
_PERIOD: tuple[Item, ...] = (
    Leaf("StartDateOffset", _OFFSET, default=-1),
    Leaf("StartTime", v.TIME, default=MIDNIGHT),
    Leaf("EndDateOffset", _OFFSET, default=-1),
    Leaf("EndTime", v.TIME, default=time(23, 59, 59)),
)
_SCHEDULED_LOGS = {
    "DSPRetrieveImportDailyReadLog": True,
    "DSPRetrieveExportDailyReadLog": True,
    "DSPReadActiveImportProfileData": True,
    "DSPReadReactiveImportProfileData": True,
    "DSPReadExportProfileData": True,
    "DSPReadNetworkData": True,
    "DSPReadMaximumDemandImportRegisters": False,
    "DSPReadMaximumDemandExportRegisters": False,
    "DSPReadPrepaymentDailyReadLog": True,
    "DSPReadLoadLimitData": False,
    "DSPReadActivePowerImport": False,
    "DSPRetrieveDailyConsumptionLog": True,
    "DSPRecordNetworkDataGAS": False,
    "DSPReadInstantaneousExportRegisters": False,
}
"""What a schedule can read, and whether that is a log of which a period is asked."""

_FREQUENCIES = ("Daily", "Weekly", "Monthly", "Quarterly", "Half-Yearly", "Yearly")
_REFERENCES = ("4.2", "4.6", "4.8", "4.10", "4.12", "4.14", "4.15", "4.16", "4.17", "14.1")
_VARIANTS = (
    *("4.2", "4.6.1", "4.6.2", "4.8.1", "4.8.2", "4.8.3", "4.10", "4.12.1", "4.12.2", "4.14", "4.15", "4.16", "4.17"),
    "14.1",
)
SCHEDULE: Shape = (
    Leaf("ScheduleFrequency", v.one_of(*_FREQUENCIES), default="Daily"),
    Leaf("ScheduleStartDate", v.DATE),
    optional("ScheduleEndDate", v.DATE),
    optional("ScheduleExecutionStartTime", v.TIME),
    optional("KAPublicSecurityCredential", v.BASE64),
    Leaf("DSPScheduledServiceReference", v.one_of(*_REFERENCES), default="4.8"),
    Leaf("DSPScheduledServiceReferenceVariant", v.one_of(*_VARIANTS), default="4.8.1"),
    DEVICE,
    Choice(
        tuple(
            (Group(tag, _PERIOD, nests=True) if log else Flag(tag, required=True),)
            for tag, log in _SCHEDULED_LOGS.items()
        ),
        default={"dsp_read_active_import_profile_data": {}},
    ),
)
"""A schedule by which the DCC reads a device, as 5.1 creates and 5.2 reads it."""

_SHARED: tuple[tuple[Body, tuple[str, ...]], ...] = (
    (EMPTY, ("1.7", "2.5", "3.5", "4.11.1", "4.11.2", "4.16", "14.1")),
    (FUTURE_DATABLE, ("4.1.1", "4.1.2", "4.1.3", "4.1.4", "4.2", "4.3", "4.12.1", "4.12.2", "4.13", "4.15", "4.18")),
    (_LOG, ("4.4.4", "4.4.5", "4.6.2", "4.8.2", "4.8.3")),
    (_LOG_WITH_KEY, ("4.4.2", "4.4.3", "4.6.1", "4.8.1", "4.10", "4.14", "4.17")),
)

BODIES: dict[str, Body] = {variant: body for body, variants in _SHARED for variant in variants} | {
    "3.1": Body((FUTURE, Leaf("SupplierMessage", v.text(1, 116, "[ -~]*"), default="This is a test message"))),
    "3.2": Body((FUTURE, Leaf("RestrictionDateTime", v.DATE_TIME))),
    "3.3": Body((optional("ESMEEventLogType", v.one_of("ESME", "ALCS")),)),
    "3.4": Body(
        (
            FUTURE,
            Leaf("SupplierName", v.text(1, 15, "[ -~]*"), default="Test Supplier"),
            # Ofcom keeps this number free for drama.
            Leaf("SupplierTelephoneNumber", v.text(1, 18, "[0-9 ]*"), default="0808 157 0000"),
        )
    ),
    "5.1": Body(SCHEDULE),
    "5.2": _SCHEDULE,
    "5.3": _SCHEDULE,
}
"""Bodies by Service Reference Variant."""
